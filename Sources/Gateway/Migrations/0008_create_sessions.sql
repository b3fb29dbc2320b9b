-- Who is signed in, and who tried too often.
CREATE TABLE session (
  -- SHA-256 of the token; the token itself is known to the agent's client only.
  token_hash bytea PRIMARY KEY,
  agent_id bigint NOT NULL,
  create_time timestamptz NOT NULL DEFAULT now(),
  expire_time timestamptz NOT NULL,
  CONSTRAINT session_agent_fkey FOREIGN KEY (agent_id) REFERENCES agent (id),
  CONSTRAINT session_token_hash_length CHECK (octet_length(token_hash) = 32)
);
CREATE INDEX session_agent_idx ON session (agent_id);
CREATE INDEX session_expire_time_idx ON session (expire_time);

CREATE TABLE sign_in_throttle (
  -- SHA-256 of the account or of the address; nothing readable is kept.
  subject_hash bytea PRIMARY KEY,
  failure_count integer NOT NULL,
  window_time timestamptz NOT NULL,
  CONSTRAINT sign_in_throttle_failure_count_range CHECK (failure_count >= 0)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON session, sign_in_throttle TO handoff_gateway;
