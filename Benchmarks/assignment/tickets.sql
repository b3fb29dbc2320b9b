-- Tickets whose pass of the triggers waits, as they come from many creations at once; none is due yet.
WITH made AS (
  INSERT INTO handoff.ticket (service_id, id, state, priority, channel, language, title, organization_id, customer_name,
    customer_email, creator_agent_id, entry_count, event_count, event_hash, event_seal, create_time, update_time)
  SELECT 1, i, 'UNASSIGNED', 'NORMAL', 'HELP_CENTER', 'en', 'Where is my parcel?', 1, 'Alice Turner',
    'alice.turner@example.com', 1, 0, 1, decode(repeat('ab', 32), 'hex'), decode(repeat('cd', 32), 'hex'),
    clock_timestamp(), clock_timestamp()
  FROM generate_series(:first, :first + :count - 1) AS i
  RETURNING service_id, id
), event AS (
  INSERT INTO handoff.ticket_event (service_id, ticket_id, sequence, code, actor_kind, actor_name, cause_sequence,
    changes, create_time, hash)
  SELECT service_id, id, 1, 'CREATED', 'AGENT', 'agents/1', 0, '[{"field":"state","before":"","after":"UNASSIGNED"}]',
    clock_timestamp(), decode(repeat('ab', 32), 'hex')
  FROM made
), counted AS (
  INSERT INTO handoff.ticket_count_change (service_id, minute, agent_id, state, change)
  SELECT service_id, date_trunc('minute', clock_timestamp()), 0, 'UNASSIGNED', 1 FROM made
)
INSERT INTO handoff.outbox (service_id, ticket_id, topic, event_sequence, payload, due_time)
SELECT service_id, id, 'TRIGGERS', 1, decode('0801', 'hex'), clock_timestamp() + interval '1 hour' FROM made;
ANALYZE;
