"""A PostgreSQL, a cluster with two copies of handoff-mail on it, and Postfix's smtp-sink, which takes every mail."""

import os
import shutil
import socket
import subprocess
import tempfile
import time

from cluster.installation import Cluster, Postgres
from lib.processes import Failed, cpu_seconds, free_port, resident_mb
from mail import postfix

MAIL_COPIES = 2


class MailCluster(Cluster):
    """A cluster without triggers: what they cost is told by `scripts/bench cluster`."""

    def seed(self, programs, environment, postgres):
        done = subprocess.run(
            [os.path.join(programs, "handoff"), "seed", "--data", self.data], env=environment, cwd="/",
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            raise Failed(f"handoff seed: {done.stdout[-3000:]}")
        postgres.sql("UPDATE handoff.trigger_rule SET is_active = false")

    def cpu(self):
        """CPU seconds so far by program, all copies of one together."""
        return {name: sum(cpu_seconds(pid) for pid in pids) for name, pids in self.copies().items()}

    def mail_mb(self):
        """Resident memory of the largest handoff-mail."""
        return max(resident_mb(pid) for pid in self.copies()["handoff-mail"])


class Sink:
    """smtp-sink on a port of its own; `directory` keeps the mails there."""

    def __init__(self, port, directory=None):
        self.port = port
        dump = ["-d", f"{directory}/%M."] if directory else []
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        self._process = subprocess.Popen(
            [postfix.program("smtp-sink"), *user, *dump, f"127.0.0.1:{port}", "1024"], cwd="/",
            env=postfix.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            except OSError:
                if time.monotonic() > end or self._process.poll() is not None:
                    raise Failed("smtp-sink did not start") from None
                time.sleep(0.05)

    def cpu_seconds(self):
        return cpu_seconds(self._process.pid)

    def stop(self):
        self._process.terminate()
        self._process.wait(20)


class Place:
    """All of it, for a `with` block."""

    def __init__(self, programs):
        self._programs = programs
        self.place = tempfile.mkdtemp(prefix="handoff-bench-", dir="/tmp")
        os.chmod(self.place, 0o755)
        self.port = free_port()
        self.postgres = self.cluster = None

    def __enter__(self):
        try:
            self.postgres = Postgres(self.place)
            self.cluster = MailCluster(
                self._programs, self.postgres, self.place, ["--copies", f"mail={MAIL_COPIES}"],
                {"HANDOFF_MAIL_SMTP_URL": f"smtp://127.0.0.1:{self.port}?starttls=off"})
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.cluster:
            self.cluster.stop()
        if self.postgres:
            self.postgres.stop()
        shutil.rmtree(self.place, ignore_errors=True)
