-- In how many looks in a row no key has seen a task.
ALTER TABLE dooray_task ADD COLUMN missing_count integer NOT NULL DEFAULT 0;
