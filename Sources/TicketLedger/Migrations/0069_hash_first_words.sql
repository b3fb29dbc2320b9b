-- Keyed hashes of what a ticket was made with and no entry holds, for VerifyHistory; what is older has none. The chain of
-- events covers them, so that it needs no further copy of a customer's data.
--
-- The ticket's own texts (title, customer, number to call back), on its first event.
ALTER TABLE ticket_event ADD COLUMN first_texts bytea;
ALTER TABLE ticket_event ADD CONSTRAINT ticket_event_first_texts_place
  CHECK (first_texts IS NULL OR sequence = 1 AND octet_length(first_texts) % 16 = 0) NOT VALID;

-- A line's speaker and its text.
ALTER TABLE transcript_line ADD COLUMN hashes bytea;
ALTER TABLE transcript_line ADD CONSTRAINT transcript_line_hashes_length CHECK (octet_length(hashes) = 32) NOT VALID;

-- A call's number.
ALTER TABLE call_record ADD COLUMN hash bytea;
ALTER TABLE call_record ADD CONSTRAINT call_record_hash_length CHECK (octet_length(hash) = 16) NOT VALID;
