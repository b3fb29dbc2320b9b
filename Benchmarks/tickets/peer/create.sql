WITH changed AS (
  INSERT INTO handoff.ticket (service_id, id, state, priority, channel, language, title, submission_type_id,
    organization_id, customer_id, customer_name, customer_email, entry_count, event_count, event_hash, event_seal,
    create_time, update_time)
  VALUES (1, {first} + :client_id + 32 * :turn, 'UNASSIGNED', 'NORMAL', 'HELP_CENTER', 'en', 'Where is my parcel?', {type},
    1, {customer}, 'Alice Turner', 'alice.turner@example.com', 1, 1,
    decode(repeat('ab', 32), 'hex'), decode(repeat('cd', 32), 'hex'), clock_timestamp(), clock_timestamp())
  RETURNING service_id, id, create_time
), event AS (
  INSERT INTO handoff.ticket_event (service_id, ticket_id, sequence, code, actor_kind, actor_name, cause_sequence,
    changes, create_time, hash, first_texts, version)
  SELECT c.service_id, c.id, 1, 'CREATED', 'AGENT', 'agents/1', 0,
    '[{{"field":"state","before":"","after":"UNASSIGNED"}},'
    '{{"field":"priority","before":"","after":"NORMAL"}},{{"field":"channel","before":"","after":"HELP_CENTER"}},'
    '{{"field":"language","before":"","after":"en"}},{{"field":"submission_type","before":"","after":"1"}},'
    '{{"field":"customer.number","before":"","after":"105"}},'
    '{{"field":"creator","before":"","after":"1"}},{{"field":"entry","before":"","after":"8280"}}]',
    clock_timestamp(), decode(repeat('ab', 32), 'hex'), decode(repeat('ab', 96), 'hex'), 1
  FROM changed AS c
), entry AS (
  INSERT INTO handoff.ticket_entry (service_id, ticket_id, id, kind, act, actor_kind, actor_name, body, body_salt,
    body_hash, create_time)
  SELECT c.service_id, c.id, c.id, 'INQUIRY', 'CREATE', 'AGENT', 'agents/1',
    'I ordered shoes a week ago. Where are they?', decode(repeat('ab', 16), 'hex'), decode(repeat('ab', 32), 'hex'),
    clock_timestamp()
  FROM changed AS c
), searched AS (
  INSERT INTO handoff.ticket_search (service_id, ticket_id, place, create_time, tokens)
  SELECT c.service_id, c.id, v.place, c.create_time, v.tokens::tsvector FROM changed AS c, (VALUES {texts}) AS v (place, tokens)
), told AS (
  INSERT INTO handoff.ticket_change (service_id, ticket_id, first_sequence, last_sequence, version)
  SELECT c.service_id, c.id, 1, 1, 1 FROM changed AS c
), counted AS (
  INSERT INTO handoff.ticket_count_change (service_id, minute, agent_id, state, change)
  SELECT c.service_id, date_trunc('minute', clock_timestamp()), 0, 'UNASSIGNED', 1 FROM changed AS c
)
SELECT id FROM changed;
\set turn :turn + 1
