-- Acts of administration that are refused are on record one by one up to a limit an hour and agent; what goes beyond it
-- is counted, in one row an hour: nobody who may do nothing can fill the log.
ALTER TABLE audit_event
  -- How many calls it stands for.
  ADD COLUMN call_count bigint NOT NULL DEFAULT 1,
  -- The hour of which it counts the refused calls that have no row of their own; NULL: it stands for one call.
  ADD COLUMN count_time timestamptz,
  ADD CONSTRAINT audit_event_call_count_is_of_an_hour CHECK (
    call_count >= 1 AND (count_time IS NOT NULL OR call_count = 1));
CREATE UNIQUE INDEX audit_event_agent_count_time_key ON audit_event (organization_id, agent_id, count_time)
  WHERE count_time IS NOT NULL;
-- What an agent was refused lately.
CREATE INDEX audit_event_refused_idx ON audit_event (organization_id, agent_id, create_time)
  WHERE kind = 'ADMINISTRATION' AND outcome <> 'OK' AND count_time IS NULL;

-- What is on record is not changed; a number of calls grows.
GRANT UPDATE (call_count) ON audit_event TO handoff_gateway;
