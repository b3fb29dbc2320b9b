-- Which of masking's keys seals a piece or a summary, so that both can be sealed anew; empty: not known, which is older
-- than all.
ALTER TABLE inbound_mail_piece ADD COLUMN key_id text COLLATE "C" NOT NULL DEFAULT '';
CREATE INDEX inbound_mail_piece_key_idx ON inbound_mail_piece (key_id, service_id, mail_id, number);
ALTER TABLE inbound_mail ADD COLUMN summary_key_id text COLLATE "C" NOT NULL DEFAULT '';
CREATE INDEX inbound_mail_summary_key_idx ON inbound_mail (summary_key_id, service_id, id)
  WHERE sealed_summary IS NOT NULL;
