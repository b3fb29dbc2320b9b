"""Calls every daemon directly with stock grpcio, as another daemon would: direct_calls.py DIR"""

import contextlib
import os
import subprocess
import sys

import grpc
from cluster import GRPC, PATIENCE_SECONDS, Caller, Cluster, Failure, Protos, Report, equal

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

    def without_certificate(self, daemon, service, method, request):
        channel, address = self.channel(daemon), self.cluster.addresses[daemon]
        call = lambda caller: refusal(lambda: channel.call(service, method, request, metadata=caller))
        equal(call(Caller(None))[0], "UNAVAILABLE", "without a certificate")
        plain = grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)])
        with self.assert_code("UNAVAILABLE"):
            plain.unary_unary(f"/{service}/{method}")(b"", timeout=PATIENCE_SECONDS)
        # The edge has a certificate, and what it claims beside that is not believed.
        claims = Caller("edge", [("handoff-caller", "gateway"), ("handoff-agent", self.agent)])
        equal(call(claims), ("PERMISSION_DENIED", "CALLER_NOT_ALLOWED"), "as the edge")

    @contextlib.contextmanager
    def assert_code(self, code):
        try:
            yield
        except grpc.RpcError as error:
            equal(error.code().name, code)
            return
        raise AssertionError("was answered")

    def protocol(self, daemon):
        """TLS as openssl speaks it: HTTP/2 is agreed on, what is older than TLS 1.2 is refused, and names are right."""
        address, tls = self.cluster.addresses[daemon], os.path.join(self.cluster.directory, "tls")
        command = ["openssl", "s_client", "-connect", address, "-verify_return_error", "-alpn", "h2",
                   "-CAfile", f"{tls}/ca.pem", "-cert", f"{tls}/operator.pem", "-key", f"{tls}/operator-key.pem"]
        run = lambda *more: subprocess.run(
            command + list(more), stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            timeout=PATIENCE_SECONDS)
        for version in ("-tls1_2", "-tls1_3"):
            said = run(version, "-verify_hostname", f"{daemon}.handoff.internal")
            assert "ALPN protocol: h2" in said.stdout and said.returncode == 0, f"{version}: {said.stdout}{said.stderr}"
        assert run("-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0").returncode != 0, "TLS 1.1 was accepted"
        assert run("-verify_hostname", "other.handoff.internal").returncode != 0, "is known by another name"
        assert run("-alpn", "http/1.1").returncode != 0, "HTTP/1.1 was agreed on"

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
        # `mail` may read tickets, as itself.
        equal(refusal(lambda: self.channel("tickets").call(
            TICKETS, "GetTicket", {"name": "services/care/tickets/1"},
            metadata=self.cluster.caller("mail", self.agent))), ("PERMISSION_DENIED", "CALLER_NOT_ALLOWED"))

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
        report.row(f"{daemon} reports its health to every member of the cluster", daemons.health, daemon)
        report.row(f"{daemon} speaks TLS as it must", daemons.protocol, daemon)
    for daemon, service, method, request, stranger in CALLS:
        report.row(f"{daemon} answers the gateway", daemons.allowed, daemon, service, method, request)
        report.row(f"{daemon} answers nobody without a name", daemons.without_certificate, daemon, service, method, request)
        report.row(f"{daemon} does not answer {stranger}", daemons.not_allowed, daemon, service, method, request, stranger)
    report.row("only the gateway speaks for agents", daemons.not_as_agent)
    report.row("the gateway believes sessions only", daemons.gateway_is_for_everybody)


main()
