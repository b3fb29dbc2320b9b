WITH changed AS (
  INSERT INTO handoff.ticket (service_id, id, state, group_id, agent_id, priority, channel, language, title,
    submission_type_id, organization_id, customer_id, customer_name, customer_email, customer_phone, creator_agent_id,
    source_service_id, source_ticket_id, entry_count, event_count, event_hash, event_seal, create_time, update_time)
  VALUES (1, nextval('peer_ticket'), 'UNASSIGNED', NULL, NULL, 'NORMAL', 'HELP_CENTER', 'en', 'Where is my parcel?',
    1, 1, 1, 'Alice Turner', 'alice.turner@example.com', '', 1, NULL, NULL, 1, 1,
    decode(repeat('ab', 32), 'hex'), decode(repeat('cd', 32), 'hex'), clock_timestamp(), clock_timestamp())
  RETURNING service_id, id
), event AS (
  INSERT INTO handoff.ticket_event (service_id, ticket_id, sequence, code, actor_kind, actor_name, cause_sequence,
    changes, create_time, hash, first_texts, version)
  SELECT c.service_id, c.id, 1, 'CREATED', 'AGENT', 'agents/1', 0,
    '[{"field":"state","before":"","after":"UNASSIGNED"},'
    '{"field":"priority","before":"","after":"NORMAL"},{"field":"channel","before":"","after":"HELP_CENTER"},'
    '{"field":"language","before":"","after":"en"},{"field":"submission_type","before":"","after":"1"},'
    '{"field":"customer.number","before":"","after":"105"},'
    '{"field":"creator","before":"","after":"1"},{"field":"entry","before":"","after":"8280"}]',
    clock_timestamp(), decode(repeat('ab', 32), 'hex'), decode(repeat('ab', 96), 'hex'), 1
  FROM changed AS c
), entry AS (
  INSERT INTO handoff.ticket_entry (service_id, ticket_id, id, kind, act, actor_kind, actor_name, body, body_salt,
    body_hash, create_time)
  SELECT c.service_id, c.id, c.id, 'INQUIRY', 'CREATE', 'AGENT', 'agents/1',
    'I ordered shoes a week ago. Where are they?', decode(repeat('ab', 16), 'hex'), decode(repeat('ab', 32), 'hex'),
    clock_timestamp()
  FROM changed AS c
), told AS (
  INSERT INTO handoff.ticket_change (service_id, ticket_id, first_sequence, last_sequence, version)
  SELECT c.service_id, c.id, 1, 1, 1 FROM changed AS c
), counted AS (
  INSERT INTO handoff.ticket_count_change (service_id, minute, agent_id, state, change)
  SELECT c.service_id, date_trunc('minute', clock_timestamp()), 0, 'UNASSIGNED', 1 FROM changed AS c
), work AS (
  INSERT INTO handoff.outbox (service_id, ticket_id, topic, event_sequence, payload)
  SELECT c.service_id, c.id, 'TRIGGERS', 1, decode('0801', 'hex') FROM changed AS c
)
SELECT id AS ticket FROM changed
\gset
WITH changed AS (
  UPDATE handoff.ticket SET event_count = 3, event_hash = decode(repeat('ef', 32), 'hex'),
    event_seal = decode(repeat('01', 32), 'hex'), version = 2, update_time = clock_timestamp(), state = 'PROCESSING',
    agent_id = 2, group_id = 1
  WHERE service_id = 1 AND id = :ticket AND version = 1 AND event_count = 1
  RETURNING service_id, id, create_time
), event AS (
  INSERT INTO handoff.ticket_event (service_id, ticket_id, sequence, code, actor_kind, actor_name, cause_sequence,
    changes, create_time, hash, version)
  SELECT c.service_id, c.id, v.* FROM changed AS c, (VALUES
    (2, 'TRIGGER_FIRED', 'TRIGGER', 'services/care/triggers/2', 1,
      '[{"field":"trigger","before":"","after":"services/care/triggers/2"},'
      '{"field":"trigger_version","before":"","after":"1"}]',
      clock_timestamp(), decode(repeat('ab', 32), 'hex'), 2),
    (3, 'ASSIGNED', 'TRIGGER', 'services/care/triggers/2', 2,
      '[{"field":"state","before":"UNASSIGNED","after":"PROCESSING"},'
      '{"field":"agent","before":"","after":"2"},{"field":"group","before":"","after":"1"}]',
      clock_timestamp(), decode(repeat('ab', 32), 'hex'), 2)) AS v
), told AS (
  INSERT INTO handoff.ticket_change (service_id, ticket_id, first_sequence, last_sequence, version)
  SELECT c.service_id, c.id, 2, 3, 2 FROM changed AS c
), counted AS (
  INSERT INTO handoff.ticket_count_change (service_id, minute, agent_id, state, change)
  SELECT c.service_id, date_trunc('minute', c.create_time), v.* FROM changed AS c, (VALUES
    (0, 'UNASSIGNED', (-1)::smallint), (2, 'PROCESSING', 1::smallint)) AS v
), explained AS (
  INSERT INTO handoff.assignment_record (service_id, ticket_id, event_sequence, record)
  SELECT c.service_id, c.id, 3, decode(repeat('ab', 170), 'hex') FROM changed AS c
), removed AS (
  DELETE FROM handoff.outbox WHERE service_id = 1 AND ticket_id = :ticket AND topic = 'TRIGGERS' RETURNING id
)
SELECT 1 FROM changed;
