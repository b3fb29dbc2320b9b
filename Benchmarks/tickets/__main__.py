"""scripts/bench tickets: lists, counters and search of few tickets and of many.

Each number of tickets is loaded into a PostgreSQL of its own by `handoff seed --tickets`, and a cluster on it answers
calls at its gateway, one after the other; the tables show milliseconds, and how flat they are.

load      what the seed says of its own speed, and the bytes that the index of texts takes
lists     first page, page 100 and a deep page of every menu
counters  GetCounters; its numbers against a recount over the table
search    two syllables and one, of words in a known share of the tickets
writes    the ledger's creations with the index of texts and without it
memory    PSS of the tickets daemon after all of that
"""

import argparse
import os
import subprocess
import sys

from lib.machine import Machine, package
from lib.processes import Failed
from lib.tables import table
from tickets import calls, place, writes

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PARTS = ("lists", "counters", "search", "writes", "memory")
# The words of `BulkWords`, and what is in every inquiry.
WORDS = [("absent", "뷁뛝"), ("rare, 1 in 20,000", "쿼카"), ("medium, 1 in 500", "훌라"), ("frequent, 3 in 10", "적립"),
         ("3 in 10 of the older half only", "폴더"), ("one syllable, frequent", "적"), ("one syllable, absent", "뷁"),
         ("initial consonants, frequent", "ㅈㄹ"), ("initial consonants of a rare word", "ㅋㅋㅇㅎ"), ("three syllables", "적립금")]


def arguments():
    parser = argparse.ArgumentParser(
        prog="scripts/bench tickets", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tickets", type=int, action="append",
                        help="how many; may be repeated (default: 10,000 and 1,000,000)")
    parser.add_argument("--calls", type=int, default=300, help="calls of each kind (default 300)")
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
    """What one number of tickets came to."""

    def __init__(self, count):
        self.count, self.loaded = count, []
        self.lists, self.counters, self.search = {}, None, {}
        self.recount = self.memory = None


def token_of_page(cluster, session, menu, number):
    """The token of a page of 50, and how many pages there are before it; the last page that there is, at most."""
    token = ""
    for page in range(1, number):
        answer = cluster.get(f"/v1/services/care/tickets?menu={menu}&pageSize=50&pageToken={token}", session)
        following = answer.get("nextPageToken", "")
        if not following:
            return token, page
        token = following
    return token, number


def read_lists(cluster, session, reading, options):
    for label in calls.MENUS:
        menu = label.upper().replace(" ", "_").replace("-", "_")
        for wanted, number in (("first", 1), ("100", 100), ("deep", 1000)):
            token, page = token_of_page(cluster, session, menu, number)
            if wanted != "first" and page < number:
                continue
            taken = calls.latencies(cluster, session, "ListTickets", calls.list_tickets(label, token), options.calls)
            reading.lists[label, wanted] = taken
        print(f"  {reading.count:,}: list {label}", flush=True)


def read_counters(cluster, postgres, session, reading, options):
    reading.counters = calls.latencies(cluster, session, "GetCounters", calls.get_counters(), options.calls)
    answer = cluster.get("/v1/services/care/counters", session)
    counted = {row["state"]: int(row["count"]) for row in answer.get("stateCounts", [])}
    recount = dict(line.split("|") for line in postgres.sql(
        "SELECT state, count(*) FROM handoff.ticket WHERE service_id = 1 AND NOT is_spam GROUP BY state").split())
    reading.recount = {state: int(count) for state, count in recount.items()} == counted


def read_search(cluster, session, reading, options):
    for label, words in WORDS:
        for condition in ("title", "text"):
            found = cluster.json(
                "/v1/services/care/tickets:search", {condition: words, "anyTime": True, "pageSize": 50}, session)
            taken = calls.latencies(
                cluster, session, "SearchTickets", calls.search(condition, words), max(20, options.calls // 3))
            reading.search[label, condition] = (len(found.get("tickets", [])), taken)
        print(f"  {reading.count:,}: search {label}", flush=True)


def measure(programs, count, options, parts):
    reading = Reading(count)
    with place.Place(programs, count) as made:
        reading.loaded = made.loaded
        cluster, session = made.cluster, made.cluster.sign_in()
        if "lists" in parts:
            read_lists(cluster, session, reading, options)
        if "counters" in parts:
            read_counters(cluster, made.postgres, session, reading, options)
        if "search" in parts:
            read_search(cluster, session, reading, options)
        if "memory" in parts:
            reading.memory = cluster.pss_mb()
        if "writes" in parts and count == min(options.tickets):
            reading.writes = writes.compare(made.postgres, count)
    return reading


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
        rows += [[menu, page, float("nan"), float("nan"), *_pair(large.lists[menu, page]), float("nan")]
                 for menu, page in large.lists if (menu, page) not in small.lists] if len(readings) > 1 else []
        head = [f"{name} at {reading.count:,}" for reading in readings for name in ("p50", "p99")]
        sections.append("Lists: a page of 50, in ms.\n\n" + table(["menu", "page", *head, "p99 to p99"], rows))
    if small.counters:
        rows = [[f"{reading.count:,}", *_pair(reading.counters), calls.at(reading.counters, 99) / calls.at(
            small.counters, 99), "equal" if reading.recount else "NOT EQUAL"] for reading in readings]
        sections.append("Counters, in ms.\n\n" + table(["tickets", "p50", "p99", "p99 to p99", "recount"], rows))
    if small.search:
        rows = [[label, condition, *(number for reading in readings for number in (
            reading.search[label, condition][0], *_pair(reading.search[label, condition][1])))]
            for label, condition in small.search]
        head = [f"{name} at {reading.count:,}" for reading in readings for name in ("found", "p50", "p99")]
        sections.append("Search: the first page of 50, over all times, in ms.\n\n" + table(["words", "in", *head], rows))
    for reading in readings:
        if getattr(reading, "writes", None):
            sections.append(reading.writes)
    if large.memory:
        rows = [[name, *(reading.memory[name] for reading in readings)] for name in sorted(large.memory)]
        sections.append("Memory in MB (PSS).\n\n" + table(
            ["process", *(f"at {reading.count:,}" for reading in readings)], rows))
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
    readings = [measure(programs, count, options, parts) for count in options.tickets]
    print()
    versions = [("PostgreSQL", package("postgresql-15")), ("h2load", package("nghttp2-client"))]
    print("\n\n".join([machine.describe(versions), *report(readings)]))


try:
    os.chdir(ROOT)
    main()
except Failed as failure:
    sys.exit(f"scripts/bench tickets: {failure}")
