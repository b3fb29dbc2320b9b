-- The list menus and the auto-completion that had no index of their own. IS NULL does not count as an order-preserving
-- condition for the planner, hence the partial index of tickets that nobody holds.
CREATE INDEX ticket_nobody_idx ON ticket (service_id, id DESC) WHERE agent_id IS NULL AND NOT is_spam;
CREATE INDEX ticket_escalated_idx ON ticket (service_id, id DESC)
  WHERE (target_ticket_id IS NOT NULL OR state IN ('DOORAY_ESCALATED', 'DOORAY_IN_PROGRESS', 'DOORAY_ANSWERED'))
    AND NOT is_spam;
CREATE INDEX ticket_resolved_idx ON ticket (service_id, resolve_time) WHERE state = 'RESOLVED' AND NOT is_spam;

-- Work that was given up is removed after its time by the daemon that looks after the ledger's tables.
GRANT DELETE ON outbox TO handoff_tickets;
