-- The change stream: which tickets changed, in an order that every reader sees alike.
-- A number that a transaction takes before it commits is no order: a later number can become visible first, and a
-- reader who goes on behind it would miss the earlier one. So a change is written down without a number, and one process at a
-- time numbers what is committed.

-- Changes that have no number yet. Within a ticket, ids ascend as its events do: an id is taken when the ticket's row
-- is locked already.
CREATE TABLE ticket_change (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  service_id bigint NOT NULL,
  ticket_id bigint NOT NULL,
  -- The events of the change.
  first_sequence integer NOT NULL,
  last_sequence integer NOT NULL,
  -- The ticket's version with the change.
  version bigint NOT NULL
);

-- The number of the last change of each service.
CREATE TABLE ticket_change_head (
  service_id bigint NOT NULL,
  -- Tells one numbering from another, such as that of a restored backup: numbers of another one mean nothing here.
  epoch bigint NOT NULL DEFAULT (extract(epoch FROM clock_timestamp()) * 1000)::bigint,
  position bigint NOT NULL,
  CONSTRAINT ticket_change_head_pkey PRIMARY KEY (service_id)
);

-- Numbered changes: 1, 2, 3 … within a service, without a gap from the first that is still kept.
CREATE TABLE ticket_change_log (
  service_id bigint NOT NULL,
  position bigint NOT NULL,
  ticket_id bigint NOT NULL,
  first_sequence integer NOT NULL,
  last_sequence integer NOT NULL,
  version bigint NOT NULL,
  -- When it was numbered.
  create_time timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT ticket_change_log_pkey PRIMARY KEY (service_id, position)
);
CREATE INDEX ticket_change_log_create_time_idx ON ticket_change_log (create_time);

GRANT INSERT ON ticket_change TO handoff_tickets, handoff_assignment, handoff_mail, handoff_masking;
GRANT SELECT, DELETE ON ticket_change TO handoff_tickets;
GRANT SELECT, INSERT, UPDATE ON ticket_change_head TO handoff_tickets;
GRANT SELECT, INSERT, DELETE ON ticket_change_log TO handoff_tickets;
