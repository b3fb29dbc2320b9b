-- Who deletes a field sees whether a layout names its code.
GRANT SELECT ON mail_layout TO handoff_tickets;
