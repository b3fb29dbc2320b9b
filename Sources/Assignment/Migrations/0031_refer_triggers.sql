-- What active triggers name of other daemons' tables: nobody can delete it, and nobody needs to read what triggers say.
CREATE TABLE trigger_reference (
  service_id bigint NOT NULL,
  trigger_id bigint NOT NULL,
  -- One of the three.
  submission_type_id bigint,
  processing_type_id bigint,
  field_id bigint,
  CONSTRAINT trigger_reference_trigger_fkey FOREIGN KEY (service_id, trigger_id)
    REFERENCES trigger_rule (service_id, id) ON DELETE CASCADE,
  CONSTRAINT trigger_reference_submission_type_fkey FOREIGN KEY (service_id, submission_type_id)
    REFERENCES submission_type (service_id, id),
  CONSTRAINT trigger_reference_processing_type_fkey FOREIGN KEY (service_id, processing_type_id)
    REFERENCES processing_type (service_id, id),
  CONSTRAINT trigger_reference_field_fkey FOREIGN KEY (service_id, field_id) REFERENCES ticket_field (service_id, id),
  CONSTRAINT trigger_reference_is_one CHECK (num_nonnulls(submission_type_id, processing_type_id, field_id) = 1)
);
CREATE INDEX trigger_reference_trigger_idx ON trigger_reference (service_id, trigger_id);
CREATE INDEX trigger_reference_submission_type_idx ON trigger_reference (service_id, submission_type_id)
  WHERE submission_type_id IS NOT NULL;
CREATE INDEX trigger_reference_processing_type_idx ON trigger_reference (service_id, processing_type_id)
  WHERE processing_type_id IS NOT NULL;
CREATE INDEX trigger_reference_field_idx ON trigger_reference (service_id, field_id) WHERE field_id IS NOT NULL;

GRANT SELECT, INSERT, DELETE ON trigger_reference TO handoff_assignment;
GRANT SELECT ON trigger_reference TO handoff_tickets;
