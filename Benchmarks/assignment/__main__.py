"""scripts/bench assignment: what deciding about a ticket costs, and how many tickets one sequential trigger gives out.

decide   compiled triggers against plain evaluation, both in one program, one after the other in each round. In the
         shape "selective" each trigger asks for another submission type, in "crowded" all can match every ticket
turns    a cluster's running daemon gives tickets to agents in turn, as fast as it can
spread   a trigger is changed in the database: when does a running daemon go by that?

The tables show medians over the rounds.
"""

import argparse
import glob
import os
import subprocess
import sys
import tempfile

from assignment import spread, turns
from cluster.installation import build as build_cluster
from lib.machine import Machine, package
from lib.processes import Failed
from lib.tables import median, table

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RULES = os.path.join(ROOT, "Sources", "Assignment", "Rules", "*.swift")
PARTS = ("decide", "turns", "spread")
PROGRAM = os.path.join(ROOT, "Benchmarks", "assignment", "main.swift")


def arguments():
    parser = argparse.ArgumentParser(
        prog="scripts/bench assignment", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="readings of each shape (default 5)")
    parser.add_argument("--part", action="append", choices=PARTS, help="only this part; may be repeated")
    parser.add_argument("--tickets", type=int, default=10_000, help="tickets given out in turn (default 10,000)")
    parser.add_argument("--programs", metavar="DIR", help="release builds of the daemons, instead of building them")
    return parser.parse_args()


def build(directory):
    """The rules import nothing, so they are compiled right into the program."""
    program = os.path.join(directory, "assignment-bench")
    subprocess.run(
        ["swiftc", "-O", "-parse-as-library", "-swift-version", "6", "-package-name", "handoff", "-module-name",
         "assignment_bench", "-o", program, *sorted(glob.glob(RULES)), PROGRAM], check=True)
    return program


def readings(program, rounds):
    """Nanoseconds by shape, number of triggers and method."""
    found = {}
    for number in range(rounds):
        print(f"  round {number + 1} of {rounds}", flush=True)
        result = subprocess.run([program], capture_output=True, text=True)
        if result.returncode != 0:
            sys.exit(result.stdout + result.stderr)
        for line in result.stdout.splitlines():
            shape, count, method, nanoseconds = line.split()
            found.setdefault((shape, int(count), method), []).append(int(nanoseconds))
    return found


def decisions(rounds):
    with tempfile.TemporaryDirectory() as directory:
        found = readings(build(directory), rounds)
    rows = []
    for shape, count, _ in dict.fromkeys((shape, count, "") for shape, count, _ in found):
        compiled = median(found[shape, count, "compiled"]) / 1000
        plain = median(found[shape, count, "plain"]) / 1000
        rows.append((shape, f"{count:,}", compiled, plain, plain / compiled))
    return ("CPU per ticket, ten conditions a trigger, a text of 600 bytes.\n\n"
            + table(("shape", "triggers", "compiled µs", "plain µs", "plain / compiled"), rows))


def main():
    options = arguments()
    parts = options.part or PARTS
    machine = Machine(ROOT)
    print("Measuring:", flush=True)
    sections = []
    if "decide" in parts:
        sections.append(decisions(options.rounds))
    if "turns" in parts or "spread" in parts:
        programs = os.path.abspath(options.programs) if options.programs else build_cluster(ROOT)
    if "turns" in parts:
        sections.append(turns.report(programs, options.rounds, options.tickets))
    if "spread" in parts:
        sections.append(spread.report(programs, options.rounds))
    print()
    print("\n\n".join([machine.describe([("PostgreSQL", package("postgresql-15"))]), *sections]))


try:
    main()
except Failed as failure:
    sys.exit(f"scripts/bench assignment: {failure}")
