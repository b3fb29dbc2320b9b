"""Calls a cluster that grants each address one call a second, from several addresses of this machine: addresses.py DIR

All of 127.0.0.0/8 is this machine, so one client can be several."""

import itertools
import sys
import threading
import time

from cluster import API, JSON, PATIENCE_SECONDS, Cluster, Failure, Protos, Report, equal

HASTY, CALM, LIAR = "127.0.0.2", "127.0.0.3", "127.0.0.4"
BURST = 5


class Addresses:
    def __init__(self, cluster):
        self.cluster = cluster
        email, password = cluster.sign_ins["junho.lee"]
        self.token = JSON(cluster.edge, source=CALM).call(
            "POST", "/v1/session:signIn", {"email": email, "password": password})["token"]

    def hurry(self, ask):
        """Several threads ask until one is refused; what the refusal was."""
        refusals, problems = [], []
        end = time.monotonic() + PATIENCE_SECONDS

        def run():
            try:
                while not refusals and not problems and time.monotonic() < end:
                    refusal = ask()
                    if refusal:
                        refusals.append(refusal)
            except Exception as error:  # Whatever went wrong is the row's to tell.
                problems.append(error)

        threads = [threading.Thread(target=run) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not problems, problems
        assert refusals, "the budget has no end"
        return refusals[0]

    def from_edge(self, source, headers=lambda: {}):
        """Asks through the edge from an address; None, or the refusal with its header fields."""
        def ask():
            door = JSON(self.cluster.edge, self.token, source)
            try:
                door.call("GET", "/v1/sessions", headers=headers())
            except Failure as failure:
                return failure, door.headers
        return ask

    def share(self):
        failure, fields = self.hurry(self.from_edge(HASTY))
        equal((failure.status, failure.reason), (429, "TOO_MANY_REQUESTS"))
        equal((fields["ratelimit-limit"], fields["ratelimit-remaining"]), (str(BURST), "0"), "what is told of the budget")
        for name in ("ratelimit-reset", "retry-after"):
            equal(fields[name], "1", name)
        # The same session from another address, and the first address again after the time that it was told.
        assert JSON(self.cluster.edge, self.token, CALM).call("GET", "/v1/sessions")["sessions"]
        time.sleep(int(fields["retry-after"]))
        assert JSON(self.cluster.edge, self.token, HASTY).call("GET", "/v1/sessions")["sessions"]

    def without_session(self):
        """Whoever has no session has a budget, too: of documents, of sign-ins, and of calls that are refused."""
        self.token, token = None, self.token
        try:
            failure, _ = self.hurry(lambda: self.of_budget(self.from_edge("127.0.0.5")()))
        finally:
            self.token = token
        equal((failure.status, failure.reason), (429, "TOO_MANY_REQUESTS"))

    @staticmethod
    def of_budget(refusal):
        failure, fields = refusal
        if failure.reason == "CREDENTIAL_MISSING":
            return None
        return failure, fields

    def lies(self):
        """A client of the edge says that it passes on what others ask: each time somebody else."""
        number = itertools.count(1)
        invented = lambda: {"x-forwarded-for": f"198.51.100.{next(number) % 250}", "forwarded": "for=198.51.100.1"}
        failure, _ = self.hurry(self.from_edge(LIAR, invented))
        equal((failure.status, failure.reason), (429, "TOO_MANY_REQUESTS"))

    def lies_to_gateway(self):
        """The same of a client of the gateway, which shows no certificate of the edge's."""
        door, number = API(Protos(), self.cluster.addresses["gateway"]), itertools.count(1)

        def ask():
            metadata = [("authorization", f"Bearer {self.token}"), ("x-forwarded-for", f"198.51.100.{next(number) % 250}")]
            try:
                door.call("handoff.gateway.v1.HandoffService", "ListServices", metadata=metadata)
            except Failure as failure:
                return failure

        failure = self.hurry(ask)
        equal((failure.status, failure.reason), ("RESOURCE_EXHAUSTED", "TOO_MANY_REQUESTS"))
        assert int(failure.metadata["retry_after_seconds"]) > 0, failure.metadata


def main():
    addresses = Addresses(Cluster(sys.argv[1]))
    report = Report()
    for name, check in (
            ("an address that asks too much is told so and when to come back, and another one goes on", addresses.share),
            ("so is one without a session", addresses.without_session),
            ("whoever tells the edge of other addresses is counted as one", addresses.lies),
            ("and so is whoever tells the gateway, over gRPC", addresses.lies_to_gateway)):
        report.row(name, check)


main()
