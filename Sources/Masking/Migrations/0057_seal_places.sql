-- Where masks lie is sealed, too: a place that was moved by hand would have an original put back elsewhere and lost.
-- In how many places a mask stands.
ALTER TABLE mask ADD COLUMN place_count integer NOT NULL DEFAULT 1;
UPDATE mask AS m SET place_count = p.count
FROM (SELECT service_id, mask_id, count(*) AS count FROM mask_place GROUP BY service_id, mask_id) AS p
WHERE p.service_id = m.service_id AND p.mask_id = m.id;
-- HMAC with the ledger's key, over the place, the mask, and the text as it stands where masks alone change it. NULL:
-- made before seals were; masking adds it, once the original opens there.
ALTER TABLE mask_place ADD COLUMN seal bytea;
CREATE INDEX mask_place_unsealed_idx ON mask_place (service_id, mask_id, number) WHERE is_on AND seal IS NULL;

GRANT SELECT (place_count) ON mask TO handoff_tickets, handoff_assignment, handoff_mail;
GRANT SELECT (seal) ON mask_place TO handoff_tickets, handoff_assignment, handoff_mail;
