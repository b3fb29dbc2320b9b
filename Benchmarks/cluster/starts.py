"""From the start of a daemon's process to its first answer over gRPC, PostgreSQL being up."""

import os
import socket
import ssl
import subprocess
import tempfile
import time

from cluster import messages
from lib.processes import Failed, free_port
from lib.tables import median, table

LIMIT = 20


def _is_serving(connection):
    """Reads HTTP/2 frames to the end of the answer; false when it says anything but `status: SERVING`."""
    stream = connection.makefile("rb")
    data = b""
    while True:
        head = stream.read(9)
        if len(head) < 9:
            return False
        payload = stream.read(int.from_bytes(head[:3], "big"))
        kind, flags = head[3], head[4]
        if kind == 0:
            data += payload
        if kind in (0, 1) and flags & 1:
            return data == b"\0\0\0\0\x02\x08\x01"


def _tls(environment):
    """The daemon's own certificate is good enough to ask it with."""
    context = ssl.create_default_context(cafile=environment["HANDOFF_TLS_CA_FILE"])
    context.check_hostname = False
    context.load_cert_chain(environment["HANDOFF_TLS_CERTIFICATE_FILE"], environment["HANDOFF_TLS_KEY_FILE"])
    context.set_alpn_protocols(["h2"])
    return context


def first_answer_ms(program, environment):
    """A second copy of a daemon, asked over and over until it answers a health check."""
    tls = _tls(environment)
    port, admin = free_port(), free_port()
    environment = {**environment, "HANDOFF_LISTEN": f"127.0.0.1:{port}", "HANDOFF_ADMIN_LISTEN": f"127.0.0.1:{admin}"}
    log = tempfile.TemporaryFile()
    began = time.monotonic()
    process = subprocess.Popen([program], env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        while time.monotonic() < began + LIMIT and process.poll() is None:
            try:
                with tls.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=LIMIT)) as connection:
                    connection.sendall(messages.health_check())
                    if _is_serving(connection):
                        return (time.monotonic() - began) * 1000
            except OSError:
                pass
            time.sleep(0.001)
        log.seek(0)
        raise Failed(f"{program} did not answer within {LIMIT} s (exit code {process.poll()}):\n"
                     + log.read().decode()[-2000:])
    finally:
        process.terminate()
        process.wait(LIMIT)


def report(installation, daemons, rounds):
    rows = []
    environments = {name: installation.cluster.environment(name) for name in daemons}
    readings = {name: [] for name in daemons}
    for _ in range(rounds):
        for name in daemons:
            program = os.path.join(installation.programs, f"handoff-{name}")
            readings[name].append(first_answer_ms(program, environments[name]))
    for name in daemons:
        rows.append([name, median(readings[name]), max(readings[name])])
        print(f"  start of {name}: {median(readings[name]):.0f} ms", flush=True)
    return "From the start of a process to its first answer, in milliseconds.\n\n" + table(
        ["daemon", "median", "most"], rows)
