"""What a reading was taken on: without it no number means anything."""

import os
import platform
import subprocess
import time


def _first_line(*command):
    try:
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return output.strip().splitlines()[0] if output.strip() else "unknown"


def _cpu_model():
    with open("/proc/cpuinfo") as info:
        for line in info:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def load():
    return " ".join(f"{value:.2f}" for value in os.getloadavg())


def package(name):
    """The version of a Debian package."""
    return _first_line("dpkg-query", "-W", "-f=${Version}", name)


class Machine:
    """Taken at the start of a run; its description is printed at the end, with the load of both."""

    def __init__(self, root):
        self._began = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
        self._load = load()
        commit = _first_line("git", "-C", root, "rev-parse", "--short", "HEAD")
        changed = _first_line("git", "-C", root, "status", "--porcelain", "--untracked-files=no") != "unknown"
        self._commit = commit + (" with changes" if changed else "")

    def describe(self, versions):
        """Markdown lines; `versions` are pairs of a name and a version."""
        swift = _first_line("swift", "--version")
        rows = [
            ("begun", self._began),
            ("commit", self._commit),
            ("machine", f"{_cpu_model()}, {os.cpu_count()} cores, Linux {platform.release()}"),
            ("load (1, 5, 15 min)", f"{self._load} at the start, {load()} at the end"),
            ("versions", ", ".join(f"{name} {version}" for name, version in [("Swift", _swift(swift)), *versions])),
        ]
        return "\n".join(f"- {name}: {value}" for name, value in rows)


def _swift(line):
    words = line.split()
    return words[words.index("version") + 1] if "version" in words else line
