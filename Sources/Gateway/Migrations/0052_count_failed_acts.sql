-- Acts of administration that failed and have no row of their own are counted by what was called and how it ended: a
-- number of them says what somebody tried, and whether it may have been done.
DROP INDEX audit_event_agent_count_time_key;
CREATE UNIQUE INDEX audit_event_count_key ON audit_event (organization_id, agent_id, count_time, method, outcome)
  WHERE count_time IS NOT NULL;
