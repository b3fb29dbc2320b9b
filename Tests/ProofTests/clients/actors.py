"""Clients that act at random on tickets, and the book of what was acknowledged to them."""

import collections
import random
import threading
import time

from cluster import Failure
from doors import ALLOWED, TRANSIENT

CARE, TECH = "services/care", "services/tech"
# A call that is not decided after so long counts as lost.
PATIENCE_SECONDS = 180
# What the state of a ticket allows; a customer's mail follows from the first two.
ACTS = {
    "PROCESSING": ["HOLD", "RESOLVE", "COMMENT", "RESOLVE_INTERNALLY", "forward", "mask"],
    "PENDING": ["RESOLVE", "COMMENT", "forward", "unmask"],
    "UNASSIGNED": ["keep", "COMMENT"],
    "RESOLVED": ["COMMENT", "complete", "unmask", "mask"],
    "COMPLETED": [],
}


class Ticket:
    """What the clients know of a ticket."""

    def __init__(self, title, service, email):
        self.title, self.service, self.email = title, service, email
        self.name, self.state, self.agent, self.version = None, None, None, 0
        self.lock = threading.Lock()
        # (event code, agent) of every acknowledged act, and the marks of the texts that came with them.
        self.acts = []
        self.marks = []
        # Marks of the answers that are to be mailed.
        self.mails = []
        self.masks = []

    def see(self, message):
        states = message.DESCRIPTOR.enum_types_by_name["State"].values_by_number
        self.name, self.agent, self.version = message.name, message.agent, message.version
        self.state = states[message.state].name


class Book:
    """What was acknowledged, and everything that was told to the clients on the way."""

    def __init__(self):
        self.lock = threading.Lock()
        self.tickets = []
        self.calls = collections.Counter()
        self.failures = collections.Counter()
        self.violations = []
        self.request_ids = 0
        self.overtaken = 0
        self.races = collections.Counter()
        self.slowest = 0.0
        self.unassigned_creations = 0

    def count(self, counter, key):
        with self.lock:
            counter[key] += 1

    def violate(self, text):
        with self.lock:
            self.violations.append(text)

    def add(self, ticket):
        with self.lock:
            self.tickets.append(ticket)


class Staff:
    """The agents, their sessions and their groups."""

    def __init__(self, cluster, door):
        self.tokens, self.names, self.members, self.types = {}, {}, {}, {}
        for mailbox, (email, password) in cluster.sign_ins.items():
            session = door.call("SignIn", {"email": email, "password": password}, None, 60)
            self.tokens[mailbox], self.names[mailbox] = session.token, session.agent.name
        self.admin = "jihye.yoon"
        for service in (CARE, TECH):
            groups = door.call("ListGroups", {"parent": service}, self.tokens[self.admin], 60).groups
            # (agent, group) of everybody who can be given tickets.
            types = door.call("ListSubmissionTypes", {"parent": service}, self.tokens[self.admin], 60).submission_types
            self.types[service] = types[0].name
            self.members[service] = [(agent, group.name) for group in groups for agent in group.agents]
        self.boxes = {name: mailbox for mailbox, name in self.names.items()}

    def anyone(self, service, random_):
        """An agent of a service and one of their groups."""
        agent, group = random_.choice(self.members[service])
        return self.boxes[agent], group


class Actor(threading.Thread):
    """One client: does one act after the other, each until it is decided."""

    def __init__(self, number, run, seed, doors, staff, book, stop):
        super().__init__(name=f"actor {number}", daemon=True)
        self.run_name, self.doors, self.staff, self.book, self.stop = run, doors, staff, book, stop
        self.random = random.Random(f"actor {seed} {number}")
        self.number, self.count = number, 0

    def run(self):
        while not self.stop.is_set():
            try:
                self.act()
            except Failure as failure:
                self.book.violate(f"{self.name}: {failure}")
            except Exception as error:
                self.book.violate(f"{self.name}: {error!r}")
                raise

    def mark(self):
        self.count += 1
        return f"{self.run_name}-{self.number}-{self.count}"

    # Calls.

    def send(self, method, request, mailbox, door=None):
        """Sends a request until it is decided: answered, or refused for good."""
        begin = time.monotonic()
        pause = 0.02
        while True:
            try:
                answer = (door or self.random.choice(self.doors)).call(
                    method, request, self.staff.tokens[mailbox], self.random.choice([1, 3, 10]))
                self.book.count(self.book.calls, method)
                self.book.slowest = max(self.book.slowest, time.monotonic() - begin)
                return answer
            except Failure as failure:
                self.book.count(self.book.failures, (failure.status, failure.reason))
                again = failure.status in TRANSIENT or failure.reason == "CONFLICT"
                if failure.status in ("INTERNAL", "UNKNOWN", "CANCELLED"):
                    # Not allowed; but whether the act was done is to be known, so it is sent again.
                    self.book.violate(f"{method}: {failure}")
                    again = True
                if not again:
                    raise
                if time.monotonic() - begin > PATIENCE_SECONDS:
                    self.book.violate(f"{method} is not decided after {PATIENCE_SECONDS} s: {failure}")
                    raise
            time.sleep(pause * self.random.random())
            pause = min(pause * 2, 0.5)

    def change(self, method, request, mailbox, ticket, code, door=None):
        """A change with a request id, which is acknowledged once; noted in the book."""
        request = dict(request, requestId=self.mark())
        answer = self.send(method, request, mailbox, door)
        with self.book.lock:
            self.book.request_ids += 1
            ticket.acts.append((code, self.staff.names[mailbox]))
        return answer

    # Acts.

    def act(self):
        chosen = self.random.random()
        if chosen < 0.25:
            return self.create(CARE)
        if chosen < 0.35:
            return self.create(TECH)
        if chosen < 0.42:
            return self.keep_race()
        if chosen < 0.46:
            return self.twice()
        ticket = self.some_ticket()
        if ticket is None:
            return self.create(CARE)
        try:
            if chosen < 0.60:
                return self.read(ticket)
            return self.work(ticket)
        finally:
            ticket.lock.release()

    def some_ticket(self):
        """A ticket that nobody else acts on, locked."""
        with self.book.lock:
            chosen = self.random.sample(self.book.tickets[-200:], min(8, len(self.book.tickets[-200:])))
        for ticket in chosen:
            if ticket.state != "COMPLETED" and ticket.lock.acquire(blocking=False):
                return ticket
        return None

    def create(self, service):
        mailbox, _ = self.staff.anyone(service, self.random)
        title = self.mark()
        ticket = Ticket(title, service, f"{title}@example.com")
        request = {
            "parent": service, "title": title, "text": f"{title}. 연락처는 010-0000-1234입니다.", "language": "ko",
            "submissionType": self.staff.types[service], "customer": {"displayName": "김하늘", "email": ticket.email}}
        with ticket.lock:
            ticket.see(self.change("CreateTicket", request, mailbox, ticket, "CREATED"))
            ticket.marks.append(title)
            if service == CARE and ticket.state == "UNASSIGNED":
                self.book.unassigned_creations += 1
            self.book.add(ticket)
        return ticket

    def read(self, ticket):
        mailbox, _ = self.staff.anyone(ticket.service, self.random)
        seen, state = ticket.version, ticket.state
        message = self.send("GetTicket", {"name": ticket.name}, mailbox)
        if message.version < seen:
            self.book.violate(f"{ticket.name}: version {message.version} is read after {seen} was acknowledged")
        if message.version != seen and state != "UNASSIGNED":
            self.book.violate(f"{ticket.name}: changed by nobody from version {seen} to {message.version}")
        ticket.see(message)

    def work(self, ticket):
        acts = ACTS[ticket.state]
        if not acts:
            return
        kind = self.random.choice(acts)
        free = ticket.state == "UNASSIGNED"
        try:
            if kind in ("HOLD", "RESOLVE", "COMMENT", "RESOLVE_INTERNALLY"):
                self.process(ticket, kind)
            else:
                getattr(self, kind)(ticket)
        except Failure as failure:
            # A trigger may give an unassigned ticket away at any moment.
            overtaken = failure.reason in ("TICKET_ALREADY_HELD", "STALE_VERSION", "TRANSITION_NOT_ALLOWED")
            if not (free and overtaken):
                raise
            self.book.overtaken += 1
            self.read(ticket)

    def version(self, ticket):
        return str(ticket.version) if self.random.random() < 0.5 and ticket.state != "UNASSIGNED" else "0"

    def process(self, ticket, act):
        mailbox, _ = self.staff.anyone(ticket.service, self.random)
        mark = self.mark()
        request = {"name": ticket.name, "act": act, "text": f"{mark}.", "version": self.version(ticket)}
        if act == "RESOLVE_INTERNALLY":
            request["internalReason"] = "TEST"
        code = {"HOLD": "HELD", "RESOLVE": "RESOLVED", "COMMENT": "COMMENTED"}.get(act, "RESOLVED_INTERNALLY")
        ticket.see(self.change("ProcessTicket", request, mailbox, ticket, code))
        ticket.marks.append(mark)
        if act in ("HOLD", "RESOLVE"):
            ticket.mails.append(mark)

    def keep(self, ticket):
        mailbox, group = self.staff.anyone(ticket.service, self.random)
        ticket.see(self.change("KeepTicket", {"name": ticket.name, "group": group}, mailbox, ticket, "KEPT"))

    def forward(self, ticket):
        agent, group = self.random.choice(self.staff.members[ticket.service])
        request = {"name": ticket.name, "group": group, "agent": agent, "version": self.version(ticket)}
        ticket.see(self.change("ForwardTicket", request, self.staff.admin, ticket, "FORWARDED"))

    def complete(self, ticket):
        ticket.see(self.change("CompleteTicket", {"name": ticket.name}, self.staff.admin, ticket, "COMPLETED"))

    def mask(self, ticket):
        mailbox, _ = self.staff.anyone(ticket.service, self.random)
        if ticket.masks:
            return
        findings = self.send("DetectPersonalData", {"parent": ticket.name}, mailbox).findings
        phones = [finding.span for finding in findings if finding.kind == 1]
        if not phones:
            return
        span = {"entry": phones[0].entry, "start": phones[0].start, "length": phones[0].length}
        answer = self.change("CreateMasks", {"parent": ticket.name, "spans": [span]}, mailbox, ticket, "MASKED")
        ticket.masks = [mask.name for mask in answer.masks]
        ticket.see(answer.ticket)

    def unmask(self, ticket):
        if not ticket.masks:
            return
        mailbox, _ = self.staff.anyone(ticket.service, self.random)
        request = {"name": ticket.masks[0], "reason": "a proof"}
        ticket.see(self.change("UnmaskText", request, mailbox, ticket, "UNMASKED"))
        ticket.masks = []

    # Races: two clients at once.

    def at_once(self, *calls):
        results = [None] * len(calls)

        def take(index, call):
            try:
                results[index] = call()
            except Failure as failure:
                results[index] = failure

        threads = [threading.Thread(target=take, args=pair) for pair in enumerate(calls)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return results

    def keep_race(self):
        """Two agents keep the same ticket: one gets it, the other is told so."""
        ticket = self.create(TECH)
        with ticket.lock:
            if ticket.state != "UNASSIGNED":
                return
            pairs = [self.staff.anyone(TECH, self.random) for _ in range(2)]
            if pairs[0][0] == pairs[1][0]:
                return
            doors = [self.random.choice(self.doors) for _ in pairs]
            results = self.at_once(*[
                lambda mailbox=mailbox, group=group, door=door: self.change(
                    "KeepTicket", {"name": ticket.name, "group": group}, mailbox, ticket, "KEPT", door)
                for (mailbox, group), door in zip(pairs, doors)])
            won = [result for result in results if not isinstance(result, Failure)]
            lost = [result for result in results if isinstance(result, Failure)]
            if len(won) != 1 or lost[0].reason != "TICKET_ALREADY_HELD":
                self.book.violate(f"{ticket.name}: a race for it ended with {results!r}")
            for result in won:
                ticket.see(result)
            self.book.count(self.book.races, "keep, two agents")

    def twice(self):
        """The same request arrives twice at once: both are answered, and it is done once."""
        ticket = self.some_ticket()
        if ticket is None:
            return
        try:
            if ticket.state not in ("PROCESSING", "PENDING", "RESOLVED"):
                return
            mailbox, _ = self.staff.anyone(ticket.service, self.random)
            mark = self.mark()
            request = {"name": ticket.name, "act": "COMMENT", "text": f"{mark}.", "requestId": mark}
            doors = [self.random.choice(self.doors) for _ in range(2)]
            results = self.at_once(*[
                lambda door=door: self.send("ProcessTicket", request, mailbox, door) for door in doors])
            for result in results:
                if isinstance(result, Failure):
                    self.book.violate(f"{ticket.name}: the same request sent twice is answered with {result}")
            with self.book.lock:
                self.book.request_ids += 1
                ticket.acts.append(("COMMENTED", self.staff.names[mailbox]))
            ticket.marks.append(mark)
            ticket.see(max((r for r in results if not isinstance(r, Failure)), key=lambda m: m.version))
            self.book.count(self.book.races, "the same request twice")
        finally:
            ticket.lock.release()


def unexpected(failures):
    """The failures that are none of those that harm may cause."""
    refusals = {"TICKET_ALREADY_HELD", "TRANSITION_NOT_ALLOWED"}
    return {key: count for key, count in failures.items() if key[0] not in ALLOWED and key[1] not in refusals}
