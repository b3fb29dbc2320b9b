"""Peers that mean harm, against rpc-echo as a process of its own: python3 hostile.py PATH_OF_RPC_ECHO [PATTERN]

Each attack has a bound on the server's memory and on its processor time, and a second, innocent client calls all the
while and must be answered every time. Prints a table with one row an attack; the exit status is 0 when each reaction is
the one that is wanted and no bound is passed. HANDOFF_TEST_ALL makes the numbers bigger.
"""

import gzip
import os
import re
import socket
import struct
import subprocess
import sys
import threading
import time

import hpack

from raw_peer import (
    CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, GOAWAY, HEADERS, PATIENCE, PREFACE, PRIORITY,
    RST_STREAM, SETTINGS, Closed, Peer, block, data, frame, ping, priority, raw_field, rst, settings, window_update)

ALL = "HANDOFF_TEST_ALL" in os.environ
INITIAL_WINDOW_SIZE = 4
# What rpc-echo is started with as a rule: it gives up on slow peers after so many seconds.
SERVER_PATIENCE = 2
ATTACKS = []


def attack(name, wanted, megabytes=48, seconds=4, patience=SERVER_PATIENCE):
    """Registers a function that attacks and returns a short word for the server's reaction."""
    def register(function):
        ATTACKS.append((name, wanted, megabytes, seconds, patience, function))
        return function
    return register


class Server:
    def __init__(self, binary, patience):
        self.patience = patience
        self.process = subprocess.Popen(
            [binary, "127.0.0.1:0", f"patience={patience}", "connections=20000"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.address = self.process.stdout.readline().strip()

    def memory(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1]) / 1024

    def cpu(self):
        with open(f"/proc/{self.process.pid}/stat") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        self.process.stdin.close()
        return self.process.wait(timeout=60)


class Innocent(threading.Thread):
    """Calls Echo again and again over one connection, and notes how long the slowest answer took."""

    def __init__(self, address):
        super().__init__(daemon=True)
        self.peer = Peer(address)
        self.worst = 0
        self.calls = 0
        self.problem = None
        self.over = threading.Event()

    def run(self):
        stream = 1
        body = struct.pack(">BI", 0, 8) + b"innocent"
        while not self.over.wait(0.01):
            began = time.monotonic()
            try:
                self.peer.send(self.peer.headers(stream, self.peer.call("Echo"), END_HEADERS), data(stream, body))
                answer = self.peer.wait(lambda f: f.type in (DATA, RST_STREAM, GOAWAY))
                if answer.type != DATA or bytes(answer.data) != body:
                    raise Closed
                self.peer.wait(lambda f: f.type == HEADERS and "END_STREAM" in f.flags)
                # Give the windows back what was taken of them.
                self.peer.send(window_update(0, len(body)))
            except (Closed, socket.timeout) as problem:
                self.problem = repr(problem)
                return
            self.worst = max(self.worst, time.monotonic() - began)
            self.calls += 1
            stream += 2

    def end(self):
        # Many an attack is over before the first call; what it leaves behind counts, too.
        deadline = time.monotonic() + PATIENCE
        while self.calls < 3 and self.problem is None and time.monotonic() < deadline:
            time.sleep(0.01)
        self.over.set()
        self.join(PATIENCE * 2)
        self.peer.close()


def end_of(peer):
    """How the server ends the connection: the code of its GOAWAY, "closed", or "open" when it does not."""
    code = None
    try:
        while True:
            got = peer.next()
            if got.type == GOAWAY and got.error_code != 0:
                code = got.error_code
    except Closed:
        return "closed" if code is None else "GOAWAY and closed"
    except socket.timeout:
        return "open"


def flood(peer, piece, times, batch=500):
    """Sends a piece, or what a function makes of a number, many times; stops when the connection is closed."""
    for first in range(0, times, batch):
        pieces = [piece(index) if callable(piece) else piece for index in range(first, min(times, first + batch))]
        if not peer.send(*pieces):
            return


def flooded(address, piece, times, before=()):
    peer = Peer(address)
    peer.send(*(make(peer) if callable(make) else make for make in before))
    reader = drain(peer)
    flood(peer, (lambda index: piece(peer, index)) if callable(piece) else piece, times)
    return reader()


def drain(peer):
    """Reads in the background, so that the server is never held up; the result tells how it ended."""
    result = []
    thread = threading.Thread(target=lambda: result.append(end_of(peer)), daemon=True)
    thread.start()

    def ended():
        thread.join(PATIENCE * 2)
        peer.close()
        return result[0] if result else "open"
    return ended


CLOSED = ("closed", "GOAWAY and closed")
CALM = ("GOAWAY and closed",)


@attack("requests reset at once (rapid reset, CVE-2023-44487)", CALM)
def _(address):
    return flooded(address, lambda p, i: p.headers(2 * i + 1, p.call("Sleep"), END_HEADERS) + rst(2 * i + 1), 3000)


@attack("windows overflown, so that we reset (MadeYouReset, CVE-2025-8671)", CALM)
def _(address):
    top = (1 << 31) - 1
    return flooded(
        address, lambda p, i: p.headers(2 * i + 1, p.call("Sleep"), END_HEADERS) + window_update(2 * i + 1, top), 3000)


for what, piece in (
    ("WINDOW_UPDATE of 0", lambda p, i: p.headers(2 * i + 1, p.call("Sleep"), END_HEADERS)
     + window_update(2 * i + 1, 0)),
    ("HEADERS after END_STREAM", lambda p, i: p.headers(2 * i + 1) + p.headers(2 * i + 1)),
    ("DATA after END_STREAM", lambda p, i: p.headers(2 * i + 1) + data(2 * i + 1)),
    ("PRIORITY of a wrong length", lambda p, i: p.headers(2 * i + 1) + frame(PRIORITY, 0, 2 * i + 1, b"\0" * 4)),
    ("requests without :path", lambda p, i: p.headers(2 * i + 1, [(":method", "GET"), (":scheme", "http")])),
    ("content-length other than DATA", lambda p, i: p.headers(
        2 * i + 1, [*p.request("POST"), ("content-length", "1")], END_HEADERS) + data(2 * i + 1)),
    ("more streams than allowed", lambda p, i: p.headers(2 * i + 1, p.call("Sleep"), END_HEADERS)),
):
    attack(f"streams that we reset: {what}", CLOSED)(lambda address, piece=piece: flooded(address, piece, 3000))


@attack("PRIORITY that depends on itself", CLOSED)
def _(address):
    return flooded(address, lambda p, i: priority(2 * i + 1, 2 * i + 1), 50_000)


@attack("a header block without end (CONTINUATION flood, CVE-2024-27316)", CLOSED)
def _(address):
    return flooded(address, frame(CONTINUATION, 0, 1, raw_field(b"x", b"y" * 100)), 20_000,
                   [lambda p: p.headers(1, None, END_STREAM)])


for what, piece in (("PING", ping()), ("SETTINGS", settings())):
    @attack(f"{what} flood of a peer that does not read (CVE-2019-9512, 9515)", CLOSED)
    def _(address, piece=piece):
        peer = Peer(address, receive_buffer=4096)
        flood(peer, piece, 200_000)
        return end_of(peer)

    attack(f"{what} flood of a peer that reads", CALM)(lambda address, piece=piece: flooded(address, piece, 20_000))


@attack("SETTINGS with 33 entries", CLOSED)
def _(address):
    return flooded(address, settings(*[(INITIAL_WINDOW_SIZE, 65535)] * 33), 1)


for what, piece, before in (
    ("PRIORITY (CVE-2019-9513)", priority(1), ()),
    ("WINDOW_UPDATE", window_update(0, 1), ()),
    ("unknown frame", frame(0x42, 0, 0, b"x"), ()),
    ("empty DATA (CVE-2019-9518)", data(1, b"", 0), [lambda p: p.headers(1, p.call("Concatenate"), END_HEADERS)]),
    ("GOAWAY", frame(GOAWAY, 0, 0, b"\0" * 8), ()),
):
    attack(f"{what} flood", CLOSED)(
        lambda address, piece=piece, before=before: flooded(address, piece, 50_000, before))


@attack("a header block of 147 KB that stands for 528 MB (HPACK bomb)", CLOSED)
def _(address):
    peer = Peer(address)
    large = b"\x40\x01x\x7f" + bytes([0x80 | (4000 - 127) & 0x7F, (4000 - 127) >> 7]) + b"y" * 4000
    references = b"\xbe" * 131_072
    peer.send(peer.headers(1, None, END_STREAM, after=large))
    for first in range(0, len(references), 16_384):
        last = first + 16_384 >= len(references)
        peer.send(frame(CONTINUATION, END_HEADERS if last else 0, 1, references[first:first + 16_384]))
    return drain(peer)()


@attack("fields without a name (CVE-2019-9516)", CLOSED)
def _(address):
    return flooded(address, lambda p, i: p.headers(2 * i + 1, after=raw_field(b"", b"x")), 3000)


@attack("windows of 0, so that no answer can leave (data dribble, CVE-2019-9517)", ("streams reset",))
def _(address):
    peer = Peer(address)
    peer.send(settings((INITIAL_WINDOW_SIZE, 0)))
    streams = range(1, 401, 2)
    for stream in streams:
        peer.send(peer.headers(stream, peer.call("Flood"), END_HEADERS), data(stream, b"\0" * 5))
    gone = set()
    try:
        while len(gone) < len(streams):
            got = peer.next()
            if got.type == RST_STREAM:
                gone.add(got.stream_id)
    except (Closed, socket.timeout):
        pass
    peer.close()
    return "streams reset" if len(gone) == len(streams) else f"{len(gone)} streams reset"


@attack("a peer that asks for everything and reads nothing", ("closed",))
def _(address):
    peer = Peer(address, receive_buffer=4096)
    peer.send(settings((INITIAL_WINDOW_SIZE, (1 << 31) - 1)), window_update(0, 1 << 30))
    for stream in range(1, 201, 2):
        peer.send(peer.headers(stream, peer.call("Flood"), END_HEADERS), data(stream, b"\0" * 5))
    deadline = time.monotonic() + PATIENCE * 2
    while time.monotonic() < deadline:
        # Fails once the server has closed; reads nothing.
        if not peer.send(ping()):
            return "closed"
        time.sleep(0.1)
    return "open"


for what, piece in (
    ("half a preface", PREFACE[:10]), ("nothing", b""), ("a preface and half of SETTINGS", PREFACE + settings()[:5]),
):
    @attack(f"a connection that sends {what}, and stays", CLOSED)
    def _(address, piece=piece):
        peer = Peer(address, greet=False)
        peer.send(piece)
        return drain(peer)()


@attack("a header block that never ends", CLOSED)
def _(address):
    return flooded(address, lambda p, i: p.headers(1, None, END_STREAM), 1)


@attack("request bodies that come a byte at a time, and never end", ("stream reset",))
def _(address):
    peer = Peer(address)
    peer.send(peer.headers(1, peer.call("Echo"), END_HEADERS), data(1, struct.pack(">BI", 0, 1000), 0))
    over = threading.Event()

    def dribble():
        while not over.wait(0.2):
            peer.send(data(1, b"x", 0))
    threading.Thread(target=dribble, daemon=True).start()
    try:
        peer.wait(lambda f: f.type == RST_STREAM and f.stream_id == 1)
        return "stream reset" if peer.answers() else "closed"
    except (Closed, socket.timeout) as problem:
        return repr(problem)
    finally:
        over.set()
        peer.close()


@attack("large requests on every stream that stay incomplete", ("streams reset",), megabytes=128)
def _(address):
    peer = Peer(address)
    streams = range(1, 401, 2)
    gone = set()
    for stream in streams:
        # As much as the windows let through.
        peer.send(peer.headers(stream, peer.call("Echo"), END_HEADERS), data(stream, struct.pack(">BI", 0, 1 << 20), 0),
                  *[data(stream, b"x" * 16_384, 0)] * 15)
    try:
        while len(gone) < len(streams):
            got = peer.next()
            if got.type == RST_STREAM:
                gone.add(got.stream_id)
    except (Closed, socket.timeout):
        pass
    peer.close()
    return "streams reset" if len(gone) == len(streams) else f"{len(gone)} streams reset"


@attack("connections left without a word while answers are written", ("survived",))
def _(address):
    for _ in range(20):
        peer = Peer(address)
        peer.send(peer.headers(1, peer.call("Flood"), END_HEADERS), data(1, b"\0" * 5))
        peer.wait(lambda f: f.type == DATA)
        # RST instead of FIN.
        peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
    return "survived" if Peer(address).answers() else "gone"


@attack("a peer that is gone without a word, as after a power cut", CLOSED)
def _(address):
    # It reads nothing and answers no PING; its kernel still acknowledges, as that of a middle box may.
    peer = Peer(address)
    peer.send(peer.headers(1, peer.call("Sleep"), END_HEADERS), data(1, b"\0" * 5))
    code = "open"
    deadline = time.monotonic() + PATIENCE * 2
    while code == "open" and time.monotonic() < deadline:
        time.sleep(0.1)
        peer.socket.setblocking(False)
        try:
            while True:
                if not peer.socket.recv(65536):
                    code = "closed"
                    break
        except BlockingIOError:
            pass
        except ConnectionError:
            code = "closed"
    peer.close()
    return code


def status_of(address, body, method="Echo", **extra):
    peer = Peer(address)
    fields = [*peer.call(method), *((name.replace("_", "-"), value) for name, value in extra.items())]
    peer.send(peer.headers(1, fields, END_HEADERS))
    for first in range(0, len(body), 16_384):
        if not peer.send(data(1, body[first:first + 16_384], 0)):
            break
    peer.send(data(1, b""))
    decoder = hpack.Decoder()
    found = "no status"
    try:
        while True:
            got = peer.next()
            if got.type == HEADERS:
                fields = dict(decoder.decode(got.data))
                found = fields.get("grpc-status", found)
                if "END_STREAM" in got.flags:
                    break
    except (Closed, socket.timeout) as problem:
        found = repr(problem)
    peer.close()
    return f"status {found}"


@attack("a message that announces 4 GiB", ("status 8",))
def _(address):
    return status_of(address, struct.pack(">BI", 0, 0xFFFFFFFF) + b"x" * 100_000)


@attack("a message that ends in the middle", ("status 13",))
def _(address):
    return status_of(address, struct.pack(">BI", 0, 100) + b"x")


@attack("a message with an unknown flag", ("status 13",))
def _(address):
    return status_of(address, struct.pack(">BI", 7, 1) + b"x")


@attack("a compressed message without grpc-encoding", ("status 13",))
def _(address):
    return status_of(address, struct.pack(">BI", 1, 1) + b"x")


@attack("1 MB of gzip that stands for 1 GiB (gzip bomb)", ("status 8",))
def _(address):
    bomb = gzip.compress(bytes(64 << 20), 9) * 16
    return status_of(address, struct.pack(">BI", 1, len(bomb)) + bomb, grpc_encoding="gzip")


@attack("gzip that is none", ("status 13",))
def _(address):
    return status_of(address, struct.pack(">BI", 1, 100) + b"\x1f\x8b" + b"x" * 98, grpc_encoding="gzip")


IDLE = 10_000 if ALL else 300


@attack(f"{IDLE} connections that only greet", ("all greeted",), megabytes=400 if ALL else 48, seconds=20 if ALL else 4,
        patience=600)
def _(address):
    # From a process of its own: a process may have fewer descriptors than that.
    script = f"""
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (min(20000, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),) * 2)
sys.path.insert(0, {os.path.dirname(os.path.abspath(__file__))!r})
from raw_peer import Peer
peers = [Peer({address!r}) for _ in range({IDLE})]
print(len(peers), all(peer.answers() for peer in peers[::100]))
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
    return "all greeted" if ended.stdout.strip() == f"{IDLE} True" else ended.stdout + ended.stderr[-300:]


def main(binary, pattern=""):
    server = None
    statuses = []
    print("| attack | reaction | memory, MB | processor, s | the innocent's slowest of its calls, ms |\n|--|--|--|--|--|",
          flush=True)
    wrong = []
    for name, wanted, megabytes, seconds, patience, function in ATTACKS:
        if not re.search(pattern, name):
            continue
        if server is None or server.patience != patience:
            statuses += [server.stop()] if server else []
            server = Server(binary, patience)
        innocent = Innocent(server.address)
        innocent.start()
        memory, cpu = server.memory(), server.cpu()
        peak = [memory]
        over = threading.Event()

        def watch():
            while not over.wait(0.02):
                peak[0] = max(peak[0], server.memory())
        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            reaction = function(server.address)
        except (Closed, socket.timeout, OSError) as problem:
            reaction = repr(problem)
        over.set()
        watcher.join()
        innocent.end()
        grown, used = max(peak[0], server.memory()) - memory, server.cpu() - cpu
        print(f"| {name} | {reaction} | {grown:.0f} | {used:.2f} | {innocent.worst * 1000:.0f} of {innocent.calls} |",
              flush=True)
        if reaction not in wanted:
            wrong.append(f"{name}: {reaction}, not {' or '.join(wanted)}")
        if grown > megabytes:
            wrong.append(f"{name}: took {grown:.0f} MB, more than {megabytes}")
        # The innocent's own calls take some of it.
        if used > seconds + innocent.calls * 0.01:
            wrong.append(f"{name}: took {used:.2f} s of processor time, more than {seconds}")
        if innocent.problem or innocent.calls < 3:
            wrong.append(f"{name}: the innocent client was not answered ({innocent.problem})")
    statuses += [server.stop()] if server else []
    if any(statuses):
        wrong.append(f"servers ended with {statuses}")
    print("\n" + ("\n".join(wrong) or "every reaction is as wanted"))
    return 1 if wrong else 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:3]))
