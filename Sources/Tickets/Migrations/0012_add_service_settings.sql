-- Settings of a service that its administrators change.
ALTER TABLE service
  ADD COLUMN version bigint NOT NULL DEFAULT 1,
  -- What becomes of a customer's reply to a resolved ticket.
  ADD COLUMN reply_policy text NOT NULL DEFAULT 'REOPEN',
  ADD COLUMN reopen_days integer NOT NULL DEFAULT 0,
  ADD CONSTRAINT service_reply_policy_known CHECK (reply_policy IN ('REOPEN', 'REOPEN_WITHIN_DAYS', 'NEW_TICKET')),
  ADD CONSTRAINT service_reopen_days_range CHECK (reopen_days BETWEEN 0 AND 3650),
  ADD CONSTRAINT service_reopen_days_fit_policy CHECK ((reply_policy = 'REOPEN_WITHIN_DAYS') = (reopen_days > 0));
