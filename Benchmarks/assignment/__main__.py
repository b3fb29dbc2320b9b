"""scripts/bench assignment: what deciding about a ticket costs, compiled triggers against plain evaluation.

Both run in one program, one after the other in each round; the tables show medians over the rounds. In the shape
"selective" each trigger asks for another submission type, in "crowded" all can match every ticket.
"""

import argparse
import glob
import os
import subprocess
import sys
import tempfile

from lib.machine import Machine
from lib.tables import median, table

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RULES = os.path.join(ROOT, "Sources", "Assignment", "Rules", "*.swift")
PROGRAM = os.path.join(ROOT, "Benchmarks", "assignment", "main.swift")


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench assignment", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="readings of each shape (default 5)")
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


def main():
    options = arguments()
    machine = Machine(ROOT)
    print("Measuring:", flush=True)
    with tempfile.TemporaryDirectory() as directory:
        found = readings(build(directory), options.rounds)
    rows = []
    for shape, count, _ in dict.fromkeys((shape, count, "") for shape, count, _ in found):
        compiled = median(found[shape, count, "compiled"]) / 1000
        plain = median(found[shape, count, "plain"]) / 1000
        rows.append((shape, f"{count:,}", compiled, plain, plain / compiled))
    print("\nCPU per ticket, ten conditions a trigger, a text of 600 bytes\n")
    print(table(("shape", "triggers", "compiled µs", "plain µs", "plain / compiled"), rows))
    print("\n" + machine.describe([]))


main()
