"""What the index of texts costs who creates tickets: the same rows with it and without it, by pgbench."""

import os
import re
import subprocess

from lib.processes import Failed
from lib.tables import median, table

HERE = os.path.dirname(os.path.abspath(__file__))


def _rate(postgres, count, indexed, seconds):
    done = subprocess.run(
        ["pgbench", "-n", "-h", postgres.socket, "-U", "handoff", "-M", "prepared", "-c", "32", "-j", "2", "-T",
         str(seconds), "-D", f"tickets={count * 9 // 10}", "-D", f"indexed={indexed}",
         "-f", os.path.join(HERE, "create.sql"), "handoff"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise Failed(f"pgbench: {done.stdout[-2000:]}")
    return float(re.search(r"tps = ([\d.]+)", done.stdout).group(1))


def compare(postgres, count, rounds=3, seconds=8):
    pairs = [(_rate(postgres, count, 1, seconds), _rate(postgres, count, 0, seconds)) for _ in range(rounds)]
    return ("The price of the index: creations a second, 32 clients.\n\n" + table(
        ["with it", "without it", "ratio"],
        [[median(one for one, _ in pairs), median(two for _, two in pairs), median(one / two for one, two in pairs)]]))
