// Outbound: to come.
