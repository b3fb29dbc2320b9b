-- Everything that administrators change has a version, and whoever comes too late is told what changed and by whom.
ALTER TABLE submission_type
  ADD COLUMN version bigint NOT NULL DEFAULT 1,
  -- Of the fields that the type asks for.
  ADD COLUMN form_version bigint NOT NULL DEFAULT 1;
ALTER TABLE processing_type ADD COLUMN version bigint NOT NULL DEFAULT 1;

-- Which change made which version. The last hundred of each are kept.
CREATE TABLE setting_change (
  service_id bigint NOT NULL,
  -- What was changed: service/1, field/7 …
  subject text NOT NULL,
  -- The version that the change made.
  version bigint NOT NULL,
  -- Names of the fields that were changed, as in the API.
  fields text[] NOT NULL,
  agent_id bigint NOT NULL,
  change_time timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT setting_change_pkey PRIMARY KEY (service_id, subject, version),
  CONSTRAINT setting_change_service_fkey FOREIGN KEY (service_id) REFERENCES service (id),
  CONSTRAINT setting_change_agent_fkey FOREIGN KEY (agent_id) REFERENCES agent (id),
  CONSTRAINT setting_change_subject_is_known CHECK (
    subject ~ '^(service|submission_type|processing_type|form|field|template)/[0-9]+$')
);

GRANT SELECT, INSERT, DELETE ON setting_change TO handoff_tickets;
GRANT SELECT ON setting_change TO handoff_assignment, handoff_mail, handoff_masking;
