-- What tickets have in the fields of their service. A change of a ticket writes the values with everything else; lists
-- never read them.
CREATE TABLE ticket_field_value (
  service_id bigint NOT NULL,
  ticket_id bigint NOT NULL,
  field_id bigint NOT NULL,
  -- Canonical text; of several choices, one a line.
  value text NOT NULL,
  CONSTRAINT ticket_field_value_pkey PRIMARY KEY (service_id, ticket_id, field_id),
  CONSTRAINT ticket_field_value_ticket_fkey FOREIGN KEY (service_id, ticket_id) REFERENCES ticket (service_id, id),
  CONSTRAINT ticket_field_value_field_fkey FOREIGN KEY (service_id, field_id) REFERENCES ticket_field (service_id, id),
  CONSTRAINT ticket_field_value_length CHECK (char_length(value) BETWEEN 1 AND 20000)
);
CREATE INDEX ticket_field_value_field_idx ON ticket_field_value (service_id, field_id, ticket_id DESC);

-- Whether a type is in use is asked when it is deleted.
CREATE INDEX ticket_submission_type_idx ON ticket (service_id, submission_type_id, id DESC)
  WHERE submission_type_id IS NOT NULL;
CREATE INDEX ticket_processing_type_idx ON ticket (service_id, processing_type_id, id DESC)
  WHERE processing_type_id IS NOT NULL;

GRANT SELECT ON ticket_field_value TO handoff_tickets, handoff_assignment, handoff_mail, handoff_masking;
GRANT INSERT, UPDATE, DELETE ON ticket_field_value TO handoff_tickets;
GRANT UPDATE (value) ON ticket_field_value TO handoff_masking;
