// TicketLedger: to come.
