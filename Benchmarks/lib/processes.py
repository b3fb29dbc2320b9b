"""Programs that are measured: what CPU and memory they took is read from /proc and from wait4."""

import os
import random
import select
import signal
import socket
import subprocess
import time

_TICKS = os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    """A program did not do what the measurement needs."""


def cpu_seconds(pid):
    """CPU time of a process so far, its ended children too; the kernel counts in steps of 10 ms."""
    with open(f"/proc/{pid}/stat") as stat:
        # The name may hold spaces; it ends at the last parenthesis.
        fields = stat.read().rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15]) / _TICKS


def resident_mb(pid):
    """Resident memory of a process now."""
    with open(f"/proc/{pid}/status") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    return 0.0


def free_port():
    """A TCP port of loopback that nobody listens on now.

    It is below the ports that the system gives to clients: one of those that is asked over and over can answer itself.
    """
    while True:
        port = random.randrange(20000, 30000)
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


class Server:
    """A server that prints its port as its first line. Ends with the `with` block."""

    def __init__(self, name, command, start_timeout=20):
        self.name = name
        # A server whose standard input ends goes away too, should this program be killed.
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        ready, _, _ = select.select([self._process.stdout], [], [], start_timeout)
        line = self._process.stdout.readline().strip() if ready else b""
        if not line.isdigit():
            self.stop()
            raise Failed(f"{name} did not print its port")
        self.port = int(line)

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def cpu_seconds(self):
        return cpu_seconds(self._process.pid)

    def resident_mb(self):
        return resident_mb(self._process.pid)

    def stop(self):
        self._process.stdin.close()
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Run:
    """One run of a client to its end: its output, its own CPU time, and how long it took."""

    def __init__(self, command, timeout, environment=None):
        began = time.monotonic()
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        lines = []
        while True:
            left = began + timeout - time.monotonic()
            ready, _, _ = select.select([process.stdout], [], [], max(0, left))
            if not ready:
                process.kill()
                process.wait()
                raise Failed(f"{command[0]} did not end in {timeout} s")
            line = process.stdout.readline()
            if not line:
                break
            lines.append(line)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.seconds = time.monotonic() - began
        self.output = "".join(lines)
        self.cpu_seconds = usage.ru_utime + usage.ru_stime
        process.stdout.close()
        if process.returncode != 0:
            raise Failed(f"{' '.join(command)} ended with {process.returncode}: {self.output[-2000:]}")
