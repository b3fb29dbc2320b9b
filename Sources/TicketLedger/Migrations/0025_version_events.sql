-- Which version of the ticket an event made, so that who saw an older one can be told what has changed since. The hash
-- chain does not cover it. 0: it made none, as a mail's delivery does not, or it was written before this migration.
ALTER TABLE ticket_event ADD COLUMN version bigint NOT NULL DEFAULT 0;
