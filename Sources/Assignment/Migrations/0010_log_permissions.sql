-- Who changed whose rights, and what is left to do for agents who have gone.

-- A group that tickets name is kept, without members, and cannot be chosen any more.
ALTER TABLE agent_group ADD COLUMN is_active boolean NOT NULL DEFAULT true;

-- Every change of an account, a right, a switch or a membership; codes, ids and names that administrators gave.
CREATE TABLE permission_change (
  organization_id bigint NOT NULL,
  id bigint GENERATED ALWAYS AS IDENTITY,
  create_time timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- agents/{id}, or the identity of a daemon.
  actor_name text NOT NULL,
  -- NULL: the account itself.
  service_id bigint,
  agent_id bigint,
  group_id bigint,
  field text NOT NULL,
  before_value text NOT NULL DEFAULT '',
  after_value text NOT NULL DEFAULT '',
  CONSTRAINT permission_change_pkey PRIMARY KEY (organization_id, id),
  CONSTRAINT permission_change_organization_fkey FOREIGN KEY (organization_id) REFERENCES organization (id),
  CONSTRAINT permission_change_subject CHECK (agent_id IS NOT NULL OR group_id IS NOT NULL)
);
CREATE INDEX permission_change_service_idx ON permission_change (service_id, id DESC);

-- An agent has left a service, and the tickets that the agent holds are to be released, some at a time.
CREATE TABLE agent_departure (
  service_id bigint NOT NULL,
  agent_id bigint NOT NULL,
  -- The group that takes the tickets over; NULL: each keeps its own.
  group_id bigint,
  -- Who decided it; the tickets' events name them.
  actor_kind text NOT NULL,
  actor_name text NOT NULL,
  -- Somebody is at it until then.
  lease_time timestamptz,
  create_time timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT agent_departure_pkey PRIMARY KEY (service_id, agent_id),
  CONSTRAINT agent_departure_service_fkey FOREIGN KEY (service_id) REFERENCES service (id),
  CONSTRAINT agent_departure_agent_fkey FOREIGN KEY (agent_id) REFERENCES agent (id),
  CONSTRAINT agent_departure_group_fkey FOREIGN KEY (service_id, group_id) REFERENCES agent_group (service_id, id)
    ON DELETE SET NULL (group_id)
);

GRANT SELECT, INSERT ON permission_change TO handoff_assignment;
GRANT SELECT, INSERT, UPDATE, DELETE ON agent_departure TO handoff_assignment;

-- Sessions that were opened before the password was last set have ended.
ALTER TABLE agent ADD COLUMN password_time timestamptz;

-- Why a trigger was deactivated by itself: what it named is gone.
ALTER TABLE trigger_rule ADD COLUMN notice text NOT NULL DEFAULT '';
