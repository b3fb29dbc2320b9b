"""Sends what is wrong, over gRPC and over JSON, and checks that both are told the same: bad_input.py DIR

Each row says what it sends over either protocol and what must come back: a reason, the gRPC code and the HTTP status of
that reason, and the field at fault. After every row the tickets, their history and the outbox are as they were.
"""

import re
import subprocess
import sys

from cluster import API, JSON, Cluster, Failure, Protos, Report, equal, eventually, raw_grpc, unique, unpadded_base64

CARE, TECH = "services/care", "services/tech"
UNKNOWN = "999999999999"
COUNTS = "SELECT " + ", ".join(
    f"(SELECT count(*) FROM {table})" for table in (
        "ticket", "ticket_entry", "ticket_event", "outbox", "mask_place", "mail_message", "trigger_rule", "customer")
) + ", (SELECT sum(version) FROM ticket), (SELECT sum(version) FROM trigger_rule)"


class BadInput:
    def __init__(self, cluster):
        self.cluster = cluster
        self.protos = Protos()
        self.door = API(self.protos, cluster.addresses["gateway"])
        self.agent, session = self.door.sign_in(cluster.sign_ins["junho.lee"])
        self.admin, admin_session = self.door.sign_in(cluster.sign_ins["jihye.yoon"])
        self.tokens = {"agent": session.token, "admin": admin_session.token, "nobody": None}
        gone, gone_session = self.door.sign_in(cluster.sign_ins["junho.lee"])
        gone.SignOut()
        self.tokens.update(gone=gone_session.token, foreign="b" * 43)
        self.me = session.agent.name
        self.calls = {name: self.door if token is None else self.door.signed_in(token)
                      for name, token in self.tokens.items()}
        self.make_ticket()
        self.settle()

    def make_ticket(self):
        """A ticket of one's own: in PROCESSING, at a version above 1, with one entry."""
        kind = self.agent.ListSubmissionTypes({"parent": CARE}).submission_types[0].name
        self.creation = {
            "parent": CARE, "title": "배송 문의", "text": "언제 오나요?", "submissionType": kind,
            "requestId": unique("bad-input"),
        }
        name = self.agent.CreateTicket(self.creation).name
        ticket = eventually("the assignment", lambda: (lambda ticket: ticket if ticket.agent else None)(
            self.agent.GetTicket({"name": name})))
        self.agent.ProcessTicket({"name": name, "act": "COMMENT", "text": "메모", "version": ticket.version})
        self.ticket = name
        self.number = name.rsplit("/", 1)[1]
        self.entry = self.agent.ListEntries({"parent": name}).entries[0].name

    def settle(self):
        """Waits until the daemons have done what the outbox asks for, so that all that is counted stands still; callbacks
        to receivers that nobody runs stay there for days."""
        eventually("an outbox with nothing but callbacks", lambda: self.cluster.sql(
            "SELECT count(*) FROM outbox WHERE dead_time IS NULL AND topic <> 'CALLBACKS'")[0][0] == "0")

    def check(self, row):
        before = self.cluster.sql(COUNTS)
        said = []
        if row.over_grpc:
            said.append(("gRPC", self.refused(row.over_grpc, self), row.code))
        if row.over_json:
            said.append(("JSON", self.refused(row.over_json, self), row.status))
        for protocol, failure, status in said:
            equal((failure.status, failure.reason), (status, row.reason), f"over {protocol} ({failure.text})")
            if row.field:
                field = row.field if protocol == "gRPC" else camel_case(row.field)
                assert field in failure.fields, f"{protocol}: {failure.fields} instead of {field}"
            assert failure.text, f"{protocol} says nothing"
        if row.is_one_request and row.field is None:
            equal(said[0][1].text, said[1][1].text, "the text over gRPC and over JSON")
        equal(self.cluster.sql(COUNTS), before, "what is written")

    def huge(self):
        """Sent by curl, which listens while it sends."""
        command = ["curl", "-sS", "-w", "%{stderr}%{http_code}", "-H", "content-type: application/json",
                   "-H", f"authorization: Bearer {self.tokens['agent']}", "--data-binary", "@-",
                   f"http://{self.cluster.edge}/v1/{CARE}/tickets"]
        result = subprocess.run(command, input=b'{"title": "t", "text": "%s"}' % HUGE.encode(), capture_output=True)
        raise JSON.problem(int(result.stderr), result.stdout)

    @staticmethod
    def refused(call, *arguments):
        try:
            call(*arguments)
        except Failure as failure:
            return failure
        raise AssertionError("was answered")


def camel_case(path):
    return re.sub("_(.)", lambda match: match[1].upper(), path)


class Row:
    def __init__(self, name, reason, code, status, grpc=None, json=None, field=None):
        self.name, self.reason, self.code, self.status, self.field = name, reason, code, status, field
        self.over_grpc, self.over_json = grpc, json
        # Both protocols carry the same message, so that the same words must come back.
        self.is_one_request = False


def grpc(method, request, who="agent"):
    return lambda bad: getattr(bad.calls[who], method)(
        request if isinstance(request, bytes) else filled(request, bad))


def json(verb, path, body=None, who="agent", headers=None):
    return lambda bad: JSON(bad.cluster.edge, bad.tokens[who]).call(
        verb, filled(path, bad), body if body is None or isinstance(body, bytes) else filled(body, bad), headers)


def filled(value, bad):
    """Puts the ticket's name and number in the place of their marks."""
    if isinstance(value, dict):
        return {key: filled(part, bad) for key, part in value.items()}
    if isinstance(value, list):
        return [filled(part, bad) for part in value]
    if not isinstance(value, str):
        return value
    for mark, text in (("{ticket}", bad.ticket), ("{number}", bad.number), ("{entry}", bad.entry), ("{me}", bad.me),
                       ("{kind}", bad.creation["submissionType"]), ("{request}", bad.creation["requestId"])):
        value = value.replace(mark, text)
    return value


def both(name, reason, code, status, method, request, route, who="agent", field=None):
    """A row whose JSON body is the gRPC message without what the path says."""
    verb, path = route.split(" ", 1)
    body = {key: value for key, value in request.items() if key not in ("name", "parent", "ticket")}
    if verb == "GET":
        query = "&".join(f"{key}={value}" for key, value in body.items())
        over_json = json(verb, f"{path}?{query}" if query else path, who=who)
    else:
        over_json = json(verb, path, body, who)
    row = Row(name, reason, code, status, grpc(method, request, who), over_json, field)
    row.is_one_request = True
    return row


def process(name, reason, code, status, who="agent", field=None, ticket="{ticket}", **act):
    return both(name, reason, code, status, "ProcessTicket", {"name": ticket, **act},
                f"POST /v1/{ticket}:process", who, field)


def create(name, reason, code, status, who="agent", field=None, **fields):
    request = {"parent": CARE, "title": "문의", "text": "문의드립니다", "submissionType": "{kind}"}
    request |= fields
    return both(name, reason, code, status, "CreateTicket",
                {key: value for key, value in request.items() if value is not None},
                f"POST /v1/{request['parent']}/tickets", who, field)


def expired_grpc(bad):
    path = "/handoff.gateway.v1.HandoffService/GetTicket"
    request = bad.protos.type("handoff.tickets.v1.GetTicketRequest")(name=bad.ticket).SerializeToString()
    said = raw_grpc(bad.cluster.addresses["gateway"], path, request, {
        "grpc-timeout": "1n", "authorization": f"Bearer {bad.tokens['agent']}"})
    details = said.get("grpc-status-details-bin")
    equal(said.get("grpc-status"), "4", "grpc-status")
    raise bad.door.described(
        "DEADLINE_EXCEEDED", said.get("grpc-message"), unpadded_base64(details) if details else None)


INVALID = ("REQUEST_INVALID", "INVALID_ARGUMENT", 400)
NO_TICKET = ("TICKET_NOT_FOUND", "NOT_FOUND", 404)
EXPIRED = ("SESSION_EXPIRED", "UNAUTHENTICATED", 401)
MISSING = ("CREDENTIAL_MISSING", "UNAUTHENTICATED", 401)
SIGN_IN = ("SIGN_IN_FAILED", "UNAUTHENTICATED", 401)
HUGE = "x" * (5 << 20)
WRONG_NAMES = [{"language": f"?{number}"} for number in range(3_000)]

ROWS = [
    # Messages that cannot be read.
    Row("a malformed message", *INVALID,
        grpc("ProcessTicket", b"\x0a\xff\xff\xff\xff\x0f"),
        json("POST", "/v1/{ticket}:process", b'{"act": "RESOLVE", ')),
    Row("text that is not UTF-8", *INVALID,
        grpc("ProcessTicket", b"\x1a\x02\xc3\x28"),
        json("POST", "/v1/{ticket}:process", b'{"act": "RESOLVE", "text": "\xc3\x28"}')),
    Row("an empty message", *INVALID, grpc("ProcessTicket", b""), json("POST", "/v1/{ticket}:process", {}), "act"),
    Row("a field that there is not", *INVALID, None,
        json("POST", "/v1/{ticket}:process", {"act": "RESOLVE", "test": "x"}), "test"),
    Row("a value that the enum does not have", *INVALID, None,
        json("POST", "/v1/{ticket}:process", {"act": "SOLVE", "text": "x"}), "act"),
    Row("a number in the place of a text", *INVALID, None,
        json("POST", "/v1/{ticket}:process", {"act": "RESOLVE", "text": 5}), "text"),
    process("a number that the enum does not have", *INVALID, field="act", act=77, text="x"),
    Row("a field of the path in the query", *INVALID, None, json("GET", "/v1/{ticket}?nmae=x"), "nmae"),
    # Nothing there.
    Row("an unknown method", "METHOD_NOT_FOUND", "UNIMPLEMENTED", 404,
        lambda bad: bad.agent.raw("/handoff.gateway.v1.HandoffService/DropTickets", b""),
        json("GET", "/v1/services/care/dropTickets")),
    Row("an unknown service", "METHOD_NOT_FOUND", "UNIMPLEMENTED", 404,
        lambda bad: bad.agent.raw("/no.such.v1.Service/GetTicket", b""), json("GET", "/v7/everything")),
    Row("a wrong HTTP method", "METHOD_NOT_FOUND", None, 405, None, json("DELETE", "/v1/{ticket}:keep")),
    Row("a method for daemons only", "METHOD_NOT_FOUND", "UNIMPLEMENTED", 404,
        lambda bad: bad.agent.raw("/handoff.assignment.v1.AssignmentService/RunTriggers", b""),
        json("POST", "/v1/{ticket}:runTriggers", {})),
    # Too much, too late.
    # Only the first of them are told, but told they are.
    Row("thousands of wrong names at once", *INVALID,
        grpc("CreateSubmissionType", {"parent": CARE, "submissionType": {"localizedNames": WRONG_NAMES}}, "admin"),
        json("POST", f"/v1/{CARE}/submissionTypes", {"localizedNames": WRONG_NAMES}, "admin"),
        "submission_type.display_name"),
    Row("a message over the limit", "BODY_TOO_LARGE", "RESOURCE_EXHAUSTED", 413,
        grpc("CreateTicket", {"parent": CARE, "title": "t", "text": HUGE}),
        lambda bad: bad.huge()),
    Row("a deadline that has passed", "DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED", 504, expired_grpc),
    # Fields that are missing or out of range.
    create("a missing title", *INVALID, field="title", title=None),
    create("a missing text", *INVALID, field="text", text=None),
    create("a title that is too long", *INVALID, field="title", title="가" * 201),
    create("an address that is none", *INVALID, field="customer.email", customer={"email": "nobody"}),
    process("a missing act", *INVALID, field="act", text="x"),
    both("a page size below zero", *INVALID, "ListTickets", {"parent": CARE, "pageSize": -1},
         f"GET /v1/{CARE}/tickets", field="page_size"),
    both("a page that is too large", *INVALID, "ListTickets", {"parent": CARE, "pageSize": 201},
         f"GET /v1/{CARE}/tickets", field="page_size"),
    both("a page token of one's own making", "PAGE_TOKEN_INVALID", "INVALID_ARGUMENT", 400,
         "ListTickets", {"parent": CARE, "pageToken": "bm9uc2Vuc2U"}, f"GET /v1/{CARE}/tickets"),
    both("a name that is none", *INVALID, "GetTicket", {"name": f"{CARE}/tickets/first"},
         f"GET /v1/{CARE}/tickets/first", field="name"),
    # Ids.
    both("an unknown ticket", *NO_TICKET, "GetTicket", {"name": f"{CARE}/tickets/{UNKNOWN}"},
         f"GET /v1/{CARE}/tickets/{UNKNOWN}"),
    both("a ticket under the name of another service", *NO_TICKET, "GetTicket", {"name": TECH + "/tickets/{number}"},
         "GET /v1/" + TECH + "/tickets/{number}", who="admin"),
    process("an act under the name of another service", *NO_TICKET, who="admin", ticket=TECH + "/tickets/{number}",
            act="COMMENT", text="x"),
    both("a ticket of a service that one is not in", *NO_TICKET, "GetTicket", {"name": TECH + "/tickets/1"},
         f"GET /v1/{TECH}/tickets/1"),
    both("a service that one is not in", "SERVICE_NOT_FOUND", "NOT_FOUND", 404, "ListTickets", {"parent": TECH},
         f"GET /v1/{TECH}/tickets"),
    both("an unknown service", "SERVICE_NOT_FOUND", "NOT_FOUND", 404, "GetService", {"name": "services/nowhere"},
         "GET /v1/services/nowhere"),
    both("an unknown mask", "MASK_NOT_FOUND", "NOT_FOUND", 404, "RevealMask",
         {"name": "{ticket}/masks/" + UNKNOWN, "reason": "x"}, "POST /v1/{ticket}/masks/" + UNKNOWN + ":reveal"),
    create("a type of another service", "TYPE_NOT_FOUND", "NOT_FOUND", 404,
           submissionType=f"{TECH}/submissionTypes/1"),
    both("an agent who is not in the group", "AGENT_NOT_ASSIGNABLE", "FAILED_PRECONDITION", 409, "ForwardTicket",
         {"name": "{ticket}", "group": CARE + "/groups/1", "agent": "agents/" + UNKNOWN},
         "POST /v1/{ticket}:forward", who="admin"),
    # States.
    process("a stale version", "STALE_VERSION", "ABORTED", 409, act="RESOLVE", text="x", version="1"),
    both("completing a ticket that is not resolved", "TRANSITION_NOT_ALLOWED", "FAILED_PRECONDITION", 409,
         "CompleteTicket", {"name": "{ticket}"}, "POST /v1/{ticket}:complete", who="admin"),
    both("keeping a ticket that is held", "TICKET_ALREADY_HELD", "FAILED_PRECONDITION", 409,
         "KeepTicket", {"name": "{ticket}"}, "POST /v1/{ticket}:keep"),
    process("an answer without words", "TEXT_REQUIRED", "INVALID_ARGUMENT", 400, act="RESOLVE", text=" "),
    process("a reason for the wrong act", "REASON_NOT_ALLOWED", "INVALID_ARGUMENT", 400,
            act="RESOLVE", text="x", internalReason="SPAM"),
    process("banned words", "BANNED_WORDS", "FAILED_PRECONDITION", 422, act="RESOLVE", text="don't be stupid"),
    create("a request id with another request", "REQUEST_ID_REUSED", "ALREADY_EXISTS", 409, requestId="{request}"),
    both("a span outside the text", *INVALID, "CreateMasks",
         {"parent": "{ticket}", "spans": [{"entry": "{entry}", "start": 1000, "length": 5}]},
         "POST /v1/{ticket}/masks", field="spans[0]"),
    *(both(name, *refusal, "CreateMasks", {"parent": "{ticket}", "spans": spans}, "POST /v1/{ticket}/masks",
           field=field) for name, refusal, spans, field in [
        ("an empty span", INVALID, [{"entry": "{entry}", "start": 0, "length": 0}], "spans[0].length"),
        ("spans that overlap", ("MASK_OVERLAP", "FAILED_PRECONDITION", 409),
         [{"entry": "{entry}", "start": 0, "length": 3}, {"entry": "{entry}", "start": 2, "length": 2}], "spans[1]"),
        ("a span of another service's entry", ("ENTRY_NOT_FOUND", "NOT_FOUND", 404),
         [{"entry": TECH + "/tickets/1/entries/1", "start": 0, "length": 1}], "spans[0].entry"),
        ("a span of a field without words", INVALID, [{"field": "state", "start": 0, "length": 1}], "spans[0].field"),
        ("a span of a chat line that is not there", INVALID,
         [{"field": "transcript.9", "start": 0, "length": 1}], "spans[0].field"),
        ("ten thousand spans", INVALID, [{"start": place, "length": 1} for place in range(10_000)], "spans[100]"),
        ("no span", INVALID, [], "spans"),
    ]),
    both("masking on a stale version", "STALE_VERSION", "ABORTED", 409, "CreateMasks",
         {"parent": "{ticket}", "spans": [{"start": 0, "length": 1}], "version": "1"}, "POST /v1/{ticket}/masks"),
    both("an original without a reason", *INVALID, "RevealMask", {"name": "{ticket}/masks/" + UNKNOWN, "reason": ""},
         "POST /v1/{ticket}/masks/" + UNKNOWN + ":reveal", field="reason"),
    # Who.
    both("completing without being an administrator", "PERMISSION_DENIED", "PERMISSION_DENIED", 403,
         "CompleteTicket", {"name": "{ticket}"}, "POST /v1/{ticket}:complete"),
    both("a wrong password", *SIGN_IN, "SignIn", {"email": "sua.choi@example.com", "password": "guess"},
         "POST /v1/session:signIn", who="nobody"),
    both("an unknown person", *SIGN_IN, "SignIn", {"email": "nobody@example.com", "password": "guess"},
         "POST /v1/session:signIn", who="nobody"),
    both("no session", *MISSING, "GetTicket", {"name": "{ticket}"}, "GET /v1/{ticket}", who="nobody"),
    both("a session that has ended", *EXPIRED, "GetTicket", {"name": "{ticket}"}, "GET /v1/{ticket}", who="gone"),
    both("a token that nobody gave out", *EXPIRED, "GetTicket", {"name": "{ticket}"}, "GET /v1/{ticket}",
         who="foreign"),
]


def main():
    bad = BadInput(Cluster(sys.argv[1]))
    # A token that was good is believed for a second.
    eventually("the end of the session", lambda: ended(bad))
    report = Report()
    for row in ROWS:
        report.row(row.name, bad.check, row)
    report.row("a good request afterwards", lambda: bad.agent.GetTicket({"name": bad.ticket}))


def ended(bad):
    try:
        bad.calls["gone"].GetMe()
    except Failure:
        return True


main()
