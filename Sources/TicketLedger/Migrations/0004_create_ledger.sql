-- The ledger: tickets, their history, their events, their counters, and the work that follows from them.
-- Only the TicketLedger library writes here, in whichever daemon acts; the grants at the end are column by column.

-- Ids are taken in blocks by each daemon, because an event's hash covers the id of its ticket.
CREATE SEQUENCE ticket_id_seq AS bigint INCREMENT BY 64 START WITH 1000;
CREATE SEQUENCE ticket_entry_id_seq AS bigint INCREMENT BY 64 START WITH 1000;

CREATE TABLE ticket (
  service_id bigint NOT NULL,
  id bigint NOT NULL,
  -- State, holder and version stand first: they are what an operator looks for.
  state text NOT NULL,
  version bigint NOT NULL DEFAULT 1,
  group_id bigint,
  agent_id bigint,
  priority text NOT NULL DEFAULT 'NORMAL',
  channel text NOT NULL,
  language text NOT NULL,
  title text NOT NULL,
  submission_type_id bigint,
  processing_type_id bigint,
  internal_reason text,
  is_spam boolean NOT NULL DEFAULT false,
  -- State to come back to when a spam ticket is restored.
  state_before_spam text,
  organization_id bigint NOT NULL,
  customer_id bigint,
  customer_name text NOT NULL DEFAULT '',
  customer_email text NOT NULL DEFAULT '',
  customer_phone text NOT NULL DEFAULT '',
  -- Who wrote the ticket down: an agent, or NULL when it came in by itself.
  creator_agent_id bigint,
  -- Escalation: the consultation ticket this issue ticket answers, and the issue ticket this one waits for.
  source_service_id bigint,
  source_ticket_id bigint,
  target_service_id bigint,
  target_ticket_id bigint,
  entry_count integer NOT NULL DEFAULT 0,
  -- Head of the event chain: number and hash of the last event, sealed with a key that the database does not have.
  event_count integer NOT NULL DEFAULT 0,
  event_hash bytea NOT NULL,
  event_seal bytea NOT NULL,
  create_time timestamptz NOT NULL,
  update_time timestamptz NOT NULL,
  resolve_time timestamptz,
  complete_time timestamptz,
  CONSTRAINT ticket_pkey PRIMARY KEY (service_id, id),
  CONSTRAINT ticket_service_fkey FOREIGN KEY (service_id) REFERENCES service (id),
  CONSTRAINT ticket_group_fkey FOREIGN KEY (service_id, group_id) REFERENCES agent_group (service_id, id),
  CONSTRAINT ticket_agent_fkey FOREIGN KEY (agent_id) REFERENCES agent (id),
  CONSTRAINT ticket_creator_fkey FOREIGN KEY (creator_agent_id) REFERENCES agent (id),
  CONSTRAINT ticket_submission_type_fkey FOREIGN KEY (service_id, submission_type_id)
    REFERENCES submission_type (service_id, id),
  CONSTRAINT ticket_processing_type_fkey FOREIGN KEY (service_id, processing_type_id)
    REFERENCES processing_type (service_id, id),
  CONSTRAINT ticket_customer_fkey FOREIGN KEY (organization_id, customer_id)
    REFERENCES customer (organization_id, id),
  CONSTRAINT ticket_state_known CHECK (state IN (
    'UNASSIGNED', 'PROCESSING', 'PENDING', 'ESCALATING', 'ESCALATION_ANSWERED',
    'DOORAY_ESCALATED', 'DOORAY_IN_PROGRESS', 'DOORAY_ANSWERED', 'RESOLVED', 'COMPLETED')),
  CONSTRAINT ticket_priority_known CHECK (priority IN ('LOW', 'NORMAL', 'HIGH', 'URGENT')),
  CONSTRAINT ticket_channel_known CHECK (channel IN (
    'HELP_CENTER', 'HELP_CENTER_MOBILE', 'API', 'EMAIL', 'CHAT', 'PHONE', 'TWITTER_MENTION', 'TWITTER_MESSAGE',
    'MANUAL', 'ESCALATION')),
  CONSTRAINT ticket_internal_reason_known CHECK (internal_reason IN (
    'SPAM', 'ABUSE', 'TEST', 'DUPLICATE', 'CHAT_SOLVED', 'CALL_SOLVED', 'OTHERS')),
  CONSTRAINT ticket_language_is_code CHECK (language ~ '^[a-z]{2}$'),
  CONSTRAINT ticket_title_length CHECK (char_length(title) BETWEEN 1 AND 200),
  CONSTRAINT ticket_unassigned_has_no_agent CHECK (state <> 'UNASSIGNED' OR agent_id IS NULL),
  CONSTRAINT ticket_processing_has_agent CHECK (state <> 'PROCESSING' OR agent_id IS NOT NULL),
  CONSTRAINT ticket_resolved_has_resolve_time CHECK (state <> 'RESOLVED' OR resolve_time IS NOT NULL),
  CONSTRAINT ticket_completed_has_complete_time CHECK ((state = 'COMPLETED') = (complete_time IS NOT NULL)),
  CONSTRAINT ticket_spam_is_resolved CHECK (NOT is_spam OR (state = 'RESOLVED' AND internal_reason = 'SPAM'))
);
-- One index a list menu, newest first; spam stands apart.
CREATE INDEX ticket_all_idx ON ticket (service_id, id DESC) WHERE NOT is_spam;
CREATE INDEX ticket_state_idx ON ticket (service_id, state, id DESC) WHERE NOT is_spam;
CREATE INDEX ticket_agent_state_idx ON ticket (service_id, agent_id, state, id DESC) WHERE NOT is_spam;
CREATE INDEX ticket_group_idx ON ticket (service_id, group_id, id DESC) WHERE NOT is_spam;
CREATE INDEX ticket_spam_idx ON ticket (service_id, id DESC) WHERE is_spam;
CREATE INDEX ticket_customer_idx ON ticket (organization_id, customer_id, id DESC);

-- The history that people read. Text is canonical plain text (NFC); masked spans are asterisks here.
CREATE TABLE ticket_entry (
  service_id bigint NOT NULL,
  id bigint NOT NULL,
  ticket_id bigint NOT NULL,
  kind text NOT NULL,
  -- The act it was made with, as shown beside it.
  act text NOT NULL,
  actor_kind text NOT NULL,
  -- The agent, or the name of the service that acted.
  actor_name text NOT NULL DEFAULT '',
  body text NOT NULL,
  -- Salted hash of the text as it was written; the event chain covers it, masking never changes it.
  body_salt bytea NOT NULL,
  body_hash bytea NOT NULL,
  create_time timestamptz NOT NULL,
  CONSTRAINT ticket_entry_pkey PRIMARY KEY (service_id, id),
  CONSTRAINT ticket_entry_ticket_fkey FOREIGN KEY (service_id, ticket_id) REFERENCES ticket (service_id, id),
  CONSTRAINT ticket_entry_kind_known CHECK (kind IN ('INQUIRY', 'REPLY', 'COMMENT', 'ESCALATION')),
  CONSTRAINT ticket_entry_act_known CHECK (act IN (
    'CREATE', 'RESOLVE', 'HOLD', 'COMMENT_ADDED', 'RESOLVE_INTERNALLY', 'ESCALATE', 'CUSTOMER_REPLY')),
  CONSTRAINT ticket_entry_actor_kind_known CHECK (actor_kind IN (
    'AGENT', 'CUSTOMER', 'SERVICE', 'TRIGGER', 'SYSTEM', 'DOORAY')),
  CONSTRAINT ticket_entry_body_length CHECK (char_length(body) <= 50000)
);
CREATE INDEX ticket_entry_ticket_idx ON ticket_entry (service_id, ticket_id, id);

-- What happened, for ever: no role may change or remove a row. No free text and no personal value stands here.
CREATE TABLE ticket_event (
  service_id bigint NOT NULL,
  ticket_id bigint NOT NULL,
  -- 1, 2, 3 … without a gap, within the ticket.
  sequence integer NOT NULL,
  code text NOT NULL,
  actor_kind text NOT NULL,
  actor_name text NOT NULL DEFAULT '',
  -- Sequence of the event that caused this one (a trigger's assignment, a mail of a resolve); 0 = none.
  cause_sequence integer NOT NULL DEFAULT 0,
  -- Codes and ids only: [{"field":"state","before":"UNASSIGNED","after":"PROCESSING"}, …]. The very bytes are hashed.
  changes text NOT NULL,
  create_time timestamptz NOT NULL,
  hash bytea NOT NULL,
  CONSTRAINT ticket_event_pkey PRIMARY KEY (service_id, ticket_id, sequence),
  CONSTRAINT ticket_event_ticket_fkey FOREIGN KEY (service_id, ticket_id) REFERENCES ticket (service_id, id),
  CONSTRAINT ticket_event_code_is_word CHECK (code ~ '^[A-Z_]{3,40}$'),
  CONSTRAINT ticket_event_changes_length CHECK (octet_length(changes) <= 8000)
);

-- Before and after of the fields that can hold a customer's words (title, name, address, phone).
-- Masking may change the texts; the hashes, which the chain covers, stay.
CREATE TABLE ticket_event_value (
  service_id bigint NOT NULL,
  ticket_id bigint NOT NULL,
  sequence integer NOT NULL,
  field text NOT NULL,
  before_text text,
  after_text text,
  salt bytea NOT NULL,
  before_hash bytea,
  after_hash bytea,
  CONSTRAINT ticket_event_value_pkey PRIMARY KEY (service_id, ticket_id, sequence, field),
  CONSTRAINT ticket_event_value_event_fkey FOREIGN KEY (service_id, ticket_id, sequence)
    REFERENCES ticket_event (service_id, ticket_id, sequence)
);

-- Counters. A change of a ticket appends what it takes away and what it adds; nobody waits for anybody.
-- A job folds the rows into the two tables below; a reader adds what is not folded yet.
CREATE TABLE ticket_count_change (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  service_id bigint NOT NULL,
  -- Minute in which the ticket was received.
  minute timestamptz NOT NULL,
  -- 0 = nobody holds the ticket.
  agent_id bigint NOT NULL,
  state text NOT NULL,
  -- +1: a ticket came to be so; -1: a ticket is so no more.
  change smallint NOT NULL,
  CONSTRAINT ticket_count_change_is_one CHECK (change IN (-1, 1))
);
CREATE INDEX ticket_count_change_service_idx ON ticket_count_change (service_id);

CREATE TABLE ticket_holder_count (
  service_id bigint NOT NULL,
  agent_id bigint NOT NULL,
  state text NOT NULL,
  count bigint NOT NULL,
  CONSTRAINT ticket_holder_count_pkey PRIMARY KEY (service_id, agent_id, state)
);

CREATE TABLE ticket_minute_count (
  service_id bigint NOT NULL,
  minute timestamptz NOT NULL,
  received bigint NOT NULL,
  unassigned bigint NOT NULL,
  -- RESOLVED or COMPLETED.
  resolved bigint NOT NULL,
  CONSTRAINT ticket_minute_count_pkey PRIMARY KEY (service_id, minute)
);

-- Work that follows from a change: mails to send, trigger passes to run. Written in the change's own transaction,
-- claimed under a lease, retried with backoff, dead-lettered with a reason. Holds ids, never a customer's words.
CREATE TABLE outbox (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  topic text NOT NULL,
  service_id bigint NOT NULL,
  ticket_id bigint NOT NULL,
  -- The event that asked for the work.
  event_sequence integer NOT NULL,
  -- A protobuf message of the topic's owner.
  payload bytea NOT NULL,
  attempt_count integer NOT NULL DEFAULT 0,
  due_time timestamptz NOT NULL DEFAULT now(),
  lease_time timestamptz,
  lease_holder text,
  dead_time timestamptz,
  dead_reason text,
  create_time timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT outbox_topic_known CHECK (topic IN ('MAIL', 'TRIGGERS')),
  CONSTRAINT outbox_dead_has_reason CHECK ((dead_time IS NULL) = (dead_reason IS NULL)),
  CONSTRAINT outbox_event_key UNIQUE (service_id, ticket_id, event_sequence, topic)
);
CREATE INDEX outbox_due_idx ON outbox (topic, due_time) WHERE dead_time IS NULL;

-- A repeated request answers as the first did. Kept 24 hours.
CREATE TABLE idempotency_key (
  caller text NOT NULL,
  method text NOT NULL,
  request_id text NOT NULL,
  request_hash bytea NOT NULL,
  service_id bigint NOT NULL,
  ticket_id bigint NOT NULL,
  -- Ids of what the act made (an entry, masks), to read again.
  result_ids bigint[] NOT NULL DEFAULT '{}',
  create_time timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT idempotency_key_pkey PRIMARY KEY (caller, method, request_id),
  CONSTRAINT idempotency_key_request_id_length CHECK (char_length(request_id) BETWEEN 1 AND 128)
);
CREATE INDEX idempotency_key_create_time_idx ON idempotency_key (create_time);

GRANT USAGE ON SEQUENCE ticket_id_seq, ticket_entry_id_seq TO handoff_tickets;
GRANT SELECT ON ticket, ticket_entry, ticket_event, ticket_event_value
  TO handoff_tickets, handoff_assignment, handoff_mail, handoff_masking;
GRANT INSERT, UPDATE ON ticket TO handoff_tickets;
GRANT UPDATE (state, version, group_id, agent_id, priority, submission_type_id, event_count, event_hash, event_seal,
  update_time, resolve_time, complete_time) ON ticket TO handoff_assignment;
GRANT UPDATE (title, customer_name, customer_email, customer_phone, version, event_count, event_hash, event_seal,
  update_time) ON ticket TO handoff_masking;
GRANT UPDATE (version, event_count, event_hash, event_seal, update_time) ON ticket TO handoff_mail;
GRANT INSERT ON ticket_entry TO handoff_tickets;
GRANT UPDATE (body) ON ticket_entry TO handoff_masking;
-- UPDATE and DELETE on ticket_event are granted to nobody: the log is append-only.
GRANT INSERT ON ticket_event TO handoff_tickets, handoff_assignment, handoff_mail, handoff_masking;
GRANT INSERT ON ticket_event_value TO handoff_tickets, handoff_assignment, handoff_mail, handoff_masking;
GRANT UPDATE (before_text, after_text) ON ticket_event_value TO handoff_masking;
GRANT SELECT, INSERT ON ticket_count_change TO handoff_tickets, handoff_assignment, handoff_masking, handoff_mail;
GRANT DELETE ON ticket_count_change TO handoff_tickets;
GRANT SELECT, INSERT, UPDATE, DELETE ON ticket_holder_count, ticket_minute_count TO handoff_tickets;
GRANT SELECT, INSERT ON outbox TO handoff_tickets, handoff_assignment, handoff_mail, handoff_masking;
GRANT UPDATE, DELETE ON outbox TO handoff_assignment, handoff_mail;
GRANT SELECT, INSERT ON idempotency_key TO handoff_tickets, handoff_assignment, handoff_mail, handoff_masking;
GRANT DELETE ON idempotency_key TO handoff_tickets;
