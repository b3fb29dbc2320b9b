-- What came in and what became of it, in numbers that are exact at any moment and cost the same however many mails there
-- are. A mail's numbers change in the statement that changes the mail. Each service has several rows, so that mails that
-- are decided at the same time seldom wait for each other.
CREATE TABLE inbound_mail_count (
  service_id bigint NOT NULL,
  -- The mail's id modulo 16.
  stripe integer NOT NULL,
  received bigint NOT NULL,
  waiting bigint NOT NULL,
  tickets bigint NOT NULL,
  replies bigint NOT NULL,
  suppressed bigint NOT NULL,
  quarantined bigint NOT NULL,
  CONSTRAINT inbound_mail_count_pkey PRIMARY KEY (service_id, stripe),
  CONSTRAINT inbound_mail_count_service_fkey FOREIGN KEY (service_id) REFERENCES service (id),
  CONSTRAINT inbound_mail_count_adds_up CHECK (received = waiting + tickets + replies + suppressed + quarantined)
);

CREATE FUNCTION count_inbound_mail() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  was text := CASE WHEN TG_OP = 'UPDATE' THEN OLD.state ELSE '' END;
BEGIN
  INSERT INTO inbound_mail_count AS c
    (service_id, stripe, received, waiting, tickets, replies, suppressed, quarantined)
  VALUES (
    NEW.service_id, NEW.id % 16, (TG_OP = 'INSERT')::integer,
    (NEW.state = 'WAITING')::integer - (was = 'WAITING')::integer,
    (NEW.state = 'TICKET')::integer - (was = 'TICKET')::integer,
    (NEW.state = 'REPLY')::integer - (was = 'REPLY')::integer,
    (NEW.state = 'SUPPRESSED')::integer - (was = 'SUPPRESSED')::integer,
    (NEW.state = 'QUARANTINED')::integer - (was = 'QUARANTINED')::integer)
  ON CONFLICT ON CONSTRAINT inbound_mail_count_pkey DO UPDATE SET
    received = c.received + excluded.received, waiting = c.waiting + excluded.waiting,
    tickets = c.tickets + excluded.tickets, replies = c.replies + excluded.replies,
    suppressed = c.suppressed + excluded.suppressed, quarantined = c.quarantined + excluded.quarantined;
  RETURN NULL;
END
$$;

CREATE TRIGGER inbound_mail_received AFTER INSERT ON inbound_mail
  FOR EACH ROW EXECUTE FUNCTION count_inbound_mail();
CREATE TRIGGER inbound_mail_decided AFTER UPDATE OF state ON inbound_mail
  FOR EACH ROW WHEN (OLD.state <> NEW.state) EXECUTE FUNCTION count_inbound_mail();

INSERT INTO inbound_mail_count (service_id, stripe, received, waiting, tickets, replies, suppressed, quarantined)
SELECT service_id, id % 16, count(*), count(*) FILTER (WHERE state = 'WAITING'),
  count(*) FILTER (WHERE state = 'TICKET'), count(*) FILTER (WHERE state = 'REPLY'),
  count(*) FILTER (WHERE state = 'SUPPRESSED'), count(*) FILTER (WHERE state = 'QUARANTINED')
FROM inbound_mail GROUP BY service_id, id % 16;

-- The bytes of a mail are kept for a time after it was decided; its row stays, so that it is known when it comes again.
ALTER TABLE inbound_mail ADD COLUMN has_raw boolean NOT NULL DEFAULT true;
CREATE INDEX inbound_mail_raw_idx ON inbound_mail (decide_time) WHERE has_raw;

GRANT SELECT, INSERT, UPDATE ON inbound_mail_count TO handoff_mail;
