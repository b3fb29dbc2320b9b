"""Fills the disk under a cluster whose data directory is a file system of its own: errors are clear, and everything
goes on by itself when there is room again.

    diskfull.py DIR
"""

import os
import sys
import time

from actors import Staff
from cluster import Cluster, Failure, Protos, Report, eventually, unique
from doors import GRPCDoor

# What a call may say while the disk is full.
CLEAR = {"UNAVAILABLE", "DEADLINE_EXCEEDED"}


class DiskFull:
    def __init__(self, cluster):
        self.cluster = cluster
        self.door = GRPCDoor(Protos(), cluster.addresses["gateway"], "gateway")
        self.staff = Staff(cluster, self.door)
        self.balloon = os.path.join(os.path.dirname(cluster.directory), "balloon")
        self.answered, self.failed = [], []

    def fill(self):
        """Takes all the room that is left."""
        with open(self.balloon, "wb", buffering=0) as file:
            for size in (1 << 20, 4096, 1):
                try:
                    while file.write(b"\0" * size) == size:
                        pass
                except OSError:
                    continue

    def create(self, title):
        request = {
            "parent": "services/care", "title": title, "text": "x" * 4000, "language": "en",
            "submissionType": self.staff.types["services/care"],
            "customer": {"email": f"{title}@example.com"}, "requestId": title}
        return self.door.call("CreateTicket", request, self.staff.tokens[self.staff.admin], 20)

    def attempt(self):
        title = unique("full")
        try:
            self.create(title)
            self.answered.append(title)
            return True
        except Failure as failure:
            assert failure.status in CLEAR, f"{failure}"
            self.failed.append(title)
            return False

    def database(self):
        """PostgreSQL without room: acts are refused as UNAVAILABLE, and are possible again when there is room."""
        self.fill()
        try:
            # What was taken before may carry a few more acts.
            eventually("a refusal", lambda: not self.attempt())
            self.fill_log()
            for _ in range(5):
                self.attempt()
        finally:
            os.unlink(self.balloon)
        begin = time.monotonic()
        eventually("acts with room again", self.attempt)
        print(f"| database | acts again after {time.monotonic() - begin:.1f} s | {len(self.failed)} refused |")
        titles = [title for title, in self.cluster.sql("SELECT title FROM ticket WHERE title LIKE 'full-%'")]
        assert set(self.answered) <= set(titles), "an acknowledged ticket is gone"
        for title in self.failed:
            # Whoever repeats the request that failed gets the one ticket.
            eventually("the repeated act", lambda title=title: self.repeated(title))
        titles = [title for title, in self.cluster.sql("SELECT title FROM ticket WHERE title LIKE 'full-%'")]
        assert sorted(titles) == sorted(self.answered + self.failed), "an act is there twice, or not at all"

    def fill_log(self):
        """Takes the room that PostgreSQL had put aside for its log, too: it ends itself when it cannot write there."""
        try:
            for _ in range(400):
                self.cluster.sql("SELECT pg_logical_emit_message(false, 'full', repeat('x', 1000000))")
        except RuntimeError:
            return
        raise AssertionError("PostgreSQL writes its log to a full disk")

    def repeated(self, title):
        try:
            return bool(self.create(title).name)
        except Failure as failure:
            assert failure.status in CLEAR, f"{failure}"
            return False

    def spool(self):
        """The spool without room: mails wait and say why, the acts go on, and each mail is there once in the end."""
        mail = os.path.join(self.cluster.directory, "mail")
        title = unique("spool")
        ticket = self.create(title)
        balloon = os.path.join(mail, ".balloon")
        with open(balloon, "wb", buffering=0) as file:
            try:
                while file.write(b"\0" * 4096) == 4096:
                    pass
            except OSError:
                pass
        token = self.staff.tokens[self.staff.admin]
        try:
            self.door.call("ProcessTicket", {"name": ticket.name, "act": "HOLD", "text": "Wait."}, token, 60)
            (words,), = eventually("a reason", lambda: self.cluster.sql(
                "SELECT server_reply FROM mail_message AS m JOIN ticket AS t ON t.service_id = m.service_id"
                f" AND t.id = m.ticket_id WHERE t.title = '{title}' AND server_reply <> ''"))
            assert "No space left" in words, words
        finally:
            os.unlink(balloon)
        begin = time.monotonic()
        eventually("the mail", lambda: self.cluster.mails_to(title))
        print(f"| spool | the mail after {time.monotonic() - begin:.1f} s | it said: {words} |")
        eventually("the event of the mail", lambda: self.cluster.sql(
            "SELECT 1 FROM ticket_event AS e JOIN ticket AS t ON t.service_id = e.service_id AND t.id = e.ticket_id"
            f" WHERE t.title = '{title}' AND e.code = 'MAIL_SENT'"))
        assert len(self.cluster.mails_to(title)) == 1


def main():
    cluster, report = Cluster(sys.argv[1]), Report()
    proof = DiskFull(cluster)
    print("| full disk | afterwards | meanwhile |\n|---|---|---|")
    report.row("a full spool", proof.spool)
    report.row("a full disk under PostgreSQL", proof.database)
    sys.stdout.flush()
    os._exit(0)


main()
