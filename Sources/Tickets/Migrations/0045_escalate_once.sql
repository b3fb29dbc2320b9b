-- A request makes one task at most. Of several that it has made nevertheless, one keeps its id: one that is open.
UPDATE dooray_task AS t SET request_id = ''
FROM (
  SELECT x.service_id, x.id, row_number() OVER (
    PARTITION BY x.service_id, x.ticket_id, x.agent_id, x.request_id ORDER BY (x.state = 'OPEN') DESC, x.id DESC
  ) AS place
  FROM dooray_task AS x WHERE x.request_id <> ''
) AS known
WHERE known.place > 1 AND t.service_id = known.service_id AND t.id = known.id;
CREATE UNIQUE INDEX dooray_task_request_idx ON dooray_task (service_id, ticket_id, agent_id, request_id)
  WHERE request_id <> '';
