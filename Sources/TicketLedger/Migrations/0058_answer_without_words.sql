-- A trigger that completes an issue ticket is told in the history of the consultation ticket behind it, like any other
-- outcome.
ALTER TABLE ticket_entry DROP CONSTRAINT ticket_entry_act_known;
ALTER TABLE ticket_entry ADD CONSTRAINT ticket_entry_act_known CHECK (act IN (
  'CREATE', 'RESOLVE', 'HOLD', 'COMMENT_ADDED', 'RESOLVE_INTERNALLY', 'ESCALATE', 'CUSTOMER_REPLY', 'COMPLETE'));
GRANT INSERT ON ticket_entry TO handoff_assignment;
GRANT UPDATE (entry_count) ON ticket TO handoff_assignment;
GRANT USAGE ON SEQUENCE ticket_entry_id_seq TO handoff_assignment;

-- Files cross an escalation as copies: each service has contents of its own.
GRANT USAGE ON SEQUENCE attachment_id_seq TO handoff_tickets;
