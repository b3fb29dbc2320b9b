-- A customer who is known by an address alone is written with their first ticket, which names them by number.
GRANT USAGE ON SEQUENCE customer_id_seq TO handoff_tickets;
