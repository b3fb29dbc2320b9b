"""Harm that is done to a running cluster: signals to its processes, ends of its database's sessions, cut connections."""

import os
import random
import signal
import socket
import threading
import time

DAEMONS = ("masking", "mail", "assignment", "tickets", "gateway")


def processes(directory):
    """Name and id of every process that works in a data directory."""
    directory = os.path.realpath(directory)
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            place = os.readlink(f"/proc/{entry}/cwd")
            program = os.path.basename(os.readlink(f"/proc/{entry}/exe"))
        except OSError:
            continue
        if place == directory or place.startswith(f"{directory}/"):
            found.append((program.removesuffix(" (deleted)"), int(entry)))
    return found


class Blows:
    """Deals blows at random, by a seed."""

    # (weight, method name)
    KINDS = [
        (30, "kill"), (18, "stop"), (8, "terminate"), (4, "postgres_fast"), (3, "postgres_immediate"),
        (2, "postgres_kill"), (3, "backend_kill"), (10, "sessions"), (12, "cut"), (4, "hold"),
    ]
    # Those that surroundings.py deals.
    KINDS_AROUND = [(12, "cut_daemons"), (4, "hold_daemons"), (3, "mail_busy"), (3, "mail_hang_up")]

    def __init__(self, cluster, proxies, seed, control=None):
        self.cluster, self.proxies, self.control = cluster, proxies, control
        self.kinds = self.KINDS + (self.KINDS_AROUND if control else [])
        self.random = random.Random(f"blows {seed}")
        self.dealt = {}
        self.stopped = set()
        self.last = time.monotonic()
        self.endings = 0

    def storm(self, seconds):
        """Deals blows for a while; returns when the last one was dealt."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            # Now and then several at once.
            for _ in range(self.random.choice([1, 1, 1, 2, 3])):
                self.deal()
            time.sleep(self.random.uniform(0.1, 2.5))
        self.proceed()
        # The last blow is a heavy one, and each of these comes in turn.
        self.endings += 1
        self.record([self.kill, self.postgres_immediate, self.postgres_fast, self.kill][self.endings % 4]())
        return self.last

    def deal(self):
        names = [name for _, name in self.kinds]
        kind = self.random.choices(names, [weight for weight, _ in self.kinds])[0]
        self.record(getattr(self, kind)())

    def record(self, done):
        if done:
            self.last = time.monotonic()
            self.dealt[done] = self.dealt.get(done, 0) + 1

    def proceed(self):
        """Continues whatever is stopped."""
        for pid in list(self.stopped):
            self.send(pid, signal.SIGCONT)
            self.stopped.discard(pid)

    def send(self, pid, number):
        try:
            os.kill(pid, number)
            return True
        except ProcessLookupError:
            return False

    def victim(self):
        """A copy of a daemon, or the edge."""
        name = self.random.choice(DAEMONS + ("edge",))
        program = "nghttpx" if name == "edge" else f"handoff-{name}"
        pids = sorted(pid for found, pid in processes(self.cluster.directory) if found == program)
        if not pids:
            return name, None
        # The edge's first process watches over the other.
        return name, pids[0] if name == "edge" else self.random.choice(pids)

    def kill(self):
        name, pid = self.victim()
        return pid and self.send(pid, signal.SIGKILL) and f"SIGKILL {name}"

    def terminate(self):
        name, pid = self.victim()
        return pid and self.send(pid, signal.SIGTERM) and f"SIGTERM {name}"

    def stop(self):
        name, pid = self.victim()
        seconds = self.random.uniform(0.1, 4)
        if not pid or not self.send(pid, signal.SIGSTOP):
            return None
        self.stopped.add(pid)

        def proceed():
            self.send(pid, signal.SIGCONT)
            self.stopped.discard(pid)

        threading.Timer(seconds, proceed).start()
        return f"SIGSTOP {name}"

    def postmaster(self):
        try:
            return int(self.cluster.read("postgres/postmaster.pid").split("\n")[0])
        except (OSError, ValueError):
            return None

    def postgres(self, number, words):
        pid = self.postmaster()
        # The file may be one that a killed server left behind.
        if pid and any(found == pid for _, found in processes(self.cluster.directory)) and self.send(pid, number):
            return words
        return None

    def postgres_fast(self):
        return self.postgres(signal.SIGINT, "PostgreSQL fast restart")

    def postgres_immediate(self):
        return self.postgres(signal.SIGQUIT, "PostgreSQL immediate restart")

    def postgres_kill(self):
        return self.postgres(signal.SIGKILL, "SIGKILL PostgreSQL")

    def backend_kill(self):
        first = self.postmaster()
        pids = [pid for name, pid in processes(self.cluster.directory) if name == "postgres" and pid != first]
        return pids and self.send(self.random.choice(pids), signal.SIGKILL) and "SIGKILL PostgreSQL child"

    def sessions(self):
        share = self.random.choice([0.2, 0.5, 1])
        try:
            self.cluster.sql(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                f" WHERE usename LIKE 'handoff\\_%' AND random() < {share}")
        except (RuntimeError, OSError):
            return None
        return "database sessions ended"

    def cut(self):
        return sum(proxy.cut() for proxy in self.proxies) and "client connections cut"

    def hold(self):
        proxy, seconds = self.random.choice(self.proxies), self.random.uniform(0.2, 3)
        threading.Thread(target=proxy.hold, args=(seconds,), daemon=True).start()
        return "client connections held"

    def order(self, words):
        """Has surroundings.py do something; returns its answer."""
        host, port = self.control.rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=60) as connection:
            connection.sendall(f"{words}\n".encode())
            return int(connection.makefile().readline())

    def cut_daemons(self):
        return self.order("cut") and "connections between daemons cut"

    def hold_daemons(self):
        return self.order(f"hold {self.random.uniform(0.2, 3)}") and "connections between daemons held"

    def mail_busy(self):
        return self.order(f"busy {self.random.uniform(0.2, 2)}") and "mail server busy"

    def mail_hang_up(self):
        return self.order("hang-up") and "mail server hangs up with a mail"
