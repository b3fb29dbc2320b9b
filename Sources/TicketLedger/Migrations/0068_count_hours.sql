-- The counters of whole hours (of UTC), beside those of minutes: a day has up to 1,440 minutes with tickets, and reading
-- them took longer the more tickets a service gets.
CREATE TABLE ticket_hour_count (
  service_id bigint NOT NULL,
  hour timestamptz NOT NULL,
  received bigint NOT NULL,
  unassigned bigint NOT NULL,
  -- RESOLVED or COMPLETED.
  resolved bigint NOT NULL,
  CONSTRAINT ticket_hour_count_pkey PRIMARY KEY (service_id, hour)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON ticket_hour_count TO handoff_tickets;

INSERT INTO ticket_hour_count (service_id, hour, received, unassigned, resolved)
SELECT service_id, date_trunc('hour', minute, 'UTC'), sum(received), sum(unassigned), sum(resolved)
FROM ticket_minute_count GROUP BY 1, 2;
