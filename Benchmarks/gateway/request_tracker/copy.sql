-- Fills Request Tracker with the tickets of a JSON file (number, title, body). Each becomes a copy of one that the
-- interface has made, all rows of it: the ticket, its four roles with their principals and members, the
-- transactions, the text.
BEGIN;
CREATE TEMP TABLE source ON COMMIT DROP AS SELECT * FROM jsonb_to_recordset(
  pg_read_file('@source@')::jsonb) AS s (number integer, title text, body text);
CREATE TEMP TABLE made ON COMMIT DROP AS
  WITH likes AS (SELECT id, row_number() OVER (ORDER BY id) - 1 AS place, count(*) OVER () AS many FROM tickets)
  SELECT nextval('tickets_id_seq') AS id, s.title, s.body, l.id AS original
  FROM (SELECT * FROM source ORDER BY number) AS s JOIN likes AS l ON l.place = s.number % l.many;
CREATE TEMP TABLE role ON COMMIT DROP AS
  SELECT nextval('principals_id_seq') AS id, m.id AS ticket, g.id AS original
  FROM made AS m JOIN groups AS g ON g.domain = 'RT::Ticket-Role' AND g.instance = m.original;
ANALYZE made, role;

INSERT INTO tickets SELECT new.* FROM made AS m JOIN tickets AS t ON t.id = m.original,
  jsonb_populate_record(t, jsonb_build_object('id', m.id, 'effectiveid', m.id, 'subject', m.title)) AS new;
INSERT INTO principals SELECT new.* FROM role AS r JOIN principals AS p ON p.id = r.original,
  jsonb_populate_record(p, jsonb_build_object('id', r.id)) AS new;
INSERT INTO groups SELECT new.* FROM role AS r JOIN groups AS g ON g.id = r.original,
  jsonb_populate_record(g, jsonb_build_object('id', r.id, 'instance', r.ticket)) AS new;
INSERT INTO groupmembers SELECT new.* FROM role AS r JOIN groupmembers AS g ON g.groupid = r.original,
  jsonb_populate_record(g, jsonb_build_object('id', nextval('groupmembers_id_seq'), 'groupid', r.id)) AS new;

-- A group is a member of itself, too; every row is its own `via`.
CREATE TEMP TABLE member ON COMMIT DROP AS
  SELECT nextval('cachedgroupmembers_id_seq') AS id, r.id AS role, c.id AS original,
    CASE c.memberid WHEN c.groupid THEN r.id ELSE c.memberid END AS memberid
  FROM role AS r JOIN cachedgroupmembers AS c ON c.groupid = r.original;
INSERT INTO cachedgroupmembers SELECT new.* FROM member AS m JOIN cachedgroupmembers AS c ON c.id = m.original,
  jsonb_populate_record(c, jsonb_build_object(
    'id', m.id, 'groupid', m.role, 'memberid', m.memberid, 'via', m.id, 'immediateparentid', m.role)) AS new;

INSERT INTO transactions SELECT new.* FROM role AS r
  JOIN transactions AS t ON t.objecttype = 'RT::Group' AND t.objectid = r.original,
  jsonb_populate_record(t, jsonb_build_object('id', nextval('transactions_id_seq'), 'objectid', r.id)) AS new;
CREATE TEMP TABLE creation ON COMMIT DROP AS
  SELECT nextval('transactions_id_seq') AS id, m.id AS ticket, t.id AS original, m.body
  FROM made AS m JOIN transactions AS t ON t.objecttype = 'RT::Ticket' AND t.objectid = m.original;
INSERT INTO transactions SELECT new.* FROM creation AS c JOIN transactions AS t ON t.id = c.original,
  jsonb_populate_record(t, jsonb_build_object('id', c.id, 'objectid', c.ticket)) AS new;
INSERT INTO attachments SELECT new.* FROM creation AS c JOIN attachments AS a ON a.transactionid = c.original,
  jsonb_populate_record(a, jsonb_build_object(
    'id', nextval('attachments_id_seq'), 'transactionid', c.id, 'content', c.body)) AS new;
COMMIT;
