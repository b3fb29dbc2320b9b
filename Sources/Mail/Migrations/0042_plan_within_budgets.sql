-- A sender's mails that are planned and not made yet count, too.
DROP INDEX inbound_mail_sender_idx;
CREATE INDEX inbound_mail_sender_idx ON inbound_mail (service_id, sender_hash, receive_time)
  WHERE plan = 'TICKET' AND state IN ('TICKET', 'WAITING');
