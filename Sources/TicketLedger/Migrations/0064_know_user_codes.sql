-- By which an organization's own systems know a customer: on the customer, and on each ticket as it was told.
ALTER TABLE customer
  ADD COLUMN user_code text,
  ADD CONSTRAINT customer_user_code_length CHECK (char_length(user_code) BETWEEN 1 AND 100);
CREATE UNIQUE INDEX customer_user_code_key ON customer (organization_id, user_code) WHERE user_code IS NOT NULL;

ALTER TABLE ticket
  ADD COLUMN customer_user_code text NOT NULL DEFAULT '';
CREATE INDEX ticket_customer_user_code_idx ON ticket (service_id, customer_user_code COLLATE "C", id DESC)
  WHERE customer_user_code <> '';

ALTER TABLE callback
  ADD COLUMN customer_user_code text NOT NULL DEFAULT '';

ALTER TABLE system_field DROP CONSTRAINT system_field_code_known;
ALTER TABLE system_field ADD CONSTRAINT system_field_code_known CHECK (code IN (
  'submission_type', 'title', 'text', 'customer_name', 'customer_email', 'customer_phone', 'customer_user_code',
  'attachments', 'processing_type', 'priority', 'call_time', 'call_direction', 'call_back', 'call_back_time',
  'call_back_phone'));

GRANT UPDATE (user_code) ON customer TO handoff_masking;
GRANT UPDATE (customer_user_code) ON ticket, callback TO handoff_masking;
