"""The calls that are measured: their bytes, and how long each of them took."""

import os
import re
import tempfile

from lib.processes import Failed, Run

SERVICE = "handoff.gateway.v1.HandoffService"
MENUS = {"all": 1, "unassigned": 2, "my processing": 3, "my pending": 4, "my resolved": 5, "my completed": 6,
         "my groups": 7, "escalated": 8, "spam": 9, "my call-backs": 10, "escalated to issue": 11,
         "escalated to dooray": 12, "my escalated": 13}


def _varint(value):
    found = b""
    while value > 0x7F:
        found += bytes([value & 0x7F | 0x80])
        value >>= 7
    return found + bytes([value])


def text(number, content):
    content = content.encode()
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def whole(number, value):
    return _varint(number << 3) + _varint(value)


def framed(message):
    return b"\0" + len(message).to_bytes(4, "big") + message


def list_tickets(menu, token="", order=""):
    """handoff.tickets.v1.ListTicketsRequest of 50 tickets"""
    return framed(text(1, "services/care") + whole(2, MENUS[menu]) + whole(6, 50) + (text(7, token) if token else b"")
                  + (text(9, order) if order else b""))


def search(condition, words, any_time=True):
    """handoff.tickets.v1.SearchTicketsRequest of 50 tickets"""
    number = {"title": 8, "customer_name": 9, "text": 10, "words": 11}[condition]
    return framed(text(1, "services/care") + whole(6, int(any_time)) + text(number, words) + whole(24, 50))


def get_counters():
    """handoff.tickets.v1.GetCountersRequest"""
    return framed(text(1, "services/care"))


def latencies(cluster, token, method, message, count, before_them=0):
    """Milliseconds of `count` calls one after the other, ascending; every one is answered well.

    `before_them` calls go ahead on the same connection and do not count: the first one pays for the handshake.
    """
    all_calls = count + before_them
    before = cluster.answered("gateway", method)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        body, log = os.path.join(directory, "body"), os.path.join(directory, "log")
        with open(body, "wb") as file:
            file.write(message)
        run = Run(
            ["h2load", f"-n{all_calls}", "-c1", "-m1", "-t1", "-d", body, f"--log-file={log}",
             "-H", "content-type: application/grpc", "-H", "te: trailers", "-H", "grpc-timeout: 60S",
             "-H", f"authorization: Bearer {token}", f"{gateway(cluster)}/{SERVICE}/{method}"], timeout=3600)
        with open(log) as file:
            taken = [int(line.split("\t")[2]) / 1000 for line in file]
    good = re.search(r"status codes: (\d+) 2xx", run.output)
    answered = cluster.answered("gateway", method) - before
    if not good or {int(good.group(1)), answered, len(taken)} != {all_calls}:
        raise Failed(f"{method}: {answered} of {all_calls} calls were answered with OK:\n{run.output}")
    return sorted(taken[before_them:])


def gateway(cluster):
    address = cluster.addresses["gateway"]
    return address if "://" in address else f"https://{address}"


def at(taken, percent):
    return taken[min(len(taken) - 1, len(taken) * percent // 100)]
