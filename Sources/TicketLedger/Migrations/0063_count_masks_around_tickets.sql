-- What is written on a ticket is first searched for words that are masked on it or on those that belong to it. A mask
-- that is made between that and the writing counts up here, on each of those tickets, and the writing finds another
-- number than it read: the version tells only of masks that changed a text of the ticket itself.
ALTER TABLE ticket ADD COLUMN mask_generation integer NOT NULL DEFAULT 0;

-- Tickets with masks on them, and all that belong to those, have had some.
WITH RECURSIVE related AS (
  SELECT t.service_id, t.id, t.source_service_id, t.source_ticket_id, t.previous_ticket_id FROM ticket AS t
  WHERE EXISTS (SELECT FROM mask_place AS p WHERE p.ticket_service_id = t.service_id AND p.ticket_id = t.id AND p.is_on)
  UNION
  SELECT o.* FROM related AS r CROSS JOIN LATERAL (
    SELECT x.service_id, x.id, x.source_service_id, x.source_ticket_id, x.previous_ticket_id FROM ticket AS x
    WHERE x.service_id = r.source_service_id AND x.id = r.source_ticket_id
    UNION ALL
    SELECT x.service_id, x.id, x.source_service_id, x.source_ticket_id, x.previous_ticket_id FROM ticket AS x
    WHERE x.source_service_id = r.service_id AND x.source_ticket_id = r.id
    UNION ALL
    SELECT x.service_id, x.id, x.source_service_id, x.source_ticket_id, x.previous_ticket_id FROM ticket AS x
    WHERE x.service_id = r.service_id AND x.id = r.previous_ticket_id
    UNION ALL
    SELECT x.service_id, x.id, x.source_service_id, x.source_ticket_id, x.previous_ticket_id FROM ticket AS x
    WHERE x.service_id = r.service_id AND x.previous_ticket_id = r.id
  ) AS o
)
UPDATE ticket AS t SET mask_generation = 1 FROM related AS r WHERE t.service_id = r.service_id AND t.id = r.id;

GRANT UPDATE (mask_generation) ON ticket TO handoff_masking;
