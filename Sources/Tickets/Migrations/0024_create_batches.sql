-- Batches: one act on many tickets, as a job that any copy of the daemon may go on with.

CREATE TABLE ticket_batch (
  service_id bigint NOT NULL,
  id bigint GENERATED ALWAYS AS IDENTITY,
  state text NOT NULL DEFAULT 'RUNNING',
  act text NOT NULL,
  -- What the agent writes on every ticket; taken away when the batch has ended.
  body text NOT NULL DEFAULT '',
  internal_reason text,
  -- What these point to may be deleted while results are kept.
  processing_type_id bigint,
  priority text,
  group_id bigint,
  agent_id bigint,
  -- In whose name each ticket is acted on.
  creator_agent_id bigint NOT NULL,
  request_id text,
  request_hash bytea,
  ticket_count integer NOT NULL,
  -- Known when the batch has ended; before, its items are counted.
  succeeded_count integer NOT NULL DEFAULT 0,
  failed_count integer NOT NULL DEFAULT 0,
  cancelled_count integer NOT NULL DEFAULT 0,
  create_time timestamptz NOT NULL DEFAULT now(),
  end_time timestamptz,
  CONSTRAINT ticket_batch_pkey PRIMARY KEY (service_id, id),
  CONSTRAINT ticket_batch_request_key UNIQUE (creator_agent_id, request_id),
  CONSTRAINT ticket_batch_service_fkey FOREIGN KEY (service_id) REFERENCES service (id),
  CONSTRAINT ticket_batch_creator_fkey FOREIGN KEY (creator_agent_id) REFERENCES agent (id),
  CONSTRAINT ticket_batch_state_known CHECK (state IN ('RUNNING', 'DONE', 'CANCELLED')),
  CONSTRAINT ticket_batch_act_known CHECK (act IN (
    'RESOLVE', 'HOLD', 'COMMENT', 'RESOLVE_INTERNALLY', 'FORWARD', 'UPDATE', 'COMPLETE', 'RESTORE')),
  CONSTRAINT ticket_batch_internal_reason_known CHECK (internal_reason IN (
    'SPAM', 'ABUSE', 'TEST', 'DUPLICATE', 'CHAT_SOLVED', 'CALL_SOLVED', 'OTHERS')),
  CONSTRAINT ticket_batch_priority_known CHECK (priority IN ('LOW', 'NORMAL', 'HIGH', 'URGENT')),
  CONSTRAINT ticket_batch_body_length CHECK (char_length(body) <= 20000),
  CONSTRAINT ticket_batch_ended_has_no_body CHECK (end_time IS NULL OR body = ''),
  CONSTRAINT ticket_batch_done_has_ended CHECK (state <> 'DONE' OR end_time IS NOT NULL),
  CONSTRAINT ticket_batch_has_tickets CHECK (ticket_count BETWEEN 1 AND 10000)
);
CREATE INDEX ticket_batch_running_idx ON ticket_batch (service_id) WHERE end_time IS NULL;
CREATE INDEX ticket_batch_creator_idx ON ticket_batch (service_id, creator_agent_id, id DESC);
CREATE INDEX ticket_batch_end_time_idx ON ticket_batch (end_time) WHERE end_time IS NOT NULL;

-- The tickets of a batch. What acts on a ticket writes the result in the same transaction, so none is acted on twice.
CREATE TABLE ticket_batch_item (
  service_id bigint NOT NULL,
  batch_id bigint NOT NULL,
  -- 1, 2, 3 … in the order of the request.
  number integer NOT NULL,
  -- Not a reference: that there is no such ticket is a result.
  ticket_id bigint NOT NULL,
  outcome text NOT NULL DEFAULT 'PENDING',
  reason text NOT NULL DEFAULT '',
  message text NOT NULL DEFAULT '',
  attempt_count integer NOT NULL DEFAULT 0,
  -- When it may be taken: at once, after a pause, or when the lease of who has taken it ends.
  due_time timestamptz NOT NULL DEFAULT now(),
  lease_holder text,
  result_time timestamptz,
  CONSTRAINT ticket_batch_item_pkey PRIMARY KEY (service_id, batch_id, number),
  CONSTRAINT ticket_batch_item_batch_fkey FOREIGN KEY (service_id, batch_id) REFERENCES ticket_batch (service_id, id)
    ON DELETE CASCADE,
  CONSTRAINT ticket_batch_item_outcome_known CHECK (outcome IN ('PENDING', 'SUCCEEDED', 'FAILED', 'CANCELLED')),
  CONSTRAINT ticket_batch_item_has_result_time CHECK ((outcome = 'PENDING') = (result_time IS NULL)),
  CONSTRAINT ticket_batch_item_message_length CHECK (char_length(message) <= 1000)
);
CREATE INDEX ticket_batch_item_due_idx ON ticket_batch_item (due_time) WHERE outcome = 'PENDING';
CREATE INDEX ticket_batch_item_ticket_idx ON ticket_batch_item (service_id, ticket_id);

GRANT SELECT, INSERT, UPDATE, DELETE ON ticket_batch, ticket_batch_item TO handoff_tickets;
GRANT SELECT, UPDATE (message) ON ticket_batch_item TO handoff_masking;
