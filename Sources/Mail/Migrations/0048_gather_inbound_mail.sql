-- Mails that come in at the same time are stored, planned and decided by one statement. So what came in is counted for
-- each statement, not for each mail, and in one row of an account for all that a session counts. A stripe alone can have
-- fewer than none of a state, since a mail may be decided by another session than the one that stored it.
CREATE FUNCTION count_received_mails() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO inbound_mail_count AS c
    (service_id, account_id, stripe, received, waiting, tickets, replies, suppressed, quarantined)
  SELECT n.service_id, n.account_id, pg_backend_pid() % 16, count(*),
    count(*) FILTER (WHERE n.state = 'WAITING'), count(*) FILTER (WHERE n.state = 'TICKET'),
    count(*) FILTER (WHERE n.state = 'REPLY'), count(*) FILTER (WHERE n.state = 'SUPPRESSED'),
    count(*) FILTER (WHERE n.state = 'QUARANTINED')
  FROM now_are AS n GROUP BY n.service_id, n.account_id ORDER BY n.service_id, n.account_id
  ON CONFLICT ON CONSTRAINT inbound_mail_count_pkey DO UPDATE SET
    received = c.received + excluded.received, waiting = c.waiting + excluded.waiting,
    tickets = c.tickets + excluded.tickets, replies = c.replies + excluded.replies,
    suppressed = c.suppressed + excluded.suppressed, quarantined = c.quarantined + excluded.quarantined;
  RETURN NULL;
END
$$;

CREATE FUNCTION count_decided_mails() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO inbound_mail_count AS c
    (service_id, account_id, stripe, received, waiting, tickets, replies, suppressed, quarantined)
  SELECT n.service_id, n.account_id, pg_backend_pid() % 16, 0,
    count(*) FILTER (WHERE n.state = 'WAITING') - count(*) FILTER (WHERE w.state = 'WAITING'),
    count(*) FILTER (WHERE n.state = 'TICKET') - count(*) FILTER (WHERE w.state = 'TICKET'),
    count(*) FILTER (WHERE n.state = 'REPLY') - count(*) FILTER (WHERE w.state = 'REPLY'),
    count(*) FILTER (WHERE n.state = 'SUPPRESSED') - count(*) FILTER (WHERE w.state = 'SUPPRESSED'),
    count(*) FILTER (WHERE n.state = 'QUARANTINED') - count(*) FILTER (WHERE w.state = 'QUARANTINED')
  FROM now_are AS n JOIN were AS w ON w.service_id = n.service_id AND w.id = n.id
  WHERE n.state <> w.state
  GROUP BY n.service_id, n.account_id ORDER BY n.service_id, n.account_id
  ON CONFLICT ON CONSTRAINT inbound_mail_count_pkey DO UPDATE SET
    waiting = c.waiting + excluded.waiting, tickets = c.tickets + excluded.tickets,
    replies = c.replies + excluded.replies, suppressed = c.suppressed + excluded.suppressed,
    quarantined = c.quarantined + excluded.quarantined;
  RETURN NULL;
END
$$;

DROP TRIGGER inbound_mail_received ON inbound_mail;
DROP TRIGGER inbound_mail_decided ON inbound_mail;
DROP FUNCTION count_inbound_mail();
CREATE TRIGGER inbound_mail_received AFTER INSERT ON inbound_mail
  REFERENCING NEW TABLE AS now_are FOR EACH STATEMENT EXECUTE FUNCTION count_received_mails();
CREATE TRIGGER inbound_mail_decided AFTER UPDATE ON inbound_mail
  REFERENCING OLD TABLE AS were NEW TABLE AS now_are FOR EACH STATEMENT EXECUTE FUNCTION count_decided_mails();

-- Most mails are written three times until they are decided. What nobody looks for before that is indexed then.
DROP INDEX inbound_mail_state_idx;
CREATE INDEX inbound_mail_state_idx ON inbound_mail (service_id, state, id) WHERE state <> 'WAITING';
DROP INDEX inbound_mail_ticket_idx;
CREATE INDEX inbound_mail_ticket_idx ON inbound_mail (service_id, ticket_id, receive_time) WHERE ticket_id IS NOT NULL;
DROP INDEX inbound_mail_raw_idx;
CREATE INDEX inbound_mail_raw_idx ON inbound_mail (decide_time) WHERE has_raw AND decide_time IS NOT NULL;
