"""Create, keep and process against pgbench, which writes the same rows into the same tables with the same indexes.

Ours and the peer take turns with tickets of their own in the same database. Both tell which rows they have written: what
PostgreSQL counted for each table stands below the rates.
"""

import os
import re
import subprocess
import time

from cluster import messages
from cluster.load import calls
from lib.processes import Failed
from lib.tables import median, table

HERE = os.path.dirname(os.path.abspath(__file__))
CLIENTS = 32
TABLES = ("ticket", "ticket_event", "ticket_entry", "ticket_search", "ticket_change",
          "ticket_count_change", "outbox")
# Tickets of the peer; ours are far below.
FIRST = 10**12


class Peer:
    """The scripts of pgbench, and what they have in common with a ticket of ours."""

    def __init__(self, postgres, actor, sample):
        self._postgres = postgres
        self._first = FIRST
        self._values = {"agent": actor.agent, "group": actor.group.rsplit("/", 1)[1]}
        self._values["type"], self._values["customer"] = postgres.sql(
            f"SELECT submission_type_id, customer_id FROM handoff.ticket WHERE service_id = 1 AND id = {sample}"
        ).strip().split("|")
        self._sample = sample

    def _texts(self, act):
        # The tokens of our own ticket: of its title, name and inquiry, or of the last entry.
        which = "s.place IN ('title', 'customer_name') OR s.place = (SELECT 'entry/' || min(e.id)" if act == "create" \
            else "s.place = (SELECT 'entry/' || max(e.id)"
        rows = self._postgres.sql(
            f"SELECT quote_literal(s.place), quote_literal(s.tokens::text) FROM handoff.ticket_search AS s WHERE"
            f" s.service_id = 1 AND s.ticket_id = {self._sample} AND ({which} FROM handoff.ticket_entry AS e"
            f" WHERE e.service_id = 1 AND e.ticket_id = {self._sample}))").splitlines()
        return ", ".join(f"({row.replace('|', ', ', 1)})" for row in rows)

    def run(self, act, count, place):
        """Acts a second."""
        with open(os.path.join(HERE, "peer", f"{act}.sql")) as file:
            script = file.read().format(first=self._first, texts=self._texts(act), **self._values)
        path = os.path.join(place, f"{act}.sql")
        with open(path, "w") as file:
            file.write(script)
        done = subprocess.run(
            ["pgbench", "-n", "-h", self._postgres.socket, "-U", "handoff", "-M", "prepared", "-c", str(CLIENTS), "-j",
             "2", "-t", str(count // CLIENTS), "-D", "turn=0", "-f", path, "handoff"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        rate = re.search(r"tps = ([\d.]+)", done.stdout)
        if done.returncode != 0 or not rate:
            raise Failed(f"pgbench: {done.stdout[-2000:]}")
        return float(rate.group(1))

    def next_round(self, count):
        self._first += count


def _rows(postgres):
    # What a process of the server has counted is there for others when it has been idle for ten seconds.
    time.sleep(11)
    names = ", ".join(f"'{name}'" for name in TABLES)
    counted = {}
    for line in postgres.sql(
            f"SELECT relname, n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_user_tables WHERE relname IN ({names})").split():
        name, *numbers = line.split("|")
        counted[name] = [int(number) for number in numbers]
    return counted


class _Written:
    """Rows of each table by act and by whom: inserted, updated and deleted ones."""

    def __init__(self, postgres):
        self._postgres, self._last = postgres, None
        self.rows = {}

    def during(self, act, who, count, work):
        before = self._last or _rows(self._postgres)
        result = work()
        after = self._last = _rows(self._postgres)
        self.rows[act, who] = {name: [(now - then) / count for now, then in zip(after[name], before[name])]
                               for name in TABLES}
        return result

    def table(self):
        def cell(numbers):
            return " ".join(f"{number:.2f}".rstrip("0").rstrip(".") + sign for number, sign in zip(numbers, "+~-")
                            if number > 0.005) or "–"
        return table(["rows an act", *TABLES],
                     [[f"{act}: {who}", *(cell(rows[name]) for name in TABLES)] for (act, who), rows in self.rows.items()])


def compare(place, cluster, postgres, actor, rounds, count):
    """The tables of this part."""
    message = messages.create_ticket()
    calls(cluster, actor.token, "CreateTicket", message, 4, 8, 200)
    newest = "SELECT max(id) FROM handoff.ticket WHERE service_id = 1 AND id < {}"
    sample = postgres.sql(newest.format(FIRST)).strip()
    actor.check("keep", actor.keeps, sample)
    body = {"act": "RESOLVE_INTERNALLY", "internalReason": "TEST", "text": "Solved with the carrier."}
    actor.check("process", body, sample)
    peer, written = Peer(postgres, actor, sample), _Written(postgres)
    pairs = {"create": [], "keep": [], "process": []}
    for turn in range(rounds):
        last = postgres.sql(newest.format(FIRST)).strip()
        made = []

        def acts(act):
            if act == "create":
                return calls(cluster, actor.token, "CreateTicket", message, 4, CLIENTS // 4, count)
            good, refused, rate = actor.send(act, actor.keeps if act == "keep" else body, made, CLIENTS)
            if refused:
                raise Failed(f"{refused} of {good + refused} calls to {act} were refused")
            return rate
        for act, found in pairs.items():
            works = {"pgbench": lambda: peer.run(act, count, place), "handoff": lambda: acts(act)}
            # Counting rows takes its time: once will do.
            theirs, ours = (written.during(act, who, count, work) if turn == rounds - 1 else work()
                            for who, work in works.items())
            if act == "create":
                made = postgres.sql(f"SELECT id FROM handoff.ticket WHERE service_id = 1 AND id > {last}"
                                    f" AND id < {FIRST} ORDER BY id LIMIT {count}").split()
            found.append((ours, theirs))
            print(f"  {act}: {ours:,.0f} a second, pgbench {theirs:,.0f}", flush=True)
        peer.next_round(count)
    rows = [[f"{act}, {CLIENTS} under way", median(one for one, _ in found), median(two for _, two in found),
             median(one / two for one, two in found)] for act, found in pairs.items()]
    return ("Writing: ours through gateway and services, and pgbench with the same rows.\n\n"
            + table(["act", "a second", "pgbench", "ratio"], rows)
            + "\n\nRows that the last round wrote (+ inserted, ~ updated, - deleted).\n\n" + written.table())
