"""Our client against gRPC C++'s: unary calls against the same server, and one stream of 1 GiB each way."""

from dataclasses import dataclass

from lib.processes import Run, Server
from lib.tables import median, table
from rpc.peers import CPP, LIMIT, OURS

UNDERWAY = {1: 8_000, 10: 60_000, 100: 100_000}
STREAM_BYTES = 1 << 30
MESSAGE_BYTES = 64 << 10


@dataclass
class Reading:
    rate: float
    client_cpu: float
    server_cpu: float


def compare_unary(peers, rounds, scale):
    """Both clients against the plain C server, which costs either the same and leaves them the machine."""
    readings = {underway: {peer: [] for peer in peers.clients} for underway in UNDERWAY}
    for underway, calls in UNDERWAY.items():
        calls = max(underway, int(calls * scale))
        for turn in range(rounds):
            for peer, command in peers.clients.items():
                with Server(LIMIT, peers.servers[LIMIT]) as server:
                    run = Run([*command, server.address, "unary", str(calls), str(underway)], timeout=120)
                readings[underway][peer].append(
                    Reading(calls / float(run.output.split()[-1]), run.cpu_seconds * 100_000 / calls, 0))
            print(f"  client, {underway} under way: round {turn + 1} of {rounds}", flush=True)
    return readings


def report_unary(readings):
    rows = []
    for underway, by_peer in readings.items():
        cpu = {peer: median(reading.client_cpu for reading in list_) for peer, list_ in by_peer.items()}
        for peer, list_ in by_peer.items():
            rows.append([f"{underway}", peer, median(reading.rate for reading in list_), cpu[peer],
                         min(reading.client_cpu for reading in list_), cpu[peer] / cpu[CPP]])
    head = ["under way", "client", "calls/s", "CPU s per 100k", "(least)", "CPU / C++"]
    return f"Unary echo of 100 bytes, the client's cost on one connection to the plain C server:\n\n{table(head, rows)}"


def compare_streams(peers, rounds, scale):
    """One gigabyte through one stream, each server with each client."""
    messages = max(1, int(STREAM_BYTES * scale) // MESSAGE_BYTES)
    size = messages * MESSAGE_BYTES / (1 << 30)
    pairs = [(server, client) for server in (OURS, CPP) for client in (OURS, CPP)]
    readings = {kind: {pair: [] for pair in pairs} for kind in ("down", "up")}
    for kind, by_pair in readings.items():
        for turn in range(rounds):
            for pair, list_ in by_pair.items():
                with Server(pair[0], peers.servers[pair[0]]) as server:
                    before = server.cpu_seconds()
                    run = Run([*peers.clients[pair[1]], server.address, kind, str(messages), str(MESSAGE_BYTES)],
                              timeout=300)
                    server_cpu = server.cpu_seconds() - before
                rate = size * 1024 / float(run.output.split()[-1])
                list_.append(Reading(rate, run.cpu_seconds / size, server_cpu / size))
            print(f"  stream {kind}: round {turn + 1} of {rounds}", flush=True)
    return readings


def report_streams(readings):
    rows = []
    for kind, by_pair in readings.items():
        rate = {pair: median(reading.rate for reading in list_) for pair, list_ in by_pair.items()}
        for pair, list_ in by_pair.items():
            rows.append([f"{kind}: {pair[0]} server, {pair[1]} client", rate[pair], rate[pair] / rate[CPP, CPP],
                         median(reading.server_cpu for reading in list_),
                         median(reading.client_cpu for reading in list_)])
    head = ["1 GiB through one stream, messages of 64 KiB", "MiB/s", "of C++ to C++", "server CPU s/GiB",
            "client CPU s/GiB"]
    return table(head, rows)
