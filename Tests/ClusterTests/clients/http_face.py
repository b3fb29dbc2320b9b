"""Uses the HTTP face of the public API as a careful client does, and as a hostile one: http_face.py DIR

Everything goes through the edge, over HTTP/1.1."""

import gzip
import http.client
import json
import random
import socket
import sys

from cluster import API, Cluster, PATIENCE_SECONDS, Protos, Report, equal, eventually, unique

CARE = "services/care"
DESK = "https://desk.example.com"  # as TestCluster has the gateway configured
PROTECTION = {
    "x-content-type-options": "nosniff", "referrer-policy": "no-referrer", "cross-origin-resource-policy": "same-origin",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'"}


class Answer:
    def __init__(self, status, fields, body):
        self.status, self.fields, self.body = status, fields, body
        self.headers = {name.lower(): value for name, value in fields}

    @property
    def json(self):
        return json.loads(self.body)

    def refused(self, status, reason, *words, field=None):
        """An error of the API's own form that says these words."""
        equal(self.status, status, f"the status of {self.body[:300]!r}")
        equal(self.headers.get("content-type"), "application/problem+json", "content-type")
        problem = self.json
        equal((problem["status"], problem["reason"]), (status, reason), "status and reason in the body")
        equal(problem["requestId"], self.headers["x-request-id"], "the request id")
        for word in words:
            assert word in problem["detail"], f"{word!r} is not in {problem['detail']!r}"
        if field is not None:
            fields = [violation["field"] for violation in problem.get("violations", [])]
            assert field in fields, f"{field} is not in {fields}"
        return problem


class Face:
    def __init__(self, cluster):
        self.cluster = cluster
        self.door = API(Protos(), cluster.addresses["gateway"])
        self.agent, session = self.door.sign_in(cluster.sign_ins["junho.lee"])
        self.token, self.me = session.token, session.agent.name
        self.kind = self.agent.ListSubmissionTypes({"parent": CARE}).submission_types[0].name

    def ask(self, verb, path, body=None, token=True, **headers):
        """Header fields are given by name with _ for -; None leaves one out."""
        fields = {"authorization": f"Bearer {self.token}"} if token else {}
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
        if body is not None:
            fields["content-type"] = "application/json"
        fields.update({name.replace("_", "-"): value for name, value in headers.items()})
        connection = http.client.HTTPConnection(self.cluster.edge, timeout=PATIENCE_SECONDS)
        try:
            connection.putrequest(verb, path, skip_accept_encoding=True)
            for name, value in fields.items():
                if value is not None:
                    connection.putheader(name, value)
            if body is not None:
                connection.putheader("content-length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
            return Answer(response.status, response.getheaders(), response.read())
        finally:
            connection.close()

    def raw(self, head):
        """Sends bytes as they are; the status and everything that came back."""
        host, port = self.cluster.edge.split(":")
        with socket.create_connection((host, int(port)), timeout=PATIENCE_SECONDS) as stream:
            stream.sendall(head)
            answer = b""
            while part := stream.recv(65536):
                answer += part
        assert answer.startswith(b"HTTP/1.1 "), answer[:200]
        return int(answer.split()[1]), answer

    def ticket(self, **fields):
        request = {"title": "배송 문의", "text": "언제 오나요?", "submissionType": self.kind, "agent": self.me, **fields}
        answer = self.ask("POST", f"/v1/{CARE}/tickets", request)
        equal(answer.status, 200, answer.body)
        return answer


def broken_json(face):
    post = lambda body: face.ask("POST", f"/v1/{CARE}/tickets", body)
    post('{\n  "title": "가나",\n  "text" "x"}'.encode()).refused(
        400, "REQUEST_INVALID", "line 3, column 10: a colon is missing", field="body")
    post(b'{"title": "a", "title": "b"}').refused(
        400, "REQUEST_INVALID", 'line 1, column 16: the name "title" stands here twice')
    post(b'{"customer":' * 100 + b"{}" + b"}" * 100).refused(
        400, "REQUEST_INVALID", "line 1, column 769: values are nested more than 64 deep")
    post(b'{"title": "\xc3\x28"}').refused(400, "REQUEST_INVALID", "line 1, column 11: the text is not UTF-8")
    post(b'[{"title": "a"}]').refused(400, "REQUEST_INVALID", "must be an object", field="body")
    post(b"\xef\xbb\xbf{}").refused(400, "REQUEST_INVALID", "line 1, column 1")


def wrong_types(face):
    for body, field, words in [
            ({"title": 5}, "title", "must be a text"),
            ({"customer": {"email": ["a"]}}, "customer.email", "must be a text"),
            ({"fieldValues": {"code": "x"}}, "fieldValues", "must be an array"),
            ({"fieldValues": [{"code": True}]}, "fieldValues[0].code", "must be a text"),
            ({"priority": "MEDIUM"}, "priority", "must be one of"),
            ({"titel": "x"}, "titel", "no such field"),
            ({"customer": {"emial": "x"}}, "customer.emial", "no such field"),
            ({"attachments": ["a", 7]}, "attachments[1]", "must be a text")]:
        face.ask("POST", f"/v1/{CARE}/tickets", body).refused(400, "REQUEST_INVALID", words, field=field)
    face.ask("GET", f"/v1/{CARE}/tickets?pageSize=many").refused(400, "REQUEST_INVALID", field="pageSize")
    face.ask("GET", f"/v1/{CARE}/tickets?pagesize=1").refused(400, "REQUEST_INVALID", field="pagesize")
    face.ask("GET", f"/v1/{CARE}/tickets?a=%ff").refused(400, "REQUEST_INVALID", field="query")
    face.ask("GET", f"/v1/{CARE}/tickets", b"{}").refused(400, "REQUEST_INVALID", field="body")


def unknown_paths(face):
    face.ask("GET", f"/v1/{CARE}/ticket").refused(404, "METHOD_NOT_FOUND", "GET /v1/services/*/tickets")
    face.ask("POST", f"/v1/{CARE}/tickets/1:kepe", {}).refused(404, "METHOD_NOT_FOUND", "/v1/services/*/tickets/*:keep")
    face.ask("GET", "/favicon.ico").refused(404, "METHOD_NOT_FOUND")
    for path in ("/v1/services/%ff", "/v1/services/%zz", "/v1/services/a%2Fb", "/v1/services/%00",
                 "/v1/" + "a" * 3000):
        face.ask("GET", path).refused(404, "RESOURCE_NOT_FOUND", "path cannot be read")


def wrong_methods(face):
    answer = face.ask("DELETE", f"/v1/{CARE}/tickets")
    answer.refused(405, "METHOD_NOT_FOUND", "POST, GET")
    equal(set(answer.headers["allow"].split(", ")), {"GET", "HEAD", "POST", "OPTIONS"}, "allow")
    answer = face.ask("PUT", "/v1/session:signIn")
    answer.refused(405, "METHOD_NOT_FOUND")
    equal(answer.headers["allow"], "POST, OPTIONS", "allow")
    answer = face.ask("HEAD", f"/v1/{CARE}/attachments/1:download")
    equal((answer.status, answer.headers["allow"]), (405, "GET, OPTIONS"), "HEAD of a file")


def wrong_contents(face):
    path = f"/v1/{CARE}/tickets"
    for type_ in ("text/plain", "application/x-www-form-urlencoded", "application/jsonx", None):
        answer = face.ask("POST", path, {"title": "x"}, content_type=type_)
        answer.refused(415, "REQUEST_INVALID", "content-type: application/json")
        equal(answer.headers["accept"], "application/json", "accept")
    answer = face.ask("POST", path, {"title": "x"}, content_encoding="br")
    answer.refused(415, "REQUEST_INVALID", "gzip")
    equal(answer.headers["accept-encoding"], "gzip", "accept-encoding")
    face.ask("POST", path, {"title": "x"}, content_type="Application/JSON ; charset=utf-8").refused(400, "REQUEST_INVALID")


def too_large(face):
    path = f"/v1/{CARE}/tickets"
    face.ask("POST", path, {"text": "x" * (1 << 20)}).refused(413, "BODY_TOO_LARGE")
    bomb = gzip.compress(b'{"text": "' + b"x" * (64 << 20) + b'"}')
    face.ask("POST", path, bomb, content_encoding="gzip").refused(413, "BODY_TOO_LARGE")
    # A client that sends everything before it reads gets its answer, too.
    face.ask("POST", path, {"text": "x" * (20 << 20)}).refused(413, "BODY_TOO_LARGE")


def uploads(face):
    """Files go on as they come: what is there of one before its end is with the daemon, and what breaks off is gone."""
    path = f"/v1/{CARE}/attachments?fileName=receipt.pdf"
    content = b"%PDF-1.4\n" + random.randbytes(6_000_000)
    unfinished = ("SELECT id FROM attachment_content AS c WHERE hash IS NULL AND (SELECT count(*) FROM attachment_chunk AS k "
                  "WHERE (k.service_id, k.content_id) = (c.service_id, c.id)) >= 60")
    host, port = face.cluster.edge.split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE_SECONDS) as stream:
        stream.sendall(f"POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {face.token}\r\n"
                       f"content-length: {len(content)}\r\n\r\n".encode() + content[:5_000_000])
        eventually("the beginning of a file that is on its way", lambda: face.cluster.sql(unfinished))
    eventually("nothing of the file that broke off", lambda: not face.cluster.sql(unfinished))
    for body, coding in ((content, None), (gzip.compress(content), "gzip")):
        made = face.ask("POST", path, body, content_type="application/pdf", content_encoding=coding)
        equal((made.status, made.json.get("sizeBytes")), (200, str(len(content))), "an upload")
        assert face.ask("GET", f"/v1/{made.json['name']}:download").body == content
    # What is wrong is told, with what wrote the body to its end and with what did not.
    ask = lambda body, **headers: face.ask("POST", path, body, **headers)
    ask(b"%PDF-1.4\n" + bytes(10 << 20)).refused(413, "BODY_TOO_LARGE", "10 MB")
    ask(gzip.compress(b"%PDF-1.4\n" + bytes(64 << 20)), content_encoding="gzip").refused(413, "BODY_TOO_LARGE")
    for broken in (b"no gzip", gzip.compress(content)[:-1], gzip.compress(content) + b"x"):
        ask(broken, content_encoding="gzip").refused(400, "REQUEST_INVALID", "no gzip", field="body")
    ask(content, content_encoding="br").refused(415, "REQUEST_INVALID")
    ask(b"").refused(400, "REQUEST_INVALID")
    ask(b"GIF89a" + content).refused(400, "REQUEST_INVALID", ".pdf")
    ask(content, authorization="Bearer nobody").refused(401, "SESSION_EXPIRED")
    ask(content, authorization=None).refused(401, "CREDENTIAL_MISSING")
    face.ask("POST", f"/v1/{CARE}/attachments", content).refused(400, "REQUEST_INVALID", field="query")
    made = face.ask("POST", path.replace("attachments", "%61ttachments"), content)
    equal(made.status, 200, "an upload to an escaped path")
    # Mails are up to 36 MB; their sender learns what is wrong with one.
    mails = f"/v1/{CARE}/inboundMails"
    face.ask("POST", mails, bytes(20 << 20)).refused(403, "PERMISSION_DENIED")
    administrator = face.door.sign_in(face.cluster.sign_ins["jihye.yoon"])[1].token
    as_administrator = {"authorization": f"Bearer {administrator}", "content_type": "message/rfc822"}
    head = f"From: c@example.com\r\nSubject: big\r\nMessage-ID: <{unique('big')}@example.com>\r\n\r\n".encode()
    large = face.ask("POST", mails, head + b"a line of text\r\n" * 1_200_000, **as_administrator)
    equal((large.status, large.json.get("state")), (200, "TICKET"), "a mail of 19 MB")
    face.ask("POST", mails, bytes(40 << 20), **as_administrator).refused(413, "BODY_TOO_LARGE", "36 MB")
    face.ask("POST", "/v1/services/nosuch/attachments?fileName=a.pdf", content).refused(404, "SERVICE_NOT_FOUND")
    eventually("nothing of the files that were refused", lambda: not face.cluster.sql(unfinished))


def traversal(face):
    secret = b"root:"
    for path in (b"/../../etc/passwd", b"/v1/../../../etc/passwd", b"/v1/services/care/../../../../etc/passwd",
                 b"/v1/services/care/tickets/..%2f..%2fetc%2fpasswd", b"/v1/%2e%2e/%2e%2e/etc/passwd", b"//etc/passwd",
                 b"/v1/services/care/tickets/..", b"/v1/services/../agents", b"/v1/services/care/attachments/..:download",
                 b"/v1/services/care/tickets/1/../2", b"/openapi.json/../../etc/passwd"):
        status, answer = face.raw(b"GET " + path + b" HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer "
                                  + face.token.encode() + b"\r\n\r\n")
        assert 400 <= status < 500, f"{path}: {status}"
        assert secret not in answer, path


def injection(face):
    def fields(answer):
        assert b"\r\nset-cookie:" not in answer.lower(), answer
        return answer

    head = (b"HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer " + face.token.encode() + b"\r\n")
    for line in (b"GET /v1/%0d%0aset-cookie:%20a=b ", b"GET /v1/services/care/tickets?pageToken=%0d%0aset-cookie:%20a=b ",
                 b"GET /v1/services/care%0d%0aset-cookie:%20a=b/tickets "):
        fields(face.raw(line + head + b"\r\n")[1])
    # What is no id is not repeated; another one takes its place.
    _, answer = face.raw(b"GET /v1/me " + head + b"x-request-id: a b;c=d\r\n\r\n")
    assert b"a b;c=d" not in fields(answer)
    # Bare line ends and NULs in a field do not reach the gateway as fields of their own.
    for value in (b"a\rset-cookie: a=b", b"a\0b"):
        status, answer = face.raw(b"GET /v1/me " + head + b"x-request-id: " + value + b"\r\n\r\n")
        fields(answer)
        assert status in (200, 400), status
    name = "a%0d%0aset-cookie: a=b.txt".replace(" ", "%20")
    upload = face.ask("POST", f"/v1/{CARE}/attachments?fileName={name}", b"text", content_type="text/plain")
    if upload.status == 200:
        sent = face.ask("GET", f"/v1/{upload.json['name']}:download")
        assert "set-cookie" not in sent.headers, sent.headers


def conditions(face):
    answer = face.ticket()
    path, version = f"/v1/{answer.json['name']}", answer.json["version"]
    equal(answer.headers["etag"], f'"{version}"', "the tag of a new ticket")
    equal(face.ask("GET", path).headers["etag"], f'"{version}"', "the tag of the same ticket")
    act = {"act": "COMMENT", "text": "메모"}
    changed = face.ask("POST", f"{path}:process", act, if_match=f'"{version}"')
    equal(changed.status, 200, changed.body)
    assert changed.headers["etag"] != f'"{version}"', "the tag of a changed ticket"
    stale = face.ask("POST", f"{path}:process", act, if_match=f'"{version}"')
    stale.refused(412, "STALE_VERSION")
    equal(stale.headers["etag"], changed.headers["etag"], "the tag that is told with 412")
    updated = face.ask("PATCH", f"{path}?updateMask=priority", {"priority": "HIGH"}, if_match=changed.headers["etag"])
    equal(updated.status, 200, updated.body)
    equal(face.ask("POST", f"{path}:process", act, if_match="*").status, 200, "any version")
    for tag in ("7", 'W/"7"', '"7", "8"', '""'):
        face.ask("POST", f"{path}:process", act, if_match=tag).refused(400, "REQUEST_INVALID", field="if-match")
    face.ask("POST", f"{path}:process", {**act, "version": "1"}, if_match='"2"').refused(
        400, "REQUEST_INVALID", "another version", field="if-match")
    face.ask("GET", path, if_match='"1"').refused(400, "REQUEST_INVALID", "takes no version", field="if-match")


def idempotency(face):
    key = unique("http-face")
    first = face.ticket()
    request = {"title": "두 번", "text": "한 번만", "submissionType": face.kind, "agent": face.me}
    post = lambda body, **headers: face.ask("POST", f"/v1/{CARE}/tickets", body, **headers)
    made = post(request, idempotency_key=f'"{key}"')
    equal(made.status, 200, made.body)
    same = post(request, idempotency_key=key)
    equal(same.json["name"], made.json["name"], "the ticket of the second request")
    assert made.json["name"] != first.json["name"]
    post({**request, "title": "다른"}, idempotency_key=key).refused(409, "REQUEST_ID_REUSED")
    post({**request, "requestId": key}, idempotency_key=key)
    post({**request, "requestId": "other"}, idempotency_key=key).refused(400, "REQUEST_INVALID", field="idempotency-key")
    for bad in ('""', "a b", "x" * 129, "é".encode().decode("latin-1")):
        post(request, idempotency_key=bad).refused(400, "REQUEST_INVALID", "visible ASCII")
    face.ask("GET", "/v1/services", idempotency_key=key).refused(400, "REQUEST_INVALID", "takes no request id")


def pages(face):
    for _ in range(3):
        face.ticket()
    seen, path = [], f"/v1/{CARE}/tickets?menu=MY_PROCESSING&pageSize=2"
    first = path
    for _ in range(200):
        answer = face.ask("GET", path)
        equal(answer.status, 200, answer.body)
        seen += [ticket["name"] for ticket in answer.json.get("tickets", [])]
        links = {part.split(">; rel=")[1].strip('"'): part.split("<")[1].split(">")[0]
                 for part in answer.headers.get("link", "").split(", ") if part}
        equal("next" in links, bool(answer.json.get("nextPageToken")), "a link to the next page")
        equal("first" in links, path != first, "a link to the first page")
        if "next" not in links:
            break
        path = links["next"]
    assert len(seen) >= 3 and len(set(seen)) == len(seen), seen
    if "first" in links:
        equal(face.ask("GET", links["first"]).json["tickets"][0]["name"], seen[0], "the first ticket of the first page")


def compression(face):
    path = f"/v1/{CARE}/submissionTypes"
    plain = face.ask("GET", path)
    assert len(plain.body) >= 1024, f"only {len(plain.body)} bytes to compress"
    assert "content-encoding" not in plain.headers
    assert "accept-encoding" in plain.headers["vary"], plain.headers
    packed = face.ask("GET", path, accept_encoding="br, gzip;q=0.8")
    equal(packed.headers.get("content-encoding"), "gzip", "content-encoding")
    equal(json.loads(gzip.decompress(packed.body)), plain.json, "what was compressed")
    assert len(packed.body) < len(plain.body)
    assert "content-encoding" not in face.ask("GET", path, accept_encoding="gzip;q=0").headers
    assert "content-encoding" not in face.ask("GET", "/v1/services/care/counters", accept_encoding="gzip").headers
    request = {"title": "압축", "text": "가" * 3000, "submissionType": face.kind, "agent": face.me}
    sent = face.ask("POST", f"/v1/{CARE}/tickets", gzip.compress(json.dumps(request).encode()), content_encoding="gzip")
    equal(sent.status, 200, sent.body)
    equal(sent.json["title"], "압축", "the title")
    face.ask("POST", f"/v1/{CARE}/tickets", b"no gzip", content_encoding="gzip").refused(
        400, "REQUEST_INVALID", "is no gzip", field="body")
    half = gzip.compress(json.dumps(request).encode())[:-5]
    face.ask("POST", f"/v1/{CARE}/tickets", half, content_encoding="gzip").refused(400, "REQUEST_INVALID", "is no gzip")


def cross_origin(face):
    granted = face.ask("GET", "/v1/me", origin=DESK)
    equal(granted.headers.get("access-control-allow-origin"), DESK, "the origin that may read")
    assert "etag" in granted.headers["access-control-expose-headers"]
    assert "origin" in granted.headers["vary"]
    failed = face.ask("GET", "/v1/me", token=False, origin=DESK)
    equal(failed.headers.get("access-control-allow-origin"), DESK, "the origin that may read an error")
    for origin in ("https://evil.example.com", "null", DESK + ".evil.example.com", DESK.upper()):
        other = face.ask("GET", "/v1/me", origin=origin)
        assert not [name for name in other.headers if name.startswith("access-control")], other.headers
    preflight = face.ask(
        "OPTIONS", f"/v1/{CARE}/tickets", token=False, origin=DESK, access_control_request_method="POST",
        access_control_request_headers="authorization, content-type, if-match")
    equal(preflight.status, 204, preflight.body)
    equal(set(preflight.headers["access-control-allow-methods"].split(", ")), {"GET", "POST"}, "methods")
    for name in ("authorization", "content-type", "if-match", "idempotency-key"):
        assert name in preflight.headers["access-control-allow-headers"].split(", "), name
    refused = face.ask("OPTIONS", f"/v1/{CARE}/tickets", token=False, origin="https://evil.example.com",
                       access_control_request_method="POST")
    assert "access-control-allow-methods" not in refused.headers


def protection(face):
    for answer in (face.ask("GET", "/v1/me"), face.ask("GET", "/v1/me", token=False), face.ask("GET", "/nothing"),
                   face.ask("OPTIONS", "/v1/me"), face.ask("DELETE", "/v1/me"),
                   face.ask("POST", f"/v1/{CARE}/tickets", {"text": "x" * (1 << 20)})):
        for name, value in PROTECTION.items():
            equal(answer.headers.get(name), value, f"{name} of {answer.status}")
        assert answer.headers["x-request-id"]
        if answer.body:
            equal(answer.headers.get("cache-control"), "no-store", f"cache-control of {answer.status}")


def head_and_options(face):
    get, head = face.ask("GET", "/v1/me"), face.ask("HEAD", "/v1/me")
    equal((head.status, head.body), (200, b""), "HEAD")
    equal(head.headers["content-length"], str(len(get.body)), "content-length")
    answer = face.ask("OPTIONS", "/v1/me", token=False)
    equal((answer.status, answer.headers["allow"]), (204, "GET, HEAD, OPTIONS"), "OPTIONS")
    face.ask("OPTIONS", "/v1/nothing").refused(404, "METHOD_NOT_FOUND")


def main():
    face = Face(Cluster(sys.argv[1]))
    report = Report()
    for name, check in (
            ("broken JSON is told with its line and column", broken_json),
            ("a wrong type is told with the path of the field", wrong_types),
            ("an unknown path is answered with those near it", unknown_paths),
            ("a wrong method is answered with the right ones", wrong_methods),
            ("a wrong content type or coding is answered with the right one", wrong_contents),
            ("too large a body is refused, also when it is small before it is expanded", too_large),
            ("a file goes on as it comes, and leaves nothing when it breaks off", uploads),
            ("a path leads nowhere else", traversal),
            ("no answer has a field that a request made up", injection),
            ("a change can name the version it is for", conditions),
            ("an idempotency key makes one of two requests", idempotency),
            ("links lead through all pages", pages),
            ("bodies go compressed both ways", compression),
            ("pages of the configured origins may call, and no other", cross_origin),
            ("every answer is protected", protection),
            ("HEAD and OPTIONS are answered", head_and_options)):
        report.row(name, check, face)


main()
