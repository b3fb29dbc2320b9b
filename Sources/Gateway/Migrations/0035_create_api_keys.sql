-- Sessions that can be told apart, keys for programs, and what is kept of both.

ALTER TABLE session
  ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY,
  -- What the client called itself, and where it came from.
  ADD COLUMN client text NOT NULL DEFAULT '',
  ADD COLUMN address text NOT NULL DEFAULT '',
  ADD CONSTRAINT session_id_key UNIQUE (id),
  ADD CONSTRAINT session_client_length CHECK (char_length(client) <= 200),
  ADD CONSTRAINT session_address_length CHECK (char_length(address) <= 64);

-- A program's credential: it acts as its agent, within its scopes.
CREATE TABLE api_key (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- SHA-256 of the token; the token itself was shown once.
  token_hash bytea NOT NULL,
  agent_id bigint NOT NULL,
  display_name text NOT NULL,
  scopes text[] NOT NULL,
  -- The first characters of the token.
  hint text NOT NULL,
  create_time timestamptz NOT NULL DEFAULT now(),
  -- NULL: it does not end by itself.
  expire_time timestamptz,
  -- To the minute; NULL: never.
  last_use_time timestamptz,
  CONSTRAINT api_key_token_hash_key UNIQUE (token_hash),
  CONSTRAINT api_key_agent_fkey FOREIGN KEY (agent_id) REFERENCES agent (id),
  CONSTRAINT api_key_token_hash_length CHECK (octet_length(token_hash) = 32),
  CONSTRAINT api_key_display_name_length CHECK (char_length(display_name) BETWEEN 1 AND 100),
  CONSTRAINT api_key_has_scopes CHECK (cardinality(scopes) >= 1)
);
CREATE INDEX api_key_agent_idx ON api_key (agent_id, id DESC);

-- Sign-ins, sessions, keys and administrative acts: codes, ids and addresses, no words of customers'.
CREATE TABLE audit_event (
  organization_id bigint NOT NULL,
  id bigint GENERATED ALWAYS AS IDENTITY,
  create_time timestamptz NOT NULL DEFAULT clock_timestamp(),
  kind text NOT NULL,
  agent_id bigint NOT NULL,
  -- sessions/{id} or apiKeys/{id}; empty for a failed sign-in.
  credential text NOT NULL DEFAULT '',
  address text NOT NULL DEFAULT '',
  method text NOT NULL DEFAULT '',
  resource text NOT NULL DEFAULT '',
  -- OK, or the reason of the error.
  outcome text NOT NULL,
  request_id text NOT NULL DEFAULT '',
  CONSTRAINT audit_event_pkey PRIMARY KEY (organization_id, id),
  CONSTRAINT audit_event_organization_fkey FOREIGN KEY (organization_id) REFERENCES organization (id),
  CONSTRAINT audit_event_agent_fkey FOREIGN KEY (agent_id) REFERENCES agent (id),
  CONSTRAINT audit_event_kind_known CHECK (kind IN ('SIGNED_IN', 'SIGN_IN_FAILED', 'SIGNED_OUT', 'SESSION_REVOKED',
    'KEY_CREATED', 'KEY_REVOKED', 'ADMINISTRATION'))
);
CREATE INDEX audit_event_create_time_idx ON audit_event (create_time);

GRANT SELECT, INSERT, UPDATE, DELETE ON api_key TO handoff_gateway;
-- What is on record is not changed; what is a year old is removed.
GRANT SELECT, INSERT, DELETE ON audit_event TO handoff_gateway;
