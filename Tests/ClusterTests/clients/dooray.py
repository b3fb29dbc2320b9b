"""Escalates tickets to the fake Dooray! of a running cluster (handoff up --with-fake-dooray): dooray.py DIR

Its hooks come in through the edge and the gateway. Daemons are killed while they escalate; and one organization's
Dooray! never answers while another's is used.
"""

import json
import os
import signal
import statistics
import sys
import threading
import time
import urllib.request

from cluster import API, PATIENCE_SECONDS, Cluster, Failure, Protos, Report, equal, eventually, unique

CARE = "services/care"
TAG, COLLEAGUE = "6000000000000000002", "4000000000000000099"
SLOW = "5000000000000000003"


class Dooray:
    def __init__(self, cluster):
        self.cluster = cluster
        self.door = API(Protos(), cluster.addresses["gateway"])
        self.admin, _ = self.door.sign_in(cluster.sign_ins["jihye.yoon"])
        self.agent, _ = self.door.sign_in(cluster.sign_ins["seoyeon.kim"])
        self.me = self.agent.GetMe().name
        self.kind = self.agent.ListSubmissionTypes({"parent": CARE}).submission_types[0].name
        self.project = self.agent.ListDoorayProjects({"parent": CARE}).projects[0]

    def control(self, name, body=None):
        request = urllib.request.Request(
            f"{self.cluster.addresses['fake-dooray']}/_control/{name}", json.dumps(body or {}).encode())
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
            return json.load(answer)

    def ticket(self):
        return self.agent.CreateTicket({
            "parent": CARE, "title": unique("배송"), "submissionType": self.kind, "text": "어디 있나요?",
            "agent": self.me}).name

    def escalate(self, ticket, request_id=""):
        return self.agent.EscalateToDooray({
            "name": ticket, "project": self.project.name, "subject": "확인", "text": "확인해 주세요.",
            "tagIds": [TAG], "requestId": request_id})

    def posts(self, ticket):
        """The tasks that the marker of a ticket stands in."""
        return [post for post in self.control("posts") if f"Handoff {ticket} " in post["body"]["content"]]

    def state(self, ticket):
        message = self.agent.GetTicket({"name": ticket})
        return message.DESCRIPTOR.fields_by_name["state"].enum_type.values_by_number[message.state].name

    def hooks(self):
        """Both forms of hooks, through the edge; only they make anything due here."""
        for form in ("documented", "observed"):
            self.control("hooks", {"form": form})
            ticket = self.ticket()
            self.escalate(ticket)
            task = self.posts(ticket)[0]["id"]
            for step, state in (("working", "DOORAY_IN_PROGRESS"), ("registered", "DOORAY_ESCALATED"),
                                ("closed", "DOORAY_ANSWERED"), ("working", "DOORAY_IN_PROGRESS")):
                self.control("move", {"post": task, "class": step, "member": COLLEAGUE})
                eventually(f"{state} by a hook", lambda: self.state(ticket) == state)
            self.control("comment", {"post": task, "text": "내일 도착합니다.", "member": COLLEAGUE})
            self.agent.CreateDoorayComment({"parent": ticket, "text": "감사합니다."})
            comments = lambda: self.agent.ListDoorayComments({"parent": ticket}).comments
            eventually("both comments", lambda: sorted(one.state for one in comments()) == [2, 4])
            equal(len(self.posts(ticket)[0]["logs"]), 2, "comments at Dooray!")
            equal(len(comments()), 2, "comments here")

    def kill(self):
        killed = 0
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                place, program = os.readlink(f"/proc/{pid}/cwd"), os.readlink(f"/proc/{pid}/exe")
            except OSError:
                continue
            if os.path.basename(program) == "handoff-tickets" and (place + "/").startswith(self.cluster.directory + "/"):
                os.kill(int(pid), signal.SIGKILL)
                killed += 1
        assert killed, "no handoff-tickets to kill"

    def time_passes(self):
        """Leases end and lost answers settle at once, as they would after two minutes."""
        self.cluster.sql("UPDATE dooray_task SET lease_time = now() - interval '1 hour', "
                         "settle_time = now() - interval '1 hour' WHERE state = 'SENDING'")

    def killed(self):
        """The daemons die before Dooray! has made the task, after it has, and so that it never hears of it."""
        for kind, is_there in (("slow", True), ("lost", True), ("close", False)):
            for number in range(2):
                ticket, request = self.ticket(), unique("request")
                fault = {"method": "POST", "path": "/posts$", "kind": kind, "times": 1, "seconds": 2}
                # Looks for the task fail as long as the daemons live, so that they cannot settle it before they die.
                self.control("faults", {"faults": [fault, {"method": "GET", "path": "/posts$", "kind": "status",
                                                           "times": 99, "status": 503}]})
                made = lambda: [call for call in self.control("calls") if call["method"] == "POST"
                                and call["path"].endswith("/posts")]
                before = len(made())
                problems = []
                thread = threading.Thread(target=self.attempt, args=(ticket, request, problems))
                thread.start()
                eventually("the request at Dooray!", lambda: len(made()) > before)
                if number:
                    time.sleep(0.3)
                self.kill()
                thread.join()
                if kind == "slow":
                    eventually("the task at Dooray!", lambda: self.posts(ticket))
                self.control("faults", {"faults": []})
                self.time_passes()
                if is_there:
                    eventually("the task at its ticket", lambda: self.answered(ticket) == "DOORAY_ESCALATED")
                else:
                    eventually("an end of the doubt", lambda: self.cluster.sql(
                        f"SELECT count(*) FROM dooray_task WHERE ticket_id = {ticket.rsplit('/', 1)[1]}") == [["0"]])
                    equal(self.answered(ticket), "PROCESSING", "the ticket whose task never came to be")
                # The same request again makes nothing new, or what never came to be.
                eventually("an answer to the same request", lambda: self.repeated(ticket, request))
                equal(len(self.posts(ticket)), 1, f"tasks after a kill ({kind})")
                equal(self.state(ticket), "DOORAY_ESCALATED")

    def attempt(self, ticket, request, problems):
        try:
            self.escalate(ticket, request)
        except Failure as failure:
            problems.append(failure)

    def answered(self, ticket):
        try:
            return self.state(ticket)
        except Failure:
            return None

    def repeated(self, ticket, request):
        try:
            return self.escalate(ticket, request)
        except Failure as failure:
            assert failure.status in ("UNAVAILABLE", "ABORTED"), failure
            return None

    def slow(self):
        """A second organization's project hangs; how long the acts of the first one take beside it is printed."""
        organization = self.admin.CreateDoorayOrganization({"parent": CARE, "organization": {
            "displayName": "느린 회사", "doorayId": "4000000000000000003", "token": "fake-tenant-token"}})
        hanging = self.admin.CreateDoorayProject({"parent": CARE, "project": {
            "organization": organization.name, "displayName": "느린 프로젝트", "doorayId": SLOW}})
        other, _ = self.door.sign_in(self.cluster.sign_ins["junho.lee"])
        other.SetDoorayUserKey({
            "name": f"{organization.name}/userKeys/{other.GetMe().name.split('/')[1]}", "key": "fake-key-junho.lee"})
        alone = self.durations()
        self.control("faults", {"faults": [
            {"method": "GET", "path": f"/projects/{SLOW}/", "kind": "slow", "times": 9999, "seconds": 3600}]})
        ends = threading.Event()

        def ask():
            while not ends.is_set():
                try:
                    other.GetDoorayChoices({"name": hanging.name})
                    raise AssertionError("who does not answer has answered")
                except Failure:
                    # What finds no place in its organization's queue is told so at once.
                    time.sleep(0.2)

        threads = [threading.Thread(target=ask) for _ in range(24)]
        for thread in threads:
            thread.start()
        begun = lambda: sum(SLOW in call["path"] for call in self.control("calls"))
        eventually("eight calls that hang in each of two daemons", lambda: begun() >= 16)
        beside = self.durations()
        hung = begun()
        ends.set()
        for thread in threads:
            thread.join()
        self.control("faults", {"faults": []})
        for act in alone:
            print(f"dooray: {act}: {self.shown(alone[act])} alone, {self.shown(beside[act])} beside {hung} calls to an"
                  " organization that does not answer")

    def channel(self):
        """A trigger's messages reach a real hook over TLS, each once, also when the messenger fails at first."""
        hooks = self.admin.ListMessengerHooks({"parent": CARE}).messenger_hooks
        equal(len(hooks), 1, "the demo's channel")
        word = unique("알림")
        self.admin.CreateTrigger({"parent": CARE, "trigger": {
            "displayName": word, "conditions": [{"target": "TITLE", "operator": "CONTAINS", "values": [word]}],
            "results": [{"messenger": {"hook": hooks[0].name, "botName": "Handoff", "text": "#{ticketId} #{subject}"}}]}})
        self.control("faults", {"faults": [
            {"method": "POST", "path": "/services/", "kind": "status", "times": 2, "status": 503}]})
        tickets = [self.agent.CreateTicket({
            "parent": CARE, "title": f"{word} {number}", "submissionType": self.kind, "text": "보세요.",
            "agent": self.me}).name for number in range(5)]
        wanted = sorted(f"{ticket.rsplit('/', 1)[1]} {word} {number}" for number, ticket in enumerate(tickets))
        written = lambda: sorted(message["text"] for messages in self.control("messages").values()
                                 for message in messages if word in message["text"])
        eventually("a message of each ticket in the channel", lambda: len(written()) >= len(wanted))
        equal(written(), wanted, "messages in the channel")
        for ticket in tickets:
            eventually("MESSAGE_SENT", lambda: "MESSAGE_SENT" in [
                event.code for event in self.agent.ListEvents({"parent": ticket}).events])

    def durations(self):
        """For each act, how long it took, several times."""
        took = {}
        for _ in range(5):
            ticket = self.timed(took, "creating a ticket", self.ticket)
            self.timed(took, "choices of a project", lambda: self.agent.GetDoorayChoices({"name": self.project.name}))
            self.timed(took, "escalating", lambda: self.escalate(ticket))
            task = self.posts(ticket)[0]["id"]
            self.control("move", {"post": task, "class": "working", "member": COLLEAGUE})
            self.timed(took, "from a hook to the ticket", lambda: eventually(
                "the step", lambda: self.state(ticket) == "DOORAY_IN_PROGRESS"))
        return took

    @staticmethod
    def timed(took, act, work):
        begin = time.monotonic()
        answer = work()
        took.setdefault(act, []).append(time.monotonic() - begin)
        return answer

    @staticmethod
    def shown(seconds):
        return f"{statistics.median(seconds) * 1000:.0f} ms (at most {max(seconds) * 1000:.0f})"


def main():
    dooray = Dooray(Cluster(sys.argv[1]))
    report = Report()
    report.row("hooks that come in by the edge move tickets and bring comments, in both forms", dooray.hooks)
    report.row("kill -9 of the daemons that escalate leaves one task, or none", dooray.killed)
    report.row("triggers write into a messenger channel, and again what it did not take", dooray.channel)
    report.row("an organization whose Dooray! does not answer holds up no other", dooray.slow)


main()
