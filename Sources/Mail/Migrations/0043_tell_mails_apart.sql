-- A mail is known by its Message-ID and its body together: some programs give one Message-ID to all that they send.
-- Empty for mails from before, which are known by their Message-ID alone.
ALTER TABLE inbound_mail ADD COLUMN body_hash bytea NOT NULL DEFAULT '\x';
ALTER TABLE inbound_mail DROP CONSTRAINT inbound_mail_identity_key;
ALTER TABLE inbound_mail ADD CONSTRAINT inbound_mail_identity_key
  UNIQUE (service_id, identity, account_id, body_hash);

-- The earlier mail that it waits for.
ALTER TABLE inbound_mail ADD COLUMN behind_id bigint;
CREATE INDEX inbound_mail_behind_idx ON inbound_mail (service_id, behind_id) WHERE behind_id IS NOT NULL;
