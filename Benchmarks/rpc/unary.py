"""Echoes of 100 bytes, asked for by h2load: throughput, CPU of the server, latency, memory."""

import os
import re
import tempfile
from dataclasses import dataclass

from lib.processes import Failed, Run, Server
from lib.tables import median, table
from rpc.peers import CPP, CPP_TLS, LIMIT, OURS, OURS_TLS, SWIFT

# Connections, calls under way on each, and calls of one run.
SHAPES = {"1x1": (1, 1, 8_000), "8x10": (8, 10, 80_000), "8x100": (8, 100, 160_000), "64x10": (64, 10, 120_000)}
# The server in Swift is several times slower; its share of the whole run is held down.
SLOW = {SWIFT: 8}
SECURE = (OURS_TLS, CPP_TLS)
SECURE_SHAPE = "8x100"
PATH = "/handoff.test.v1.EchoService/Echo"
TEXT = b"a" * 100
# A flag, a length of four bytes, and the message: field 1 with 100 bytes.
MESSAGE = bytes([0, 0, 0, 0, 102, 0x0A, 100]) + TEXT


@dataclass
class Reading:
    calls_per_second: float
    cpu: float
    p50_ms: float
    p99_ms: float
    resident_mb: float


def measure(peer, server, shape, scale):
    connections, streams, calls = SHAPES[shape]
    calls = max(connections * streams, int(calls * scale / SLOW.get(peer, 1)))
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        body = os.path.join(directory, "body")
        log = os.path.join(directory, "log")
        with open(body, "wb") as file:
            file.write(MESSAGE)
        before = server.cpu_seconds()
        run = Run(
            ["h2load", f"-n{calls}", f"-c{connections}", f"-m{streams}", "-t1", "-d", body, f"--log-file={log}",
             "-H", "content-type: application/grpc", "-H", "te: trailers", "-H", "grpc-timeout: 30S",
             f"{'https' if peer in SECURE else 'http'}://{server.address}{PATH}"], timeout=120)
        cpu = server.cpu_seconds() - before
        _check(peer, run.output, calls)
        with open(log) as file:
            micros = sorted(int(line.rsplit("\t", 1)[1]) for line in file)
    rate = float(re.search(r"finished in [^,]+, ([\d.]+) req/s", run.output).group(1))
    return Reading(rate, cpu * 100_000 / calls, micros[len(micros) // 2] / 1000,
                   micros[len(micros) * 99 // 100] / 1000, server.resident_mb())


def _check(peer, output, calls):
    """Every answer was 2xx and had the bytes that were sent."""
    good = re.search(r"status codes: (\d+) 2xx", output)
    data = re.search(r"\((\d+)\) data", output)
    if not good or int(good.group(1)) != calls:
        raise Failed(f"{peer}: not every answer was 2xx:\n{output}")
    if not data or int(data.group(1)) != calls * len(MESSAGE):
        raise Failed(f"{peer}: the answers do not have the bytes that were sent:\n{output}")


def compare(servers, rounds, scale, shapes, what="unary"):
    """All servers in turns, so that each meets the same neighbours. Answers a reading list by shape and peer."""
    readings = {shape: {peer: [] for peer in servers} for shape in shapes}
    for shape in shapes:
        for turn in range(rounds):
            for peer, command in servers.items():
                # A process for each reading: nothing of the one before is left in its memory.
                with Server(peer, command) as server:
                    measure(peer, server, shape, 0.1 * scale)
                    readings[shape][peer].append(measure(peer, server, shape, scale))
            print(f"  {what} {shape}: round {turn + 1} of {rounds}", flush=True)
    return readings


def _rows(shape, by_peer):
    return [[shape, peer, median(reading.calls_per_second for reading in list_),
             median(reading.cpu for reading in list_), min(reading.cpu for reading in list_),
             median(reading.p50_ms for reading in list_), median(reading.p99_ms for reading in list_),
             median(reading.resident_mb for reading in list_)] for peer, list_ in by_peer.items()]


HEAD = ["c x m", "server", "calls/s", "CPU s per 100k", "(least)", "p50 ms", "p99 ms", "MB"]


def report(readings):
    rows = []
    ratios = []
    for shape, by_peer in readings.items():
        cpu = {peer: median(reading.cpu for reading in list_) for peer, list_ in by_peer.items()}
        rate = {peer: median(reading.calls_per_second for reading in list_) for peer, list_ in by_peer.items()}
        p99 = {peer: median(reading.p99_ms for reading in list_) for peer, list_ in by_peer.items()}
        rows += _rows(shape, by_peer)
        row = [shape, cpu[OURS] / cpu[CPP], cpu[OURS] / cpu[LIMIT], rate[OURS] / rate[CPP], p99[OURS] / p99[CPP]]
        if SWIFT in by_peer:
            row += [cpu[OURS] / cpu[SWIFT], rate[OURS] / rate[SWIFT]]
        ratios.append(row)
    ratio_head = ["c x m", "CPU / C++", "CPU / limit", "calls/s / C++", "p99 / C++"]
    if any(SWIFT in by_peer for by_peer in readings.values()):
        ratio_head += ["CPU / grpc-swift-2", "calls/s / grpc-swift-2"]
    return (f"Unary echo of 100 bytes, h2load with one thread, medians:\n\n{table(HEAD, rows)}\n\n"
            f"Ours against the others:\n\n{table(ratio_head, ratios)}")


def report_secure(readings):
    """What TLS 1.3 adds to a call."""
    by_peer = readings[SECURE_SHAPE]
    cpu = {peer: median(reading.cpu for reading in list_) for peer, list_ in by_peer.items()}
    ratios = [[clear, cpu[secure] / cpu[clear]] for clear, secure in ((OURS, OURS_TLS), (CPP, CPP_TLS))]
    ratios.append([f"{OURS} / {CPP}, both over TLS", cpu[OURS_TLS] / cpu[CPP_TLS]])
    return (f"The same over TLS, medians:\n\n{table(HEAD, _rows(SECURE_SHAPE, by_peer))}\n\n"
            f"{table(['server', 'CPU over TLS / in the clear'], ratios)}")
