"""scripts/bench tickets: lists, counters and search of few tickets and of many.

Each number of tickets is loaded into a PostgreSQL of its own by `handoff seed --tickets`, and a cluster on it answers
calls at its gateway, one after the other; the tables show milliseconds, and how flat they are. The clusters are called
in turns, a few calls each, so that a machine that is faster now and slower then is so for all of them alike.

load      what the seed says of its own speed, and the bytes that the index of texts takes
lists     first page, page 100 and a deep page of every menu
orders    first page and page 100 of the large menus, sorted by each column
counters  GetCounters; its numbers against a recount over the table, and, at the most tickets, against another one
          after random acts with 64 under way
search    two syllables and one, of words in a known share of the tickets
memory    PSS of every process with 1,000 streams open and 64 calls under way
acts      create, keep and process at 32 under way, against pgbench with the same rows; at the least number of tickets
writes    what creations pay for the index of texts and for the counters; at the least number of tickets
"""

import argparse
import contextlib
import os
import subprocess
import sys

from lib.machine import Machine, package
from lib.processes import Failed
from lib.tables import table
from tickets import acts, calls, peer, place, streams, writes

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PARTS = ("lists", "orders", "counters", "search", "memory", "acts", "writes")
COLUMNS = ("title", "priority desc", "state", "agent", "channel")
# The words of `BulkWords`, and what is in every inquiry.
WORDS = [("absent", "뷁뛝"), ("rare, 1 in 20,000", "쿼카"), ("medium, 1 in 500", "훌라"),
         ("frequent, 3 in 10", "적립"), ("3 in 10 of the older half only", "폴더"),
         ("one syllable, frequent", "적"), ("one syllable, absent", "뷁"), ("initial consonants, frequent", "ㅈㄹ"),
         ("initial consonants, absent", "ㅋㅋㅇㅎ"), ("three syllables", "적립금")]

# In how many turns the calls of a kind are made.
TURNS = 10

FOUND = [label for label, _ in WORDS if "absent" not in label]


def arguments():
    parser = argparse.ArgumentParser(
        prog="scripts/bench tickets", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tickets", type=int, action="append",
                        help="how many; may be repeated (default: 10,000 and 1,000,000)")
    parser.add_argument("--calls", type=int, default=1_000, help="calls of each kind (default 1,000)")
    parser.add_argument("--acts", type=int, default=100_000, help="random acts before the recount (default 100,000)")
    parser.add_argument("--tickets-per-turn", type=int, default=3_200,
                        help="tickets that ours and pgbench create, keep and process in a turn (default 3,200)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of ours and of pgbench (default 3)")
    parser.add_argument("--part", action="append", choices=PARTS, help="only this part; may be repeated")
    parser.add_argument("--programs", metavar="DIR", help="release builds to measure, instead of building them")
    return parser.parse_args()


def build():
    programs = os.path.join(ROOT, ".build", "bench", "programs")
    print("  scripts/build-release", programs, flush=True)
    done = subprocess.run([os.path.join(ROOT, "scripts", "build-release"), programs],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise Failed(done.stdout[-4000:])
    return programs


class Reading:
    """What one number of tickets came to, and the cluster that has them."""

    def __init__(self, made):
        self.count, self.loaded = made.count, made.loaded
        self.place, self.postgres, self.cluster = made.place, made.postgres, made.cluster
        # An agent of two groups who holds tickets and has promised calls: all menus show something.
        self.session = made.cluster.sign_in("junho")
        self.lists, self.orders, self.counters, self.search = {}, {}, None, {}
        self.recount = self.acted = self.memory = self.acts = self.writes = None


def token_of_page(cluster, session, menu, number, order=""):
    """The token of a page of 50; None when there are fewer pages."""
    token, left = "", (number - 1) * 50
    while left:
        size = min(200, left)
        answer = cluster.get(f"/v1/services/care/tickets?menu={menu}&pageSize={size}&pageToken={token}"
                             f"&orderBy={order.replace(' ', '%20')}", session)
        token, left = answer.get("nextPageToken", ""), left - size
        if not token:
            return None
    return token


def shown(cluster, session, menu):
    """The tickets on the first page of a menu."""
    return cluster.get(f"/v1/services/care/tickets?menu={name_of(menu)}&pageSize=50", session).get("tickets", [])


def name_of(menu):
    return menu.upper().replace(" ", "_").replace("-", "_")


def in_turns(messages, method, count):
    """Milliseconds of `count` calls of each reading in turns, ascending; `messages` has a message for a reading."""
    taken = {reading: [] for reading in messages}
    turns = min(TURNS, count)
    for turn in range(turns):
        for reading, message in messages.items():
            calls_now = count * (turn + 1) // turns - count * turn // turns
            taken[reading] += calls.latencies(reading.cluster, reading.session, method, message, calls_now, 1)
    return {reading: sorted(times) for reading, times in taken.items()}


def pages(readings, menu, number, order=""):
    """The message of a page of 50 for each reading that has so many."""
    tokens = {reading: token_of_page(reading.cluster, reading.session, name_of(menu), number, order)
              for reading in readings}
    return {reading: calls.list_tickets(menu, token, order) for reading, token in tokens.items() if token is not None}


def read_lists(readings, options):
    for label in calls.MENUS:
        for reading in readings:
            if not shown(reading.cluster, reading.session, label):
                raise Failed(f"the menu {label} is empty: what it takes would say nothing")
        for wanted, number in (("first", 1), ("100", 100), ("1,000", 1_000), ("10,000", 10_000)):
            # A deep page is read where it matters: in the menu that has every ticket.
            if number == 10_000 and label != "all":
                continue
            for reading, taken in in_turns(pages(readings, label, number), "ListTickets", options.calls).items():
                reading.lists[label, wanted] = taken
                print(f"  {reading.count:,}: list {label}, page {wanted}: {told(taken)}", flush=True)


def read_orders(readings, options):
    for label in ("all", "unassigned", "my resolved", "my groups", "escalated", "spam"):
        for column in COLUMNS:
            for wanted, number in (("first", 1), ("100", 100)):
                messages = pages(readings, label, number, column)
                for reading, taken in in_turns(messages, "ListTickets", options.calls).items():
                    reading.orders[label, column, wanted] = taken
        print(f"  orders of {label}", flush=True)


def read_counters(readings, options):
    messages = {reading: calls.get_counters() for reading in readings}
    for reading, taken in in_turns(messages, "GetCounters", options.calls).items():
        reading.counters = taken
        print(f"  {reading.count:,}: counters: {told(taken)}", flush=True)
        answer = reading.cluster.get("/v1/services/care/counters", reading.session)
        counted = {row["state"]: int(row["count"]) for row in answer.get("stateCounts", [])}
        recount = dict(line.split("|") for line in reading.postgres.sql(
            "SELECT state, count(*) FROM handoff.ticket WHERE service_id = 1 AND NOT is_spam GROUP BY state").split())
        reading.recount = {state: int(count) for state, count in recount.items()} == counted


def act_at_random(readings, options):
    large = readings[-1]
    good, refused = acts.Actor(large.cluster, large.postgres).at_random(options.acts, seed=large.count)
    print(f"  {large.count:,}: {good:,} random acts, {refused:,} refused", flush=True)
    large.acted = (good, refused, *acts.recount(large.postgres))


def read_search(readings, options):
    for label, words in WORDS:
        for condition in ("title", "text"):
            message = calls.search(condition, words)
            # Nothing of what it reads may be in memory yet, and then it may take longer than a JSON call waits.
            first = {reading: calls.latencies(reading.cluster, reading.session, "SearchTickets", message, 1)[0]
                     for reading in readings}
            times = in_turns(dict.fromkeys(readings, message), "SearchTickets", max(20, options.calls // 3))
            for reading, taken in times.items():
                found = reading.cluster.json(
                    "/v1/services/care/tickets:search", {condition: words, "anyTime": True, "pageSize": 50},
                    reading.session).get("tickets", [])
                if not found and label in FOUND and reading.count >= 1_000_000:
                    raise Failed(f"no {condition} has {words}: what a search takes would say nothing")
                reading.search[label, condition] = (len(found), first[reading], taken)
                print(f"  {reading.count:,}: search {label} in {condition}: first {first[reading]:.1f} ms, then "
                      f"{told(taken)}", flush=True)


def read_memory(reading):
    """With no other cluster beside it, which would share the pages of its programs and so their count."""
    newest = reading.postgres.sql("SELECT max(id) FROM handoff.ticket WHERE service_id = 1").strip()
    idle = reading.cluster.pss_mb()
    reading.memory = (idle, streams.memory(reading.cluster, reading.session, f"services/care/tickets/{newest}"))


def read_acts(readings, options):
    small = readings[0]
    small.acts = peer.compare(
        small.place, small.cluster, small.postgres, acts.Actor(small.cluster, small.postgres), options.rounds,
        options.tickets_per_turn // 32 * 32)


def read_writes(readings, options):
    readings[0].writes = writes.compare(readings[0].postgres, readings[0].count, 2 * options.rounds)


# In this order: what writes comes behind what reads, and the many random acts behind what is measured beside pgbench.
READERS = (("lists", read_lists), ("orders", read_orders), ("search", read_search), ("counters", read_counters),
           ("acts", read_acts), ("writes", read_writes), ("counters", act_at_random))


def measure(programs, options, parts):
    with contextlib.ExitStack() as last, contextlib.ExitStack() as others:
        readings = []
        for count in options.tickets:
            places = last if count == max(options.tickets) else others
            readings.append(Reading(places.enter_context(place.Place(programs, count))))
            print(f"  {count:,}: loaded", flush=True)
            if "memory" in parts and len(readings) == 1 < len(options.tickets):
                read_memory(readings[0])
        for part, read in READERS:
            if part in parts:
                read(readings, options)
        others.close()
        if "memory" in parts:
            read_memory(readings[-1])
    return readings


def told(taken):
    return f"{calls.at(taken, 50):.2f} and {calls.at(taken, 99):.2f} ms"


def report(readings):
    small, large = readings[0], readings[-1]
    sections = ["Load: what the seed says of itself, and the index of texts by ticket.\n\n" + table(
        ["tickets", "", ""], [[f"{reading.count:,}", *row] for reading in readings for row in reading.loaded])]
    if small.lists:
        rows = [[menu, page, *(number for reading in readings for number in (
            calls.at(reading.lists[menu, page], 50), calls.at(reading.lists[menu, page], 99))
            if (menu, page) in reading.lists)]
            for menu, page in small.lists if all((menu, page) in reading.lists for reading in readings)]
        rows = [[*row, row[-1] / row[3]] for row in rows]
        rows += [[menu, page, *_pair(small.lists[menu, page]), *[float("nan")] * (2 * len(readings) - 1)]
                 for menu, page in small.lists if (menu, page) not in large.lists]
        rows += [[menu, page, float("nan"), float("nan"), *_pair(large.lists[menu, page]), float("nan")]
                 for menu, page in large.lists if (menu, page) not in small.lists] if len(readings) > 1 else []
        head = [f"{name} at {reading.count:,}" for reading in readings for name in ("p50", "p99")]
        sections.append("Lists: a page of 50, in ms.\n\n" + table(["menu", "page", *head, "p99 to p99"], rows))
    if small.orders:
        rows = [[menu, column, page, *(number for reading in readings for number in (
            _pair(reading.orders[menu, column, page]) if (menu, column, page) in reading.orders
            else [float("nan")] * 2))] for menu, column, page in large.orders]
        rows = [[*row, row[-1] / row[4]] for row in rows]
        head = [f"{name} at {reading.count:,}" for reading in readings for name in ("p50", "p99")]
        sections.append("Orders: a page of 50, in ms.\n\n" + table(["menu", "by", "page", *head, "p99 to p99"], rows))
    if small.counters:
        rows = [[f"{reading.count:,}", *_pair(reading.counters), calls.at(reading.counters, 99) / calls.at(
            small.counters, 99), "equal" if reading.recount else "NOT EQUAL"] for reading in readings]
        sections.append("Counters, in ms.\n\n" + table(["tickets", "p50", "p99", "p99 to p99", "recount"], rows))
        rows = [[f"{reading.count:,}", *(f"{number:,}" for number in reading.acted)]
                for reading in readings if reading.acted]
        sections.append(
            "Random acts, 64 under way, and then a recount of every holder's states, minute and hour.\n\n" + table(
                ["tickets", "acts", "refused", "states that differ", "minutes that differ",
                 "hours that differ"], rows))
    if small.search:
        rows = [[label, condition, *(number for reading in readings for number in (
            *reading.search[label, condition][:2], *_pair(reading.search[label, condition][2])))]
            for label, condition in small.search]
        head = [f"{name} at {reading.count:,}" for reading in readings for name in ("found", "first call", "p50", "p99")]
        sections.append("Search: the first page of 50, over all times, in ms.\n\n" + table(["words", "in", *head], rows))
    sections += [section for reading in readings for section in (reading.acts, reading.writes) if section]
    if large.memory:
        read = [reading for reading in readings if reading.memory]
        rows = [[name, *(memory[name] for reading in read for memory in reading.memory)]
                for name in sorted(large.memory[1])]
        title = f"Memory in MB (PSS), before and with {streams.SUBSCRIBERS:,} streams and {streams.UNDER_WAY} calls."
        sections.append(title + "\n\n" + table(
            ["process", *(f"{when} at {reading.count:,}" for reading in read for when in ("before", "with"))], rows))
    return sections


def _pair(taken):
    return calls.at(taken, 50), calls.at(taken, 99)


def main():
    options = arguments()
    options.tickets = sorted(options.tickets or [10_000, 1_000_000])
    parts = options.part or PARTS
    machine = Machine(ROOT)
    programs = os.path.abspath(options.programs) if options.programs else build()
    print("Measuring:", flush=True)
    readings = measure(programs, options, parts)
    print()
    versions = [("PostgreSQL", package("postgresql-15")), ("h2load", package("nghttp2-client"))]
    print("\n\n".join([machine.describe(versions), *report(readings)]))


try:
    os.chdir(ROOT)
    main()
except Failed as failure:
    sys.exit(f"scripts/bench tickets: {failure}")
