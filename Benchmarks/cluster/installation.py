"""A PostgreSQL and a cluster of ours on it, both in a directory that goes away with them."""

import json
import os
import pwd
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request

from lib.processes import Failed, cpu_seconds

DAEMONS = ("masking", "mail", "assignment", "tickets", "gateway")
# As the private PostgreSQL of `handoff up` is set, with room for the peer's 64 clients beside the daemons.
SETTINGS = {
    "listen_addresses": "", "max_connections": "200", "shared_buffers": "128MB", "timezone": "UTC", "jit": "off",
    "wal_compression": "on", "log_min_error_statement": "panic", "log_error_verbosity": "terse", "idle_in_transaction_session_timeout": "60s",
}


def build(root):
    """Builds the programs as they are shipped; where they are."""
    place = os.path.join(root, ".build", "bench", "programs")
    print("  scripts/build-release", place, flush=True)
    _run([os.path.join(root, "scripts", "build-release"), place])
    return place


def _run(command, **options):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode != 0:
        raise Failed(f"{' '.join(command)[:200]} ended with {done.returncode}:\n{done.stdout[-3000:]}")
    return done.stdout


def _children_seconds():
    times = os.times()
    return times.children_user + times.children_system


class Postgres:
    """A server that listens on a Unix socket; root hands it to the user `postgres`, as it must."""

    def __init__(self, place):
        versions = sorted(os.listdir("/usr/lib/postgresql"), key=int)
        if not versions:
            raise Failed("PostgreSQL is not installed in /usr/lib/postgresql")
        self._programs = f"/usr/lib/postgresql/{versions[-1]}/bin"
        self._data = os.path.join(place, "postgres")
        # As whom the server runs, and whoever else is to reach its socket: options of `subprocess`.
        self.user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
        os.mkdir(self._data, 0o700)
        if self.user:
            owner = pwd.getpwnam("postgres")
            os.chown(self._data, owner.pw_uid, owner.pw_gid)
        self.socket = self._data
        _run([f"{self._programs}/initdb", "--pgdata", self._data, "--username=handoff", "--auth=trust",
              "--encoding=UTF8", "--locale=C.UTF-8", "--data-checksums", "--no-instructions"], cwd="/", **self.user)
        settings = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
        self._log = open(os.path.join(place, "postgres.log"), "wb")
        self._process = subprocess.Popen(
            [f"{self._programs}/postgres", "-D", self._data, "-c", f"unix_socket_directories={self.socket}",
             "-c", "unix_socket_permissions=0777", *settings],
            stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log, cwd="/", **self.user)
        # The directory of the socket is the data's; the daemons run as the same user.
        end = time.monotonic() + 60
        while subprocess.run([f"{self._programs}/pg_isready", "-q", "-h", self.socket]).returncode != 0:
            if time.monotonic() > end or self._process.poll() is not None:
                raise Failed("PostgreSQL did not start")
            time.sleep(0.05)
        self.sql("CREATE DATABASE handoff", database="postgres")

    @property
    def pid(self):
        return self._process.pid

    def url(self):
        return f"postgresql://handoff@/handoff?host={self.socket}"

    def sql(self, statement, database="handoff"):
        return _run([f"{self._programs}/psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", self.socket, "-U", "handoff",
                     "-d", database, "-c", statement])

    def settle(self):
        """What loading leaves to do is done before anything is measured."""
        self.sql("CHECKPOINT")
        until = time.monotonic() + 300
        while int(self.sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'autovacuum worker'")):
            if time.monotonic() > until:
                raise Failed("autovacuum was still at work five minutes after the loading")
            time.sleep(1)

    def bench(self, script, clients, seconds, database):
        """Whole scripts a second, and the CPU of one in microseconds: pgbench's own and the server's."""
        before, own = self.cpu_seconds(), _children_seconds()
        output = _run(
            [f"{self._programs}/pgbench", "-n", "-h", self.socket, "-U", "handoff", "-M", "prepared", "-c",
             str(clients), "-j", "2", "-T", str(seconds), "-f", script, database], timeout=seconds + 60)
        # The server counts the time of its processes when it has seen their end.
        time.sleep(0.5)
        failed = re.search(r"number of failed transactions: (\d+)", output)
        if failed and int(failed.group(1)):
            raise Failed(f"pgbench: {output}")
        done = int(re.search(r"transactions actually processed: (\d+)", output).group(1))
        cpu = self.cpu_seconds() - before + _children_seconds() - own
        return float(re.search(r"tps = ([\d.]+)", output).group(1)), cpu * 1e6 / done

    def cpu_seconds(self):
        """CPU time so far: that of every living process of the server, and of those that have ended."""
        total = cpu_seconds(self.pid)
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    with open(f"/proc/{entry}/stat") as stat:
                        if int(stat.read().rpartition(")")[2].split()[1]) == self.pid:
                            total += cpu_seconds(int(entry))
                except (OSError, IndexError):
                    continue
        return total

    def stop(self):
        self._process.send_signal(signal.SIGINT)
        self._process.wait(60)
        self._log.close()


class Cluster:
    """`handoff up` on a PostgreSQL; its addresses, a session, and what its processes use.

    The database `peer` is a copy of what the demo organization has at the start.
    """

    def __init__(self, programs, postgres, place, options=(), variables=None):
        self.data = os.path.join(place, "data")
        environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HANDOFF_LOG_LEVEL": "warning",
                       "HANDOFF_DATABASE_URL": postgres.url(),
                       # What is measured is what can be done, not what one client may do.
                       "HANDOFF_CALLS_PER_SECOND": "0", "HANDOFF_CALLS_PER_SECOND_AND_ADDRESS": "0",
                       **(variables or {})}
        self.seed(programs, environment, postgres)
        self._process = subprocess.Popen(
            [os.path.join(programs, "handoff"), "up", "--data", self.data, "--port", "0", *options], env=environment,
            cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self._await("Stop: Ctrl-C")
        lines = self._read("addresses").splitlines()
        self.addresses = dict(line.split(" ", 1) for line in lines if not line.startswith("#"))
        people = [line.split()[:2] for line in self._read("sign-ins.txt").splitlines() if not line.startswith("#")]
        self._password = dict(people)

    def seed(self, programs, environment, postgres):
        _run([os.path.join(programs, "handoff"), "seed", "--data", self.data], env=environment, cwd="/")
        postgres.sql("CREATE DATABASE peer TEMPLATE handoff", database="postgres")
        postgres.sql("CREATE SEQUENCE peer_ticket START 1000000 CACHE 64", database="peer")

    def _await(self, words):
        said, end = b"", time.monotonic() + 180
        while words.encode() not in said:
            ready, _, _ = select.select([self._process.stdout], [], [], max(0, end - time.monotonic()))
            more = os.read(self._process.stdout.fileno(), 65536) if ready else b""
            if not more:
                self._process.kill()
                raise Failed(f"the cluster did not start:\n{said.decode()}")
            said += more

    def _read(self, name):
        with open(os.path.join(self.data, name)) as file:
            return file.read()

    def json(self, path, body, token=None):
        headers = {"content-type": "application/json", **({"authorization": f"Bearer {token}"} if token else {})}
        request = urllib.request.Request(self.addresses["edge"] + path, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=30) as reply:
            return json.load(reply)

    def get(self, path, token):
        request = urllib.request.Request(self.addresses["edge"] + path, headers={"authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request, timeout=60) as reply:
            return json.load(reply)

    def sign_in(self, person="jihye"):
        """The token of a session of the person whose address begins so; the administrator when nobody is named."""
        email = next(email for email in self._password if email.startswith(person))
        return self.json("/v1/session:signIn", {"email": email, "password": self._password[email]})["token"]

    def answered(self, daemon, method, code="OK"):
        """How many calls of a method a daemon has answered so."""
        with urllib.request.urlopen(self.addresses[f"{daemon}-admin"] + "/metrics", timeout=30) as reply:
            text = reply.read().decode()
        pattern = rf'grpc_method="{method}",grpc_code="{code}"}} (\d+)'
        return sum(int(count) for count in re.findall(pattern, text))

    def processes(self):
        """Name and id of every process of the cluster, `handoff up` itself among them; PostgreSQL is not."""
        return {name: pids[-1] for name, pids in self.copies().items()}

    def copies(self):
        """The ids of the processes of each name, all copies of a daemon among them."""
        found = {"handoff up": [self._process.pid]}
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    with open(f"/proc/{entry}/stat") as stat:
                        name, rest = stat.read().split("(", 1)[1].rsplit(")", 1)
                    if int(rest.split()[1]) == self._process.pid:
                        found.setdefault(name, []).append(int(entry))
                except (OSError, IndexError):
                    continue
        return found

    def environment(self, daemon):
        """How a daemon was configured."""
        with open(f"/proc/{self.pid(daemon)}/environ", "rb") as file:
            pairs = [pair.split("=", 1) for pair in file.read().decode().split("\0") if pair]
        return dict(pairs)

    def pid(self, daemon):
        # The kernel cuts names at 15 bytes.
        return self.processes()[f"handoff-{daemon}"[:15]]

    def pss_mb(self):
        """Memory of each process: its own pages and its share of those it shares."""
        memory = {}
        for name, pid in self.processes().items():
            with open(f"/proc/{pid}/smaps_rollup") as file:
                memory[name] = next(int(line.split()[1]) for line in file if line.startswith("Pss:")) / 1024
        return memory

    def stop(self):
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(90)
        except subprocess.TimeoutExpired:
            self._process.kill()


class Installation:
    """Both, for a `with` block."""

    def __init__(self, programs):
        self._place = tempfile.mkdtemp(prefix="handoff-bench-", dir="/tmp")
        os.chmod(self._place, 0o755)
        self.postgres = self.cluster = None
        self.programs = programs

    def __enter__(self):
        try:
            self.postgres = Postgres(self._place)
            self.cluster = Cluster(self.programs, self.postgres, self._place)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.cluster:
            self.cluster.stop()
        if self.postgres:
            self.postgres.stop()
        shutil.rmtree(self._place, ignore_errors=True)
