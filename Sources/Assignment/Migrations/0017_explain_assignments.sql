-- How automatic assignments were made, which tickets wait for somebody to become free, and how triggers run.

CREATE TABLE trigger_setting (
  service_id bigint PRIMARY KEY,
  mode text NOT NULL DEFAULT 'ALL_MATCHES',
  -- Grows with every change of the service's triggers or of this row: what was compiled of an older one is stale.
  generation bigint NOT NULL DEFAULT 1,
  CONSTRAINT trigger_setting_service_fkey FOREIGN KEY (service_id) REFERENCES service (id),
  CONSTRAINT trigger_setting_mode_known CHECK (mode IN ('ALL_MATCHES', 'FIRST_MATCH'))
);

-- Beside the event ASSIGNED or ASSIGNMENT_FAILED of a trigger: an AssignmentRecord.
CREATE TABLE assignment_record (
  service_id bigint NOT NULL,
  ticket_id bigint NOT NULL,
  event_sequence integer NOT NULL,
  record bytea NOT NULL,
  CONSTRAINT assignment_record_pkey PRIMARY KEY (service_id, ticket_id, event_sequence),
  CONSTRAINT assignment_record_event_fkey FOREIGN KEY (service_id, ticket_id, event_sequence)
    REFERENCES ticket_event (service_id, ticket_id, sequence)
);

-- Unassigned tickets that a trigger had nobody to give to. Whoever becomes able to take them gets the oldest first.
CREATE TABLE assignment_wait (
  service_id bigint NOT NULL,
  ticket_id bigint NOT NULL,
  trigger_id bigint NOT NULL,
  -- The place of the assignment among the trigger's results.
  result_index integer NOT NULL,
  -- The event that says that nobody could take the ticket.
  event_sequence integer NOT NULL,
  -- When the ticket was received.
  create_time timestamptz NOT NULL,
  CONSTRAINT assignment_wait_pkey PRIMARY KEY (service_id, ticket_id),
  CONSTRAINT assignment_wait_ticket_fkey FOREIGN KEY (service_id, ticket_id) REFERENCES ticket (service_id, id),
  CONSTRAINT assignment_wait_trigger_fkey FOREIGN KEY (service_id, trigger_id)
    REFERENCES trigger_rule (service_id, id) ON DELETE CASCADE
);
CREATE INDEX assignment_wait_oldest_idx
  ON assignment_wait (service_id, trigger_id, result_index, create_time, ticket_id);

GRANT SELECT, INSERT, UPDATE ON trigger_setting TO handoff_assignment;
GRANT SELECT, INSERT ON assignment_record TO handoff_assignment;
GRANT SELECT, INSERT, UPDATE, DELETE ON assignment_wait TO handoff_assignment;
