\set number random(1, 20000)
WITH source AS (
  SELECT t.service_id, nextval('handoff.ticket_next_id_seq') AS id, t.title, t.organization_id, t.customer_id,
    t.customer_name, t.customer_email, t.customer_phone, t.submission_type_id, t.id AS old
  FROM handoff.ticket AS t WHERE t.service_id = 1 AND t.id >= 1000 + :number::bigint % :tickets::bigint
  ORDER BY t.id LIMIT 1
), changed AS (
  INSERT INTO handoff.ticket (service_id, id, state, priority, channel, language, title, submission_type_id,
    organization_id, customer_id, customer_name, customer_email, customer_phone, entry_count, event_count, event_hash,
    event_seal, create_time, update_time)
  SELECT service_id, id, 'UNASSIGNED', 'NORMAL', 'HELP_CENTER', 'ko', title, submission_type_id, organization_id,
    customer_id, customer_name, customer_email, customer_phone, 1, 1, decode(repeat('ab', 32), 'hex'),
    decode(repeat('cd', 32), 'hex'), clock_timestamp(), clock_timestamp()
  FROM source RETURNING service_id, id
), event AS (
  INSERT INTO handoff.ticket_event (service_id, ticket_id, sequence, code, actor_kind, actor_name, cause_sequence,
    changes, create_time, hash, first_texts)
  SELECT c.service_id, c.id, 1, 'CREATED', 'CUSTOMER', '', 0,
    '[{"field":"state","before":"","after":"UNASSIGNED"},{"field":"priority","before":"","after":"NORMAL"}]',
    clock_timestamp(), decode(repeat('ab', 32), 'hex'), decode(repeat('ab', 96), 'hex')
  FROM changed AS c
), entry AS (
  INSERT INTO handoff.ticket_entry (service_id, ticket_id, id, kind, act, actor_kind, body, body_salt, body_hash,
    create_time)
  SELECT c.service_id, c.id, nextval('handoff.ticket_entry_id_seq'), 'INQUIRY', 'CREATE', 'CUSTOMER', e.body,
    decode(repeat('ab', 16), 'hex'), decode(repeat('ab', 32), 'hex'), clock_timestamp()
  FROM changed AS c, source AS s JOIN LATERAL (
    SELECT body FROM handoff.ticket_entry AS o WHERE o.service_id = s.service_id AND o.ticket_id = s.old
    ORDER BY id LIMIT 1) AS e ON true
), counted AS (
  INSERT INTO handoff.ticket_count_change (service_id, minute, agent_id, state, change)
  SELECT c.service_id, date_trunc('minute', clock_timestamp()), 0, 'UNASSIGNED', 1 FROM changed AS c
  WHERE :counted::integer = 1
), searched AS (
  INSERT INTO handoff.ticket_search (service_id, ticket_id, place, create_time, tokens)
  SELECT c.service_id, c.id, x.place, clock_timestamp(), x.tokens
  FROM changed AS c, source AS s JOIN handoff.ticket_search AS x ON x.service_id = s.service_id AND x.ticket_id = s.old
  WHERE :indexed::integer = 1 AND (x.place IN ('title', 'customer_name') OR x.place = (
    SELECT min(place) FROM handoff.ticket_search AS y
    WHERE y.service_id = x.service_id AND y.ticket_id = x.ticket_id AND y.place LIKE 'entry/%'))
)
SELECT id FROM changed;
