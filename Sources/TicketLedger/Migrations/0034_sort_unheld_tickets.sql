-- Tickets that nobody holds get sorted runs of their own. Among those of all holders they stand by state, and the
-- planner, who takes state and holder for independent, believes there are hardly any and reads and sorts them all.
CREATE INDEX ticket_nobody_title_idx ON ticket (service_id, lower(title COLLATE "C"), id)
  WHERE agent_id IS NULL AND NOT is_spam;
CREATE INDEX ticket_nobody_priority_idx ON ticket (service_id, priority, channel, id DESC)
  WHERE agent_id IS NULL AND NOT is_spam;

DROP INDEX ticket_agent_title_idx;
CREATE INDEX ticket_agent_title_idx ON ticket (service_id, agent_id, state, lower(title COLLATE "C"), id)
  WHERE agent_id IS NOT NULL AND NOT is_spam;
DROP INDEX ticket_agent_priority_idx;
CREATE INDEX ticket_agent_priority_idx ON ticket (service_id, agent_id, state, priority, channel, id DESC)
  WHERE agent_id IS NOT NULL AND NOT is_spam;
