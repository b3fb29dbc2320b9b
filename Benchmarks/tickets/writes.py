"""What the index of texts and the counters cost who creates tickets: the same rows with them and without, by pgbench.

The cluster runs meanwhile, so that whoever folds the counters is in the writers' way as ever.
"""

import os
import re
import subprocess

from lib.processes import Failed
from lib.tables import median, table

HERE = os.path.dirname(os.path.abspath(__file__))


def _rate(postgres, count, clients, seconds, indexed, counted):
    done = subprocess.run(
        ["pgbench", "-n", "-h", postgres.socket, "-U", "handoff", "-M", "prepared", "-c", str(clients), "-j", "2", "-T",
         str(seconds), "-D", f"tickets={count * 9 // 10}", "-D", f"indexed={indexed}", "-D", f"counted={counted}",
         "-f", os.path.join(HERE, "create.sql"), "handoff"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise Failed(f"pgbench: {done.stdout[-2000:]}")
    return float(re.search(r"tps = ([\d.]+)", done.stdout).group(1))


def compare(postgres, count, rounds=5, seconds=6):
    rows = []
    for label, clients, with_it, without_it in (
            ("the index of texts", 32, (1, 1), (0, 1)), ("the counters", 64, (1, 1), (1, 0))):
        pairs = []
        for turn in range(rounds):
            # Who goes first changes, since the second finds what the first has left to be written.
            works = [with_it, without_it][::1 if turn % 2 == 0 else -1]
            rates = {work: _rate(postgres, count, clients, seconds, *work) for work in works}
            pairs.append((rates[with_it], rates[without_it]))
        rows.append([label, clients, median(one for one, _ in pairs), median(two for _, two in pairs),
                     median(one / two for one, two in pairs)])
        print(f"  {count:,}: price of {label}", flush=True)
    return ("What creating a ticket pays: creations a second, by pgbench.\n\n" + table(
        ["for", "writers", "with it", "without it", "ratio"], rows))
