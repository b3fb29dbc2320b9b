-- Whom a piece of work goes to, so that all that waits for a receiver which is away, or back, is moved together.
ALTER TABLE outbox ADD COLUMN receiver text;
CREATE INDEX outbox_receiver_idx ON outbox (topic, receiver, id) WHERE receiver IS NOT NULL;

UPDATE outbox AS o SET receiver = c.destination FROM callback AS c
WHERE c.service_id = o.service_id AND c.ticket_id = o.ticket_id AND c.event_sequence = o.event_sequence
  AND c.topic = o.topic;

-- Only daemons of the release before this one write and read it.
ALTER TABLE callback ALTER COLUMN destination DROP NOT NULL;
