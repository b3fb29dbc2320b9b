-- Attempts that ended by waiting for an earlier mail, or by being given back: they count as ended, not as failures.
ALTER TABLE inbound_mail ADD COLUMN wait_count integer NOT NULL DEFAULT 0;
