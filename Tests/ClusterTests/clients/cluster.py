"""What the stock clients of the cluster tests share: where the cluster is, its protos, gRPC and JSON calls, and how rows
are reported. Nothing here is made by Handoff but the protos, which grpcio-tools compiles, and the files in DIR."""

import base64
import glob
import hashlib
import http.client
import importlib.resources
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.parse

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from grpc_tools import protoc

PROTOS = os.path.join(os.path.dirname(__file__), "..", "..", "..", "protos")
# Far more than anything takes; only a test that fails waits for it.
PATIENCE_SECONDS = 120


class Cluster:
    """A running cluster, as its data directory describes it."""

    def __init__(self, directory):
        self.directory = directory
        self.addresses = dict(
            line.split(" ", 1) for line in self.read("addresses").splitlines() if not line.startswith("#"))
        self.edge = self.addresses["edge"].removeprefix("http://")
        # The copies of all daemons, each with the name of its daemon.
        self.servers = {
            name: name.split("-")[0] for name in self.addresses
            if name.split("-")[0] in DAEMONS and not name.endswith(("-admin", "-directory"))}
        for name, daemon in self.servers.items():
            SECURE[self.addresses[name]] = (self, daemon)
        # Mailbox to (address, password).
        self.sign_ins = {}
        for line in self.read("sign-ins.txt").splitlines():
            if not line.startswith("#"):
                email, password = line.split()[:2]
                self.sign_ins[email.split("@")[0]] = (email, password)

    def read(self, name):
        with open(os.path.join(self.directory, name), encoding="utf-8") as file:
            return file.read()

    def caller(self, name, agent=None):
        """What a daemon sends with its calls, which are made with its certificate."""
        return Caller(name, [("handoff-agent", str(agent))] if agent else [])

    def credentials(self, holder=None):
        """TLS that trusts the cluster's authority and shows the certificate of a process."""
        pem = lambda name: self.read(f"tls/{name}.pem").encode()
        pair = (pem(f"{holder}-key"), pem(holder)) if holder else (None, None)
        return grpc.ssl_channel_credentials(pem("ca"), *pair)

    def sql(self, statement):
        """What the owner of the database reads: one list of texts a row."""
        url = self.read("secrets/tickets-database-url").strip()
        host = urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)["host"][0]
        environment = dict(os.environ, PGPASSWORD=self.read("secrets/postgres-password").strip())
        environment["PGOPTIONS"] = "-c search_path=handoff"
        command = ["psql", "-XAtq", "-F", "\t", "-h", host, "-U", "handoff", "-d", "handoff", "-c", statement]
        result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        if result.returncode != 0:
            raise RuntimeError(f"psql: {result.stderr}")
        return [line.split("\t") for line in result.stdout.splitlines()]

    def mails_to(self, address):
        """The mails in the spool that name the address, parsed."""
        import email
        import email.policy

        mails = []
        for path in sorted(glob.glob(os.path.join(self.directory, "mail", "**", "*.eml"), recursive=True)):
            with open(path, "rb") as file:
                mail = email.message_from_binary_file(file, policy=email.policy.default)
            if address in str(mail["To"]):
                mails.append(mail)
        return mails


class Caller(list):
    """Metadata of a call that is made with the certificate of a process."""

    def __init__(self, holder, metadata=()):
        super().__init__(metadata)
        self.holder = holder


DAEMONS = ("masking", "mail", "assignment", "tickets", "gateway")
# Addresses that speak TLS: (cluster, daemon).
SECURE = {}


class Protos:
    """The messages and services of protos/, compiled by protoc, without generated code."""

    def __init__(self):
        files = sorted(os.path.relpath(path, PROTOS) for path in glob.glob(f"{PROTOS}/**/*.proto", recursive=True))
        well_known = str(importlib.resources.files("grpc_tools") / "_proto")
        with tempfile.TemporaryDirectory() as directory:
            out = os.path.join(directory, "set")
            arguments = ["protoc", f"-I{PROTOS}", f"-I{well_known}", "--include_imports", f"--descriptor_set_out={out}"]
            if protoc.main(arguments + files) != 0:
                sys.exit("protoc refused the protos")
            with open(out, "rb") as file:
                compiled = descriptor_pb2.FileDescriptorSet.FromString(file.read())
        self.pool = descriptor_pool.DescriptorPool()
        for file in compiled.file:
            self.pool.Add(file)

    def type(self, name):
        return message_factory.GetMessageClass(self.pool.FindMessageTypeByName(name))

    def service(self, name):
        return self.pool.FindServiceByName(name)


def visitor(address):
    """Whose certificate to show where one only looks in: the gateway lets everybody in, the others want to see one."""
    return "operator" if SECURE.get(address, (None, "gateway"))[1] != "gateway" else None


def channel_to(address, holder, options=()):
    """A stock channel, with TLS where the address has it."""
    # A connection of its own: stock channels to one address share their pauses after a refused connection.
    options = [("grpc.use_local_subchannel_pool", 1), *options]
    if address not in SECURE:
        return grpc.insecure_channel(address, options)
    return grpc.secure_channel(address, SECURE[address][0].credentials(holder), options)


class Failure(Exception):
    """What an error said, over either protocol."""

    def __init__(self, status, reason, fields=(), text="", metadata=None):
        super().__init__(f"{status} {reason} {list(fields)} {text}")
        self.status, self.reason, self.fields, self.text = status, reason, tuple(fields), text
        self.metadata = metadata or {}


class GRPC:
    """A stock gRPC channel whose calls take and return messages of the protos by name."""

    def __init__(self, protos, address, metadata=()):
        self.protos, self.metadata = protos, list(metadata)
        self.address, self.channels, self.called = address, {}, set()
        self.channel = self.channel_of(visitor(address))

    def channel_of(self, holder):
        """The channel that shows the certificate of a process; None shows none."""
        if holder not in self.channels:
            self.channels[holder] = channel_to(self.address, holder)
        return self.channels[holder]

    def signed_in(self, token):
        """The same channel with the token of a session."""
        other = object.__new__(GRPC)
        other.__dict__.update(self.__dict__, metadata=[("authorization", f"Bearer {token}")])
        return other

    def call(self, service, method, request=None, timeout=PATIENCE_SECONDS, metadata=None):
        """Calls with a dict in the JSON form of the message, or with raw bytes."""
        descriptor = self.protos.service(service).methods_by_name[method]
        if not isinstance(request, bytes):
            message = self.protos.type(descriptor.input_type.full_name)()
            request = json_format.ParseDict(request or {}, message).SerializeToString()
        answer = self.protos.type(descriptor.output_type.full_name)
        self.called.add(f"{service}/{method}")
        return self.raw(f"/{service}/{method}", request, answer.FromString, timeout, metadata)

    def raw(self, path, request, parse=bytes, timeout=PATIENCE_SECONDS, metadata=None):
        metadata = self.metadata if metadata is None else metadata
        try:
            channel = self.channel_of(metadata.holder) if isinstance(metadata, Caller) else self.channel
            call = channel.unary_unary(path, response_deserializer=parse)
            return call(request, timeout=timeout, metadata=metadata)
        except grpc.RpcError as error:
            raise self.failure(error) from None

    def failure(self, error):
        details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
        return self.described(error.code().name, error.details(), details)

    def described(self, code, text, details):
        reason, fields, metadata = None, [], {}
        if details:
            status = self.protos.type("google.rpc.Status").FromString(details)
            assert status.code == getattr(grpc.StatusCode, code).value[0], "the two statuses differ"
            for detail in status.details:
                if detail.type_url.endswith("/google.rpc.ErrorInfo"):
                    info = self.protos.type("google.rpc.ErrorInfo").FromString(detail.value)
                    assert info.domain == "handoff", info.domain
                    reason, metadata = info.reason, dict(info.metadata)
                if detail.type_url.endswith("/google.rpc.BadRequest"):
                    bad = self.protos.type("google.rpc.BadRequest").FromString(detail.value)
                    fields = [violation.field for violation in bad.field_violations]
        return Failure(code, reason, fields, text, metadata)


class API(GRPC):
    """The public API over gRPC."""

    def upload(self, parent, file_name, content):
        message = self.protos.type("handoff.tickets.v1.UploadAttachmentRequest")
        parts = [message(header={"parent": parent, "file_name": file_name})]
        parts += [message(chunk=content[at:at + 65536]) for at in range(0, len(content), 65536)]
        self.called.add("handoff.gateway.v1.HandoffService/UploadAttachment")
        call = self.channel.stream_unary(
            "/handoff.gateway.v1.HandoffService/UploadAttachment", request_serializer=message.SerializeToString,
            response_deserializer=self.protos.type("handoff.tickets.v1.Attachment").FromString)
        return call(iter(parts), timeout=PATIENCE_SECONDS, metadata=self.metadata)

    def ingest(self, parent, mail):
        message = self.protos.type("handoff.mail.v1.IngestMessageRequest")
        self.called.add("handoff.gateway.v1.HandoffService/IngestMessage")
        call = self.channel.stream_unary(
            "/handoff.gateway.v1.HandoffService/IngestMessage", request_serializer=message.SerializeToString,
            response_deserializer=self.protos.type("handoff.mail.v1.InboundMail").FromString)
        return call(iter([message(header={"parent": parent}), message(chunk=mail)]), timeout=PATIENCE_SECONDS,
                    metadata=self.metadata)

    def download(self, name):
        request = self.protos.type("handoff.tickets.v1.DownloadAttachmentRequest")(name=name)
        self.called.add("handoff.gateway.v1.HandoffService/DownloadAttachment")
        call = self.channel.unary_stream(
            "/handoff.gateway.v1.HandoffService/DownloadAttachment",
            request_serializer=type(request).SerializeToString,
            response_deserializer=self.protos.type("handoff.tickets.v1.DownloadAttachmentResponse").FromString)
        return b"".join(part.chunk for part in call(request, timeout=PATIENCE_SECONDS, metadata=self.metadata))

    def watch(self, request, timeout=None):
        """The responses of WatchTickets, as they come; a dict in the JSON form asks."""
        message = json_format.ParseDict(request, self.protos.type("handoff.tickets.v1.WatchTicketsRequest")())
        self.called.add("handoff.gateway.v1.HandoffService/WatchTickets")
        call = self.channel.unary_stream(
            "/handoff.gateway.v1.HandoffService/WatchTickets", request_serializer=type(message).SerializeToString,
            response_deserializer=self.protos.type("handoff.tickets.v1.WatchTicketsResponse").FromString)
        return call(message, timeout=timeout, metadata=self.metadata)

    def __getattr__(self, method):
        own = self.protos.service("handoff.gateway.v1.SessionService").methods_by_name
        service = "SessionService" if method in own else "HandoffService"
        return lambda request=None, **options: self.call(f"handoff.gateway.v1.{service}", method, request, **options)

    def signed_in(self, token):
        other = object.__new__(API)
        other.__dict__.update(self.__dict__, metadata=[("authorization", f"Bearer {token}")])
        return other

    def sign_in(self, account):
        session = self.SignIn({"email": account[0], "password": account[1]})
        return self.signed_in(session.token), session


class JSON:
    """The public API over HTTP/1.1 and JSON, through the edge."""

    def __init__(self, address, token=None, source=None):
        """Calls come from `source`, an address of this machine; None: from whichever the system takes."""
        self.address, self.token = address, token
        self.source = source and (source, 0)

    def call(self, verb, path, body=None, headers=None):
        """Calls with a dict, or with raw bytes; returns the JSON of the answer."""
        headers = dict(headers or {})
        if self.token:
            headers.setdefault("authorization", f"Bearer {self.token}")
        if body is not None:
            headers.setdefault("content-type", "application/json")
            if not isinstance(body, bytes):
                body = json.dumps(body).encode()
        connection = http.client.HTTPConnection(self.address, timeout=PATIENCE_SECONDS, source_address=self.source)
        try:
            connection.request(verb, path, body, headers)
            response = connection.getresponse()
            text = response.read()
            self.headers = {name.lower(): value for name, value in response.getheaders()}
        finally:
            connection.close()
        type_ = self.headers.get("content-type")
        if response.status == 200:
            assert type_ == "application/json", type_
            return json.loads(text)
        if type_ != "application/problem+json":
            raise Failure(response.status, None, text=f"content-type {type_}: {text[:200]!r}")
        raise self.problem(response.status, text)

    @staticmethod
    def problem(status, text):
        problem = json.loads(text)
        assert problem["status"] == status, problem
        fields = [violation["field"] for violation in problem.get("violations", [])]
        return Failure(status, problem.get("reason"), fields, problem.get("detail"), problem.get("metadata"))


def raw_grpc(address, path, message, headers):
    """One gRPC call by nghttp, for header fields that gRPC libraries do not let their callers set; the answer's fields.

    curl 7 will not do: it takes it for an error when the answer comes before all of the request has gone."""
    command = ["nghttp", "--no-dep", "-nv", "-H:method: POST"]
    for name, value in {"content-type": "application/grpc", "te": "trailers", **headers}.items():
        command.append(f"-H{name}: {value}")
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"\0" + len(message).to_bytes(4, "big") + message)
        file.flush()
        result = subprocess.run(
            command + ["-d", file.name, f"{'https' if address in SECURE else 'http'}://{address}{path}"], capture_output=True, text=True,
            timeout=PATIENCE_SECONDS)
    fields = dict(re.findall(r"recv \(stream_id=\d+\) ([^:\n]+): (.*)", result.stdout))
    assert fields, f"nghttp: {result.stdout}{result.stderr}"
    return fields


def unpadded_base64(text):
    return base64.b64decode(text + "=" * (-len(text) % 4))


def eventually(what, check):
    """Asks until the answer is true; what other processes do by themselves takes its time."""
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        answer = check()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come to be")
        time.sleep(0.05)


class Report:
    """One line a row on standard output: `ok <name>` or `not ok <name>`, followed by indented lines that say why."""

    def row(self, name, check, *arguments):
        try:
            check(*arguments)
            print(f"ok {name}", flush=True)
        except Exception as error:  # Whatever went wrong belongs to the row.
            print(f"not ok {name}")
            text = str(error) if isinstance(error, (AssertionError, Failure)) and str(error) else traceback.format_exc()
            for line in text.splitlines():
                print(f"    {line}")
            sys.stdout.flush()


def equal(actual, expected, what=""):
    assert actual == expected, f"{what}: {actual!r} instead of {expected!r}"


def unique(text):
    """A word that no other run has used."""
    return f"{text}-{hashlib.sha256(os.urandom(16)).hexdigest()[:10]}"
