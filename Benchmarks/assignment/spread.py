"""How long after its commit a change of a trigger counts in a running daemon that did not make it."""

import random
import time

from cluster.installation import Installation
from lib.processes import Failed
from lib.tables import median, table

CHANGES = 20
LIMIT = 30


def _change(postgres, service, trigger, name):
    """Renames a trigger as another daemon does; when that was committed."""
    return float(postgres.sql(
        "BEGIN;"
        f" UPDATE handoff.trigger_rule SET display_name = '{name}' WHERE service_id = {service} AND id = {trigger};"
        f" UPDATE handoff.trigger_setting SET generation = generation + 1 WHERE service_id = {service};"
        " COMMIT; SELECT extract(epoch FROM clock_timestamp())"))


def _known(cluster, token):
    """The names of the triggers that would fire on the newest ticket, as the daemon knows them."""
    reply = cluster.json("/v1/services/care/triggers:simulate", {"ticketCount": 1}, token)
    return [firing["triggerDisplayName"] for ticket in reply.get("tickets", []) for firing in ticket["firings"]]


def report(programs, rounds):
    taken, generator = [], random.Random(1)
    with Installation(programs) as installation:
        postgres, cluster = installation.postgres, installation.cluster
        token = cluster.sign_in()
        trigger = cluster.json("/v1/services/care/triggers", {
            "displayName": "0", "conditions": [{"target": "CAUSE", "operator": "IN", "values": ["CREATED"]}],
            "results": [{"priority": "URGENT"}]}, token)["name"].rsplit("/", 1)[1]
        service = postgres.sql("SELECT id FROM handoff.service WHERE code = 'care'").strip()
        for number in range(1, rounds * CHANGES + 1):
            # The daemon reads anew at times of its own.
            time.sleep(generator.uniform(0, 0.6))
            committed = _change(postgres, service, trigger, str(number))
            while str(number) not in _known(cluster, token):
                if time.time() > committed + LIMIT:
                    raise Failed(f"change {number} does not count after {LIMIT} s")
            taken.append((time.time() - committed) * 1000)
        print(f"  {len(taken)} changes", flush=True)
    return table(["a trigger's change counts elsewhere after", "ms", "most"],
                 [[f"{len(taken)} changes", median(taken), max(taken)]])
