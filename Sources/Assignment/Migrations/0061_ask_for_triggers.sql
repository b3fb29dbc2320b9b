-- Whoever makes a ticket asks whether there is anything to run on it. What triggers say stays with assignment.
GRANT SELECT (service_id, is_active) ON trigger_rule TO handoff_tickets;
