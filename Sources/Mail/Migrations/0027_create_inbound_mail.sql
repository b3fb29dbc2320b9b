-- Mails that come in: their bytes, sealed before anybody reads them, and what became of each. No column holds words of
-- a customer in clear, save the addresses of people who take part in a ticket.
CREATE TABLE inbound_mail (
  service_id bigint NOT NULL,
  id bigint GENERATED ALWAYS AS IDENTITY,
  -- 0: the service's representative address.
  account_id bigint NOT NULL DEFAULT 0,
  -- SHA-256 of the Message-ID; of the whole mail when it has none.
  identity bytea NOT NULL,
  content_hash bytea NOT NULL,
  size_bytes bigint NOT NULL,
  state text NOT NULL DEFAULT 'WAITING',
  reason text NOT NULL DEFAULT '',
  -- What it is going to be, fixed before it happens, so that whoever takes the work up again does the same.
  plan text NOT NULL DEFAULT '',
  -- The ticket that it opened, joined, or points to.
  ticket_id bigint,
  -- For each of its files the upload's id; 0: not taken.
  attachment_ids bigint[] NOT NULL DEFAULT '{}',
  -- Keyed hash of the sender's address.
  sender_hash bytea NOT NULL DEFAULT '\x',
  -- Sender, subject and names of files, for the list of mails that wait for an agent.
  sealed_summary bytea,
  attempt_count integer NOT NULL DEFAULT 1,
  -- Attempts that ended by failing; the others that came to nothing ended with their process.
  failure_count integer NOT NULL DEFAULT 0,
  -- When the next attempt may begin, by the database's clock; while one is under way, when its lease ends.
  due_time timestamptz NOT NULL,
  receive_time timestamptz NOT NULL DEFAULT clock_timestamp(),
  decide_time timestamptz,
  decider_id bigint,
  CONSTRAINT inbound_mail_pkey PRIMARY KEY (service_id, id),
  CONSTRAINT inbound_mail_service_fkey FOREIGN KEY (service_id) REFERENCES service (id),
  CONSTRAINT inbound_mail_identity_key UNIQUE (service_id, identity, account_id),
  CONSTRAINT inbound_mail_state_known CHECK (state IN ('WAITING', 'TICKET', 'REPLY', 'SUPPRESSED', 'QUARANTINED')),
  CONSTRAINT inbound_mail_plan_known CHECK (plan IN ('', 'TICKET', 'REPLY')),
  CONSTRAINT inbound_mail_outcome_has_ticket CHECK (state NOT IN ('TICKET', 'REPLY') OR ticket_id IS NOT NULL),
  CONSTRAINT inbound_mail_decided_has_time CHECK ((state = 'WAITING') = (decide_time IS NULL))
);
CREATE INDEX inbound_mail_due_idx ON inbound_mail (due_time) WHERE state = 'WAITING';
CREATE INDEX inbound_mail_state_idx ON inbound_mail (service_id, state, id);
CREATE INDEX inbound_mail_sender_idx ON inbound_mail (service_id, sender_hash, receive_time) WHERE state = 'TICKET';
CREATE INDEX inbound_mail_ticket_idx ON inbound_mail (service_id, ticket_id, receive_time);

CREATE TABLE inbound_mail_piece (
  service_id bigint NOT NULL,
  mail_id bigint NOT NULL,
  number integer NOT NULL,
  sealed bytea NOT NULL,
  CONSTRAINT inbound_mail_piece_pkey PRIMARY KEY (service_id, mail_id, number),
  CONSTRAINT inbound_mail_piece_mail_fkey FOREIGN KEY (service_id, mail_id) REFERENCES inbound_mail (service_id, id)
    ON DELETE CASCADE
);

-- People whom the customer wrote to as well: they get the answers too, and may reply.
CREATE TABLE mail_participant (
  service_id bigint NOT NULL,
  id bigint GENERATED ALWAYS AS IDENTITY,
  ticket_id bigint NOT NULL,
  display_name text NOT NULL,
  -- In lower case.
  address text NOT NULL,
  CONSTRAINT mail_participant_pkey PRIMARY KEY (service_id, id),
  CONSTRAINT mail_participant_ticket_fkey FOREIGN KEY (service_id, ticket_id) REFERENCES ticket (service_id, id)
);
CREATE INDEX mail_participant_ticket_idx ON mail_participant (service_id, ticket_id);

GRANT SELECT, INSERT, UPDATE, DELETE ON inbound_mail, inbound_mail_piece TO handoff_mail;
GRANT SELECT, INSERT ON mail_participant TO handoff_mail;
GRANT SELECT ON mail_participant TO handoff_masking;
GRANT UPDATE (display_name, address) ON mail_participant TO handoff_masking;
