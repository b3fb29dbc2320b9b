"""Memory of the tickets daemon while many watch a service and calls are under way."""

import os
import subprocess
import tempfile
import time
import urllib.request

from lib.processes import Failed
from tickets import calls

SUBSCRIBERS = 1_000
UNDER_WAY = 64


def _watchers(cluster):
    with urllib.request.urlopen(cluster.addresses["tickets-admin"] + "/metrics", timeout=30) as reply:
        for line in reply.read().decode().splitlines():
            if line.startswith("handoff_live_watchers "):
                return float(line.split()[1])
    return 0


def _load(cluster, token, directory, method, message, *options):
    body = os.path.join(directory, method)
    with open(body, "wb") as file:
        file.write(message)
    return subprocess.Popen(
        ["h2load", *options, "-t1", "-d", body, "-H", "content-type: application/grpc", "-H", "te: trailers",
         "-H", f"authorization: Bearer {token}", f"{calls.gateway(cluster)}/{calls.SERVICE}/{method}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def memory(cluster, token, ticket, subscribers=SUBSCRIBERS, seconds=10):
    """PSS of every process at its highest, in MB, with so many streams and `UNDER_WAY` reads under way."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        watching = _load(cluster, token, directory, "WatchTickets", calls.framed(calls.text(1, "services/care")),
                         f"-n{subscribers}", "-c20", f"-m{subscribers // 20}")
        reading = None
        try:
            end = time.monotonic() + 60
            while _watchers(cluster) < subscribers:
                if time.monotonic() > end or watching.poll() is not None:
                    raise Failed(f"only {_watchers(cluster):.0f} streams are open")
                time.sleep(0.2)
            reading = _load(cluster, token, directory, "GetTicket", calls.framed(calls.text(1, ticket)),
                            "-n100000000", "-c8", f"-m{UNDER_WAY // 8}")
            highest = {}
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                time.sleep(0.5)
                for name, size in cluster.pss_mb().items():
                    highest[name] = max(size, highest.get(name, 0))
            if reading.poll() is not None or _watchers(cluster) < subscribers:
                raise Failed("the calls or the streams ended while memory was read")
            return highest
        finally:
            for process in (watching, reading):
                if process:
                    process.kill()
                    process.wait()
