-- By what a mail is known that comes in again was SHA-256 of its Message-ID, body or whole: who reads the database
-- could find a masked number by hashing all numbers there are. The daemons key these hashes, new ones at once and those
-- that are here in the background; the key is theirs.
ALTER TABLE inbound_mail ADD COLUMN has_keyed_prints boolean NOT NULL DEFAULT false;
CREATE INDEX inbound_mail_unkeyed_idx ON inbound_mail (service_id, id) WHERE NOT has_keyed_prints;
