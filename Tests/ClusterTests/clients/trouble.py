"""Uses a cluster of which one service after the other is down, and asks more of it than its budgets allow.

trouble.py DIR: the cluster must be this client's own, with a budget of some tens of calls a second."""

import os
import signal
import sys
import threading
import time

from cluster import API, JSON, PATIENCE_SECONDS, Cluster, Failure, Protos, Report, equal, eventually, unique

CARE = "services/care"


class Down:
    """Holds a daemon down: it is killed, and cannot start without its key."""

    def __init__(self, cluster, name):
        self.cluster, self.name = cluster, name
        self.key = os.path.join(cluster.directory, "tls", f"{name}-key.pem")

    def __enter__(self):
        os.rename(self.key, f"{self.key}.away")
        eventually(f"the end of {self.name}", self.kill)
        # Others may have to notice that their connections are gone, and the daemon to fail to start.
        eventually("no process of it", lambda: not self.processes())

    def __exit__(self, *_):
        os.rename(f"{self.key}.away", self.key)

    def kill(self):
        found = self.processes()
        for pid in found:
            os.kill(pid, signal.SIGKILL)
        return found

    def processes(self):
        found = []
        for entry in os.listdir("/proc"):
            try:
                place, program = os.readlink(f"/proc/{entry}/cwd"), os.readlink(f"/proc/{entry}/exe")
                with open(f"/proc/{entry}/stat", encoding="ascii", errors="replace") as file:
                    is_over = file.read().rpartition(")")[2].split()[0] in "ZX"
            except OSError:
                continue
            if place.startswith(self.cluster.directory) and program.endswith(f"/handoff-{self.name}") and not is_over:
                found.append(int(entry))
        return found


class Trouble:
    def __init__(self, cluster):
        self.cluster = cluster
        self.door = API(Protos(), cluster.addresses["gateway"])
        self.agent, _ = self.door.sign_in(cluster.sign_ins["seoyeon.kim"])
        self.json = JSON(cluster.edge, self.token(self.agent))
        self.kind = self.agent.ListSubmissionTypes({"parent": CARE}).submission_types[0].name
        self.group = next(group.name for group in self.agent.ListGroups({"parent": CARE}).groups
                          if self.agent.GetMe().name in group.agents)

    @staticmethod
    def token(api):
        return dict(api.metadata)["authorization"].split()[1]

    def new(self, **fields):
        """A ticket that this agent holds."""
        return self.agent.CreateTicket(dict({
            "parent": CARE, "title": "문의", "text": "전화는 010-0000-1234입니다.", "submissionType": self.kind,
            "agent": self.agent.GetMe().name, "group": self.group,
            "customer": {"displayName": "김하늘", "email": f"{unique('haneul')}@example.com"}}, **fields)).name

    def names(self, name, method, verb, path, request, body=None):
        """A call over both faces that must be refused in the name of the service that is down."""
        for call in (lambda: self.json.call(verb, path, body), lambda: getattr(self.agent, method)(request)):
            try:
                call()
                raise AssertionError(f"{method} was answered without {name}")
            except Failure as failure:
                assert failure.status in (503, "UNAVAILABLE"), failure
                equal((failure.reason, failure.metadata.get("service")), ("BACKEND_UNAVAILABLE", name), method)
                assert f"the {name} service" in failure.text and "try later" in failure.text, failure.text

    def without(self, name):
        """What needs the service is refused with its name and changes nothing; the rest works as ever."""
        ticket = self.new()
        before = self.agent.GetTicket({"name": ticket})
        refused, works, back = getattr(self, name)(ticket)
        with Down(self.cluster, name):
            for row in refused:
                self.names(name, *row)
            for call in works:
                call()
        eventually(f"{name} again", lambda: self.answered(back))
        if name == "mail":
            equal(self.agent.GetTicket({"name": ticket}).state, before.state, "the state of what could not be answered")

    @staticmethod
    def answered(call):
        try:
            call()
            return True
        except Failure as failure:
            equal(failure.reason, "BACKEND_UNAVAILABLE")

    def mail(self, ticket):
        layouts = ("ListLayouts", "GET", f"/v1/{CARE}/mailLayouts", {"parent": CARE})
        answer = {"act": "RESOLVE", "text": "내일 도착합니다."}
        refused = [layouts, ("ProcessTicket", "POST", f"/v1/{ticket}:process", dict(answer, name=ticket), answer)]
        works = [
            lambda: self.agent.GetTicket({"name": ticket}),
            lambda: self.agent.ProcessTicket({"name": ticket, "act": "COMMENT", "text": "메일이 안 됩니다."}),
            lambda: self.agent.ProcessTicket({
                "name": self.new(), "act": "RESOLVE_INTERNALLY", "internalReason": "TEST"}),
            lambda: self.agent.DetectPersonalData({"parent": ticket}),
            lambda: self.json.call("GET", f"/v1/{CARE}/tickets?menu=MY_PROCESSING&pageSize=1"),
        ]
        return refused, works, lambda: self.agent.ProcessTicket({
            "name": self.new(), "act": "RESOLVE", "text": "내일 도착합니다."})

    def masking(self, ticket):
        entry = self.agent.ListEntries({"parent": ticket}).entries[0].name
        spans = {"spans": [{"entry": entry, "start": 0, "length": 2}]}
        refused = [
            ("CreateMasks", "POST", f"/v1/{ticket}/masks", dict(spans, parent=ticket), spans),
            ("GetMaskingSettings", "GET", f"/v1/{CARE}/maskingSettings", {"name": f"{CARE}/maskingSettings"}),
        ]
        works = [
            lambda: self.agent.ProcessTicket({"name": self.new(), "act": "RESOLVE", "text": "내일 도착합니다."}),
            lambda: self.agent.ListEntries({"parent": ticket}),
            lambda: self.agent.ListLayouts({"parent": CARE}),
        ]
        return refused, works, lambda: self.agent.CreateMasks(dict(spans, parent=ticket))

    def assignment(self, ticket):
        me = self.agent.GetMe().name
        refused = [
            ("GetMe", "GET", "/v1/me", {}),
            ("ForwardTicket", "POST", f"/v1/{ticket}:forward", {"name": ticket, "group": self.group, "agent": me},
             {"group": self.group, "agent": me}),
        ]
        inquiry = {"parent": CARE, "title": "문의", "text": "?", "submissionType": self.kind}
        works = [
            # Triggers will see it when they run again.
            lambda: self.agent.CreateTicket(inquiry),
            lambda: self.agent.ProcessTicket({"name": ticket, "act": "HOLD", "text": "확인하고 있습니다."}),
            lambda: self.agent.GetCounters({"parent": CARE}),
            lambda: self.agent.ListLayouts({"parent": CARE}),
        ]
        return refused, works, self.agent.GetMe

    def tickets(self, ticket):
        answer = {"act": "COMMENT", "text": "?"}
        refused = [
            ("GetTicket", "GET", f"/v1/{ticket}", {"name": ticket}),
            ("ProcessTicket", "POST", f"/v1/{ticket}:process", dict(answer, name=ticket), answer),
        ]
        works = [
            self.agent.GetMe, lambda: self.agent.ListGroups({"parent": CARE}),
            lambda: self.agent.ListLayouts({"parent": CARE}),
            lambda: self.agent.ListMasks({"parent": ticket}),
            lambda: self.door.sign_in(self.cluster.sign_ins["junho.lee"]),
        ]
        return refused, works, lambda: self.agent.GetTicket({"name": ticket})

    def hurry(self, mailbox, ask):
        """Several threads ask with one session until it has nothing left: the refusal, and the session."""
        hasty, _ = self.door.sign_in(self.cluster.sign_ins[mailbox])
        refused, problems = [], []
        end = time.monotonic() + PATIENCE_SECONDS

        def run():
            try:
                while not refused and not problems and time.monotonic() < end:
                    refusal = ask(hasty)
                    if refusal:
                        refused.append(refusal)
            except Exception as error:  # Whatever went wrong is the row's to tell.
                problems.append(error)

        threads = [threading.Thread(target=run) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not problems, problems
        assert refused, "the budget has no end"
        return refused[0], hasty

    @staticmethod
    def refusal(failure):
        """Connections that have not met tickets again since it was down are no refusals."""
        return None if failure.reason == "BACKEND_UNAVAILABLE" else failure

    def budget(self):
        def ask(hasty):
            door = JSON(self.cluster.edge, self.token(hasty))
            try:
                door.call("GET", "/v1/services")
                assert int(door.headers["ratelimit-remaining"]) >= 0, door.headers
            except Failure as failure:
                return self.refusal(failure) and (failure, door.headers)

        (failure, fields), hasty = self.hurry("jimin.park", ask)
        equal((failure.status, failure.reason), (429, "TOO_MANY_REQUESTS"))
        equal(fields["ratelimit-remaining"], "0", "what is left")
        for name in ("ratelimit-limit", "ratelimit-reset", "retry-after"):
            assert int(fields[name]) > 0, fields
        # Another session has its own budget, and this one again after the time that it was told.
        assert self.agent.ListServices().services
        time.sleep(int(fields["retry-after"]))
        later = JSON(self.cluster.edge, self.token(hasty))
        assert later.call("GET", "/v1/services")["services"]
        assert int(later.headers["ratelimit-remaining"]) < int(later.headers["ratelimit-limit"]), later.headers

    def budget_grpc(self):
        def ask(hasty):
            try:
                hasty.ListServices()
            except Failure as failure:
                return self.refusal(failure)

        failure, _ = self.hurry("sua.choi", ask)
        equal((failure.status, failure.reason), ("RESOURCE_EXHAUSTED", "TOO_MANY_REQUESTS"))
        assert int(failure.metadata["retry_after_seconds"]) > 0, failure.metadata


def main():
    trouble = Trouble(Cluster(sys.argv[1]))
    report = Report()
    for name in ("mail", "masking", "assignment", "tickets"):
        report.row(f"without {name}, what needs it is refused in its name, and the rest works", trouble.without, name)
    report.row("a session that has used up its budget is told so, and when to come back", trouble.budget)
    report.row("the same over gRPC", trouble.budget_grpc)


main()
