"""The gateway's JSON against Request Tracker's, on the same tickets, each alone on the machine in its turns.

Both have a PostgreSQL of their own with the same settings, and get the same calls from h2load for the same time: over
HTTP/2 with TLS at the gateway, over HTTP/1.1 in the clear at Request Tracker, which knows nothing else.
"""

import json
import os
import re
import tempfile
import time
import urllib.parse
from dataclasses import dataclass, field

from gateway.request_tracker import WORKERS, RequestTracker
from lib.processes import Failed, Run
from lib.tables import median, table
from tickets.acts import Actor
from tickets.calls import at, gateway
from tickets.place import Place

# Connections and calls under way on each: what gives either side its best rate. Creations of one moment share a
# statement, so more of them at once are better for ours; theirs has as many workers as it has.
OURS, OUR_CREATIONS, THEIRS = (8, 8), (8, 64), (2 * WORKERS, 1)
PAGE = 20
WORD = "배송"
DIFFERENT = 500
GET, LIST, CREATE, SEARCH = "get", "first page", "create", "search"
MAILED = "create, customer gets a mail"
BARE = "first page, ids alone"
FIELDS = "Subject,Status,Queue,Owner,Requestor,Priority,Created,LastUpdated"
TARGETS = {GET: 100, LIST: 100, CREATE: 100, MAILED: 100, SEARCH: 50}

# About as long as what Request Tracker tells its customers.
REPLY = """#{customerName}님, 문의하신 "#{subject}" 건을 접수했습니다.

접수 번호는 [#{ticketId}]입니다. 이 문의에 대해 다시 연락하실 때에는 메일 제목에 이 번호를 남겨 주시거나,
이 메일에 그대로 답장해 주세요. 담당자가 확인하는 대로 답변드리겠습니다.

감사합니다.
#{serviceName}

-------------------------------------------------------------------------
#{inquiry}
"""


@dataclass
class Call:
    """What h2load sends, to each of the paths in turn; with a body it is a POST."""
    paths: list
    body: dict = None
    creates: bool = False


@dataclass
class Side:
    """The readings of one side: calls a second and milliseconds by call, and MB."""
    rates: dict = field(default_factory=dict)
    p50: dict = field(default_factory=dict)
    mb: list = field(default_factory=list)
    mailed: list = field(default_factory=list)

    def add(self, name, rate, p50):
        self.rates.setdefault(name, []).append(rate)
        self.p50.setdefault(name, []).append(p50)


def load(base, headers, call, seconds, shape, http1):
    """Calls a second, and the middle one's milliseconds; every call must be answered with 2xx."""
    connections, under_way = shape
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        body, paths, log = (os.path.join(directory, name) for name in ("body", "paths", "log"))
        command = ["h2load", f"-D{seconds}", "--warm-up-time=2", f"-c{connections}", f"-m{under_way}", "-t1",
                   f"--log-file={log}", "-i", paths]
        with open(paths, "w") as file:
            file.writelines(f"{base}{path}\n" for path in call.paths)
        if call.body is not None:
            with open(body, "w") as file:
                json.dump(call.body, file)
            command += ["-d", body]
        for name, value in headers.items():
            command += ["-H", f"{name}: {value}"]
        run = Run(command + (["--h1"] if http1 else []), timeout=seconds + 300)
        with open(log) as file:
            taken = sorted(int(line.split("\t")[2]) / 1000 for line in file)
    codes = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", run.output)
    failed = re.search(r"(\d+) failed, (\d+) errored, (\d+) timeout", run.output)
    if not codes or not failed or any(map(int, codes.groups()[1:] + failed.groups())):
        raise Failed(f"{call.paths[0]}: not every call was answered with 2xx:\n{run.output}")
    if not int(codes.group(1)):
        raise Failed(f"{call.paths[0]}: no answer in {seconds} s; a longer time can be set with --seconds")
    return float(re.search(r"finished in [^,]+, ([\d.]+) req/s", run.output).group(1)), at(taken, 50)


class Ours:
    """A cluster with about so many tickets in one service and a key for a program; `tickets` are rows of a title and a
    text."""

    def __init__(self, programs, count):
        # The seed gives one ticket in ten to another service.
        self._place = Place(programs, round(count / 0.9))

    def __enter__(self):
        place = self._place.__enter__()
        try:
            postgres, self._cluster = place.postgres, place.cluster
            self._administrator = Actor(self._cluster, postgres).token
            key = self._cluster.json(
                "/v1/apiKeys", {"displayName": "bench", "scopes": ["ticket.read", "ticket.write"]},
                self._administrator)["token"]
            self._headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
            rows = postgres.sql(
                "SELECT json_build_array(t.title, e.body, t.id) FROM handoff.ticket AS t JOIN LATERAL (SELECT body FROM"
                " handoff.ticket_entry AS e WHERE e.service_id = t.service_id AND e.ticket_id = t.id ORDER BY e.id"
                " LIMIT 1) AS e ON true WHERE t.service_id = 1 ORDER BY t.id").splitlines()
            rows = [json.loads(row) for row in rows]
            self.tickets = [row[:2] for row in rows]
            self._ids = [row[2] for row in rows[-DIFFERENT:]]
            self._check(key)
        except BaseException:
            self._place.__exit__()
            raise
        return self

    @property
    def calls(self):
        title, text = self.tickets[-1]
        tickets = "/v1/services/care/tickets"
        return {
            GET: Call([f"{tickets}/{ticket}" for ticket in self._ids]),
            LIST: Call([f"{tickets}?pageSize={PAGE}"]),
            SEARCH: Call([f"{tickets}:search"], {"title": WORD, "anyTime": True, "pageSize": PAGE}),
            CREATE: Call([tickets], {
                "title": title, "text": text, "customer": {"displayName": "Alice", "email": "alice@example.com"},
                "language": "ko", "submissionType": "services/care/submissionTypes/1"}, creates=True),
        }

    def _check(self, key):
        found = self._cluster.json(self.calls[SEARCH].paths[0], self.calls[SEARCH].body, key)["tickets"]
        listed = self._cluster.get(self.calls[LIST].paths[0], key)["tickets"]
        if len(found) != PAGE or len(listed) != PAGE or not all(WORD in ticket["title"] for ticket in found):
            raise Failed(f"not full pages of the gateway: {len(found)} tickets found, {len(listed)} listed")

    def measure(self, side, seconds):
        for name, call in self.calls.items():
            side.add(name, *self._load(call, seconds))
        self._cluster.json("/v1/services/care/triggers", {
            "displayName": "Tell the customer",
            "conditions": [{"requirement": "REQUIRED", "target": "CAUSE", "operator": "IN", "values": ["CREATED"]}],
            "results": [{"notify": {"recipient": "CUSTOMER", "texts": [
                {"language": "ko", "subject": "[#{ticketId}] #{subject}", "body": REPLY}]}}]}, self._administrator)
        # Every process knows a new trigger after a second.
        time.sleep(2)
        before = self._mails()
        side.add(MAILED, *self._load(self.calls[CREATE], seconds))
        side.mb.append(sum(self._cluster.pss_mb().values()))
        # What was promised is written.
        ends, waiting = time.monotonic() + 600, "SELECT count(*) FROM handoff.outbox WHERE topic IN ('TRIGGERS', 'MAIL')"
        while int(self._place.postgres.sql(waiting)):
            if time.monotonic() > ends:
                raise Failed("mails to customers still wait ten minutes after their tickets")
            time.sleep(0.5)
        side.mailed.append(self._mails() - before)

    def _load(self, call, seconds):
        shape = OUR_CREATIONS if call.creates else OURS
        return load(gateway(self._cluster), self._headers, call, seconds, shape, http1=False)

    def _mails(self):
        return int(self._place.postgres.sql("SELECT count(*) FROM handoff.mail_message WHERE state = 'SENT'"))

    def __exit__(self, *_):
        self._place.__exit__()


class Theirs:
    """Request Tracker with the same tickets."""

    def __init__(self, tickets):
        self._tickets = tickets
        self._tracker = RequestTracker(tickets)

    def __enter__(self):
        self._tracker.__enter__()
        try:
            self._check()
        except BaseException:
            self._tracker.__exit__()
            raise
        return self

    @property
    def calls(self):
        title, text = self._tickets[-1]
        newest = range(len(self._tickets) - min(DIFFERENT, len(self._tickets)) + 1, len(self._tickets) + 1)
        return {
            GET: Call([f"/REST/2.0/ticket/{ticket}" for ticket in newest]),
            LIST: Call([self._page("Queue = 'care'", FIELDS)]),
            BARE: Call([self._page("Queue = 'care'")]),
            SEARCH: Call([self._page(f"Queue = 'care' AND Subject LIKE '{WORD}'", FIELDS)]),
            CREATE: Call(["/REST/2.0/ticket"], {
                "Queue": "care", "Subject": title, "Content": text, "ContentType": "text/plain",
                "Requestor": "alice@example.com"}),
        }

    @staticmethod
    def _page(query, fields=""):
        wanted = {"query": query, "orderby": "id", "order": "DESC", "per_page": PAGE}
        return "/REST/2.0/tickets?" + urllib.parse.urlencode({**wanted, "fields": fields} if fields else wanted)

    def _check(self):
        listed = self._tracker.json(self.calls[LIST].paths[0])
        found = self._tracker.json(self.calls[SEARCH].paths[0])["items"]
        if listed["total"] != len(self._tickets) or len(listed["items"]) != PAGE or len(found) != PAGE or not all(
                WORD in ticket["Subject"] for ticket in found):
            raise Failed(f"the pages of Request Tracker are not what they should be: {json.dumps(listed)[:2000]}")

    def measure(self, side, seconds):
        for name, call in self.calls.items():
            side.add(name, *self._load(call, seconds))
        self._tracker.turn_mails_on()
        side.add(MAILED, *self._load(self.calls[CREATE], seconds))
        side.mb.append(self._tracker.pss_mb())
        side.mailed.append(self._tracker.mails())
        if not side.mailed[-1]:
            raise Failed("Request Tracker has mailed no customer")

    def _load(self, call, seconds):
        return load(self._tracker.url(""), self._tracker.headers, call, seconds, THEIRS, http1=True)

    def __exit__(self, *_):
        self._tracker.__exit__()


def compare(programs, options):
    """The readings of both sides: in every turn each is set up anew, measured alone and taken away."""
    ours, theirs = Side(), Side()
    for turn in range(options.turns):
        with Ours(programs, options.tickets) as installation:
            installation.measure(ours, options.seconds)
            tickets = installation.tickets
        print(f"  turn {turn + 1} of {options.turns}: Handoff with {len(tickets):,} tickets", flush=True)
        with Theirs(tickets) as installation:
            installation.measure(theirs, options.seconds)
        print(f"  turn {turn + 1} of {options.turns}: Request Tracker with as many", flush=True)
    return ours, theirs, len(tickets)


def report(ours, theirs, count):
    rows = []
    for name in theirs.rates:
        mine = LIST if name == BARE else name
        rate, other = median(ours.rates[mine]), median(theirs.rates[name])
        rows.append([name, rate, other, rate / other, str(TARGETS.get(name, "–")), median(ours.p50[mine]),
                     median(theirs.p50[name])])
    head = ["call", "Handoff, calls/s", "Request Tracker", "ratio", "asked", "Handoff, p50 ms",
            "Request Tracker, p50 ms"]
    memory = [["all processes but PostgreSQL", median(ours.mb), median(theirs.mb)]]
    text = (f"{count:,} tickets, pages of {PAGE}, search of \"{WORD}\" in the title, medians. Handoff: a whole cluster"
            f" with a key for a program, {OURS[0]} connections with {OURS[1]} calls under way on each"
            f" ({OUR_CREATIONS[1]} for creations). Request Tracker:"
            f" {WORKERS} FastCGI workers behind nginx, {THEIRS[0]} connections; its pages carry"
            f" {FIELDS.replace(',', ', ')}, but for the line with ids alone, which stands against our whole page."
            f" Mails written to customers in that line: {median(ours.mailed):,.0f} and {median(theirs.mailed):,.0f}.")
    return f"{text}\n\n{table(head, rows)}\n\n{table(['PSS, MB', 'Handoff', 'Request Tracker'], memory)}"
