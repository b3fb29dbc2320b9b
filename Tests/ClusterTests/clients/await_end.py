"""Waits until no process works in the data directory any more: await_end.py DIR"""

import os
import sys

from cluster import Report, eventually


def is_at_home(pid, directory):
    try:
        place = os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return False
    return place == directory or place.startswith(f"{directory}/")


def main():
    directory = sys.argv[1]
    Report().row("nothing is left", eventually, "the end", lambda: not any(
        is_at_home(pid, directory) for pid in os.listdir("/proc") if pid.isdigit()))


main()
