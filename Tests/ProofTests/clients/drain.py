"""Ends daemons with SIGTERM under load: what was accepted is answered, so a call that fails was not carried out.

    drain.py DIR             each daemon and the edge in turn
    drain.py DIR --up PID    the whole cluster; then `drain.py DIR --check` after it was started again
"""

import argparse
import json
import os
import random
import signal
import threading
import time

from actors import Staff
from blows import DAEMONS, processes
from cluster import Cluster, Failure, Protos, Report, eventually
from doors import ALLOWED, GRPCDoor, JSONDoor

CLIENTS = 8


class Load:
    """Clients that create tickets one after the other and send nothing twice."""

    def __init__(self, cluster, protos, staff, run):
        self.cluster, self.staff, self.run = cluster, staff, run
        self.lock, self.stop = threading.Lock(), threading.Event()
        self.answered, self.failed, self.refusals = [], [], []
        self.last_answer = time.monotonic()
        gateway, edge = cluster.addresses["gateway"], cluster.edge
        kinds = [(GRPCDoor, gateway), (JSONDoor, edge), (JSONDoor, edge), (GRPCDoor, edge)]
        self.threads = [
            threading.Thread(target=self.create, args=(number, kind(protos, address, f"{kind.__name__} edge")))
            for number, (kind, address) in enumerate(kinds * (CLIENTS // len(kinds)))]

    def create(self, number, door):
        random_ = random.Random(f"{self.run} {number}")
        count = 0
        while not self.stop.is_set():
            count += 1
            title = f"{self.run}-{number}-{count}"
            mailbox, _ = self.staff.anyone("services/care", random_)
            try:
                door.call("CreateTicket", {
                    "parent": "services/care", "title": title, "text": "Where is it?", "language": "en",
                    "submissionType": self.staff.types["services/care"]}, self.staff.tokens[mailbox], 60)
                with self.lock:
                    self.answered.append(title)
                    self.last_answer = time.monotonic()
            except Failure as failure:
                with self.lock:
                    self.failed.append(title)
                    if failure.status not in ALLOWED:
                        self.refusals.append(f"{title}: {failure}")
                # Nobody hammers a server that is away.
                time.sleep(0.02)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()


def check(cluster, answered, failed):
    """Every answered creation is there once, and none that failed."""
    titles = [title for title, in cluster.sql(
        f"SELECT title FROM ticket WHERE title LIKE '{(answered + failed)[0].split('-')[0]}-%'")]
    lost = sorted(set(failed) & set(titles))
    assert not lost, f"{len(lost)} calls failed that were carried out: {lost[:5]}"
    assert sorted(titles) == sorted(answered), f"{len(titles)} tickets for {len(answered)} answers"


def serving(cluster, protos):
    health = protos.type("grpc.health.v1.HealthCheckResponse")

    def all_serve():
        try:
            for address in [cluster.addresses[name] for name in DAEMONS] + [cluster.edge]:
                door = GRPCDoor(protos, address, "health")
                answer = door.api.raw("/grpc.health.v1.Health/Check", b"", health.FromString, 10, [])
                door.api.channel.close()
                if answer.status != 1:
                    return False
            return True
        except Failure:
            return False

    eventually("SERVING everywhere", all_serve)


def one(cluster, protos, staff, name):
    """Ends one process under load; it is started again by handoff up."""
    program = "nghttpx" if name == "edge" else f"handoff-{name}"
    pid = min(pid for found, pid in processes(cluster.directory) if found == program)
    with Load(cluster, protos, staff, f"drain{name}{int(time.time())}") as load:
        eventually("load", lambda: len(load.answered) > 20)
        # The edge ends when its calls are answered at a SIGQUIT, which is what handoff up sends it.
        os.kill(pid, signal.SIGQUIT if name == "edge" else signal.SIGTERM)
        eventually("its end", lambda: not os.path.exists(f"/proc/{pid}"))
        serving(cluster, protos)
        before = len(load.answered)
        eventually("answers again", lambda: len(load.answered) > before + 20)
    check(cluster, load.answered, load.failed)
    assert not load.refusals, load.refusals[:5]
    print(f"| {name} | {len(load.answered)} | {len(load.failed)} |")


def everything(cluster, protos, staff, up):
    """Ends the whole cluster under load."""
    with Load(cluster, protos, staff, f"drainall{int(time.time())}") as load:
        eventually("load", lambda: len(load.answered) > 50)
        os.kill(up, signal.SIGTERM)
        eventually("the end of everything", lambda: not processes(cluster.directory))
    with open(f"{cluster.directory}/drained.json", "w", encoding="utf-8") as file:
        json.dump([load.answered, load.failed], file)
    assert not load.refusals, load.refusals[:5]
    print(f"| everything | {len(load.answered)} | {len(load.failed)} |")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("directory")
    parser.add_argument("--up", type=int)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    cluster, protos, report = Cluster(options.directory), Protos(), Report()
    if options.check:
        with open(f"{cluster.directory}/drained.json", encoding="utf-8") as file:
            report.row("what was answered before the end is there, what failed is not", check, cluster, *json.load(file))
        return
    staff = Staff(cluster, GRPCDoor(protos, cluster.addresses["gateway"], "gateway"))
    print("| SIGTERM to | calls answered | calls failed, none of them carried out |\n|---|---|---|")
    if options.up:
        report.row("SIGTERM to handoff up under load", everything, cluster, protos, staff, options.up)
    else:
        for name in ("masking", "mail", "assignment", "tickets", "gateway", "edge"):
            report.row(f"SIGTERM to {name} under load", one, cluster, protos, staff, name)


main()
# Threads of stock channels must not hold the end up.
os.sys.stdout.flush()
os._exit(0)
