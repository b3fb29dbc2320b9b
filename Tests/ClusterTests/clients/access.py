"""Signs in as a page in a browser does, calls as a program with a key, and reads what is kept of both: access.py DIR"""

import http.client
import json
import ssl
import sys

from cluster import API, Cluster, Failure, JSON, PATIENCE_SECONDS, Protos, Report, equal, eventually, unique

CARE = "services/care"


class Browser:
    """Keeps cookies, and shows nothing else."""

    def __init__(self, cluster, secure=False):
        self.cluster, self.secure, self.cookies = cluster, secure, {}

    def ask(self, verb, path, body=None, **headers):
        """The status, the fields and the JSON of the answer."""
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookies:
            fields["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if body is not None:
            fields["content-type"] = "application/json"
        if self.secure:
            context = ssl.create_default_context(cafile=f"{self.cluster.directory}/tls/ca.pem")
            address = self.cluster.addresses["edge-tls"].removeprefix("https://")
            connection = http.client.HTTPSConnection(address, timeout=PATIENCE_SECONDS, context=context)
        else:
            connection = http.client.HTTPConnection(self.cluster.edge, timeout=PATIENCE_SECONDS)
        try:
            connection.request(verb, path, None if body is None else json.dumps(body), fields)
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        self.said = response.getheader("set-cookie")
        if self.said:
            pair, *attributes = self.said.split("; ")
            name, value = pair.split("=", 1)
            if "Max-Age=0" in attributes:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
            self.attributes = set(attributes)
        headers = {name.lower(): value for name, value in response.getheaders()}
        return response.status, headers, json.loads(answer) if answer else None

    def refused(self, reason, status, *arguments, **headers):
        answer = self.ask(*arguments, **headers)
        equal((answer[0], answer[2].get("reason")), (status, reason), f"{arguments}")


class Access:
    def __init__(self, cluster):
        self.cluster = cluster
        self.account = cluster.sign_ins["junho.lee"]
        self.door = API(Protos(), cluster.addresses["gateway"])
        self.admin, _ = self.door.sign_in(cluster.sign_ins["jihye.yoon"])
        self.kinds = self.door.protos.type("handoff.gateway.v1.AuditEvent").Kind

    def page(self, secure=False):
        browser = Browser(self.cluster, secure)
        email, password = self.account
        status, _, session = browser.ask(
            "POST", "/v1/session:signIn", {"email": email, "password": password, "cookie": True})
        equal(status, 200, session)
        assert "token" not in session and session["csrfToken"], session
        return browser, session

    def cookie(self):
        for secure, name in ((False, "handoff"), (True, "__Host-handoff")):
            browser, session = self.page(secure)
            equal(list(browser.cookies), [name], "the cookie")
            equal(browser.attributes, {"Path=/", "HttpOnly", "SameSite=Strict"} | ({"Secure"} if secure else set()))
            status, fields, me = browser.ask("GET", "/v1/me")
            equal((status, me["name"]), (200, session["agent"]["name"]), "who the page is")
            equal(fields["x-csrf-token"], session["csrfToken"], "what a page that was loaded anew is told")
        other = Browser(self.cluster)
        other.cookies = {"__Host-handoff": browser.cookies["__Host-handoff"]}
        other.refused("CREDENTIAL_MISSING", 401, "GET", "/v1/me")  # bound to TLS

    def forged(self):
        browser, session = self.page()
        star = ("POST", f"/v1/{self.ticket()}:star", {})
        browser.refused("CSRF_TOKEN_INVALID", 403, *star)
        for wrong in ("", "x", session["csrfToken"][:-1], self.page()[1]["csrfToken"]):
            browser.refused("CSRF_TOKEN_INVALID", 403, *star, x_csrf_token=wrong)
        equal(browser.ask(*star, x_csrf_token=session["csrfToken"])[0], 200, "with the page's own token")
        # A field of the request goes before the cookie, and needs no second proof.
        browser.refused("SESSION_EXPIRED", 401, *star, authorization="Bearer nonsense")
        browser.cookies["handoff"] = "nonsense"
        browser.refused("SESSION_EXPIRED", 401, "GET", "/v1/me")

    def ticket(self):
        return self.admin.ListTickets({"parent": CARE, "pageSize": 1}).tickets[0].name

    def leave(self):
        browser, session = self.page()
        stolen = dict(browser.cookies)
        status, _, _ = browser.ask("POST", "/v1/session:signOut", {}, x_csrf_token=session["csrfToken"])
        equal((status, browser.cookies), (200, {}), "after signing out")
        browser.cookies = stolen

        def over():
            status, _, answer = browser.ask("GET", "/v1/me")
            return status == 401 and answer["reason"] == "SESSION_EXPIRED"

        eventually("the end of the session", over)

    def key(self):
        agent, _ = self.door.sign_in(self.account)
        token = JSON(self.cluster.edge, dict(agent.metadata)["authorization"].split()[1])
        made = token.call("POST", "/v1/apiKeys", {"displayName": "help center", "scopes": ["inquiry.write"]})
        key = JSON(self.cluster.edge, made["token"])
        kind = key.call("GET", f"/v1/{CARE}/submissionTypes")["submissionTypes"][0]["name"]
        ticket = key.call("POST", f"/v1/{CARE}/tickets", {"title": "문의", "text": "어디에 있나요?", "submissionType": kind})
        equal(set(ticket), {"name", "createTime"}, "what a key for inquiries is told of its ticket")
        assert int(key.headers["ratelimit-remaining"]) < int(key.headers["ratelimit-limit"]), key.headers
        for verb, path, body in (("GET", f"/v1/{ticket['name']}", None), ("GET", f"/v1/{CARE}/members", None),
                                 ("POST", f"/v1/{ticket['name']}:process", {"act": "COMMENT", "text": "x"}),
                                 ("POST", "/v1/apiKeys", {"displayName": "x", "scopes": ["ticket.read"]})):
            try:
                key.call(verb, path, body)
                raise AssertionError(f"{verb} {path} was answered")
            except Failure as failure:
                equal((failure.status, failure.reason), (403, "PERMISSION_DENIED"))
        self.spied(key, made["token"], kind)
        self.for_customers(key, ticket["name"], kind)
        listed = token.call("GET", "/v1/apiKeys")["apiKeys"][0]
        equal((listed["name"], listed["hint"]), (made["apiKey"]["name"], made["token"][:8]), "the key in the list")
        assert "token" not in json.dumps(listed)
        token.call("POST", f"/v1/{listed['name']}:revoke", {})

    def for_customers(self, key, ticket, kind):
        """What comes with the key is the customer's, who can add to it; other tickets are not there for the key."""
        shown = self.admin.GetTicket({"name": ticket})
        equal((shown.channel, shown.entry_count), (3, 1), "API")
        added = key.call("POST", f"/v1/{ticket}:appendInquiry", {"text": "아직도 안 왔어요."})
        equal(set(added), {"name", "createTime"}, "what a key for inquiries is told of an entry")
        entries = self.admin.ListEntries({"parent": ticket}).entries
        equal([entry.author.kind for entry in entries], [2, 2], "CUSTOMER")
        equal(entries[1].text, "아직도 안 왔어요.")
        other = self.admin.CreateTicket({"parent": CARE, "title": "?", "text": "?", "submissionType": kind}).name
        try:
            key.call("POST", f"/v1/{other}:appendInquiry", {"text": "?"})
            raise AssertionError("an inquiry was added to another's ticket")
        except Failure as failure:
            equal((failure.status, failure.reason), (404, "TICKET_NOT_FOUND"))

    def spied(self, key, token, kind):
        """What belongs to a customer whom the organization knows is not to be had for a number or an address."""
        known = self.admin.CreateTicket({"parent": CARE, "title": "?", "text": "?", "submissionType": kind, "customer": {
            "displayName": "김하늘", "email": f"{unique('haneul')}@example.com", "phone": "010-0000-1234"}}).customer
        inquiry = {"parent": CARE, "title": "문의", "text": "어디에 있나요?", "submissionType": kind, "requestId": unique("spy")}
        path = f"/v1/{CARE}/tickets"
        body = {name: value for name, value in inquiry.items() if name != "parent"}
        for refused in ({"customer": {"number": str(known.number)}}, {"agent": "agents/1"}, {"group": f"{CARE}/groups/1"}):
            for call in (lambda: key.call("POST", path, dict(body, **refused)),
                         lambda: self.door.signed_in(token).CreateTicket(dict(inquiry, **refused))):
                try:
                    call()
                    raise AssertionError(f"{refused} was taken")
                except Failure as failure:
                    equal((failure.status in (403, "PERMISSION_DENIED"), failure.reason), (True, "PERMISSION_DENIED"))
                    assert "ticket.write" in failure.text, failure.text
        body["customer"] = {"email": known.email}
        first = key.call("POST", path, body)
        self.admin.UpdateTicket({"ticket": {"name": first["name"], "title": "a secret"}, "updateMask": "title"})
        equal(key.call("POST", path, body), first, "the same request again")
        answer = self.door.signed_in(token).CreateTicket(dict(inquiry, customer=body["customer"], requestId=""))
        equal({field.name for field, _ in answer.ListFields()}, {"name", "create_time"})
        equal(self.admin.GetTicket({"name": answer.name}).customer.number, known.number, "whose ticket it is")

    def new_administrator(self, email):
        """Somebody who was never refused anything: of whom that happens often, the log has a part and a number."""
        agent = self.admin.CreateAgent({"agent": {"displayName": "새 관리자", "email": email}, "password": "first-password"})
        self.admin.CreateMember({"parent": CARE, "member": {"agent": agent.name, "role": "ADMINISTRATOR"}})
        boss, _ = self.door.sign_in((email, "first-password"))

        def known():
            try:
                return boss.ListTemplates({"parent": CARE})
            except Failure as failure:
                equal(failure.reason, "SERVICE_NOT_FOUND", "before everybody knows of the member")

        eventually("the right", known)
        return boss

    def record(self):
        """Settings are changed, tried to be changed, and read; the log has the first two."""
        word = unique("audit")
        boss = self.new_administrator(f"{word}@example.com")
        made = boss.CreateTemplate({"parent": CARE, "template": {"title": word, "content": word}})
        try:
            boss.DeleteTemplate({"name": made.name + "9999"})
        except Failure as failure:
            equal(failure.reason, "TEMPLATE_NOT_FOUND")
        boss.GetTemplate({"name": made.name})
        boss.DeleteTemplate({"name": made.name})
        try:
            boss.RevokeApiKey({"name": "apiKeys/999999999"})
        except Failure as failure:
            equal(failure.reason, "RESOURCE_NOT_FOUND")
        try:
            self.door.sign_in((self.account[0], "guess"))
        except Failure as failure:
            equal(failure.reason, "SIGN_IN_FAILED")
        events = [(self.kinds.Name(event.kind), event.method, event.resource, event.outcome)
                  for event in self.admin.ListAuditEvents({"pageSize": 50}).audit_events]
        expected = [("SIGN_IN_FAILED", "", "", "SIGN_IN_FAILED"),
                    ("ADMINISTRATION", "RevokeApiKey", "apiKeys/999999999", "RESOURCE_NOT_FOUND"),
                    ("ADMINISTRATION", "DeleteTemplate", made.name, "OK"),
                    ("ADMINISTRATION", "DeleteTemplate", made.name + "9999", "TEMPLATE_NOT_FOUND"),
                    ("ADMINISTRATION", "CreateTemplate", made.name, "OK")]
        places = [events.index(event) for event in expected]
        equal(places, sorted(places), "the order, newest first")
        assert not [event for event in events if event[1] == "GetTemplate"]
        agent, _ = self.door.sign_in(self.account)
        try:
            agent.ListAuditEvents()
            raise AssertionError("was answered")
        except Failure as failure:
            equal(failure.reason, "PERMISSION_DENIED")


def main():
    access = Access(Cluster(sys.argv[1]))
    report = Report()
    for name, check in (
            ("a page has its session in a cookie that no script reads", access.cookie),
            ("another site's page can do nothing with it", access.forged),
            ("signing out takes it away", access.leave),
            ("a key does what its scopes name, and no more", access.key),
            ("sign-ins and administrative acts are on record, for administrators", access.record)):
        report.row(name, check)


main()
