WITH changed AS (
  UPDATE handoff.ticket SET event_count = 3, event_hash = decode(repeat('ff', 32), 'hex'),
    event_seal = decode(repeat('02', 32), 'hex'), version = 3, update_time = clock_timestamp(), state = 'RESOLVED',
    internal_reason = 'TEST', entry_count = 2, resolve_time = clock_timestamp()
  WHERE service_id = 1 AND id = {first} + :client_id + 32 * :turn AND version = 2 AND event_count = 2
  RETURNING service_id, id, create_time
), event AS (
  INSERT INTO handoff.ticket_event (service_id, ticket_id, sequence, code, actor_kind, actor_name, cause_sequence,
    changes, create_time, hash, version)
  SELECT c.service_id, c.id, 3, 'RESOLVED_INTERNALLY', 'AGENT', 'agents/1', 0,
    '[{{"field":"state","before":"PROCESSING","after":"RESOLVED"}},'
    '{{"field":"internal_reason","before":"","after":"TEST"}},{{"field":"entry","before":"","after":"8281"}}]',
    clock_timestamp(), decode(repeat('ab', 32), 'hex'), 3
  FROM changed AS c
), entry AS (
  INSERT INTO handoff.ticket_entry (service_id, ticket_id, id, kind, act, actor_kind, actor_name, body, body_salt,
    body_hash, create_time)
  SELECT c.service_id, c.id, c.id + 10000000, 'REPLY', 'RESOLVE_INTERNALLY', 'AGENT', 'agents/1',
    'Solved with the carrier.', decode(repeat('ab', 16), 'hex'), decode(repeat('ab', 32), 'hex'), clock_timestamp()
  FROM changed AS c
), searched AS (
  INSERT INTO handoff.ticket_search (service_id, ticket_id, place, create_time, tokens)
  SELECT c.service_id, c.id, v.place, c.create_time, v.tokens::tsvector FROM changed AS c, (VALUES {texts}) AS v (place, tokens)
), told AS (
  INSERT INTO handoff.ticket_change (service_id, ticket_id, first_sequence, last_sequence, version)
  SELECT c.service_id, c.id, 3, 3, 3 FROM changed AS c
), counted AS (
  INSERT INTO handoff.ticket_count_change (service_id, minute, agent_id, state, change)
  SELECT c.service_id, date_trunc('minute', c.create_time), v.* FROM changed AS c, (VALUES
    ({agent}, 'PROCESSING', (-1)::smallint), ({agent}, 'RESOLVED', 1::smallint)) AS v
), work AS (
  INSERT INTO handoff.outbox (service_id, ticket_id, topic, event_sequence, payload)
  SELECT c.service_id, c.id, 'TRIGGERS', 3, decode('0803', 'hex') FROM changed AS c
)
SELECT id AS ticket FROM changed
\gset
DELETE FROM handoff.outbox WHERE service_id = 1 AND ticket_id = :ticket AND event_sequence = 3 AND topic = 'TRIGGERS';
\set turn :turn + 1
