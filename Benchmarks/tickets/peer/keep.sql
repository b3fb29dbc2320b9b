WITH changed AS (
  UPDATE handoff.ticket SET event_count = 2, event_hash = decode(repeat('ef', 32), 'hex'),
    event_seal = decode(repeat('01', 32), 'hex'), version = 2, update_time = clock_timestamp(), state = 'PROCESSING',
    agent_id = {agent}, group_id = {group}
  WHERE service_id = 1 AND id = {first} + :client_id + 32 * :turn AND version = 1 AND event_count = 1
  RETURNING service_id, id, create_time
), event AS (
  INSERT INTO handoff.ticket_event (service_id, ticket_id, sequence, code, actor_kind, actor_name, cause_sequence,
    changes, create_time, hash, version)
  SELECT c.service_id, c.id, 2, 'KEPT', 'AGENT', 'agents/1', 0,
    '[{{"field":"state","before":"UNASSIGNED","after":"PROCESSING"}},'
    '{{"field":"agent","before":"","after":"2"}},{{"field":"group","before":"","after":"1"}}]',
    clock_timestamp(), decode(repeat('ab', 32), 'hex'), 2
  FROM changed AS c
), told AS (
  INSERT INTO handoff.ticket_change (service_id, ticket_id, first_sequence, last_sequence, version)
  SELECT c.service_id, c.id, 2, 2, 2 FROM changed AS c
), counted AS (
  INSERT INTO handoff.ticket_count_change (service_id, minute, agent_id, state, change)
  SELECT c.service_id, date_trunc('minute', c.create_time), v.* FROM changed AS c, (VALUES
    (0, 'UNASSIGNED', (-1)::smallint), ({agent}, 'PROCESSING', 1::smallint)) AS v
), work AS (
  INSERT INTO handoff.outbox (service_id, ticket_id, topic, event_sequence, payload)
  SELECT c.service_id, c.id, 'TRIGGERS', 2, decode('0802', 'hex') FROM changed AS c
)
SELECT id AS ticket FROM changed
\gset
DELETE FROM handoff.outbox WHERE service_id = 1 AND ticket_id = :ticket AND event_sequence = 2 AND topic = 'TRIGGERS';
\set turn :turn + 1
