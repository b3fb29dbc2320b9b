-- A ticket that was ever escalated stays in its menus, wherever it goes afterwards: to whom it was escalated is a column
-- of its own, and each menu merges the runs of an index that it wants.
ALTER TABLE ticket
  -- ISSUE: to an issue service. DOORAY: to Dooray!. BOTH: to either. NULL: to nobody.
  ADD COLUMN escalated_to text;

DROP INDEX ticket_escalated_idx, ticket_escalated_state_idx, ticket_escalated_agent_idx, ticket_escalated_title_idx,
  ticket_escalated_priority_idx;

WITH at_dooray AS (
  SELECT DISTINCT v.service_id, v.ticket_id AS id FROM ticket_event AS v WHERE v.code = 'DOORAY_ESCALATED'
), escalated AS (
  SELECT t.service_id, t.id, t.target_ticket_id IS NOT NULL AS is_issue, d.id IS NOT NULL AS is_dooray
  FROM ticket AS t LEFT JOIN at_dooray AS d ON d.service_id = t.service_id AND d.id = t.id
  WHERE t.target_ticket_id IS NOT NULL OR d.id IS NOT NULL
)
UPDATE ticket AS t
SET escalated_to = CASE WHEN NOT e.is_dooray THEN 'ISSUE' WHEN e.is_issue THEN 'BOTH' ELSE 'DOORAY' END
FROM escalated AS e WHERE t.service_id = e.service_id AND t.id = e.id;

ALTER TABLE ticket
  ADD CONSTRAINT ticket_escalated_to_known CHECK (escalated_to IN ('ISSUE', 'DOORAY', 'BOTH')),
  ADD CONSTRAINT ticket_escalated_to_issue_has_target CHECK (
    (target_ticket_id IS NULL) = (coalesce(escalated_to, 'DOORAY') = 'DOORAY'));

CREATE INDEX ticket_escalated_idx ON ticket (service_id, escalated_to, id DESC)
  WHERE escalated_to IS NOT NULL AND NOT is_spam;
CREATE INDEX ticket_escalated_state_idx ON ticket (service_id, escalated_to, state, id DESC)
  WHERE escalated_to IS NOT NULL AND NOT is_spam;
CREATE INDEX ticket_escalated_agent_idx ON ticket (service_id, escalated_to, agent_id, id DESC)
  WHERE escalated_to IS NOT NULL AND NOT is_spam;
CREATE INDEX ticket_escalated_title_idx ON ticket (service_id, escalated_to, lower(title COLLATE "C"), id)
  WHERE escalated_to IS NOT NULL AND NOT is_spam;
CREATE INDEX ticket_escalated_priority_idx ON ticket (service_id, escalated_to, priority, channel, id DESC)
  WHERE escalated_to IS NOT NULL AND NOT is_spam;
