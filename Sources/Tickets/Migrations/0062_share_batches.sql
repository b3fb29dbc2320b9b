-- Every batch is worked on at the same time as others, whatever its size: what is due is looked for batch by batch.
CREATE INDEX ticket_batch_item_pending_idx ON ticket_batch_item (service_id, batch_id, due_time, number)
  WHERE outcome = 'PENDING';
DROP INDEX ticket_batch_item_due_idx;
