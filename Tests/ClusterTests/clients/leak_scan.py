"""Puts a marker everywhere a ticket can carry text, masks it, and looks for it everywhere: leak_scan.py DIR

Looked at are every table, a pg_dump, the log files, the spool, and what the API answers to every role. Afterwards all
masks are taken off, and everything must be as it was."""

import glob
import os
import subprocess
import sys
import urllib.parse

from cluster import API, Cluster, Protos, Report, equal, eventually, unique

CARE = "services/care"


class LeakScan:
    def __init__(self, cluster):
        self.cluster = cluster
        self.marker = f"{unique('marker')}@example.com"
        door = API(Protos(), cluster.addresses["gateway"])
        self.admin, _ = door.sign_in(cluster.sign_ins["jihye.yoon"])
        self.roles = {name: door.sign_in(account)[0] for name, account in cluster.sign_ins.items()}

    def carry(self):
        """Words in the title, inquiry, customer's data, a comment, and an answer that is mailed."""
        types = self.admin.ListSubmissionTypes({"parent": CARE}).submission_types
        self.ticket = self.roles["seoyeon.kim"].CreateTicket({
            "parent": CARE, "title": f"{self.marker} 문의", "submissionType": types[0].name,
            "text": f"제 주소는 {self.marker} 이고 {self.marker.upper()} 로 써도 같아요.",
            "customer": {"displayName": self.marker, "email": self.marker}}).name
        eventually("the assignment", lambda: self.admin.GetTicket({"name": self.ticket}).agent)
        self.admin.ProcessTicket({"name": self.ticket, "act": "COMMENT", "text": f"> {self.marker}\n확인"})
        self.admin.ProcessTicket({"name": self.ticket, "act": "HOLD", "text": f"{self.marker} 로 곧 답을 드립니다."})
        eventually("the sent mail", lambda: [
            mail for mail in self.admin.ListMailMessages({"parent": self.ticket}).mail_messages if mail.state == 2])
        self.sent = len(self.cluster.mails_to(self.marker))
        assert self.sent == 1, self.sent
        self.before = self.answers(self.admin)
        assert all(self.marker in str(answer) for answer in self.before.values()), self.before
        equal(len(self.found()), 5)

    def found(self):
        """The conditions of a search by which the marker finds the ticket."""
        return [condition for condition in ("title", "text", "words", "customerName", "email")
                if any(row.name == self.ticket for row in self.admin.SearchTickets(
                    {"parent": CARE, condition: self.marker}).tickets)]

    def mask(self):
        entry = self.admin.ListEntries({"parent": self.ticket}).entries[0]
        length = len(self.marker)
        spans = [{"entry": entry.name, "start": entry.text.index(self.marker), "length": length}]
        spans += [{"field": field, "start": 0, "length": length}
                  for field in ("title", "customer.display_name", "customer.email")]
        self.masks = self.admin.CreateMasks({"parent": self.ticket, "spans": spans}).masks
        equal(len(self.masks), 4)
        equal(self.found(), [])
        events = self.admin.ListEvents({"parent": self.ticket, "pageSize": 200}).events
        assert any(change.field == "left_before" for change in events[-1].changes), events[-1]

    def tables(self):
        tables = self.cluster.sql("SELECT table_schema || '.' || table_name FROM information_schema.tables"
                                  " WHERE table_type = 'BASE TABLE' AND table_schema NOT LIKE 'pg_%'")
        found = [table for [table] in tables if self.cluster.sql(
            f"SELECT 1 FROM {table} r WHERE strpos(lower(r::text), '{self.marker}') > 0"
            f" OR strpos(r::text, '{self.marker.encode().hex()}') > 0 LIMIT 1")]
        assert len(tables) > 20 and not found, found

    def dump(self):
        url = urllib.parse.urlsplit(self.cluster.read("secrets/tickets-database-url").strip())
        host = urllib.parse.parse_qs(url.query)["host"][0]
        environment = dict(os.environ, PGPASSWORD=self.cluster.read("secrets/postgres-password").strip())
        dump = subprocess.run(["pg_dump", f"--host={host}", "--username=handoff", "handoff"], env=environment,
                              capture_output=True, timeout=120)
        assert dump.returncode == 0 and b"mask_place" in dump.stdout, dump.stderr
        self.absent(dump.stdout, "the dump")

    def files(self):
        paths = glob.glob(f"{self.cluster.directory}/logs/**", recursive=True)
        paths = [path for path in paths if os.path.isfile(path)]
        assert paths, "there are no logs"
        for path in paths:
            with open(path, "rb") as file:
                self.absent(file.read(), path)

    def roles_see_nothing(self):
        seen = 0
        for name, role in self.roles.items():
            try:
                answers = self.answers(role)
            except Exception as failure:  # Of another service: the ticket is not found.
                assert self.marker not in str(failure)
                continue
            seen += 1
            for method, answer in answers.items():
                assert self.marker not in str(answer).lower(), f"{method} shows {name} the marker"
        assert seen >= 2, seen

    def later_mails(self):
        """What leaves from now on is masked; what left before stays where it went."""
        self.admin.ProcessTicket({"name": self.ticket, "act": "COMMENT", "text": "고객에게 답할 주소가 없음"})
        equal(len(self.cluster.mails_to(self.marker)), self.sent)

    def unmask(self):
        for mask in reversed(self.masks):
            self.admin.UnmaskText({"name": mask.name, "reason": "a test"})
        after = self.answers(self.admin)
        after["ListEntries"] = after["ListEntries"][:len(self.before["ListEntries"])]
        equal(after, self.before)
        equal(len(self.found()), 5)
        assert self.admin.VerifyHistory({"name": self.ticket}).intact

    def answers(self, role):
        """The texts that the API shows of the ticket, by method."""
        ticket = role.GetTicket({"name": self.ticket})
        listed = next((row for row in role.ListTickets({"parent": CARE, "pageSize": 200}).tickets
                       if row.name == self.ticket), ticket)
        return {
            "GetTicket": [ticket.title, ticket.customer.display_name, ticket.customer.email],
            "ListTickets": [listed.title, listed.customer.display_name, listed.customer.email],
            "ListEntries": [entry.text for entry in role.ListEntries({"parent": self.ticket}).entries],
            "ListMailMessages": [(mail.subject, mail.text, mail.recipient, mail.server_reply)
                                 for mail in role.ListMailMessages({"parent": self.ticket}).mail_messages],
        }

    def absent(self, content, where):
        for form in (self.marker.encode(), self.marker.upper().encode(), self.marker.encode().hex().encode()):
            assert form not in content, f"{where} holds the marker"


def main():
    scan = LeakScan(Cluster(sys.argv[1]))
    report = Report()
    for step in (scan.carry, scan.mask, scan.tables, scan.dump, scan.files, scan.roles_see_nothing, scan.later_mails,
                 scan.unmask):
        report.row(step.__name__, step)


main()
