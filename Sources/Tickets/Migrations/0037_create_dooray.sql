-- Dooray! of a service: whether it is used, and whom it reaches there. No column holds a customer's words.
CREATE TABLE dooray_setting (
  service_id bigint PRIMARY KEY,
  state text NOT NULL,
  version bigint NOT NULL,
  CONSTRAINT dooray_setting_service_fkey FOREIGN KEY (service_id) REFERENCES service (id),
  CONSTRAINT dooray_setting_state_known CHECK (state IN ('INACTIVE', 'ACTIVE', 'PAUSED'))
);

CREATE TABLE dooray_organization (
  service_id bigint NOT NULL,
  id bigint GENERATED ALWAYS AS IDENTITY,
  display_name text NOT NULL,
  -- Its id at Dooray!.
  dooray_id text NOT NULL,
  -- Sealed by masking for tickets.
  sealed_token bytea NOT NULL,
  token_time timestamptz NOT NULL DEFAULT clock_timestamp(),
  version bigint NOT NULL DEFAULT 1,
  CONSTRAINT dooray_organization_pkey PRIMARY KEY (service_id, id),
  CONSTRAINT dooray_organization_service_fkey FOREIGN KEY (service_id) REFERENCES service (id),
  CONSTRAINT dooray_organization_dooray_id_key UNIQUE (service_id, dooray_id),
  CONSTRAINT dooray_organization_dooray_id_form CHECK (dooray_id ~ '^[0-9]{1,30}$')
);

CREATE TABLE dooray_project (
  service_id bigint NOT NULL,
  id bigint GENERATED ALWAYS AS IDENTITY,
  organization_id bigint NOT NULL,
  display_name text NOT NULL,
  -- Its id at Dooray!.
  dooray_id text NOT NULL,
  -- Where people open it; may be empty.
  address text NOT NULL,
  -- In whose name tasks are made when the acting agent is no member of the project. Whoever leaves the service
  -- represents nothing any more.
  representative_id bigint,
  version bigint NOT NULL DEFAULT 1,
  CONSTRAINT dooray_project_pkey PRIMARY KEY (service_id, id),
  CONSTRAINT dooray_project_organization_fkey FOREIGN KEY (service_id, organization_id)
    REFERENCES dooray_organization (service_id, id),
  CONSTRAINT dooray_project_representative_fkey FOREIGN KEY (service_id, representative_id)
    REFERENCES service_member (service_id, agent_id) ON DELETE SET NULL (representative_id),
  CONSTRAINT dooray_project_dooray_id_key UNIQUE (service_id, organization_id, dooray_id),
  CONSTRAINT dooray_project_dooray_id_form CHECK (dooray_id ~ '^[0-9]{1,30}$'),
  CONSTRAINT dooray_project_address_length CHECK (char_length(address) <= 2000)
);

-- Keys in whose names agents act at Dooray!; they go with the agent's membership.
CREATE TABLE dooray_user_key (
  service_id bigint NOT NULL,
  organization_id bigint NOT NULL,
  agent_id bigint NOT NULL,
  -- Sealed by masking for tickets.
  sealed_key bytea NOT NULL,
  set_time timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT dooray_user_key_pkey PRIMARY KEY (service_id, organization_id, agent_id),
  CONSTRAINT dooray_user_key_organization_fkey FOREIGN KEY (service_id, organization_id)
    REFERENCES dooray_organization (service_id, id) ON DELETE CASCADE,
  CONSTRAINT dooray_user_key_member_fkey FOREIGN KEY (service_id, agent_id)
    REFERENCES service_member (service_id, agent_id) ON DELETE CASCADE
);

ALTER TABLE setting_change DROP CONSTRAINT setting_change_subject_is_known;
ALTER TABLE setting_change ADD CONSTRAINT setting_change_subject_is_known CHECK (
  subject ~ '^((service|submission_type|processing_type|form|field|template)/[0-9]+|system_field/[a-z_]+)$'
  OR subject ~ '^dooray(_organization|_project)?/[0-9]+$');

GRANT SELECT, INSERT, UPDATE ON dooray_setting TO handoff_tickets;
GRANT SELECT, INSERT, UPDATE, DELETE ON dooray_organization, dooray_project, dooray_user_key TO handoff_tickets;
