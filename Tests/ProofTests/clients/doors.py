"""The ways into a cluster that proofs use: gRPC and JSON, through proxies whose connections can be cut."""

import http.client
import json
import socket
import struct
import threading
import time

from cluster import API, Failure, channel_to, visitor

# What a call may fail with while the cluster is being harmed.
ALLOWED = {"UNAVAILABLE", "DEADLINE_EXCEEDED", "ABORTED"}
# The same call may be sent again after these; CONFLICT is the ABORTED that says so.
TRANSIENT = {"UNAVAILABLE", "DEADLINE_EXCEEDED"}
# Statuses of the JSON API by their HTTP status, where it alone says which.
STATUS_OF_HTTP = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND",
    422: "FAILED_PRECONDITION", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 502: "UNAVAILABLE", 503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED"}
STATUS_OF_REASON = {"STALE_VERSION": "ABORTED", "CONFLICT": "ABORTED", "REQUEST_ID_REUSED": "ALREADY_EXISTS"}


class Proxy:
    """Passes connections of 127.0.0.1 on to a server, until they are cut or held. The server may not be known yet: then
    its address is asked for at each connection."""

    def __init__(self, target):
        self.target = target if callable(target) else lambda: target
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.lock = threading.Lock()
        self.pairs = set()
        self.flowing = threading.Event()
        self.flowing.set()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                inner, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.join, args=(inner,), daemon=True).start()

    def join(self, inner):
        try:
            host, port = self.target().rsplit(":", 1)
            outer = socket.create_connection((host, int(port)), timeout=5)
        except (OSError, LookupError):
            reset(inner)
            return
        pair = (inner, outer)
        for end in pair:
            end.settimeout(None)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self.lock:
            self.pairs.add(pair)
        back = threading.Thread(target=self.pass_on, args=(outer, inner, pair), daemon=True)
        back.start()
        self.pass_on(inner, outer, pair)

    def pass_on(self, source, sink, pair):
        try:
            while data := source.recv(65536):
                self.flowing.wait()
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            self.drop(pair)
        else:
            # The other direction may still be busy; the last one closes both.
            with self.lock:
                last = pair not in self.pairs
                self.pairs.discard(pair)
            if last:
                for end in pair:
                    end.close()

    def drop(self, pair):
        with self.lock:
            self.pairs.discard(pair)
        for end in pair:
            reset(end)

    def cut(self):
        """Resets every connection in the middle of whatever it carries; returns how many."""
        with self.lock:
            pairs = list(self.pairs)
        for pair in pairs:
            self.drop(pair)
        return len(pairs)

    def hold(self, seconds):
        """Lets nothing through for a while, as a network without a route does."""
        self.flowing.clear()
        time.sleep(seconds)
        self.flowing.set()


def reset(end):
    """Closes a connection with RST."""
    try:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # A thread that is reading must hear of it, too.
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    end.close()


class GRPCDoor:
    """The public API over gRPC."""

    def __init__(self, protos, address, name):
        self.name = name
        self.api = API(protos, address)
        # Stock channels wait up to two minutes before they connect again, which is longer than anything here takes.
        self.api.channel = channel_to(address, visitor(address), [
            ("grpc.initial_reconnect_backoff_ms", 100), ("grpc.min_reconnect_backoff_ms", 5000),
            ("grpc.max_reconnect_backoff_ms", 500)])

    def call(self, method, request, token, timeout):
        metadata = [("authorization", f"Bearer {token}")] if token else []
        try:
            return getattr(self.api, method)(request, timeout=timeout, metadata=metadata)
        except Failure as failure:
            if "edge" in self.name and failure.status == "INTERNAL" and "RST_STREAM" in (failure.text or ""):
                # nghttpx resets the streams of a gateway that died with INTERNAL_ERROR, which gRPC calls INTERNAL;
                # whoever wants the gateway's own word talks to the gateway.
                raise Failure("UNAVAILABLE", "EDGE RST_STREAM", text=failure.text) from None
            raise


class JSONDoor:
    """The public API over HTTP/1.1 and JSON; answers are parsed into the same messages."""

    PATHS = {
        "SignIn": ("POST", "/v1/session:signIn"), "CreateTicket": ("POST", "/v1/{parent}/tickets"),
        "GetTicket": ("GET", "/v1/{name}"), "ProcessTicket": ("POST", "/v1/{name}:process"),
        "CompleteTicket": ("POST", "/v1/{name}:complete"), "KeepTicket": ("POST", "/v1/{name}:keep"),
        "ForwardTicket": ("POST", "/v1/{name}:forward"), "ListEntries": ("GET", "/v1/{parent}/entries"),
        "GetCounters": ("GET", "/v1/{parent}/counters"), "ListTickets": ("GET", "/v1/{parent}/tickets"),
        "CreateMasks": ("POST", "/v1/{parent}/masks"), "UnmaskText": ("POST", "/v1/{name}:unmask"),
        "DetectPersonalData": ("GET", "/v1/{parent}:detectPersonalData"), "ListEvents": ("GET", "/v1/{parent}/events"),
        "VerifyHistory": ("GET", "/v1/{name}:verifyHistory"),
    }

    def __init__(self, protos, address, name):
        self.protos, self.address, self.name = protos, address, name

    def answer_type(self, method):
        service = "SessionService" if method == "SignIn" else "HandoffService"
        methods = self.protos.service(f"handoff.gateway.v1.{service}").methods_by_name
        return self.protos.type(methods[method].output_type.full_name)

    def call(self, method, request, token, timeout):
        from google.protobuf import json_format

        verb, path = self.PATHS[method]
        request = dict(request)
        for field in ("parent", "name"):
            if "{%s}" % field in path:
                path = path.replace("{%s}" % field, request.pop(field))
        body = None
        if verb == "POST":
            body = json.dumps(request).encode()
        elif request:
            path += "?" + "&".join(f"{key}={value}" for key, value in request.items())
        status, type_, text = self.exchange(verb, path, body, token, timeout)
        if status == 200:
            return json_format.Parse(text, self.answer_type(method)())
        if type_ != "application/problem+json":
            # The edge's own page: there is no gateway behind it.
            raise Failure(STATUS_OF_HTTP.get(status, f"HTTP {status}"), "EDGE", text=text[:100].decode("latin-1"))
        problem = json.loads(text)
        reason = problem.get("reason")
        code = STATUS_OF_HTTP.get(status) or STATUS_OF_REASON.get(reason, "FAILED_PRECONDITION")
        raise Failure(code, reason, text=problem.get("detail"), metadata=problem.get("metadata"))

    def exchange(self, verb, path, body, token, timeout):
        headers = {"content-type": "application/json"} if body is not None else {}
        if token:
            headers["authorization"] = f"Bearer {token}"
        connection = http.client.HTTPConnection(self.address, timeout=timeout)
        try:
            connection.request(verb, path, body, headers)
            response = connection.getresponse()
            return response.status, response.getheader("content-type"), response.read()
        except TimeoutError:
            raise Failure("DEADLINE_EXCEEDED", "CLIENT", text="no answer in time") from None
        except (OSError, http.client.HTTPException) as error:
            raise Failure("UNAVAILABLE", "CONNECTION", text=repr(error)) from None
        finally:
            connection.close()
