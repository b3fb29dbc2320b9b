-- What a service has changed of the fields that every ticket has. NULL stands for what is built in.
CREATE TABLE system_field (
  service_id bigint NOT NULL,
  code text NOT NULL,
  display_name text,
  description text,
  is_required boolean,
  length_max integer,
  is_administrators_only boolean,
  version bigint NOT NULL DEFAULT 1,
  CONSTRAINT system_field_pkey PRIMARY KEY (service_id, code),
  CONSTRAINT system_field_service_fkey FOREIGN KEY (service_id) REFERENCES service (id),
  CONSTRAINT system_field_code_known CHECK (code IN (
    'submission_type', 'title', 'text', 'customer_name', 'customer_email', 'customer_phone', 'attachments',
    'processing_type', 'priority', 'call_time', 'call_direction', 'call_back', 'call_back_time', 'call_back_phone')),
  CONSTRAINT system_field_display_name_length CHECK (char_length(display_name) BETWEEN 1 AND 100),
  CONSTRAINT system_field_description_length CHECK (char_length(description) <= 1000),
  CONSTRAINT system_field_length_max_range CHECK (length_max BETWEEN 1 AND 5000)
);

CREATE TABLE system_field_translation (
  service_id bigint NOT NULL,
  code text NOT NULL,
  language text NOT NULL,
  display_name text NOT NULL,
  description text NOT NULL DEFAULT '',
  CONSTRAINT system_field_translation_pkey PRIMARY KEY (service_id, code, language),
  CONSTRAINT system_field_translation_field_fkey FOREIGN KEY (service_id, code)
    REFERENCES system_field (service_id, code),
  CONSTRAINT system_field_translation_language_is_code CHECK (language ~ '^[a-z]{2}$'),
  CONSTRAINT system_field_translation_display_name_length CHECK (char_length(display_name) BETWEEN 1 AND 100),
  CONSTRAINT system_field_translation_description_length CHECK (char_length(description) <= 1000)
);

ALTER TABLE setting_change DROP CONSTRAINT setting_change_subject_is_known;
ALTER TABLE setting_change ADD CONSTRAINT setting_change_subject_is_known CHECK (
  subject ~ '^((service|submission_type|processing_type|form|field|template)/[0-9]+|system_field/[a-z_]+)$');

GRANT SELECT ON system_field, system_field_translation
  TO handoff_tickets, handoff_assignment, handoff_mail, handoff_masking;
GRANT INSERT, UPDATE ON system_field TO handoff_tickets;
GRANT INSERT, DELETE ON system_field_translation TO handoff_tickets;
