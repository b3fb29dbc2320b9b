"""Acts on many tickets at once: h2load sends one act's JSON to the paths of many tickets."""

import json
import os
import random
import re
import tempfile
import threading
import urllib.error

from lib.processes import Failed, Run
from tickets.calls import gateway


class Actor:
    """An administrator of the service `care`, whose acts are sent."""

    def __init__(self, cluster, postgres):
        self.cluster, self.postgres = cluster, postgres
        email, self.agent = postgres.sql(
            "SELECT a.email, a.id FROM handoff.service_member AS m JOIN handoff.agent AS a ON a.id = m.agent_id"
            " WHERE m.service_id = 1 AND m.role = 'ADMINISTRATOR' AND a.is_active ORDER BY a.id LIMIT 1"
        ).strip().split("|")
        self.token = cluster.sign_in(email)
        group = postgres.sql(
            f"SELECT group_id FROM handoff.group_member WHERE service_id = 1 AND agent_id = {self.agent} LIMIT 1").strip()
        self.group = f"services/care/groups/{group or self._any_group()}"
        self.keeps = {"group": self.group} if group else {}

    def _any_group(self):
        return self.postgres.sql("SELECT min(id) FROM handoff.agent_group WHERE service_id = 1").strip()

    def send(self, act, body, tickets, under_way, count=None):
        """Calls that went well and that were refused, and how many a second were answered."""
        count = count or len(tickets)
        with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
            data, paths = os.path.join(directory, "body"), os.path.join(directory, "paths")
            with open(data, "w") as file:
                json.dump(body, file)
            with open(paths, "w") as file:
                file.writelines(
                    f"{gateway(self.cluster)}/v1/services/care/tickets/{ticket}:{act}\n" for ticket in tickets)
            run = Run(
                ["h2load", f"-n{count}", "-c1", f"-m{under_way}", "-t1", "-d", data, "-i", paths,
                 "-H", "content-type: application/json", "-H", f"authorization: Bearer {self.token}"], timeout=3600)
        codes = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", run.output)
        rate = re.search(r"finished in [^,]+, ([\d.]+) req/s", run.output)
        if not codes or not rate or int(codes.group(2)) + int(codes.group(4)):
            raise Failed(f"{act}: {run.output}")
        return int(codes.group(1)), int(codes.group(3)), float(rate.group(1))

    def check(self, act, body, ticket):
        """Sends one act that must go well; a refusal is told in the gateway's words."""
        try:
            self.cluster.json(f"/v1/services/care/tickets/{ticket}:{act}", body, self.token)
        except urllib.error.HTTPError as refusal:
            raise Failed(f"{act}: {refusal.read().decode()}") from refusal

    def at_random(self, count, seed):
        """Sends acts of eight kinds to tickets drawn at random, 64 under way: how many went well, how many were refused."""
        ids = self.postgres.sql(
            "SELECT id FROM handoff.ticket WHERE service_id = 1 AND state <> 'COMPLETED'"
            " ORDER BY id DESC LIMIT 200000").split()
        other = self.postgres.sql(
            "SELECT m.group_id, m.agent_id FROM handoff.group_member AS m JOIN handoff.service_member AS s"
            " ON s.service_id = m.service_id AND s.agent_id = m.agent_id WHERE m.service_id = 1 AND s.is_assignable"
            f" AND s.has_ticket_right AND m.agent_id <> {self.agent} LIMIT 1").strip().split("|")
        kinds = [
            ("keep", self.keeps),
            ("forward", {"group": f"services/care/groups/{other[0]}", "agent": f"agents/{other[1]}"}),
            ("process", {"act": "COMMENT", "text": "Asked the carrier."}),
            ("process", {"act": "HOLD", "text": "We are looking into it."}),
            ("process", {"act": "RESOLVE_INTERNALLY", "internalReason": "TEST"}),
            ("process", {"act": "RESOLVE_INTERNALLY", "internalReason": "SPAM"}),
            ("restore", {}), ("complete", {})]
        random.seed(seed)
        found, failures = [], []

        def run(act, body):
            try:
                tickets = random.choices(ids, k=max(1, count // len(kinds)))
                found.append(self.send(act, body, tickets, 64 // len(kinds)))
            except Failed as failure:
                failures.append(failure)
        threads = [threading.Thread(target=run, args=kind) for kind in kinds]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]
        return sum(good for good, _, _ in found), sum(refused for _, refused, _ in found)


def recount(postgres):
    """Rows in which the counters and a count of all tickets differ."""
    holders = """
        SELECT count(*) FROM (
          SELECT service_id, agent_id, state, sum(count) AS count FROM (
            SELECT service_id, agent_id, state, count FROM handoff.ticket_holder_count
            UNION ALL SELECT service_id, agent_id, state, change FROM handoff.ticket_count_change) AS c
          GROUP BY 1, 2, 3 HAVING sum(count) <> 0) AS counted
        FULL JOIN (
          SELECT service_id, coalesce(agent_id, 0) AS agent_id, state, count(*) FROM handoff.ticket
          WHERE NOT is_spam GROUP BY 1, 2, 3) AS there USING (service_id, agent_id, state)
        WHERE counted.count IS DISTINCT FROM there.count"""
    minutes = """
        SELECT count(*) FROM (
          SELECT service_id, minute, sum(received) AS received, sum(unassigned) AS unassigned, sum(resolved) AS resolved
          FROM (
            SELECT service_id, minute, received, unassigned, resolved FROM handoff.ticket_minute_count
            UNION ALL SELECT service_id, minute, change, CASE WHEN agent_id = 0 THEN change ELSE 0 END,
              CASE WHEN state IN ('RESOLVED', 'COMPLETED') THEN change ELSE 0 END FROM handoff.ticket_count_change) AS c
          GROUP BY 1, 2 HAVING sum(received) <> 0) AS counted
        FULL JOIN (
          SELECT service_id, date_trunc('minute', create_time) AS minute, count(*) AS received,
            count(*) FILTER (WHERE agent_id IS NULL) AS unassigned,
            count(*) FILTER (WHERE state IN ('RESOLVED', 'COMPLETED')) AS resolved
          FROM handoff.ticket WHERE NOT is_spam GROUP BY 1, 2) AS there USING (service_id, minute)
        WHERE (counted.received, counted.unassigned, counted.resolved)
          IS DISTINCT FROM (there.received, there.unassigned, there.resolved)"""
    hours = """
        SELECT count(*) FROM (
          SELECT service_id, date_trunc('hour', minute, 'UTC') AS hour, sum(received) AS received,
            sum(unassigned) AS unassigned, sum(resolved) AS resolved
          FROM handoff.ticket_minute_count GROUP BY 1, 2) AS there
        FULL JOIN handoff.ticket_hour_count AS counted USING (service_id, hour)
        WHERE (counted.received, counted.unassigned, counted.resolved)
          IS DISTINCT FROM (there.received, there.unassigned, there.resolved)"""
    return int(postgres.sql(holders)), int(postgres.sql(minutes)), int(postgres.sql(hours))
