"""Sends broken bytes to every port of a running cluster: no process dies, innocent calls are answered all the while,
and nothing is written.

    fuzz.py DIR --seed N --seconds N [--attackers N]
"""

import argparse
import collections
import os
import random
import socket
import ssl
import threading
import time
import traceback
import urllib.request

from blows import DAEMONS, processes
from cluster import SECURE, Cluster, Failure, Protos, Report
from doors import GRPCDoor, JSONDoor
from hostile import Hostile

# The service whose methods a daemon offers, and a caller who may use them.
SERVICES = {
    "gateway": ("handoff.gateway.v1.HandoffService", None), "tickets": ("handoff.tickets.v1.TicketService", "gateway"),
    "assignment": ("handoff.assignment.v1.AssignmentService", "gateway"),
    "mail": ("handoff.mail.v1.MailService", "gateway"), "masking": ("handoff.masking.v1.MaskingService", "gateway")}
# Rows of these would be there only if an attack had done something.
TABLES = (
    "ticket", "ticket_entry", "ticket_event", "ticket_event_value", "outbox", "idempotency_key", "mail_message",
    "mask_place", "customer", "trigger_rule", "session")


def enter(address, connection, random_):
    """What is thrown at a port with TLS goes through TLS as a rule, and at the handshake itself now and then."""
    if address not in SECURE or random_.random() < 0.2:
        return connection
    cluster, _ = SECURE[address]
    path = lambda name: os.path.join(cluster.directory, "tls", f"{name}.pem")
    context = ssl.create_default_context(cafile=path("ca"))
    context.load_cert_chain(path("gateway"), path("gateway-key"))
    context.set_alpn_protocols(["h2"])
    return context.wrap_socket(connection, server_hostname="localhost")


class Fuzz:
    def __init__(self, options):
        self.options = options
        self.cluster = Cluster(options.directory)
        self.protos = Protos()
        self.direct = GRPCDoor(self.protos, self.cluster.addresses["gateway"], "gateway")
        self.json = JSONDoor(self.protos, self.cluster.edge, "JSON")
        email, password = self.cluster.sign_ins["jihye.yoon"]
        self.token = self.direct.call("SignIn", {"email": email, "password": password}, None, 60).token
        self.ticket = self.direct.call(
            "ListTickets", {"parent": "services/care", "pageSize": 1}, self.token, 60).tickets[0].name
        self.stop = threading.Event()
        self.lock = threading.Lock()
        self.sent, self.answers = collections.Counter(), collections.Counter()
        self.innocent, self.complaints, self.slowest = collections.Counter(), [], 0.0

    # Attacks.

    def attackers(self, random_):
        """For each port: a function that makes an attack."""
        ports = {}
        for name in DAEMONS:
            service, caller = SERVICES[name]
            methods = [
                (f"/{service}/{method.name}", self.protos.type(method.input_type.full_name))
                for method in self.protos.service(service).methods]
            metadata = self.cluster.caller(caller) if caller else [("authorization", f"Bearer {self.token}")]
            hostile = Hostile(random_, methods, metadata)
            ports[self.cluster.addresses[name]] = (name, hostile.grpc_attack)
            admin = self.cluster.addresses[f"{name}-admin"].removeprefix("http://")
            paths = [("GET", "/metrics"), ("GET", "/livez"), ("POST", "/metrics")]
            ports[admin] = (f"{name}-admin", lambda hostile=hostile, paths=paths: hostile.http_attack(paths, "x"))
        door = Hostile(random_, [
            (f"/handoff.gateway.v1.HandoffService/{method.name}", self.protos.type(method.input_type.full_name))
            for method in self.protos.service("handoff.gateway.v1.HandoffService").methods
        ], [("authorization", f"Bearer {self.token}")])
        paths = [
            ("POST", "/v1/services/fuzz/tickets"), ("POST", "/v1/services/fuzz/tickets/1:process"),
            ("GET", "/v1/services"), ("POST", "/v1/services/fuzz/tickets/1:keep"), ("POST", "/v1/session:signIn"),
            ("POST", "/v1/services/fuzz/tickets/1/masks"), ("POST", "/v1/services/fuzz/triggers")]
        ports[self.cluster.edge] = ("edge", lambda: random_.choice([
            door.grpc_attack, lambda: door.http_attack(paths, self.token)])())
        return ports

    def attack(self, number):
        try:
            self.throw_all(number)
        except Exception:  # A row tells it: an attacker that is gone attacks nothing.
            self.complaints.append(f"attacker {number}: {traceback.format_exc()[-400:]}")

    def throw_all(self, number):
        random_ = random.Random(f"fuzz {self.options.seed} {number}")
        ports = self.attackers(random_)
        addresses = sorted(ports, key=lambda address: ports[address][0])
        while not self.stop.is_set():
            address = random_.choice(addresses)
            name, make = ports[address]
            kind, data = make()
            answer = self.throw(address, data, random_)
            with self.lock:
                self.sent[name] += 1
                self.answers[f"{kind}: {answer}"] += 1

    @staticmethod
    def throw(address, data, random_):
        host, port = address.rsplit(":", 1)
        try:
            with socket.create_connection((host, int(port)), timeout=10) as connection:
                connection = enter(address, connection, random_)
                connection.settimeout(random_.choice([0.001, 0.05, 0.3]))
                if random_.random() < 0.2:
                    at = random_.randrange(len(data) + 1)
                    connection.sendall(data[:at])
                    data = data[at:]
                connection.sendall(data)
                if random_.random() < 0.5:
                    connection.shutdown(socket.SHUT_WR)
                got = 0
                while chunk := connection.recv(65536):
                    got += len(chunk)
                return "closed by the server"
        except TimeoutError:
            return "left"
        except OSError:
            return "reset"

    # The innocent.

    def ask(self, name, call):
        begin = time.monotonic()
        try:
            call()
            with self.lock:
                self.innocent[name] += 1
                self.slowest = max(self.slowest, time.monotonic() - begin)
        except (Failure, OSError, AssertionError) as failure:
            with self.lock:
                self.complaints.append(f"{name}: {failure!r}")

    def be_innocent(self):
        health = self.protos.type("grpc.health.v1.HealthCheckResponse")

        def serves(address):
            # A connection of its own each time, as a newcomer has.
            door = GRPCDoor(self.protos, address, "health")
            answer = door.api.raw("/grpc.health.v1.Health/Check", b"", health.FromString, 60, [])
            door.api.channel.close()
            assert answer.status == 1, answer

        def scrape(address):
            with urllib.request.urlopen(f"{address}/metrics", timeout=60) as answer:
                assert b"# TYPE" in answer.read()

        while not self.stop.is_set():
            self.ask("gRPC", lambda: self.direct.call("GetTicket", {"name": self.ticket}, self.token, 60))
            self.ask("JSON", lambda: self.json.call("GetTicket", {"name": self.ticket}, self.token, 60))
            for name in DAEMONS:
                self.ask("health", lambda: serves(self.cluster.addresses[name]))
                self.ask("metrics", lambda: scrape(self.cluster.addresses[f"{name}-admin"]))

    # Verdicts.

    def state(self):
        counts = self.cluster.sql(" UNION ALL ".join(f"SELECT '{table}', count(*) FROM {table}" for table in TABLES))
        return sorted(counts) + self.cluster.sql("SELECT sum(version), sum(event_count) FROM ticket")

    def memory(self):
        """Resident kilobytes of each daemon."""
        found = {}
        for name, pid in processes(self.cluster.directory):
            if name.startswith("handoff-"):
                with open(f"/proc/{pid}/status", encoding="ascii") as file:
                    found[name] = int(next(line for line in file if line.startswith("VmRSS")).split()[1])
        return found

    def go(self):
        before, pids, memory = self.state(), sorted(processes(self.cluster.directory)), self.memory()
        threads = [threading.Thread(target=self.attack, args=(number,)) for number in range(self.options.attackers)]
        threads.append(threading.Thread(target=self.be_innocent))
        for thread in threads:
            thread.start()
        time.sleep(self.options.seconds)
        self.stop.set()
        for thread in threads:
            thread.join()
        report = Report()
        report.row("no process dies of broken bytes", self.lived, pids)
        report.row("innocent calls are answered all the while", self.answered)
        report.row("broken bytes write nothing", self.unchanged, before)
        print("\n| what | number |\n|---|---|")
        for name, count in sorted(self.sent.items()):
            print(f"| attacks on {name} | {count} |")
        print(f"| innocent calls answered | {sum(self.innocent.values())} |")
        print(f"| slowest innocent call, s | {self.slowest:.2f} |")
        for kind, count in sorted(self.answers.items()):
            print(f"| {kind} | {count} |")
        after = self.memory()
        for name in sorted(memory):
            print(f"| memory of {name} before and after, MB | {memory[name] // 1024}, {after.get(name, 0) // 1024} |")

    def lived(self, pids):
        daemons = [entry for entry in pids if entry[0] != "postgres"]
        now = [entry for entry in sorted(processes(self.cluster.directory)) if entry[0] != "postgres"]
        assert now == daemons, f"{now} instead of {daemons}"

    def answered(self):
        assert not self.complaints, f"{len(self.complaints)} complaints: {self.complaints[:5]}"
        assert set(self.innocent) == {"gRPC", "JSON", "health", "metrics"}, self.innocent

    def unchanged(self, before):
        after = self.state()
        assert after == before, f"{[pair for pair in zip(before, after) if pair[0] != pair[1]]}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("directory")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--attackers", type=int, default=3)
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    Fuzz(options).go()
    os.sys.stdout.flush()
    os._exit(0)


main()
