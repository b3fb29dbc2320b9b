"""scripts/bench cluster: a whole cluster against pgbench on the same PostgreSQL.

Ours and the peer take turns in each round, so that a busy machine disturbs both alike; the tables show medians over the
rounds and the ratio of each round's pair.

get      GetTicket through gateway and tickets, 64 calls under way; pgbench reads the same rows by their key
create   CreateTicket with a trigger that assigns in turn, 32 under way; pgbench writes the same rows in the same number
         of transactions, one round trip each, into a copy of the database
memory   PSS of the idle cluster without PostgreSQL, and after many calls
start    how long a daemon takes from its start to its first answer
"""

import argparse
import os
import sys
import time

from cluster import messages, starts
from cluster.installation import DAEMONS, Installation, build
from cluster.load import calls
from lib.machine import Machine, package
from lib.processes import Failed, cpu_seconds
from lib.tables import median, table

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HERE = os.path.dirname(os.path.abspath(__file__))
PARTS = ("get", "create", "memory", "start")


def arguments():
    parser = argparse.ArgumentParser(
        prog="scripts/bench cluster", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="readings of each (default 5)")
    parser.add_argument("--seconds", type=int, default=10, help="about how long a reading takes (default 10)")
    parser.add_argument("--part", action="append", choices=PARTS, help="only this part; may be repeated")
    parser.add_argument("--calls", type=int, default=1_000_000, help="calls before memory is read again")
    parser.add_argument("--programs", metavar="DIR", help="release builds to measure, instead of building them")
    return parser.parse_args()


class Turns:
    """Readings of ours and of pgbench in turn."""

    def __init__(self, installation):
        self.installation = installation
        self.rows, self.shares = [], []
        # Updates of a sequential trigger's row for each ticket created.
        self.turns_per_create = None

    def compare(self, title, rounds, ours, peer):
        pairs, cpu, theirs = [], [], []
        for number in range(rounds):
            peer_rate, peer_cpu = peer()
            before = self._cpu()
            rate, count = ours()
            cpu.append([(after - then) * 1e6 / count for after, then in zip(self._cpu(), before)])
            pairs.append((rate, peer_rate))
            theirs.append(peer_cpu)
            print(f"  {title} {number + 1}/{rounds}: {rate:,.0f} a second, {sum(cpu[-1]):,.0f} µs of CPU; "
                  f"pgbench {peer_rate:,.0f}, {peer_cpu:,.0f} µs", flush=True)
        self.rows.append([title, median(ours for ours, _ in pairs), median(peer for _, peer in pairs),
                          median(ours / peer for ours, peer in pairs),
                          median(sum(shares) for shares in cpu), median(theirs),
                          median(peer / sum(shares) for shares, peer in zip(cpu, theirs))])
        self.shares.append([title, *(median(values) for values in zip(*cpu))])

    def _cpu(self):
        cluster = self.installation.cluster
        daemons = [cpu_seconds(cluster.pid(name)) for name in ("gateway", "tickets", "assignment")]
        return [*daemons, self.installation.postgres.cpu_seconds()]

    def report(self):
        compared = table(["calls", "a second", "pgbench", "ratio", "CPU µs", "pgbench CPU µs", "ratio"], self.rows)
        shares = table(["CPU µs of a call", "gateway", "tickets", "assignment", "PostgreSQL"], self.shares)
        cursor = ("" if self.turns_per_create is None else
                  f"\n\nUpdates of the trigger's row for each ticket: {self.turns_per_create:.2f}.")
        return (f"Rates, and the CPU of one call: ours without the load generator, pgbench with itself.\n\n{compared}"
                f"\n\nWhere ours is spent.\n\n{shares}{cursor}")


def first_ticket(postgres):
    return postgres.sql(
        "SELECT 'services/care/tickets/' || min(id) FROM handoff.ticket WHERE service_id = 1").strip()


def updates_of_cursor(postgres):
    # What the server's processes have counted is there for others about a second later.
    time.sleep(2)
    return int(postgres.sql("SELECT coalesce(sum(n_tup_upd), 0) FROM pg_stat_user_tables"
                            " WHERE relname = 'trigger_cursor'"))


def throughput(installation, options, parts):
    cluster, postgres = installation.cluster, installation.postgres
    token = cluster.sign_in()
    turns = Turns(installation)
    if "get" in parts:
        message = messages.get_ticket(first_ticket(postgres))
        rate = calls(cluster, token, "GetTicket", message, 8, 8, 10_000)

        def ours():
            count = max(1000, int(rate * options.seconds))
            return calls(cluster, token, "GetTicket", message, 8, 8, count), count
        turns.compare("GetTicket, 64 under way", options.rounds, ours,
                      lambda: postgres.bench(os.path.join(HERE, "point.sql"), 64, options.seconds, "handoff"))
    if "create" in parts:
        message = messages.create_ticket()
        rate = calls(cluster, token, "CreateTicket", message, 4, 8, 500)

        turns_taken, created = updates_of_cursor(postgres), 0

        def creates():
            nonlocal created
            count = max(500, int(rate * options.seconds))
            created += count
            return calls(cluster, token, "CreateTicket", message, 4, 8, count), count
        turns.compare("CreateTicket, 32 under way", options.rounds, creates,
                      lambda: postgres.bench(os.path.join(HERE, "create.sql"), 32, options.seconds, "peer"))
        turns.turns_per_create = (updates_of_cursor(postgres) - turns_taken) / created
    return turns.report()


def memory(installation, options):
    cluster = installation.cluster
    idle = cluster.pss_mb()
    token = cluster.sign_in()
    message = messages.get_ticket(first_ticket(installation.postgres))
    tenth = max(1, options.calls // 10)
    calls(cluster, token, "GetTicket", message, 8, 8, tenth)
    early = cluster.pss_mb()
    calls(cluster, token, "GetTicket", message, 8, 8, options.calls - tenth)
    late = cluster.pss_mb()
    rows = [[name, idle[name], early[name], late[name]] for name in sorted(idle)]
    rows.append(["all", *(sum(reading.values()) for reading in (idle, early, late))])
    return "Memory in MB (PSS), PostgreSQL left out.\n\n" + table(
        ["process", "idle", f"after {tenth:,} calls", f"after {options.calls:,}"], rows)


def main():
    options = arguments()
    parts = options.part or PARTS
    machine = Machine(ROOT)
    programs = os.path.abspath(options.programs) if options.programs else build(ROOT)
    sections = []
    print("Measuring:", flush=True)
    with Installation(programs) as installation:
        if "memory" in parts:
            sections.append(memory(installation, options))
        if "start" in parts:
            sections.append(starts.report(installation, DAEMONS, options.rounds))
        if "get" in parts or "create" in parts:
            sections.append(throughput(installation, options, parts))
    print()
    versions = [("PostgreSQL", package("postgresql-15")), ("h2load", package("nghttp2-client"))]
    print("\n\n".join([machine.describe(versions), *sections]))


try:
    os.chdir(ROOT)
    main()
except Failed as failure:
    sys.exit(f"scripts/bench cluster: {failure}")
