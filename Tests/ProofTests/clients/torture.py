"""Acts at random on a running cluster while it is harmed at random, then says what of it is still true.

    torture.py DIR --seed N --seconds N [--actors N] [--control HOST:PORT]

It can be run by hand against any cluster of `handoff up`, for as long as one likes; the cluster's demo data stays. With
the cluster's surroundings.py under control, connections between daemons and the mail server are harmed, too."""

import argparse
import collections
import os
import random
import sys
import threading
import time

import grpc

from actors import CARE, TECH, Actor, Book, Staff, unexpected
from blows import DAEMONS, Blows, processes
from cluster import SECURE, Cluster, Protos, Report, channel_to, visitor
from doors import GRPCDoor, JSONDoor, Proxy
from verdicts import Verdicts
from watchers import Watcher

# Only a cluster that does not recover is waited for so long.
RECOVERY_SECONDS_MAX = 120
# Who serves for so long does not do so by mistake.
STEADY_SECONDS = 1


class Torture:
    def __init__(self, options):
        self.seed, self.seconds = options.seed, options.seconds
        self.cluster = Cluster(options.directory)
        self.protos = Protos()
        # In lower case, as addresses are kept.
        self.run = f"t{self.seed}x{int(time.time())}"
        gateway, edge = Proxy(self.cluster.addresses["gateway"]), Proxy(self.cluster.edge)
        # What passes through is still encrypted.
        SECURE[gateway.address] = SECURE[self.cluster.addresses["gateway"]]
        self.proxies = [gateway, edge]
        self.direct = GRPCDoor(self.protos, self.cluster.addresses["gateway"], "gateway")
        self.staff = Staff(self.cluster, self.direct)
        self.book, self.stop = Book(), threading.Event()
        # Nobody gives the tickets of this service out, so that agents take them.
        self.cluster.sql(
            "UPDATE trigger_rule SET is_active = false WHERE service_id = (SELECT id FROM service WHERE code = 'tech')")
        self.blows = Blows(self.cluster, self.proxies, self.seed, options.control)
        self.actors = [
            Actor(number, self.run, self.seed, [
                GRPCDoor(self.protos, gateway.address, "gRPC"), GRPCDoor(self.protos, edge.address, "gRPC, edge"),
                JSONDoor(self.protos, edge.address, "JSON"),
            ], self.staff, self.book, self.stop)
            for number in range(options.actors)]
        self.watchers = [
            Watcher(self.protos, gateway.address, service, self.staff.tokens[self.staff.admin])
            for service in (CARE, TECH)]
        self.recoveries, self.first_acts = [], []

    def go(self):
        for watcher in self.watchers:
            watcher.start()
            assert watcher.begun.wait(60), f"{watcher.name} hears nothing"
        for actor in self.actors:
            actor.start()
        begin = time.monotonic()
        random_ = random.Random(f"storms {self.seed}")
        while time.monotonic() - begin < self.seconds:
            left = self.seconds - (time.monotonic() - begin)
            last = self.blows.storm(min(left, random_.uniform(5, 30)))
            first = threading.Thread(target=self.first_act, args=(last,))
            first.start()
            self.recoveries.append(self.recovery(last))
            first.join()
            # Some acts in peace, so that every storm meets work of every kind.
            time.sleep(random_.uniform(0, 2))
        self.stop.set()
        for actor in self.actors:
            actor.join(300)
            if actor.is_alive():
                self.book.violate(f"{actor.name} does not end")
        self.acted_seconds = time.monotonic() - begin

    def recovery(self, since):
        """Seconds from the last blow until every daemon, and the edge, reports SERVING, and does so for a while: a
        daemon may not have heard of the blow yet."""
        addresses = [self.cluster.addresses[name] for name in self.cluster.servers] + [self.cluster.edge]
        begun = None
        while time.monotonic() - since < RECOVERY_SECONDS_MAX:
            if not all(self.serves(address) for address in addresses):
                begun = None
            elif begun is None:
                begun = time.monotonic()
            elif time.monotonic() - begun > STEADY_SECONDS:
                return begun - since
            time.sleep(0.02)
        self.book.violate(f"not SERVING {RECOVERY_SECONDS_MAX} s after the last blow")
        return time.monotonic() - since

    def serves(self, address):
        channel = channel_to(address, visitor(address))
        check = self.protos.service("grpc.health.v1.Health").methods_by_name["Check"]
        answer = self.protos.type(check.output_type.full_name)
        try:
            told = channel.unary_unary("/grpc.health.v1.Health/Check", response_deserializer=answer.FromString)(
                b"", timeout=5)
            return told.status == answer.DESCRIPTOR.enum_types_by_name["ServingStatus"].values_by_name["SERVING"].number
        except grpc.RpcError:
            return False
        finally:
            channel.close()

    def first_act(self, since):
        """Notes the seconds from the last blow until a ticket is created."""
        Actor(f"{len(self.first_acts)}r", self.run, self.seed, [self.direct], self.staff, self.book, self.stop).create(
            "services/care")
        self.first_acts.append(time.monotonic() - since)

    def failed_only_as_allowed(self):
        others = unexpected(self.book.failures)
        assert not others and not self.book.violations, "\n".join([f"{others}"] + self.book.violations[:10])

    def nothing_died_for_good(self):
        names = [name for name, _ in processes(self.cluster.directory)]
        copies = collections.Counter(self.cluster.servers.values())
        # The edge is a process that watches over another.
        for program, wanted in [(f"handoff-{name}", copies[name]) for name in DAEMONS] + [("nghttpx", 2)]:
            assert names.count(program) == wanted, f"{names.count(program)} processes of {program}"

    def table(self, verdicts):
        acts = sum(len(ticket.acts) for ticket in self.book.tickets)
        rows = [
            ("seed", self.seed), ("copies", ", ".join(
                f"{count} {name}" for name, count in collections.Counter(self.cluster.servers.values()).items())),
            ("clients", len(self.actors)), ("seconds of acts and blows", f"{self.acted_seconds:.0f}"),
            ("blows", sum(self.blows.dealt.values())), ("answered calls", sum(self.book.calls.values())),
            ("acknowledged acts", acts), ("tickets", len(self.book.tickets)), ("events", verdicts.events_read),
            ("mails", getattr(verdicts, "mail_count", "–")),
            ("of them handed over again", getattr(verdicts, "repeated_count", "–")), ("chains verified", getattr(verdicts, "chain_count", "–")),
            ("creations answered unassigned", self.book.unassigned_creations),
            ("acts overtaken by a trigger", self.book.overtaken),
            ("slowest act, retries included, s", f"{self.book.slowest:.1f}"),
            ("changes watched", sum(len(watcher.ids) for watcher in self.watchers)),
            ("streams of the watchers", sum(watcher.streams for watcher in self.watchers)),
            ("storms", len(self.recoveries)),
            ("SERVING after the last blow, s: median, longest", middle(self.recoveries)),
            ("an act after the last blow, s: median, longest", middle(self.first_acts)),
        ]
        kinds = collections.Counter(code for ticket in self.book.tickets for code, _ in ticket.acts)
        rows += [(f"act: {code}", count) for code, count in sorted(kinds.items())]
        rows += [(f"race: {name}", count) for name, count in sorted(self.book.races.items())]
        rows += [(f"blow: {name}", count) for name, count in sorted(self.blows.dealt.items())]
        rows += [
            (f"failed: {status} {reason or ''}".rstrip(), count)
            for (status, reason), count in sorted(self.book.failures.items(), key=str)]
        print("\n| what | number |\n|---|---|")
        for name, value in rows:
            print(f"| {name} | {value} |")


def middle(numbers):
    numbers = sorted(numbers)
    return f"{numbers[len(numbers) // 2]:.1f}, {numbers[-1]:.1f}" if numbers else "–"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("directory")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--actors", type=int, default=6)
    parser.add_argument("--control")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    torture = Torture(options)
    torture.go()
    report = Report()
    verdicts = Verdicts(
        torture.cluster, torture.direct, torture.staff, torture.book, torture.run, by_smtp=options.control is not None)
    report.row("nothing that was begun is left undone", verdicts.settled)
    report.row("calls failed only with UNAVAILABLE, DEADLINE_EXCEEDED or ABORTED", torture.failed_only_as_allowed)
    report.row("every acknowledged act is there once", verdicts.acts)
    report.row("every acknowledged text is there once", verdicts.texts)
    report.row("no ticket has two holders, and no history a break", verdicts.holders)
    report.row("every mail that should exist exists once", verdicts.mails)
    report.row("the event chains verify", verdicts.chains)
    report.row("the counters equal a recount", verdicts.counters)
    report.row("who watched missed nothing and got nothing twice", verdicts.watched, torture.watchers)
    report.row("every process runs, and none twice", torture.nothing_died_for_good)
    torture.table(verdicts)
    sys.stdout.flush()
    # Threads of stock channels must not hold the end up.
    os._exit(0)


main()
