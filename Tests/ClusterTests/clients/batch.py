"""Orders batches while the daemons that work on them are killed: batch.py DIR.

The cluster must be this client's own."""

import os
import signal
import sys

from cluster import API, Cluster, Failure, Protos, Report, equal, eventually, unique

CARE = "services/care"
COUNT = 150


class Batches:
    def __init__(self, cluster):
        self.cluster = cluster
        self.door = API(Protos(), cluster.addresses["gateway"])
        self.agent, _ = self.door.sign_in(cluster.sign_ins["seoyeon.kim"])
        self.admin, _ = self.door.sign_in(cluster.sign_ins["jihye.yoon"])
        kind = self.agent.ListSubmissionTypes({"parent": CARE}).submission_types[0].name
        self.tickets = [self.agent.CreateTicket({
            "parent": CARE, "title": "일괄", "text": "문의드립니다.", "submissionType": kind}).name
            for _ in range(COUNT)]

    def kill(self, name):
        for entry in os.listdir("/proc"):
            try:
                place, program = os.readlink(f"/proc/{entry}/cwd"), os.readlink(f"/proc/{entry}/exe")
            except OSError:
                continue
            if place.startswith(self.cluster.directory) and os.path.basename(program) == name:
                os.kill(int(entry), signal.SIGKILL)
                return True
        return False

    def persist(self, call):
        def attempt():
            try:
                return call()
            except Failure as failure:
                assert failure.status in ("UNAVAILABLE", "DEADLINE_EXCEEDED", "INTERNAL", "CANCELLED"), failure
                return None
        return eventually("an answer", attempt)

    def run(self, who, batch, code):
        """The batch, killed twice on its way, has acted once on each ticket."""
        key = unique("batch")
        made = self.persist(lambda: who.CreateBatch({
            "parent": CARE, "batch": batch, "tickets": self.tickets, "requestId": key}))
        for name in ("handoff-tickets", "handoff-assignment"):
            at = self.persist(lambda: who.GetBatch({"name": made.name})).succeeded_count
            eventually("progress", lambda: self.persist(
                lambda: who.GetBatch({"name": made.name})).succeeded_count > at or self.over(who, made.name))
            eventually(name, lambda: self.kill(name))
        ended = eventually("the end of the batch", lambda: self.over(who, made.name))
        results = self.persist(
            lambda: who.ListBatchResults({"parent": made.name, "outcome": "FAILED"})).results
        equal((ended.succeeded_count, ended.failed_count), (COUNT, 0), str(results[:3]))
        ids = ",".join(name.split("/")[-1] for name in self.tickets)
        counts = self.cluster.sql(
            "SELECT count(*), count(DISTINCT ticket_id) FROM ticket_event"
            f" WHERE ticket_id IN ({ids}) AND code = '{code}'")
        equal(counts, [[str(COUNT), str(COUNT)]], "events and tickets")
        equal(self.persist(lambda: who.CreateBatch({
            "parent": CARE, "batch": batch, "tickets": self.tickets, "requestId": key})).name, made.name)

    def over(self, who, name):
        batch = self.persist(lambda: who.GetBatch({"name": name}))
        return batch if batch.HasField("end_time") else None

    def comment(self):
        self.run(self.agent, {"act": "COMMENT", "text": "공지"}, "COMMENTED")

    def forward(self):
        # Who was killed before is started again by now, or soon.
        groups = self.persist(lambda: self.admin.ListGroups({"parent": CARE})).groups
        members = self.persist(lambda: self.admin.ListMembers({"parent": CARE})).members
        members = {member.agent for member in members if member.assignable}
        group = next(group for group in groups if members & set(group.agents))
        agent = sorted(members & set(group.agents))[0]
        self.run(self.admin, {"act": "FORWARD", "group": group.name, "agent": agent}, "FORWARDED")


def main():
    batches = Batches(Cluster(sys.argv[1]))
    report = Report()
    report.row("a batch of comments acts once on each ticket, whoever is killed", batches.comment)
    report.row("a batch of forwards acts once on each ticket, whoever is killed", batches.forward)


main()
