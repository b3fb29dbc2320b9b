-- Whether the customer agreed, with the inquiry, that their personal data is collected and used.
ALTER TABLE ticket
  ADD COLUMN privacy_consent boolean NOT NULL DEFAULT false;

ALTER TABLE system_field DROP CONSTRAINT system_field_code_known;
ALTER TABLE system_field ADD CONSTRAINT system_field_code_known CHECK (code IN (
  'submission_type', 'title', 'text', 'customer_name', 'customer_email', 'customer_phone', 'customer_user_code',
  'attachments', 'privacy_consent', 'processing_type', 'priority', 'call_time', 'call_direction', 'call_back',
  'call_back_time', 'call_back_phone'));
