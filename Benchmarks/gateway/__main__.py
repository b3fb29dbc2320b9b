"""scripts/bench gateway: what the door of a cluster costs, over both of its faces and through the edge.

Readings take turns in each round, so that a busy machine disturbs all alike; the tables show medians over the rounds.

faces    GetTicket as gRPC and as JSON at the gateway, as JSON through the edge, and as gRPC at the tickets daemon itself,
         called as the gateway calls it; all over HTTP/2 with TLS
echo     the same load on the echo of `scripts/bench rpc` with TLS: what a call costs that does nothing
streams  PSS of every process with 1,000 and with 2,000 live streams on the gateway, and how long a change takes to reach
         2,000 clients that follow the service through the edge
tracker  only with --with-request-tracker: get, first page, search and create as JSON against Request Tracker 5; create
         also with a mail to the customer
"""

import argparse
import os
import re
import signal
import sys
import tempfile
from dataclasses import dataclass

from cluster import messages
from cluster.installation import Installation, build
from gateway import tracker, watchers
from gateway.direct import Direct
from gateway.request_tracker import RequestTracker
from lib.machine import Machine, package
from lib.processes import Failed, Run, Server, cpu_seconds
from lib.tables import median, table
from rpc import unary
from rpc.peers import ROOT, build_ours, make_certificate
from tickets import streams

PARTS, TRACKER = ("faces", "echo", "streams"), "tracker"
GRPC, JSON, EDGE, ECHO = "gateway, gRPC", "gateway, JSON", "edge, JSON", "echo, gRPC"
DIRECT = "tickets, gRPC"
CONNECTIONS, UNDER_WAY = 64, 10
METHOD = "handoff.gateway.v1.HandoffService/GetTicket"
# Whose sessions these are, as `Cluster.sign_in` takes them.
AGENT = "jihye"
STREAMS = (1_000, 2_000)


@dataclass
class Reading:
    calls_per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float


def arguments():
    parser = argparse.ArgumentParser(
        prog="scripts/bench gateway", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="readings of each (default 5)")
    parser.add_argument("--calls", type=int, default=40_000, help="calls of a reading (default 40,000)")
    parser.add_argument("--part", action="append", choices=(*PARTS, TRACKER), help="only this part; may be repeated")
    parser.add_argument("--programs", metavar="DIR", help="builds to measure, instead of building them")
    parser.add_argument("--with-request-tracker", action="store_true",
                        help="compare with Request Tracker 5 too; installs some 270 of Debian's packages")
    parser.add_argument("--tickets", type=int, default=16_000, help="tickets of that part, about (default 16,000)")
    parser.add_argument("--seconds", type=int, default=20, help="time of a reading in that part (default 20)")
    parser.add_argument("--turns", type=int, default=2, help="turns of either side in that part (default 2)")
    options = parser.parse_args()
    if TRACKER in (options.part or ()) and not options.with_request_tracker:
        parser.error(f"--part {TRACKER} needs --with-request-tracker")
    return options


def load(url, headers, count, cpu, body=None, environment=None):
    """One run of h2load: every call must be answered with 2xx. `cpu` tells the seconds that the server has used so far."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        log, data = os.path.join(directory, "log"), os.path.join(directory, "body")
        command = ["h2load", f"-n{count}", f"-c{CONNECTIONS}", f"-m{UNDER_WAY}", "-t1", f"--log-file={log}"]
        if body is not None:
            with open(data, "wb") as file:
                file.write(body)
            command += ["-d", data]
        for header in headers:
            command += ["-H", header]
        before = cpu()
        run = Run(command + [url], timeout=3600, environment=environment)
        used = cpu() - before
        with open(log) as file:
            micros = sorted(int(line.rsplit("\t", 1)[1]) for line in file)
    good = re.search(r"status codes: (\d+) 2xx", run.output)
    if not good or int(good.group(1)) != count:
        raise Failed(f"{url}: not every call was answered with 2xx:\n{run.output}")
    rate = float(re.search(r"finished in [^,]+, ([\d.]+) req/s", run.output).group(1))
    return Reading(rate, micros[len(micros) // 2] / 1000, micros[len(micros) * 99 // 100] / 1000, used * 1e6 / count)


def first_ticket(postgres):
    return postgres.sql(
        "SELECT 'services/care/tickets/' || min(id) FROM handoff.ticket WHERE service_id = 1").strip()


class Faces:
    """The same call in every way."""

    def __init__(self, installation):
        cluster = installation.cluster
        ticket = first_ticket(installation.postgres)
        bearer = f"authorization: Bearer {cluster.sign_in()}"
        grpc = ["content-type: application/grpc", "te: trailers", "grpc-timeout: 30S", bearer]
        gateway, pid = f"https://{cluster.addresses['gateway']}", cluster.pid("gateway")
        cpu = lambda: cpu_seconds(pid)
        agent = installation.postgres.sql(
            f"SELECT id FROM handoff.agent WHERE email LIKE '{AGENT}%'").strip()
        direct, tickets = Direct(cluster, agent), cluster.pid("tickets")
        message = messages.get_ticket(ticket)
        self.ways = {
            GRPC: lambda count: load(f"{gateway}/{METHOD}", grpc, count, cpu, message),
            JSON: lambda count: load(f"{gateway}/v1/{ticket}", [bearer], count, cpu),
            EDGE: lambda count: load(f"{cluster.addresses['edge-tls']}/v1/{ticket}", [bearer], count, cpu),
            DIRECT: lambda count: load(
                direct.url, [*grpc[:3], *direct.headers], count, lambda: cpu_seconds(tickets), message,
                direct.environment),
        }


def echo(count, command):
    """A process for each reading, as `scripts/bench rpc` has it."""
    headers = ["content-type: application/grpc", "te: trailers", "grpc-timeout: 30S"]
    with Server(ECHO, command) as server:
        url = f"https://{server.address}{unary.PATH}"
        load(url, headers, count // 10, server.cpu_seconds, unary.MESSAGE)
        return load(url, headers, count, server.cpu_seconds, unary.MESSAGE)


def compare(ways, options):
    readings = {name: [] for name in ways}
    for way in ways.values():
        way(max(CONNECTIONS * UNDER_WAY, options.calls // 10))
    for turn in range(options.rounds):
        for name, way in ways.items():
            readings[name].append(way(options.calls))
        print(f"  round {turn + 1} of {options.rounds}", flush=True)
    return readings


def report(readings):
    middle = {name: Reading(*(median(getattr(reading, field) for reading in list_) for field in (
        "calls_per_second", "p50_ms", "p99_ms", "cpu_us"))) for name, list_ in readings.items()}
    rows = [[name, value.calls_per_second, value.p50_ms, value.p99_ms, value.cpu_us]
            for name, value in middle.items()]
    ratios = []
    if GRPC in middle:
        ratios.append(["calls/s, JSON / gRPC", middle[JSON].calls_per_second / middle[GRPC].calls_per_second])
        ratios.append(["calls/s, edge / gateway", middle[EDGE].calls_per_second / middle[JSON].calls_per_second])
        ratios.append(["p99, gateway, gRPC / tickets", middle[GRPC].p99_ms / middle[DIRECT].p99_ms])
        ratios.append(["p99, gateway, JSON / tickets", middle[JSON].p99_ms / middle[DIRECT].p99_ms])
    if GRPC in middle and ECHO in middle:
        ratios.append(["CPU of the gateway, gRPC / echo", middle[GRPC].cpu_us / middle[ECHO].cpu_us])
        ratios.append(["CPU of the gateway, JSON / echo", middle[JSON].cpu_us / middle[ECHO].cpu_us])
    compared = table(["way", "calls/s", "p50 ms", "p99 ms", "CPU µs"], rows)
    text = (f"GetTicket, {CONNECTIONS} connections with {UNDER_WAY} calls under way on each, medians; CPU is that of the"
            f" gateway alone, of the tickets daemon alone where that is called, or of the echo's server.\n\n{compared}")
    return text + (f"\n\n{table(['ratio', ''], ratios)}" if ratios else "")


def main():
    options = arguments()
    parts = options.part or (*PARTS, *([TRACKER] if options.with_request_tracker else []))
    machine = Machine(ROOT)
    programs = os.path.abspath(options.programs) if options.programs else build(ROOT)
    program = os.path.join(programs, "rpc-bench") if options.programs else build_ours() if "echo" in parts else None
    versions = [("nghttp2", package("libnghttp2-14"))]
    print("Measuring:", flush=True)
    sections = measure(programs, program, parts, options) if set(parts) & set(PARTS) else []
    if TRACKER in parts:
        sections.append(tracker.report(*tracker.compare(programs, options)))
        versions += [("PostgreSQL", package("postgresql-15")), *RequestTracker.versions()]
    print()
    print("\n\n".join([machine.describe(versions), *sections]))


def measure(programs, program, parts, options):
    """The sections of the parts that need one cluster."""
    sections = []
    with Installation(programs) as installation:
        ways = Faces(installation).ways if "faces" in parts else {}
        if "echo" in parts:
            command = [program, "server", "0", *make_certificate()]
            ways[ECHO] = lambda count: echo(count, command)
        if ways:
            sections.append(report(compare(ways, options)))
        if "streams" in parts:
            sections += live(installation)
    return sections


def live(installation):
    """The sections of the streams."""
    cluster = installation.cluster
    ticket = first_ticket(installation.postgres)
    highest = [streams.memory(cluster, cluster.sign_in(), ticket, count) for count in STREAMS]
    rows = [[name, *(sizes[name] for sizes in highest)] for name in sorted(highest[0])]
    sections = [f"Highest PSS in MB with live streams on the gateway and {streams.UNDER_WAY} reads under way.\n\n"
                + table(["process", *(f"{count:,} streams" for count in STREAMS)], rows)]
    holder = installation.postgres.sql(
        "SELECT a.email FROM handoff.service_member AS m JOIN handoff.agent AS a ON a.id = m.agent_id WHERE"
        " m.service_id = 1 AND m.is_assignable AND m.has_ticket_right AND a.is_active ORDER BY a.id LIMIT 1").strip()
    reached = watchers.reach(cluster, cluster.sign_in(holder), STREAMS[-1])
    sections.append(
        f"A change of a ticket, to {STREAMS[-1]:,} clients of one gateway as server-sent events through the edge, after"
        f" the answer to who made it; {watchers.CHANGES} changes one after the other, ms; the clients' own work is in"
        f" it.\n\n{table(['half of the clients', 'all of them', 'all of them, slowest change'], [reached])}")
    return sections


# Whoever ends it finds nothing left behind, either.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
try:
    os.chdir(ROOT)
    main()
except Failed as failure:
    sys.exit(f"scripts/bench gateway: {failure}")
