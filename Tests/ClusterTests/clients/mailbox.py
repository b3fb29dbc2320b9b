"""Kills handoff-mail while it reads a mailbox, counts what became of the mails, and answers the answer to one of them:
mailbox.py DIR PORT CA USER PASSWORD INBOX

The mailbox is on a real IMAP server on 127.0.0.1 (TLS on PORT); mails are put into it by Python's own IMAP client. The
cluster's own mails go by SMTP to scripts/inbox, whose pages are at INBOX.
"""

import email
import email.policy
import email.utils
import imaplib
import os
import random
import signal
import ssl
import sys
import urllib.request
from email.message import EmailMessage

from cluster import API, Cluster, Protos, Report, equal, eventually, unique

CARE = "services/care"
ROUNDS, MAILS = 3, 20


class Mailbox:
    def __init__(self, cluster, port, authority, user, password, inbox):
        self.cluster, self.port, self.authority, self.user, self.password = cluster, port, authority, user, password
        self.inbox = inbox
        door = API(Protos(), cluster.addresses["gateway"])
        self.admin, _ = door.sign_in(cluster.sign_ins["jihye.yoon"])
        self.mark = unique("kill")
        self.sent = []

    def imap(self):
        client = imaplib.IMAP4_SSL("127.0.0.1", self.port, ssl_context=ssl.create_default_context(cafile=self.authority))
        client.login(self.user, self.password)
        return client

    def append(self, count):
        client = self.imap()
        for _ in range(count):
            number = len(self.sent)
            subject = f"{self.mark}-{number}"
            mail = (f"From: <c{number}@{self.mark}.example.com>\r\nTo: care@example.com\r\nSubject: {subject}\r\n"
                    f"Message-ID: <{subject}@example.com>\r\n\r\n{'x' * random.randrange(100_000)}\r\n")
            equal(client.append("INBOX", None, None, mail.encode())[0], "OK")
            self.sent.append(subject)
        client.logout()

    def deliver(self, mail):
        client = self.imap()
        equal(client.append("INBOX", None, None, mail.as_bytes(policy=email.policy.SMTP))[0], "OK")
        client.logout()

    def left(self):
        client = self.imap()
        count = int(client.select("INBOX", readonly=True)[1][0])
        client.logout()
        return count

    def connect(self):
        self.account = self.admin.CreateMailAccount({"parent": CARE, "mailAccount": {
            "displayName": "killed", "address": "care@example.com", "host": "127.0.0.1", "port": self.port,
            "security": "TLS", "user": self.user, "password": self.password, "deleteImported": True,
            "startTime": "1970-01-01T00:00:00Z"}}).name

    def counts(self):
        return self.admin.GetMailAccount({"name": self.account}).counts

    def kill(self):
        killed = 0
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                place, program = os.readlink(f"/proc/{pid}/cwd"), os.readlink(f"/proc/{pid}/exe")
            except OSError:
                continue
            if os.path.basename(program) == "handoff-mail" and (place + "/").startswith(self.cluster.directory + "/"):
                os.kill(int(pid), signal.SIGKILL)
                killed += 1
        assert killed, "no handoff-mail to kill"

    def time_passes(self):
        """The leases of whoever was killed end at once, as they would after minutes."""
        self.cluster.sql("UPDATE mail_account SET lease_end_time = '-infinity', due_time = now()")
        self.cluster.sql("UPDATE inbound_mail SET due_time = now() WHERE state = 'WAITING'")

    def survives(self):
        for _ in range(ROUNDS):
            before = len(self.sent)
            self.append(MAILS)
            threshold = before + random.randrange(MAILS - 5)
            received = ("SELECT coalesce(sum(received), 0) FROM inbound_mail_count WHERE account_id = "
                        + self.account.rsplit("/", 1)[1])
            eventually("some mails", lambda: int(self.cluster.sql(received)[0][0]) > threshold)
            self.kill()
            self.time_passes()

            def all_decided():
                rows = self.cluster.sql("SELECT count(*) FROM inbound_mail WHERE state = 'WAITING'")
                return rows == [["0"]] and int(self.cluster.sql(received)[0][0]) >= len(self.sent)

            eventually("all mails", all_decided)
        eventually("an empty mailbox", lambda: self.left() == 0)
        counts = eventually("the numbers", self.counts)
        equal((counts.received, counts.tickets, counts.waiting), (len(self.sent), len(self.sent), 0))
        titles = [row[0] for row in self.cluster.sql(f"SELECT title FROM ticket WHERE title LIKE '{self.mark}-%'")]
        equal(sorted(titles), sorted(self.sent), "one ticket for each mail")


    def received(self, message_id):
        """A mail of the cluster as the customer's mail server got it."""
        with urllib.request.urlopen(f"{self.inbox}/mails?message-id={message_id}", timeout=60) as answer:
            return email.message_from_bytes(answer.read(), policy=email.policy.default)

    def is_answered(self):
        customer, subject = f"kim@{self.mark}.example.com", f"{self.mark} 배송 문의"
        inquiry = EmailMessage()
        inquiry["From"], inquiry["To"], inquiry["Subject"] = f"김철수 <{customer}>", "care@example.com", subject
        inquiry["Message-ID"] = email.utils.make_msgid(domain="example.com")
        inquiry.set_content("언제 오나요?")
        self.deliver(inquiry)
        made = f"SELECT id FROM ticket WHERE title = '{subject}'"
        name = f"services/care/tickets/{eventually('the ticket', lambda: self.cluster.sql(made))[0][0]}"
        eventually("the assignment", lambda: self.admin.GetTicket({"name": name}).agent)
        self.admin.ProcessTicket({"name": name, "act": "RESOLVE", "text": "내일 도착합니다."})
        sent = eventually("the answer", lambda: [
            mail for mail in self.admin.ListMailMessages({"parent": name}).mail_messages if mail.state == 2])[0]
        answer = self.received(sent.message_id)
        equal(answer["In-Reply-To"], inquiry["Message-ID"])
        reply = EmailMessage()
        reply["From"], reply["To"] = f"김철수 <{customer}>", answer["Reply-To"]
        reply["Subject"] = f"Re: {answer['Subject']}"
        reply["Message-ID"] = email.utils.make_msgid(domain="example.com")
        # The program keeps neither References nor In-Reply-To: the address alone says which ticket it is.
        reply.set_content("아직 안 왔어요.")
        self.deliver(reply)
        eventually("the reopened ticket", lambda: self.admin.GetTicket({"name": name}).state == 2)
        entries = self.admin.ListEntries({"parent": name}).entries
        equal([entry.text.strip() for entry in entries], ["언제 오나요?", "내일 도착합니다.", "아직 안 왔어요."])
        eventually("an empty mailbox", lambda: self.left() == 0)


def main():
    directory, port, authority, user, password, inbox = sys.argv[1:]
    mailbox = Mailbox(Cluster(directory), int(port), authority, user, password, inbox)
    report = Report()
    report.row("a mailbox is connected through the API", mailbox.connect)
    report.row("kill -9 of the daemon that reads it loses and doubles nothing", mailbox.survives)
    report.row("a reply to an answer that went by SMTP opens the ticket again", mailbox.is_answered)


main()
