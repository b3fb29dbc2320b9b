"""Calls every daemon directly with stock grpcio, as another daemon would: direct_calls.py DIR"""

import sys

from cluster import GRPC, Cluster, Failure, Protos, Report, equal

TICKETS = "handoff.tickets.v1.TicketService"
ASSIGNMENT = "handoff.assignment.v1.AssignmentService"
MAIL = "handoff.mail.v1.MailService"
MASKING = "handoff.masking.v1.MaskingService"

# Daemon, a method with a request, and a daemon that may not call it.
CALLS = [
    ("tickets", TICKETS, "GetService", {"name": "services/care"}, "masking"),
    ("assignment", ASSIGNMENT, "GetAgent", {"name": "agents/1"}, "masking"),
    ("mail", MAIL, "ListLayouts", {"parent": "services/care"}, "masking"),
    ("masking", MASKING, "ListMasks", {"parent": "services/care/tickets/1"}, "mail"),
]


def refusal(call):
    try:
        call()
    except Failure as failure:
        return failure.status, failure.reason
    raise AssertionError("was answered")


class Daemons:
    def __init__(self, cluster):
        self.cluster, self.protos = cluster, Protos()
        # The administrator belongs to every service.
        self.agent = cluster.sql("SELECT id FROM agent WHERE is_organization_administrator")[0][0]

    def channel(self, daemon):
        return GRPC(self.protos, self.cluster.addresses[daemon])

    def health(self, daemon):
        answer = self.channel(daemon).call("grpc.health.v1.Health", "Check", {})
        equal(answer.status, 1, "SERVING")
        equal(refusal(lambda: self.channel(daemon).call("grpc.health.v1.Health", "Check", {"service": "no.such"}))[0],
              "NOT_FOUND")

    def allowed(self, daemon, service, method, request):
        if daemon == "masking":
            # Any ticket will do.
            number = self.cluster.sql(
                "SELECT t.id FROM ticket t JOIN service s ON s.id = t.service_id WHERE s.code = 'care' LIMIT 1")[0][0]
            request = {"parent": f"services/care/tickets/{number}"}
        self.channel(daemon).call(service, method, request, metadata=self.cluster.caller("gateway", self.agent))

    def without_token(self, daemon, service, method, request):
        unknown = ("UNAUTHENTICATED", "CALLER_UNKNOWN")
        channel = self.channel(daemon)
        equal(refusal(lambda: channel.call(service, method, request)), unknown, "without a token")
        wrong = [("handoff-caller", "gateway"), ("handoff-caller-token", "0" * 64)]
        equal(refusal(lambda: channel.call(service, method, request, metadata=wrong)), unknown, "with a wrong token")
        other = [("handoff-caller", "gateway"), self.cluster.caller("mail")[1]]
        equal(refusal(lambda: channel.call(service, method, request, metadata=other)), unknown, "with another's token")

    def not_allowed(self, daemon, service, method, request, stranger):
        equal(refusal(lambda: self.channel(daemon).call(
            service, method, request, metadata=self.cluster.caller(stranger))),
            ("PERMISSION_DENIED", "CALLER_NOT_ALLOWED"), f"as {stranger}")

    def not_as_agent(self):
        # `tickets` may run triggers and nothing else, and speaks for nobody.
        channel = self.channel("assignment")
        equal(refusal(lambda: channel.call(
            ASSIGNMENT, "KeepTicket", {"name": "services/care/tickets/1"},
            metadata=self.cluster.caller("tickets", self.agent))), ("PERMISSION_DENIED", "CALLER_NOT_ALLOWED"))

    def gateway_is_for_everybody(self):
        door = self.channel("gateway")
        equal(refusal(lambda: door.call("handoff.gateway.v1.SessionService", "GetMe", {})),
              ("UNAUTHENTICATED", "CREDENTIAL_MISSING"))
        # What a daemon may say of itself is nothing to the gateway.
        equal(refusal(lambda: door.call(
            "handoff.gateway.v1.SessionService", "GetMe", {}, metadata=self.cluster.caller("gateway", self.agent))),
            ("UNAUTHENTICATED", "CREDENTIAL_MISSING"))
        equal(refusal(lambda: door.raw(f"/{ASSIGNMENT}/VerifyCredential", b""))[0], "UNIMPLEMENTED")


def main():
    daemons = Daemons(Cluster(sys.argv[1]))
    report = Report()
    for daemon in ("masking", "mail", "assignment", "tickets", "gateway"):
        report.row(f"{daemon} reports its health to anybody", daemons.health, daemon)
    for daemon, service, method, request, stranger in CALLS:
        report.row(f"{daemon} answers the gateway", daemons.allowed, daemon, service, method, request)
        report.row(f"{daemon} answers nobody without a token", daemons.without_token, daemon, service, method, request)
        report.row(f"{daemon} does not answer {stranger}", daemons.not_allowed, daemon, service, method, request, stranger)
    report.row("only the gateway speaks for agents", daemons.not_as_agent)
    report.row("the gateway believes sessions only", daemons.gateway_is_for_everybody)


main()
