-- Callbacks of triggers that are not delivered, and the secrets that they are signed with.
ALTER TABLE outbox DROP CONSTRAINT outbox_topic_known;
ALTER TABLE outbox ADD CONSTRAINT outbox_topic_known CHECK (topic IN ('MAIL', 'TRIGGERS', 'CALLBACKS'));

-- What a callback says of its ticket, as the trigger left it. Goes with its row of the outbox.
CREATE TABLE callback (
  service_id bigint NOT NULL,
  id bigint GENERATED ALWAYS AS IDENTITY,
  ticket_id bigint NOT NULL,
  -- The event that asked for it.
  event_sequence integer NOT NULL,
  topic text NOT NULL DEFAULT 'CALLBACKS',
  url text NOT NULL,
  -- Host and port of the URL: one receiver.
  destination text NOT NULL,
  -- A CallbackBody without the texts below, which masks reach.
  body bytea NOT NULL,
  title text NOT NULL,
  customer_name text NOT NULL,
  customer_email text NOT NULL,
  customer_phone text NOT NULL,
  CONSTRAINT callback_pkey PRIMARY KEY (service_id, id),
  CONSTRAINT callback_topic_is_callbacks CHECK (topic = 'CALLBACKS'),
  CONSTRAINT callback_url_length CHECK (char_length(url) <= 2000),
  CONSTRAINT callback_event_key UNIQUE (service_id, ticket_id, event_sequence, topic),
  CONSTRAINT callback_outbox_fkey FOREIGN KEY (service_id, ticket_id, event_sequence, topic)
    REFERENCES outbox (service_id, ticket_id, event_sequence, topic) ON DELETE CASCADE
);

CREATE INDEX callback_destination_idx ON callback (destination);

CREATE TABLE callback_secret (
  service_id bigint PRIMARY KEY,
  -- Sealed by masking for assignment.
  sealed bytea NOT NULL,
  -- The one before it; callbacks are signed with both for a day.
  previous_sealed bytea,
  create_time timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT callback_secret_service_fkey FOREIGN KEY (service_id) REFERENCES service (id)
);

GRANT SELECT, INSERT ON callback TO handoff_assignment;
GRANT SELECT, INSERT, UPDATE ON callback_secret TO handoff_assignment;
GRANT SELECT ON callback TO handoff_masking;
GRANT UPDATE (title, customer_name, customer_email, customer_phone) ON callback TO handoff_masking;
