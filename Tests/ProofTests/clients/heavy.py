"""Mails that are made to use memory: each gets a clear verdict, and the daemon that reads it stays within a bound.

    heavy.py DIR [--some]

The peak is the one that Linux keeps of the process (VmHWM), set back before each mail."""

import argparse
import os
import sys
import threading
import time

import grpc

from actors import Staff
from blows import processes
from cluster import Cluster, Protos, Report, equal, unique
from doors import GRPCDoor

CARE = "services/care"
MEGABYTE = 1 << 20
# What a daemon may take beyond what it has at rest for one mail, as it came in, as the parser sees it, sealed, and on
# its way into the database; and for many at once, of which it takes 160 MB at a time (`MemoryBudget`).
BOUND_MEGABYTES, BOUND_OF_MANY_MEGABYTES = 420, 1_000


class Heavy:
    def __init__(self, cluster):
        self.cluster = cluster
        self.door = GRPCDoor(Protos(), cluster.addresses["gateway"], "gateway")
        staff = Staff(cluster, self.door)
        self.api = self.door.api.signed_in(staff.tokens[staff.admin])
        self.message = self.api.protos.type("handoff.mail.v1.IngestMessageRequest")

    def pids(self):
        return [pid for name, pid in processes(self.cluster.directory) if name == "handoff-mail"]

    def memory(self, pid, field):
        with open(f"/proc/{pid}/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith(field)) / 1024

    def ingest(self, mail):
        """The verdict: a state and a reason, or the reason of a refusal."""
        parts = [self.message(header={"parent": CARE})]
        parts += [self.message(chunk=mail[at:at + 250_000]) for at in range(0, len(mail), 250_000)]
        call = self.api.channel.stream_unary(
            "/handoff.gateway.v1.HandoffService/IngestMessage", request_serializer=self.message.SerializeToString,
            response_deserializer=self.api.protos.type("handoff.mail.v1.InboundMail").FromString)
        try:
            taken = call(iter(parts), timeout=300, metadata=self.api.metadata)
        except grpc.RpcError as error:
            return self.api.failure(error).reason
        states = taken.DESCRIPTOR.enum_types_by_name["State"].values_by_number
        # On a busy machine the call may end before the mail is decided.
        end = time.monotonic() + 600
        while states[taken.state].name == "WAITING" and time.monotonic() < end:
            time.sleep(1)
            taken = self.api.GetInboundMail({"name": taken.name})
        return f"{states[taken.state].name} {taken.reason}".strip()

    def case(self, what, verdict, mails):
        before = {}
        for pid in self.pids():
            with open(f"/proc/{pid}/clear_refs", "w") as file:
                file.write("5")
            before[pid] = self.memory(pid, "VmRSS")
        told = []
        threads = [threading.Thread(target=lambda mail=mail: told.append(self.ingest(mail))) for mail in mails]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        equal(sorted(before), sorted(self.pids()), "the daemon died")
        grown = max(self.memory(pid, "VmHWM") - at_rest for pid, at_rest in before.items())
        size = sum(map(len, mails)) / MEGABYTE
        print(f"| {what} | {len(mails)} x {size / len(mails):.1f} | {', '.join(sorted(set(told)))} | {grown:.0f} |")
        assert set(told) <= set(verdict), told
        bound = BOUND_MEGABYTES if len(mails) == 1 else BOUND_OF_MANY_MEGABYTES
        assert grown < bound, f"{grown:.0f} MB, and not {bound}"
        equal(self.ingest(plain()), "TICKET", "the next mail")


def head(*fields):
    return "\r\n".join([
        f"From: <{unique('heavy')}@example.com>", "To: care@example.com", "Subject: heavy",
        f"Message-ID: <{unique('heavy')}@mail.example>", "MIME-Version: 1.0", *fields]) + "\r\n"


def plain():
    return (head() + "\r\nwords\r\n").encode()


def multipart(part, times):
    parts = f"--b\r\n{part}\r\n" * times
    return (head("Content-Type: multipart/mixed; boundary=b") + f"\r\n{parts}--b--\r\n").encode()


def nested(depth):
    text = head("Content-Type: multipart/mixed; boundary=n0") + "\r\n"
    return (text + "".join(
        f"--n{level}\r\nContent-Type: multipart/mixed; boundary=n{level + 1}\r\n\r\n"
        for level in range(depth))).encode()


def attached(megabytes):
    line = "QUJD" * 18 + "\r\n"
    return multipart(
        "Content-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + line * (megabytes * MEGABYTE // len(line)), 1)


def page(html):
    return (head("Content-Type: text/html; charset=utf-8") + "\r\n" + html).encode()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("directory")
    parser.add_argument("--some", action="store_true", help="those that are quick")
    options = parser.parse_args()
    heavy, report = Heavy(Cluster(options.directory)), Report()
    addresses = ",\r\n ".join(f"u{number}@example.com" for number in range(10_000))
    words = " ".join(["=?utf-8?B?7JWI64WV?="] * 10_000)
    quick = [
        ("50 MB", ["BODY_TOO_LARGE"], [attached(50)]),
        ("10,000 recipients", ["QUARANTINED TOO_MANY_RECIPIENTS"],
         [(head(f"Cc: {addresses}") + "\r\nx").encode()]),
        ("multiparts in each other, 1,000 deep", ["QUARANTINED TOO_DEEP"], [nested(1000)]),
        ("20,000 header fields", ["QUARANTINED HEADER_TOO_LARGE"],
         [(head(*[f"X-{number}: x" for number in range(20_000)]) + "\r\nx").encode()]),
    ]
    slow = [] if options.some else [
        ("the largest that is taken", ["TICKET"], [attached(35)]),
        ("multiparts, 100,000 deep", ["QUARANTINED TOO_DEEP"], [nested(100_000)]),
        ("a header field of 30 MB", ["QUARANTINED HEADER_TOO_LARGE"],
         [(head("X-Long: " + "y" * 30 * MEGABYTE) + "\r\nx").encode()]),
        ("10,000 encoded words", ["TICKET"], [(head(f"X-Words: {words}") + "\r\nx").encode()]),
        ("100,000 parts", ["QUARANTINED TOO_MANY_PARTS"], [multipart("\r\nx", 100_000)]),
        ("30 MB of text", ["TICKET"], [(head() + "\r\n" + "가나다라 " * (2 * MEGABYTE)).encode()]),
        ("HTML, 1,000,000 tags open", ["TICKET"], [page("<div>" * 1_000_000 + "words")]),
        ("HTML, 30 MB of table", ["TICKET"], [page("<table>" + "<tr><td>x</td>" * 2_000_000)]),
        ("eight large ones at once", ["TICKET", "TOO_MANY_REQUESTS"], [attached(30) for _ in range(8)]),
    ]
    print("| mail | MB | verdict | peak of the daemon above its rest, MB |\n|---|---|---|---|")
    for case in quick + slow:
        report.row(case[0], heavy.case, *case)
    sys.stdout.flush()
    os._exit(0)


main()
