-- Two administrators of an organization do not overwrite each other.
ALTER TABLE organization ADD COLUMN version bigint NOT NULL DEFAULT 1;
