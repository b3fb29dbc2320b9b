\set mail 1000000000000 + {turn} * 100000000 + :client_id * 100000 + :turn
INSERT INTO handoff.inbound_mail (service_id, id, account_id, identity, content_hash, size_bytes, due_time)
OVERRIDING SYSTEM VALUE VALUES (1, :mail, 0, sha256(int8send(:mail)), sha256(int8send(:mail)), 4000,
  clock_timestamp() + interval '90 seconds');
INSERT INTO handoff.inbound_mail_piece (service_id, mail_id, number, sealed)
VALUES (1, :mail, 0, decode(repeat('ab', {bytes}), 'hex'));
UPDATE handoff.inbound_mail SET plan = 'TICKET' WHERE service_id = 1 AND id = :mail;
INSERT INTO handoff.customer (organization_id, display_name, email)
VALUES (1, 'Customer', 'c' || :mail || '@example.com')
RETURNING id AS customer
\gset
WITH changed AS (
  INSERT INTO handoff.ticket (service_id, id, state, priority, channel, language, title, organization_id, customer_id,
    customer_name, customer_email, entry_count, event_count, event_hash, event_seal, create_time, update_time)
  VALUES (1, :mail, 'UNASSIGNED', 'NORMAL', 'EMAIL', 'en', 'Where is my parcel?', 1, :customer, 'Customer',
    'c' || :mail || '@example.com', 1, 1, decode(repeat('ab', 32), 'hex'), decode(repeat('cd', 32), 'hex'),
    clock_timestamp(), clock_timestamp())
  RETURNING service_id, id, create_time
), event AS (
  INSERT INTO handoff.ticket_event (service_id, ticket_id, sequence, code, actor_kind, actor_name, cause_sequence,
    changes, create_time, hash, first_texts, version)
  SELECT c.service_id, c.id, 1, 'CREATED', 'SERVICE', 'mail', 0,
    '[{{"field":"state","before":"","after":"UNASSIGNED"}},'
    '{{"field":"priority","before":"","after":"NORMAL"}},{{"field":"channel","before":"","after":"EMAIL"}},'
    '{{"field":"language","before":"","after":"en"}},'
    '{{"field":"customer.number","before":"","after":"105"}},{{"field":"entry","before":"","after":"8280"}}]',
    clock_timestamp(), decode(repeat('ab', 32), 'hex'), decode(repeat('ab', 96), 'hex'), 1
  FROM changed AS c
), entry AS (
  INSERT INTO handoff.ticket_entry (service_id, ticket_id, id, kind, act, actor_kind, actor_name, body, body_salt,
    body_hash, create_time)
  SELECT c.service_id, c.id, c.id, 'INQUIRY', 'CREATE', 'CUSTOMER', '',
    repeat('I ordered shoes a week ago, and they have not come yet. Where are they? Alice ', 8),
    decode(repeat('ab', 16), 'hex'), decode(repeat('ab', 32), 'hex'), clock_timestamp()
  FROM changed AS c
), searched AS (
  INSERT INTO handoff.ticket_search (service_id, ticket_id, place, create_time, tokens)
  SELECT c.service_id, c.id, v.place, c.create_time, v.tokens::tsvector FROM changed AS c CROSS JOIN LATERAL (VALUES
    ('title', '''wh'' ''he'' ''er'' ''re'' ''is'' ''my'' ''pa'' ''ar'' ''rc'' ''ce'' ''el'''),
    ('customer_name', '''cu'' ''us'' ''st'' ''to'' ''om'' ''me'' ''er'''),
    ('entry/' || c.id, '''or'' ''rd'' ''de'' ''er'' ''re'' ''ed'' ''sh'' ''ho'' ''oe'' ''es'' ''we'' ''ee'''))
    AS v (place, tokens)
), told AS (
  INSERT INTO handoff.ticket_change (service_id, ticket_id, first_sequence, last_sequence, version)
  SELECT c.service_id, c.id, 1, 1, 1 FROM changed AS c
), counted AS (
  INSERT INTO handoff.ticket_count_change (service_id, minute, agent_id, state, change)
  SELECT c.service_id, date_trunc('minute', clock_timestamp()), 0, 'UNASSIGNED', 1 FROM changed AS c
), claimed AS (
  INSERT INTO handoff.idempotency_key (caller, method, request_id, request_hash, service_id, ticket_id, result_ids)
  SELECT 'mail', 'CreateTicket', 'peer/' || c.id, decode(repeat('ab', 32), 'hex'), c.service_id, c.id, ARRAY[c.id]
  FROM changed AS c
), work AS (
  INSERT INTO handoff.outbox (service_id, ticket_id, topic, event_sequence, payload)
  SELECT c.service_id, c.id, 'TRIGGERS', 1, decode('0801', 'hex') FROM changed AS c
)
SELECT 1 FROM changed;
DELETE FROM handoff.outbox WHERE service_id = 1 AND ticket_id = :mail AND topic = 'TRIGGERS';
UPDATE handoff.inbound_mail SET state = 'TICKET', ticket_id = :mail, sender_hash = decode(repeat('ab', 16), 'hex'),
  decide_time = clock_timestamp() WHERE service_id = 1 AND id = :mail;
\set turn :turn + 1
