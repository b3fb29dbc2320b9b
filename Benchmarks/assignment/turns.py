"""How many tickets a second one sequential trigger gives to agents, through the worker of one running daemon."""

import os
import time

from cluster.installation import Installation
from lib.processes import Failed, cpu_seconds
from lib.tables import median, table

HERE = os.path.dirname(os.path.abspath(__file__))
LIMIT = 300


def _waiting(postgres):
    return int(postgres.sql("SELECT count(*) FROM handoff.outbox WHERE topic = 'TRIGGERS'"))


def _round(installation, first, count):
    """Tickets a second, and the CPU of one in microseconds: in the daemon, and in PostgreSQL."""
    postgres, cluster = installation.postgres, installation.cluster
    with open(os.path.join(HERE, "tickets.sql")) as file:
        script = file.read().replace(":first", str(first)).replace(":count", str(count))
    postgres.sql(script)
    pid = cluster.pid("assignment")
    before = cpu_seconds(pid), postgres.cpu_seconds()
    postgres.sql("UPDATE handoff.outbox SET due_time = clock_timestamp(); NOTIFY handoff_outbox_triggers")
    began = time.monotonic()
    while _waiting(postgres):
        if time.monotonic() > began + LIMIT:
            raise Failed(f"{_waiting(postgres)} of {count} passes were not run within {LIMIT} s")
        # Each look is a session of its own, which costs the server as much as some tickets do.
        time.sleep(0.2)
    seconds = time.monotonic() - began
    cpu = [(after - then) * 1e6 / count for after, then in zip((cpu_seconds(pid), postgres.cpu_seconds()), before)]
    # In turn means that nobody got two more of them than anybody else.
    shares = [int(line) for line in postgres.sql(
        f"SELECT count(*) FROM handoff.ticket WHERE id >= {first} GROUP BY agent_id").split()]
    if sum(shares) != count or max(shares) - min(shares) > 1:
        raise Failed(f"the tickets were not given out in turn: {shares}")
    return count / seconds, *cpu


def report(programs, rounds, count):
    readings = []
    with Installation(programs) as installation:
        postgres = installation.postgres
        transactions = "SELECT sum(n_tup_upd) FROM pg_stat_user_tables WHERE relname = 'trigger_cursor'"
        for number in range(rounds):
            readings.append(_round(installation, 10_000_000 + number * count, count))
            print(f"  turns {number + 1}/{rounds}: {readings[-1][0]:,.0f} a second", flush=True)
        # What the server's processes have counted is there for others about a second later.
        time.sleep(2)
        per_transaction = rounds * count / int(postgres.sql(transactions))
    return table(
        ["through one cursor", "tickets a second", "daemon CPU µs", "PostgreSQL CPU µs", "tickets a transaction"],
        [["one daemon", *(median(values) for values in zip(*readings)), per_transaction]])
