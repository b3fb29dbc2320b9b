-- Tickets take their ids one by one, whichever copy of a daemon creates them: a greater id is a later ticket, and lists
-- are ordered by it. Blocks, as they were taken from ticket_id_seq, interleave between copies.
CREATE SEQUENCE ticket_next_id_seq AS bigint START WITH 1000;
-- While a cluster is upgraded copy by copy, daemons of the version before go on taking blocks of 64: room for 1,024 of
-- them is left. A new installation has no such daemons.
SELECT setval('ticket_next_id_seq', last_value + 64 * 1024, false) FROM ticket_id_seq WHERE is_called;
GRANT USAGE ON SEQUENCE ticket_next_id_seq TO handoff_tickets;
