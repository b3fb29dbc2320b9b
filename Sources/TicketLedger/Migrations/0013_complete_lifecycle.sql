-- What the whole life of a ticket needs beside its state: the ticket before it, promised calls, stars, and deletion.
ALTER TABLE ticket
  -- The ticket of the same service that the customer's reply came to when this one was opened for it.
  ADD COLUMN previous_ticket_id bigint,
  ADD COLUMN call_back_phone text NOT NULL DEFAULT '',
  ADD COLUMN call_back_time timestamptz,
  ADD COLUMN call_back_active boolean NOT NULL DEFAULT false,
  -- Deleted from the spam box: nobody finds it any more, and its events stay.
  ADD COLUMN delete_time timestamptz,
  ADD CONSTRAINT ticket_previous_fkey FOREIGN KEY (service_id, previous_ticket_id) REFERENCES ticket (service_id, id),
  ADD CONSTRAINT ticket_call_back_is_whole CHECK ((call_back_phone = '') = (call_back_time IS NULL)),
  ADD CONSTRAINT ticket_call_back_phone_length CHECK (char_length(call_back_phone) <= 30),
  ADD CONSTRAINT ticket_active_call_back_is_whole CHECK (NOT call_back_active OR call_back_time IS NOT NULL),
  ADD CONSTRAINT ticket_completed_has_no_call_back CHECK (state <> 'COMPLETED' OR NOT call_back_active),
  ADD CONSTRAINT ticket_deleted_is_spam CHECK (delete_time IS NULL OR is_spam);

DROP INDEX ticket_spam_idx;
CREATE INDEX ticket_spam_idx ON ticket (service_id, id DESC) WHERE is_spam AND delete_time IS NULL;
CREATE INDEX ticket_call_back_idx ON ticket (service_id, agent_id, id DESC) WHERE call_back_active AND NOT is_spam;
CREATE INDEX ticket_previous_idx ON ticket (service_id, previous_ticket_id) WHERE previous_ticket_id IS NOT NULL;

-- An agent's own stars; starring changes no ticket.
CREATE TABLE ticket_star (
  service_id bigint NOT NULL,
  agent_id bigint NOT NULL,
  ticket_id bigint NOT NULL,
  create_time timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT ticket_star_pkey PRIMARY KEY (service_id, agent_id, ticket_id),
  CONSTRAINT ticket_star_ticket_fkey FOREIGN KEY (service_id, ticket_id) REFERENCES ticket (service_id, id),
  CONSTRAINT ticket_star_agent_fkey FOREIGN KEY (agent_id) REFERENCES agent (id)
);

-- A trigger that completes a ticket ends its promised call.
GRANT UPDATE (call_back_active) ON ticket TO handoff_assignment;
GRANT UPDATE (call_back_phone) ON ticket TO handoff_masking;
GRANT SELECT ON ticket_star TO handoff_tickets, handoff_assignment, handoff_mail, handoff_masking;
GRANT INSERT, DELETE ON ticket_star TO handoff_tickets;
