-- Without a list of texts that wait to be indexed, a text wrote the tickets of each of its pairs of letters anew: with a
-- thousand tickets of a day, a hundred kilobytes for one. The list is taken into the index whenever changes have been
-- numbered, so that looks find it short; when nobody does that, whoever writes keeps it within its limit.
ALTER INDEX ticket_search_tokens_idx SET (fastupdate = on, gin_pending_list_limit = 128);

-- Only an index's owner may do this.
CREATE FUNCTION tidy_search_index() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
  SELECT gin_clean_pending_list('ticket_search_tokens_idx'::regclass)
$$;
REVOKE EXECUTE ON FUNCTION tidy_search_index() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tidy_search_index() TO handoff_tickets;
