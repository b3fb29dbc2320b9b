"""scripts/bench masking: detection per core, masks against a plain guarded update, and what masking costs a creation.

Everything runs in one program on a PostgreSQL of its own; what is compared takes turns, so that a busy machine disturbs
all of it alike. Detection is measured in CPU time, the rest in the time that a caller waits; the tables show medians,
of the ratios too.
"""

import argparse
import os
import subprocess
import sys

from lib.machine import Machine, package
from lib.processes import Failed, Run
from lib.tables import median, table

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def build():
    command = ["swift", "build", "--package-path", ROOT, "-c", "release", "--static-swift-stdlib"]
    for more in (["--product", "masking-bench"], ["--show-bin-path"]):
        done = subprocess.run([*command, *more], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            raise Failed(done.stdout[-4000:])
    return os.path.join(done.stdout.strip().splitlines()[-1], "masking-bench")


def readings(output):
    """Lines of `name value`, as lists by name."""
    values = {}
    for line in output.splitlines():
        name, _, value = line.rpartition(" ")
        try:
            values.setdefault(name, []).append(float(value))
        except ValueError:
            continue
    return values


def report(values):
    detection = [[name.removeprefix("detect "), median(numbers)]
                 for name, numbers in values.items() if name.startswith("detect ")]
    # A pair of readings stands for the same moment, so the median of their ratios is steadier than that of medians.
    def beside(name, other):
        return [name, median(values[name]), median(one / two for one, two in zip(values[name], values[other]))]

    acts = [beside(name, "update") for name in ("update", "mask", "unmask", "mask with 5 copies", "reveal")]
    creations = [beside(name, "create, detection off")
                 for name in ("create, detection off", "create, nothing found", "create, two spans")]
    return "\n\n".join([
        table(["detection in", "MB/s per core"], detection),
        table(["act", "µs", "of a plain update"], acts),
        table(["creation", "µs", "of one without"], creations),
    ])


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench masking", description=__doc__)
    parser.add_argument("--rounds", type=int, default=600, help="readings of each act (default 600)")
    options = parser.parse_args()
    machine = Machine(ROOT)
    run = Run([build(), str(options.rounds)], timeout=900)
    print(machine.describe([("PostgreSQL", package("postgresql-15"))]))
    print()
    print(report(readings(run.output)))


try:
    os.chdir(ROOT)
    main()
except Failed as failure:
    sys.exit(f"scripts/bench masking: {failure}")
