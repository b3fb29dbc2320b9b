-- Search: what every text of a ticket is found by. A row is written, and changed, in the transaction that writes the
-- text; the tokens are worked out by TicketLedger (SearchTokens), which searches for them, too.
CREATE TABLE ticket_search (
  service_id bigint NOT NULL,
  ticket_id bigint NOT NULL,
  -- Which text: title, customer_name, entry/{id}, field/{id}.
  place text COLLATE "C" NOT NULL,
  -- When the ticket was received: pages go from the newest to the oldest.
  create_time timestamptz NOT NULL,
  -- Pairs of letters, each behind the kind of text, the service and the day on which the ticket was received. One search
  -- of the index finds one day's texts, so neither rare words nor words of long ago make it read many rows.
  tokens tsvector NOT NULL,
  CONSTRAINT ticket_search_pkey PRIMARY KEY (service_id, ticket_id, place),
  CONSTRAINT ticket_search_ticket_fkey FOREIGN KEY (service_id, ticket_id) REFERENCES ticket (service_id, id)
);
-- Without a list of pending rows: each search of a page would read all of it anew.
CREATE INDEX ticket_search_tokens_idx ON ticket_search USING gin (tokens) WITH (fastupdate = off);

-- Conditions that have no text index: exact addresses and numbers and their beginnings, and short periods.
CREATE INDEX ticket_customer_email_idx ON ticket (service_id, customer_email COLLATE "C", id DESC)
  WHERE customer_email <> '';
CREATE INDEX ticket_customer_phone_idx ON ticket (service_id, customer_phone COLLATE "C", id DESC)
  WHERE customer_phone <> '';
CREATE INDEX ticket_create_time_idx ON ticket USING brin (create_time) WITH (pages_per_range = 32, autosummarize = on);

-- The conditions that an agent added to the search of a service, in order.
CREATE TABLE search_condition (
  service_id bigint NOT NULL,
  agent_id bigint NOT NULL,
  position integer NOT NULL,
  field_id bigint NOT NULL,
  CONSTRAINT search_condition_pkey PRIMARY KEY (service_id, agent_id, position),
  CONSTRAINT search_condition_field_key UNIQUE (service_id, agent_id, field_id),
  CONSTRAINT search_condition_agent_fkey FOREIGN KEY (agent_id) REFERENCES agent (id),
  CONSTRAINT search_condition_field_fkey FOREIGN KEY (service_id, field_id) REFERENCES ticket_field (service_id, id)
);

-- Tickets of the version before have no rows yet: a job of Tickets writes them, the newest first, down from here.
CREATE TABLE search_backlog (
  service_id bigint NOT NULL,
  -- Tickets below have no rows yet.
  below_ticket_id bigint NOT NULL,
  CONSTRAINT search_backlog_pkey PRIMARY KEY (service_id),
  CONSTRAINT search_backlog_service_fkey FOREIGN KEY (service_id) REFERENCES service (id)
);
INSERT INTO search_backlog (service_id, below_ticket_id)
SELECT s.id, t.id + 1 FROM service AS s CROSS JOIN LATERAL (
  SELECT x.id FROM ticket AS x WHERE x.service_id = s.id ORDER BY x.id DESC LIMIT 1
) AS t;

GRANT SELECT ON ticket_search, search_condition, search_backlog
  TO handoff_tickets, handoff_assignment, handoff_mail, handoff_masking;
-- Masking writes tickets, too; the row of a text that had no words before comes to be with the change.
GRANT INSERT, UPDATE ON ticket_search TO handoff_tickets, handoff_masking;
GRANT INSERT, DELETE ON search_condition TO handoff_tickets;
GRANT UPDATE, DELETE ON search_backlog TO handoff_tickets;
