-- By what a mail is known that comes in again was SHA-256 of its Message-ID, body or whole: who reads the database
-- could find a masked number by hashing all numbers there are. The daemons key these hashes, new ones at once and those
-- that are here in the background; the key is theirs.
ALTER TABLE inbound_mail ADD COLUMN has_keyed_prints boolean NOT NULL DEFAULT false;
CREATE INDEX inbound_mail_unkeyed_idx ON inbound_mail (service_id, id) WHERE NOT has_keyed_prints;

-- It names the sealed bytes of a mail, and goes with them.
UPDATE inbound_mail SET content_hash = '\x' WHERE NOT has_raw;
