-- What a ticket's own texts (title, customer, number to call back) were when it was made: keyed hashes on its first
-- event, which the chain covers, instead of one more copy of a customer's data. Older tickets have none.
ALTER TABLE ticket_event ADD COLUMN first_texts bytea;
ALTER TABLE ticket_event ADD CONSTRAINT ticket_event_first_texts_place
  CHECK (first_texts IS NULL OR sequence = 1 AND octet_length(first_texts) % 16 = 0) NOT VALID;
