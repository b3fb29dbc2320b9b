-- What gateways make with a secret of their own, the same one for all of them: page tokens of sessions, keys and the
-- audit log, which nobody else can make up.
CREATE TABLE gateway_key (
  purpose text PRIMARY KEY CHECK (purpose = 'PAGE_TOKENS'),
  key bytea NOT NULL CHECK (octet_length(key) = 32)
);
-- Each UUID has 122 bits from the server's own source of secrets.
INSERT INTO gateway_key (purpose, key)
VALUES ('PAGE_TOKENS', sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())));

GRANT SELECT ON gateway_key TO handoff_gateway;
