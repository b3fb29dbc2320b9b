// Tickets: to come.
