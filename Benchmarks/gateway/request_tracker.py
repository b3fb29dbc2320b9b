"""Request Tracker 5 of Debian on a PostgreSQL of its own, in a directory that goes away with it.

It is set up as "Setting up the web interface" of its manual says for nginx: processes of rt-server.fcgi that take their
requests from one socket, as spawn-fcgi starts them. Nothing of it is in the system's configuration or databases.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

from cluster.installation import Postgres
from lib import unpacked
from lib.machine import package
from lib.processes import Failed, free_port

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "request_tracker")
SERVER = "/usr/share/request-tracker5/libexec/rt-server.fcgi"
WORKERS = 6
# Tickets that the interface itself makes, each for a customer of its own; all others are copies of them.
ORIGINALS = 20


class RequestTracker:
    """All of it, for a `with` block; `tickets` are rows of a title and a text."""

    def __init__(self, tickets):
        self._tickets = tickets
        self._place = tempfile.mkdtemp(prefix="handoff-bench-", dir="/tmp")
        os.chmod(self._place, 0o755)
        self._processes = []
        self.postgres = None
        self.port = free_port()

    def __enter__(self):
        try:
            self.postgres = Postgres(self._place)
            self._own = os.path.join(self._place, "request-tracker")
            os.mkdir(self._own, 0o755)
            if self.postgres.user:
                shutil.chown(self._own, "postgres", "postgres")
            self._write("site.pm")
            self._write("nginx.conf")
            self.postgres.sql("CREATE ROLE rt LOGIN", database="postgres")
            self.postgres.sql("CREATE DATABASE rt OWNER rt", database="postgres")
            self._run(["rt-setup-database-5", "--action", "init", "--skip-create"])
            self._load()
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _write(self, name):
        with open(os.path.join(HERE, name)) as file:
            text = file.read()
        for key, value in (("place", self._own), ("port", str(self.port)), ("database", self.postgres.socket)):
            text = text.replace(f"@{key}@", value)
        with open(os.path.join(self._own, name), "w") as file:
            file.write(text)

    @property
    def _options(self):
        """Of every process of it."""
        environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": self._own,
                       "RT_SITE_CONFIG": os.path.join(self._own, "site.pm"), "RT_SITE_CONFIG_DIR": "/dev/null"}
        return {"env": environment, "cwd": "/", **self.postgres.user}

    def _run(self, command, **options):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options,
                              **self._options)
        if done.returncode != 0:
            raise Failed(f"{' '.join(command)[:200]}: {(done.stdout + done.stderr)[-3000:]}")
        return done.stdout

    def _load(self):
        lines = [f"customer{number}@example.com\t{title}\t{' '.join(text.split())}\n"
                 for number, (title, text) in enumerate(self._tickets[:ORIGINALS])]
        with open(os.path.join(HERE, "prepare.pl")) as script:
            said = self._run(["perl", "-e", script.read()], input="".join(lines))
        self.token = said.split()[-1]
        source = os.path.join(self._own, "source")
        with open(source, "w") as file:
            json.dump([{"number": number, "title": title, "body": text}
                       for number, (title, text) in enumerate(self._tickets[ORIGINALS:])], file)
        with open(os.path.join(HERE, "copy.sql")) as file:
            self.postgres.sql(file.read().replace("@source@", source), database="rt")
        self.postgres.sql("VACUUM (ANALYZE)", database="rt")
        self.postgres.settle()

    def _start(self):
        path = os.path.join(self._own, "workers.sock")
        log = open(os.path.join(self._own, "log"), "wb")
        with socket.socket(socket.AF_UNIX) as listener, log:
            listener.bind(path)
            os.chmod(path, 0o777)
            listener.listen(1024)
            for _ in range(WORKERS):
                self._processes.append(subprocess.Popen(
                    [SERVER], stdin=listener, stdout=log, stderr=log, **self._options))
            nginx = os.path.join(unpacked.directory("nginx"), "usr", "sbin", "nginx")
            self._processes.append(subprocess.Popen(
                [nginx, "-p", self._own, "-e", "stderr", "-c", os.path.join(self._own, "nginx.conf")],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, **self._options))
        # Every worker reads the whole program before it answers for the first time.
        for _ in range(4 * WORKERS):
            self._await_answer(time.monotonic() + 300)

    def _await_answer(self, end):
        while True:
            try:
                return self.json("/REST/2.0/rt")
            except (urllib.error.URLError, ConnectionError, TimeoutError) as error:
                dead = any(process.poll() is not None for process in self._processes)
                if dead or time.monotonic() > end:
                    with open(os.path.join(self._own, "log"), errors="replace") as log:
                        raise Failed(f"Request Tracker did not start: {error}\n{log.read()[-3000:]}") from error
                time.sleep(0.2)

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    @property
    def headers(self):
        return {"authorization": f"token {self.token}", "content-type": "application/json"}

    def json(self, path, body=None):
        """One call; its answer."""
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(self.url(path), data, self.headers), timeout=120) as reply:
            return json.load(reply)

    def turn_mails_on(self):
        """Lets it tell customers of their new tickets, as it does when it is new."""
        self.postgres.sql("UPDATE scrips SET disabled = 0", database="rt")
        # Workers remember what they have read for some seconds.
        time.sleep(15)

    def mails(self):
        """How many it has written."""
        return int(self.postgres.sql("SELECT count(*) FROM transactions WHERE type = 'EmailRecord'", database="rt"))

    def pss_mb(self):
        """Memory of the workers and of nginx together; PostgreSQL is not among them."""
        own = {str(process.pid) for process in self._processes}
        total = 0
        for entry in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{entry}/stat") as stat:
                    parent = stat.read().rpartition(")")[2].split()[1]
                if entry in own or parent in own:
                    with open(f"/proc/{entry}/smaps_rollup") as file:
                        total += next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
            except OSError:
                continue
        return total / 1024

    @staticmethod
    def versions():
        return [("Request Tracker", package("request-tracker5")), ("Perl", package("perl")),
                ("nginx", unpacked.version("nginx"))]

    def __exit__(self, *_):
        for process in self._processes:
            process.send_signal(signal.SIGTERM)
        for process in self._processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self.postgres:
            self.postgres.stop()
        shutil.rmtree(self._place, ignore_errors=True)
