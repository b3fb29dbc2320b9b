-- Where a mask's asterisks stand: in the text that was masked, and in every copy of its words. `mask` keeps who and when.
CREATE TABLE mask_place (
  service_id bigint NOT NULL,
  mask_id bigint NOT NULL,
  -- 0: the span that was masked; 1, 2, …: copies.
  number integer NOT NULL,
  -- The ticket of the text: the mask's own, or one that an escalation ties to it.
  ticket_service_id bigint NOT NULL,
  ticket_id bigint NOT NULL,
  -- A row of the registry of copies, `ticket_entry.body`, and the values of its row columns, joined by `/`.
  text_column text NOT NULL,
  row_key text NOT NULL DEFAULT '',
  -- In Unicode scalars of the text as it stands masked (one asterisk for each character); 0 asterisks where the whole
  -- value was taken away.
  span_start integer NOT NULL,
  span_length integer NOT NULL,
  is_on boolean NOT NULL DEFAULT true,
  -- AES-256-GCM; the associated data binds service, mask, text, number of asterisks and key id. NULL when taken off.
  sealed_original bytea,
  key_id text NOT NULL,
  CONSTRAINT mask_place_pkey PRIMARY KEY (service_id, mask_id, number),
  CONSTRAINT mask_place_mask_fkey FOREIGN KEY (service_id, mask_id) REFERENCES mask (service_id, id),
  CONSTRAINT mask_place_ticket_fkey FOREIGN KEY (ticket_service_id, ticket_id) REFERENCES ticket (service_id, id),
  CONSTRAINT mask_place_span_start_range CHECK (span_start >= 0),
  CONSTRAINT mask_place_span_length_range CHECK (span_length BETWEEN 0 AND 50000),
  CONSTRAINT mask_place_on_has_original CHECK (is_on = (sealed_original IS NOT NULL))
);

INSERT INTO mask_place (service_id, mask_id, number, ticket_service_id, ticket_id, text_column, row_key, span_start,
  span_length, is_on, sealed_original, key_id)
SELECT service_id, id, 0, service_id, ticket_id,
  CASE place WHEN 'ENTRY' THEN 'ticket_entry.body' ELSE 'ticket.title' END,
  CASE place WHEN 'ENTRY' THEN entry_id::text ELSE '' END, span_start, span_length, unmask_time IS NULL,
  CASE WHEN unmask_time IS NULL THEN sealed_original END, key_id
FROM mask;

ALTER TABLE mask DROP COLUMN place, DROP COLUMN entry_id, DROP COLUMN field, DROP COLUMN span_start,
  DROP COLUMN span_length, DROP COLUMN sealed_original, DROP COLUMN key_id;
CREATE INDEX mask_ticket_idx ON mask (service_id, ticket_id, id);
CREATE INDEX mask_place_ticket_idx ON mask_place (ticket_service_id, ticket_id) WHERE is_on;
CREATE INDEX mask_place_key_idx ON mask_place (key_id) WHERE is_on;
-- The tickets that an escalation ties to one another are masked together.
CREATE INDEX ticket_source_idx ON ticket (source_service_id, source_ticket_id) WHERE source_ticket_id IS NOT NULL;

GRANT SELECT, INSERT, UPDATE, DELETE ON mask_place TO handoff_masking;
GRANT UPDATE (server_reply) ON mail_message TO handoff_masking;
-- Others may show where masks lie; the sealed originals are masking's alone.
GRANT SELECT (service_id, mask_id, number, ticket_service_id, ticket_id, text_column, row_key, span_start, span_length,
  is_on) ON mask_place TO handoff_tickets, handoff_assignment, handoff_mail;
