"""Kills handoff-mail between each pair of steps of a mail's way in and out, and says whether all of it is there once.

    steps.py DIR [--some N] [--seed N]

A trigger holds the statement of a step. Then the daemon is killed, and the statement either ends with it, as if the
blow had come before the step, or is carried out, as if it had come right after. Whoever handed a mail over and got no answer
hands it over again, as mail servers do. `--some` takes so many of the cases, by the seed."""

import argparse
import os
import random
import signal
import subprocess
import sys
import threading
import time
import urllib.parse

import grpc

from actors import Staff
from blows import processes
from cluster import Cluster, Failure, Protos, Report, equal, eventually, unique
from doors import GRPCDoor

LOCK = 4711
CARE = "services/care"

# Way, step, and the trigger that holds it: event, table, condition.
STEPS = [
    ("inquiry", "it is stored", "INSERT", "inbound_mail", "true"),
    ("inquiry", "its file is uploaded", "INSERT", "attachment", "true"),
    ("inquiry", "what it is to be is fixed", "UPDATE", "inbound_mail", "NEW.plan <> OLD.plan"),
    ("inquiry", "the ticket is written", "INSERT", "ticket", "true"),
    ("inquiry", "it is decided", "UPDATE", "inbound_mail", "NEW.state <> OLD.state"),
    ("reply", "it is stored", "INSERT", "inbound_mail", "true"),
    ("reply", "what it is to be is fixed", "UPDATE", "inbound_mail", "NEW.plan <> OLD.plan"),
    ("reply", "the entry is written", "INSERT", "ticket_entry", "true"),
    ("reply", "it is decided", "UPDATE", "inbound_mail", "NEW.state <> OLD.state"),
    ("bounce", "it is stored", "INSERT", "inbound_mail", "true"),
    ("bounce", "the ticket is told", "INSERT", "ticket_event", "NEW.code = 'MAIL_BOUNCED'"),
    ("bounce", "it is decided", "UPDATE", "inbound_mail", "NEW.state <> OLD.state"),
    ("answer", "it is claimed", "UPDATE", "outbox", "NEW.topic = 'MAIL' AND NEW.lease_holder IS NOT NULL"),
    ("answer", "the mail is written down", "INSERT", "mail_message", "true"),
    ("answer", "the mail has left, and the ticket is told", "INSERT", "ticket_event", "NEW.code = 'MAIL_SENT'"),
    ("answer", "the order is removed", "DELETE", "outbox", "OLD.topic = 'MAIL'"),
]


class Hold:
    """Holds a step of every process until it is let go."""

    def __init__(self, cluster, event, table, condition):
        self.cluster = cluster
        self.table = table
        url = cluster.read("secrets/tickets-database-url").strip()
        host = urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)["host"][0]
        environment = dict(os.environ, PGPASSWORD=cluster.read("secrets/postgres-password").strip())
        self.session = subprocess.Popen(
            ["psql", "-XAtq", "-h", host, "-U", "handoff", "-d", "handoff"], env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.session.stdin.write(f"SELECT pg_advisory_lock({LOCK}); SELECT 'held';\n")
        self.session.stdin.flush()
        while self.session.stdout.readline().strip() != "held":
            pass
        cluster.sql(f"""
            CREATE OR REPLACE FUNCTION handoff.hold_step() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
              PERFORM pg_advisory_xact_lock({LOCK});
              RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
            END $$;
            CREATE TRIGGER hold_step BEFORE {event} ON handoff.{table} FOR EACH ROW WHEN ({condition})
              EXECUTE FUNCTION handoff.hold_step()""")

    def waiting(self):
        """The sessions that are held."""
        return [int(pid) for pid, in self.cluster.sql(
            f"SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = {LOCK} AND NOT granted")]

    def let_go(self, pids, is_lost):
        """Ends what is held, or lets it be carried out."""
        if is_lost:
            for pid in pids:
                self.cluster.sql(f"SELECT pg_terminate_backend({pid})")
            eventually("the end of the sessions", lambda: not set(pids) & set(self.waiting()))
        self.end()

    def end(self):
        """Holds nothing any more. May be called again."""
        if self.session.stdin.closed:
            return
        self.session.stdin.close()
        self.session.wait(60)
        self.cluster.sql(f"DROP TRIGGER hold_step ON handoff.{self.table}")


class Steps:
    def __init__(self, cluster):
        self.cluster = cluster
        self.door = GRPCDoor(Protos(), cluster.addresses["gateway"], "gateway")
        self.staff = Staff(cluster, self.door)
        self.token = self.staff.tokens[self.staff.admin]
        self.api = self.door.api.signed_in(self.token)

    def sql(self, statement):
        return [row[0] for row in self.cluster.sql(statement)]

    def call(self, method, request):
        """A call that is safe to repeat: while mail is starting again, acts that mail are not to be had."""
        end = time.monotonic() + 120
        while True:
            try:
                return self.door.call(method, request, self.token, 60)
            except Failure as failure:
                if failure.status not in ("UNAVAILABLE", "DEADLINE_EXCEEDED") or time.monotonic() > end:
                    raise
                time.sleep(0.2)

    # What is mailed.

    def letter(self, mark, sender, headers=(), body=None, kind="text/plain; charset=utf-8"):
        head = [f"From: <{sender}>", "To: care@example.com", f"Subject: {mark}", f"Message-ID: <{mark}@mail.example>",
                "MIME-Version: 1.0", f"Content-Type: {kind}", *headers]
        return ("\r\n".join(head) + "\r\n\r\n" + (body or mark) + "\r\n").encode()

    def inquiry(self, mark):
        body = (f"--b\r\nContent-Type: text/plain\r\n\r\n{mark}\r\n--b\r\nContent-Type: text/plain; name=note.txt\r\n"
                "Content-Disposition: attachment\r\n\r\nnote\r\n--b--")
        return self.letter(mark, f"{mark}@example.com", body=body, kind="multipart/mixed; boundary=b")

    def reply(self, mark):
        first = unique("first")
        taken = self.hand_over(self.letter(first, f"{mark}@example.com"))
        self.ticket = taken.ticket
        return self.letter(mark, f"{mark}@example.com", [f"In-Reply-To: <{first}@mail.example>"])

    def bounce(self, mark):
        self.ticket, mail = self.answered(mark)
        report = (
            "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n"
            f"Final-Recipient: rfc822; {mark}@example.com\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n"
            f"--b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: <{mail}>\r\n--b--")
        return self.letter(mark, "MAILER-DAEMON@mx.example", body=report,
                           kind="multipart/report; report-type=delivery-status; boundary=b")

    def answered(self, mark):
        """A ticket with an answer that has left."""
        ticket = self.answer(mark)
        number = ticket.split("/")[-1]
        mail, = eventually("the answer", lambda: self.sql(
            f"SELECT message_id FROM mail_message WHERE ticket_id = {number} AND state = 'SENT'"))
        return ticket, mail

    def answer(self, mark):
        member, group = self.staff.members[CARE][0]
        ticket = self.call("CreateTicket", {
            "parent": CARE, "title": mark, "text": mark, "submissionType": self.staff.types[CARE], "agent": member,
            "group": group, "customer": {"email": f"{mark}@example.com"}, "requestId": mark})
        self.call("ProcessTicket", {"name": ticket.name, "act": "HOLD", "text": f"answer {mark}",
                                    "requestId": f"{mark}-hold"})
        return ticket.name

    def hand_over(self, mail):
        """Until somebody answers for it."""
        while True:
            try:
                return self.api.ingest(CARE, mail)
            except grpc.RpcError as error:
                assert error.code().name in ("UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"), error
                time.sleep(0.2)

    # A case.

    def case(self, way, step, event, table, condition, is_lost):
        mark = unique("step")
        if way == "answer":
            hold = Hold(self.cluster, event, table, condition)
            work = threading.Thread(target=self.answer, args=(mark,), daemon=True)
        else:
            mail = getattr(self, way)(mark)
            # Nobody else sends mails meanwhile, so what comes behind these is this one.
            self.earlier, = self.sql("SELECT coalesce(max(id), 0) FROM inbound_mail")
            hold = Hold(self.cluster, event, table, condition)
            work = threading.Thread(target=self.hand_over, args=(mail,), daemon=True)
        work.start()
        try:
            held = eventually(f"the step: {step}", hold.waiting)
            self.kill()
            hold.let_go(held, is_lost)
        finally:
            # What went wrong here must not hold the next case.
            hold.end()
        # What a dead process had under its lease would be taken up a little later.
        self.cluster.sql("UPDATE inbound_mail SET due_time = clock_timestamp() WHERE state = 'WAITING'")
        self.cluster.sql(
            "UPDATE outbox SET due_time = clock_timestamp(), lease_time = clock_timestamp() WHERE topic = 'MAIL'")
        work.join(120)
        assert not work.is_alive(), "whoever handed the mail over got no answer"
        getattr(self, f"check_{way}")(mark)
        self.accounts()

    def kill(self):
        pids = [pid for name, pid in processes(self.cluster.directory) if name == "handoff-mail"]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        assert pids, "no handoff-mail runs"

    def decided(self, mark, state):
        """The one row of a mail, once it is decided."""
        rows = eventually(f"the decision about {mark}", lambda: self.cluster.sql(
            f"SELECT state, reason, ticket_id FROM inbound_mail WHERE id > {self.earlier} AND state <> 'WAITING'"))
        equal([row[0] for row in rows], [state], rows)
        return rows[0]

    def check_inquiry(self, mark):
        ticket = self.decided(mark, "TICKET")[2]
        equal(self.sql(f"SELECT id FROM ticket WHERE title = '{mark}'"), [ticket], "tickets of the mail")
        equal(self.sql(f"SELECT count(*) FROM attachment WHERE ticket_id = {ticket}"), ["1"], "its files")
        self.history(f"{CARE}/tickets/{ticket}")

    def check_reply(self, mark):
        self.decided(mark, "REPLY")
        texts = self.sql(f"SELECT count(*) FROM ticket_entry WHERE body LIKE '{mark}%'")
        equal(texts, ["1"], "entries of the mail")
        self.history(self.ticket)

    def check_bounce(self, mark):
        row = self.decided(mark, "SUPPRESSED")
        equal(row[1], "BOUNCE")
        number = self.ticket.split("/")[-1]
        equal(self.sql(f"SELECT count(*) FROM mail_bounce WHERE ticket_id = {number}"), ["1"], "notes of it")
        told = self.sql(f"SELECT count(*) FROM ticket_event WHERE ticket_id = {number} AND code = 'MAIL_BOUNCED'")
        equal(told, ["1"], "events of it")
        self.history(self.ticket)

    def check_answer(self, mark):
        number, = self.sql(f"SELECT id FROM ticket WHERE title = '{mark}'")
        eventually("an empty outbox", lambda: self.sql(
            f"SELECT count(*) FROM outbox WHERE topic = 'MAIL' AND ticket_id = {number}") == ["0"])
        equal(self.sql(f"SELECT state FROM mail_message WHERE ticket_id = {number}"), ["SENT"], "mails")
        equal(self.sql(f"SELECT count(*) FROM ticket_event WHERE ticket_id = {number} AND code = 'MAIL_SENT'"), ["1"])
        equal(len(self.cluster.mails_to(f"{mark}@example.com")), 1, "mails in the spool")
        self.history(f"{CARE}/tickets/{number}")

    def history(self, ticket):
        verdict = self.call("VerifyHistory", {"name": ticket})
        assert verdict.intact, f"{verdict}"

    def accounts(self):
        """received = tickets + replies + suppressed + quarantined, as operators see it and by a recount."""
        columns = ("received", "waiting", "tickets", "replies", "suppressed", "quarantined")
        # Before the first mail there is no row.
        sums = ", ".join(f"coalesce(sum({column}), 0)" for column in columns)
        told, = self.cluster.sql(f"SELECT {sums} FROM inbound_mail_count")
        counted, = self.cluster.sql(
            "SELECT count(*), " + ", ".join(
                f"count(*) FILTER (WHERE state = '{state}')"
                for state in ("WAITING", "TICKET", "REPLY", "SUPPRESSED", "QUARANTINED")) + " FROM inbound_mail")
        equal(told, counted, "the accounts")
        assert int(told[0]) == sum(map(int, told[2:])) and told[1] == "0", told


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("directory")
    parser.add_argument("--some", type=int)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    cases = [(*step, is_lost) for step in STEPS for is_lost in (True, False)]
    if options.some:
        cases = random.Random(f"steps {options.seed}").sample(cases, options.some)
    steps, report = Steps(Cluster(options.directory)), Report()
    for case in cases:
        when = "before" if case[-1] else "after"
        report.row(f"{case[0]}: killed {when} this: {case[1]}", steps.case, *case)
    sys.stdout.flush()
    # Threads of stock channels must not hold the end up.
    os._exit(0)


main()
