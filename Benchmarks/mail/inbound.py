"""Customers' mails handed over at the edge, 32 at a time; pgbench writes the same rows in as many transactions."""

import os
import re
import sys
import time

from lib.processes import Failed, Run

HERE = os.path.dirname(os.path.abspath(__file__))
CLIENTS = 32
# The peer's have greater ids.
OURS = "SELECT count(*) FROM handoff.inbound_mail WHERE state = 'TICKET' AND id < 10^12"


def _peer(place, count, sealed_bytes, turn):
    """Mails a second by pgbench, and the CPU of one in microseconds."""
    postgres = place.postgres
    with open(os.path.join(HERE, "inbound.sql")) as file:
        script = file.read().format(turn=turn, bytes=sealed_bytes)
    path = os.path.join(place.place, "inbound.sql")
    with open(path, "w") as file:
        file.write(script)
    before = postgres.cpu_seconds()
    run = Run(["pgbench", "-n", "-h", postgres.socket, "-U", "handoff", "-M", "prepared", "-c", str(CLIENTS), "-j", "2",
               "-t", str(max(1, count // CLIENTS)), "-D", "turn=0", "-f", path, "handoff"], timeout=600)
    time.sleep(0.5)
    done = max(1, count // CLIENTS) * CLIENTS
    rate = float(re.search(r"tps = ([\d.]+)", run.output).group(1))
    return rate, (postgres.cpu_seconds() - before + run.cpu_seconds) * 1e6 / done


def measure(place, count, rounds):
    """Rows of the table, one for each round."""
    cluster, postgres, rows = place.cluster, place.postgres, []
    each = count // rounds
    token = cluster.sign_in()
    for turn in range(rounds):
        postgres.sql("VACUUM ANALYZE")
        postgres.settle()
        before, database = cluster.cpu(), postgres.cpu_seconds()
        received = int(postgres.sql(OURS))
        run = Run([sys.executable, os.path.join(HERE, "hand_over.py"), cluster.addresses["edge"], token, str(each),
                   str(turn), str(CLIENTS)], timeout=900)
        ours = float(run.output.strip())
        made = int(postgres.sql(OURS)) - received
        if made != each:
            raise Failed(f"{made} of {each} mails became tickets")
        after = cluster.cpu()
        cost = {name: (after[name] - before.get(name, 0)) * 1e6 / each for name in after}
        base = (postgres.cpu_seconds() - database) * 1e6 / each
        sealed = int(postgres.sql(
            "SELECT avg(length(sealed))::int FROM handoff.inbound_mail_piece WHERE mail_id < 10^12"))
        theirs, their_cpu = _peer(place, each, sealed, turn)
        rows.append((ours, theirs, cost, base, their_cpu, cluster.mail_mb()))
        print(f"  in {turn + 1}/{rounds}: {ours:,.0f} mails a second, {sum(cost.values()) + base:,.0f} µs of CPU; "
              f"pgbench {theirs:,.0f}, {their_cpu:,.0f} µs", flush=True)
    return rows
