-- The orders of the list menus. Priority and channel share an index: either is gone through in order, the other merged.
-- A column that is constant in a menu needs none, and tickets that nobody holds are those of the holder NULL.
CREATE INDEX ticket_title_idx ON ticket (service_id, lower(title COLLATE "C"), id) WHERE NOT is_spam;
CREATE INDEX ticket_priority_idx ON ticket (service_id, priority, channel, id DESC) WHERE NOT is_spam;

CREATE INDEX ticket_agent_title_idx ON ticket (service_id, agent_id, state, lower(title COLLATE "C"), id)
  WHERE NOT is_spam;
CREATE INDEX ticket_agent_priority_idx ON ticket (service_id, agent_id, state, priority, channel, id DESC)
  WHERE NOT is_spam;

CREATE INDEX ticket_group_state_idx ON ticket (service_id, group_id, state, id DESC)
  WHERE group_id IS NOT NULL AND NOT is_spam;
CREATE INDEX ticket_group_agent_idx ON ticket (service_id, group_id, agent_id, id DESC)
  WHERE group_id IS NOT NULL AND NOT is_spam;
CREATE INDEX ticket_group_title_idx ON ticket (service_id, group_id, lower(title COLLATE "C"), id)
  WHERE group_id IS NOT NULL AND NOT is_spam;
CREATE INDEX ticket_group_priority_idx ON ticket (service_id, group_id, priority, channel, id DESC)
  WHERE group_id IS NOT NULL AND NOT is_spam;

CREATE INDEX ticket_escalated_state_idx ON ticket (service_id, state, id DESC)
  WHERE (target_ticket_id IS NOT NULL OR state IN ('DOORAY_ESCALATED', 'DOORAY_IN_PROGRESS', 'DOORAY_ANSWERED'))
    AND NOT is_spam;
CREATE INDEX ticket_escalated_agent_idx ON ticket (service_id, agent_id, id DESC)
  WHERE (target_ticket_id IS NOT NULL OR state IN ('DOORAY_ESCALATED', 'DOORAY_IN_PROGRESS', 'DOORAY_ANSWERED'))
    AND NOT is_spam;
CREATE INDEX ticket_escalated_title_idx ON ticket (service_id, lower(title COLLATE "C"), id)
  WHERE (target_ticket_id IS NOT NULL OR state IN ('DOORAY_ESCALATED', 'DOORAY_IN_PROGRESS', 'DOORAY_ANSWERED'))
    AND NOT is_spam;
CREATE INDEX ticket_escalated_priority_idx ON ticket (service_id, priority, channel, id DESC)
  WHERE (target_ticket_id IS NOT NULL OR state IN ('DOORAY_ESCALATED', 'DOORAY_IN_PROGRESS', 'DOORAY_ANSWERED'))
    AND NOT is_spam;

CREATE INDEX ticket_spam_agent_idx ON ticket (service_id, agent_id, id DESC) WHERE is_spam AND delete_time IS NULL;
CREATE INDEX ticket_spam_title_idx ON ticket (service_id, lower(title COLLATE "C"), id)
  WHERE is_spam AND delete_time IS NULL;
CREATE INDEX ticket_spam_priority_idx ON ticket (service_id, priority, channel, id DESC)
  WHERE is_spam AND delete_time IS NULL;
