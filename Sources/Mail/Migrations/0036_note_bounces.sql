-- What mail servers report of our mails after the first one had taken them, and the addresses that take none.
CREATE TABLE mail_bounce (
  service_id bigint NOT NULL,
  id bigint GENERATED ALWAYS AS IDENTITY,
  ticket_id bigint NOT NULL,
  -- The mail of ours that it is about.
  mail_message_id bigint NOT NULL,
  -- The mail that reported it; none when the first server itself refused.
  inbound_mail_id bigint,
  kind text NOT NULL,
  recipient text NOT NULL,
  -- After RFC 3463; empty: not told.
  status text NOT NULL,
  server_reply text NOT NULL,
  receive_time timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT mail_bounce_pkey PRIMARY KEY (service_id, id),
  CONSTRAINT mail_bounce_message_fkey FOREIGN KEY (service_id, mail_message_id)
    REFERENCES mail_message (service_id, id),
  CONSTRAINT mail_bounce_ticket_fkey FOREIGN KEY (service_id, ticket_id) REFERENCES ticket (service_id, id),
  CONSTRAINT mail_bounce_kind_known CHECK (kind IN ('ADDRESS_FAILED', 'FAILED', 'DELAYED'))
);
CREATE INDEX mail_bounce_message_idx ON mail_bounce (service_id, mail_message_id);
CREATE INDEX mail_bounce_ticket_idx ON mail_bounce (service_id, ticket_id);
CREATE INDEX mail_bounce_inbound_idx ON mail_bounce (service_id, inbound_mail_id);

-- An address to which no mail is sent. Its row stays when the block has ended, so that a late report of a mail that was
-- sent before does not block it anew.
CREATE TABLE mail_address_block (
  organization_id bigint NOT NULL,
  -- Keyed hash of the address.
  address_hash bytea NOT NULL,
  -- The report that blocked it.
  service_id bigint NOT NULL,
  bounce_id bigint NOT NULL,
  block_time timestamptz NOT NULL,
  -- When the block ended; absent while it holds.
  end_time timestamptz,
  CONSTRAINT mail_address_block_pkey PRIMARY KEY (organization_id, address_hash),
  CONSTRAINT mail_address_block_bounce_fkey FOREIGN KEY (service_id, bounce_id) REFERENCES mail_bounce (service_id, id),
  CONSTRAINT mail_address_block_organization_fkey FOREIGN KEY (organization_id) REFERENCES organization (id)
);

-- What a mail was made from, to make it again; empty for mails from before.
ALTER TABLE mail_message ADD COLUMN payload bytea NOT NULL DEFAULT '\x';
-- The event by which an agent had it sent again.
ALTER TABLE mail_message ADD COLUMN resend_sequence integer;

-- The Message-ID of a mail that opened or joined a ticket, to which answers refer; empty: it has none that can be.
ALTER TABLE inbound_mail ADD COLUMN message_id text NOT NULL DEFAULT '';

GRANT SELECT, INSERT ON mail_bounce TO handoff_mail;
GRANT SELECT ON mail_bounce TO handoff_masking;
GRANT UPDATE (recipient, server_reply) ON mail_bounce TO handoff_masking;
GRANT SELECT, INSERT, UPDATE ON mail_address_block TO handoff_mail;
