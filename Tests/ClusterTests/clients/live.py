"""Watches a service over gRPC and over server-sent events while processes are killed: live.py DIR.

The cluster must be this client's own."""

import http.client
import json
import os
import signal
import sys
import threading
import time

import grpc

from cluster import API, PATIENCE_SECONDS, Cluster, Failure, Protos, Report, equal, eventually, unique

CARE = "services/care"


class Watcher(threading.Thread):
    """Keeps a stream open, and opens it again behind what it has when it breaks."""

    def __init__(self):
        super().__init__(daemon=True)
        self.last, self.events, self.ids, self.breaks = None, [], [], 0
        self.over, self.problem, self.begun = False, None, threading.Event()

    def run(self):
        while not self.over:
            try:
                self.read()
            except (OSError, http.client.HTTPException, grpc.RpcError) as error:
                if isinstance(error, grpc.RpcError) and error.code() not in (
                        grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.INTERNAL,
                        grpc.StatusCode.DEADLINE_EXCEEDED):
                    self.problem = repr(error)
                    return
            except Exception as error:  # Whatever went wrong is the row's to tell.
                self.problem = repr(error)
                return
            self.breaks += 1
            time.sleep(0.1)

    def take(self, id, events):
        self.ids.append(id)
        self.events += events
        self.last = id


class GRPCWatcher(Watcher):
    def __init__(self, api):
        super().__init__()
        self.api = api

    def read(self):
        for response in self.api.watch({"parent": CARE, "resumeAfter": self.last or ""}):
            if response.HasField("change"):
                change = response.change
                self.take(change.id, [(change.name, event.sequence) for event in change.events])
            elif response.HasField("heartbeat"):
                self.last = response.heartbeat.id
                self.begun.set()


class EventSource(Watcher):
    """Reads server-sent events as the HTML standard says."""

    def __init__(self, edge, token):
        super().__init__()
        self.edge, self.token = edge, token

    def read(self):
        headers = {"authorization": f"Bearer {self.token}", "accept": "text/event-stream"}
        if self.last:
            headers["last-event-id"] = self.last
        connection = http.client.HTTPConnection(self.edge, timeout=30)
        try:
            connection.request("GET", f"/v1/{CARE}/tickets:watch", headers=headers)
            response = connection.getresponse()
            if response.status in (502, 503, 504):
                return
            equal((response.status, response.getheader("content-type")), (200, "text/event-stream"))
            fields = {}
            while True:
                line = response.readline()
                if not line:
                    return
                line = line.decode().rstrip("\n")
                if line:
                    name, _, value = line.partition(":")
                    fields[name] = value.removeprefix(" ")
                    continue
                if "data" in fields:
                    self.dispatch(fields)
                elif "id" in fields:
                    self.last = fields["id"]
                    self.begun.set()
                fields = {}
        finally:
            connection.close()

    def dispatch(self, fields):
        message = json.loads(fields["data"])
        if fields["event"] == "problem":
            assert message["status"] == 503, message
            return
        equal(fields["event"], "change")
        change = message["change"]
        equal(change["id"], fields["id"])
        self.take(change["id"], [(change["name"], event["sequence"]) for event in change["events"]])


class Live:
    def __init__(self, cluster):
        self.cluster, self.protos = cluster, Protos()
        self.door = API(self.protos, cluster.addresses["gateway"])
        self.agent, self.session = self.door.sign_in(cluster.sign_ins["seoyeon.kim"])
        self.kind = self.agent.ListSubmissionTypes({"parent": CARE}).submission_types[0].name

    def pid(self, name):
        if name == "postgres":
            return int(self.cluster.read("postgres/postmaster.pid").split("\n")[0])
        for entry in os.listdir("/proc"):
            try:
                place, program = os.readlink(f"/proc/{entry}/cwd"), os.readlink(f"/proc/{entry}/exe")
            except OSError:
                continue
            if entry.isdigit() and place.startswith(self.cluster.directory) and os.path.basename(program) == name:
                return int(entry)
        return None

    def persist(self, call):
        """Repeats what failed because somebody was away."""
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return call()
            except Failure as failure:
                if failure.status not in ("UNAVAILABLE", "DEADLINE_EXCEEDED", "ABORTED", "INTERNAL", "UNKNOWN"):
                    raise
                assert time.monotonic() < end, f"{failure} for too long"
                time.sleep(0.1)

    def act(self, count):
        for _ in range(count):
            made = self.persist(lambda key=unique("live"): self.agent.CreateTicket({
                "parent": CARE, "title": "실시간", "text": "문의드립니다.", "submissionType": self.kind,
                "requestId": key}, timeout=20))
            self.persist(lambda key=unique("live"): self.agent.ProcessTicket({
                "name": made.name, "act": "COMMENT", "text": "확인", "requestId": key}, timeout=20))

    def written(self):
        return [(f"{CARE}/tickets/{ticket}", int(sequence)) for ticket, sequence in self.cluster.sql(
            "SELECT v.ticket_id, v.sequence FROM ticket_event AS v JOIN service AS s ON s.id = v.service_id"
            f" WHERE s.code = 'care' AND v.ticket_id > {self.highest} ORDER BY 1, 2")]

    def survive(self):
        self.highest = self.cluster.sql("SELECT max(id) FROM ticket")[0][0]
        watchers = [GRPCWatcher(self.agent), EventSource(self.cluster.edge, self.session.token)]
        for watcher in watchers:
            watcher.start()
            assert watcher.begun.wait(PATIENCE_SECONDS), "no stream began"
        for name in ("handoff-tickets", "postgres", "handoff-gateway", "handoff-tickets", "nghttpx"):
            self.act(3)
            pid = eventually(name, lambda: self.pid(name))
            os.kill(pid, signal.SIGKILL)
            self.act(3)

        def all_told():
            try:
                wanted = sorted(self.written())
            except RuntimeError:
                return False
            assert not any(watcher.problem for watcher in watchers), [watcher.problem for watcher in watchers]
            return all(sorted(watcher.mine(self.highest)) == wanted for watcher in watchers) and wanted

        for watcher in watchers:
            watcher.mine = lambda highest, watcher=watcher: [
                event for event in list(watcher.events) if int(event[0].split("/")[-1]) > int(highest)]
        wanted = eventually("everything in both streams", all_told)
        for watcher in watchers:
            watcher.over = True
            equal(len(set(watcher.ids)), len(watcher.ids), "a change came twice")
            numbers = [int(id.split("-")[1]) for id in watcher.ids]
            equal(numbers, sorted(numbers), "the order")
            for ticket in {name for name, _ in watcher.events}:
                own = [sequence for name, sequence in watcher.events if name == ticket]
                equal(own, list(range(own[0], own[0] + len(own))), ticket)
            assert watcher.breaks >= 3, f"only {watcher.breaks} breaks"
        assert len(wanted) >= 60, len(wanted)
        print(f"# {len(wanted)} events, {[watcher.breaks for watcher in watchers]} breaks", flush=True)

    def sse(self, path, headers=None):
        connection = http.client.HTTPConnection(self.cluster.edge, timeout=PATIENCE_SECONDS)
        connection.request("GET", path, headers=headers or {})
        response = connection.getresponse()
        return response.status, json.loads(response.read()).get("reason")

    def refusals(self):
        signed_in = {"authorization": f"Bearer {self.session.token}"}
        watch = f"/v1/{CARE}/tickets:watch"
        equal(self.sse(watch), (401, "CREDENTIAL_MISSING"))
        equal(self.sse("/v1/services/nowhere/tickets:watch", signed_in), (404, "SERVICE_NOT_FOUND"))
        equal(self.sse(watch, signed_in | {"last-event-id": "1-1"}), (410, "CHANGES_NOT_KEPT"))
        equal(self.sse(watch, signed_in | {"last-event-id": "x"}), (400, "REQUEST_INVALID"))
        equal(self.sse(watch + "?ticket=services/care/tickets/1", signed_in), (404, "TICKET_NOT_FOUND"))
        equal(self.sse(watch + "?nothing=1", signed_in), (400, "REQUEST_INVALID"))

    def sign_out(self):
        """A stream ends with its session, and tells why."""
        agent, session = self.door.sign_in(self.cluster.sign_ins["seoyeon.kim"])
        stream = agent.watch({"parent": CARE, "counters": True})
        assert next(stream).HasField("heartbeat")
        assert next(stream).HasField("counters")
        connection = http.client.HTTPConnection(self.cluster.edge, timeout=PATIENCE_SECONDS)
        connection.request(
            "GET", f"/v1/{CARE}/tickets:watch", headers={"authorization": f"Bearer {session.token}"})
        response = connection.getresponse()
        agent.SignOut()
        try:
            for _ in stream:
                pass
        except grpc.RpcError as error:
            equal(agent.failure(error).reason, "SESSION_EXPIRED")
        else:
            raise AssertionError("the stream went on")
        last = response.read().decode().strip().split("\n\n")[-1]
        assert last.startswith("event: problem\n") and "SESSION_EXPIRED" in last, last


def main():
    live = Live(Cluster(sys.argv[1]))
    report = Report()
    report.row("streams over gRPC and server-sent events miss nothing and repeat nothing", live.survive)
    report.row("what cannot be watched is refused with its status", live.refusals)
    report.row("a stream ends with its session", live.sign_out)


main()
