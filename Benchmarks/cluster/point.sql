\set id random(1000, 1499)
SELECT * FROM handoff.ticket WHERE service_id = 1 AND id = :id;
