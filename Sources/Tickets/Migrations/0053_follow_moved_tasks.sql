-- Tasks that are not where they were created any more.
ALTER TABLE dooray_task
  -- The project at Dooray! that it was moved to; null: it is where it was created.
  ADD COLUMN moved_to text,
  -- Since when Dooray! has not known it any more; null: it does.
  ADD COLUMN missing_time timestamptz,
  ADD CONSTRAINT dooray_task_moved_to_form CHECK (moved_to ~ '^[0-9]{1,30}$');

ALTER TABLE dooray_file
  -- What the task had when the file was first sent: of a file of the same name, by which it is told apart.
  ADD COLUMN seen_ids text[] NOT NULL DEFAULT '{}';
