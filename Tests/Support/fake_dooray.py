"""A Dooray! for tests: a real HTTP server on 127.0.0.1 with the part of its API that Handoff uses.

Prints one JSON line {"port": …, "filePort": …} when it listens, and ends with its standard input. Files are
taken at the second port, to which the first one sends clients with 307, as Dooray! does. With a certificate, it takes
messages for messenger channels over TLS at a third one, "messengerPort".

Who and what there is comes by POST /_control/world (see `World.load`); faults, rate limits and what people do at
Dooray! come by POST /_control/… (see `Control`). /_control/calls lists the requests that were taken.
"""

import argparse
import email.parser
import email.policy
import http.client
import http.server
import json
import re
import ssl
import sys
import threading
import time
import urllib.parse

WORKFLOWS = [("backlog", "백로그"), ("registered", "할 일"), ("working", "진행 중"), ("closed", "완료")]


class Refusal(Exception):
    def __init__(self, status, message="", headers=()):
        super().__init__(message)
        self.status, self.message, self.headers = status, message, list(headers)


class Vanish(Exception):
    """The connection ends without an answer."""


class World:
    """Everything that a Dooray! knows. Ids are texts of 19 digits."""

    def __init__(self):
        self.lock = threading.RLock()
        self.next_id = 3_000_000_000_000_000_000
        self.load({})

    def load(self, data):
        """members: [{id, name, email, organization, token}], projects: [{id, code, organization, members: [id],
        tags: [{id, name, group: {id, name, mandatory, selectOne}}], templates: [...]}], messengers: [path]: incoming
        hooks of messenger channels, such as /services/1/2/secret."""
        self.members = {member["id"]: member for member in data.get("members", [])}
        self.projects = {project["id"]: project for project in data.get("projects", [])}
        for project in self.projects.values():
            project.setdefault("tags", [])
            project.setdefault("templates", [])
            project.setdefault("hooks", [])
            # Names of steps are every project's own; only the class counts.
            project["workflows"] = [
                {"id": self.new_id(), "name": f"{name} {project['code']}", "order": order,
                 "names": [{"locale": "ko_KR", "name": f"{name} {project['code']}"}], "class": kind}
                for order, (kind, name) in enumerate(WORKFLOWS)]
        self.messengers = {path: [] for path in data.get("messengers", [])}
        self.posts, self.files, self.faults, self.calls, self.payloads = {}, {}, [], [], []
        self.bucket = None
        self.hook_form = "documented"
        self.delivers_hooks = True

    def new_id(self):
        self.next_id += 1
        return str(self.next_id)

    def member_of(self, token):
        for member in self.members.values():
            if token and member.get("token") == token:
                return member
        raise Refusal(401, "invalid token")

    def project(self, project_id, member, must_belong=False):
        project = self.projects.get(project_id)
        if project is None or project["organization"] != member["organization"]:
            raise Refusal(404, "project not found")
        if must_belong and member["id"] not in project["members"]:
            raise Refusal(403, "not a member of the project")
        return project

    def post(self, project, post_id):
        post = self.posts.get(post_id)
        if post is None or post["project"] != project["id"]:
            raise Refusal(404, "post not found")
        return post

    def workflow(self, project, kind):
        return next(workflow for workflow in project["workflows"] if workflow["class"] == kind)


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + "+00:00"


ROUTES = []


def route(method, pattern):
    def add(function):
        ROUTES.append((method, re.compile(pattern + "$"), function))
        return function
    return add


class API:
    """The calls that Handoff makes. Each returns the result, or (result, totalCount)."""

    def __init__(self, world, server):
        self.world, self.server = world, server

    @route("GET", r"/common/v1/members")
    def get_members(self, me, query, body):
        wanted = query.get("externalEmailAddresses", [""])[0]
        if not wanted:
            raise Refusal(400, "externalEmailAddresses is required")
        found = [self.shown(member) for member in self.world.members.values()
                 if member["email"] in wanted.split(",") and member["organization"] == me["organization"]]
        return found, len(found)

    @staticmethod
    def shown(member):
        return {"id": member["id"], "name": member["name"], "userCode": member["email"].split("@")[0],
                "externalEmailAddress": member["email"]}

    @route("GET", r"/common/v1/members/me")
    def get_me(self, me, query, body):
        return dict(self.shown(me), defaultOrganization={"id": me["organization"]}, locale="ko_KR", nickname="")

    @route("GET", r"/common/v1/members/(\d+)")
    def get_member(self, me, query, body, member_id):
        member = self.world.members.get(member_id)
        if member is None:
            raise Refusal(404, "member not found")
        return dict(self.shown(member), defaultOrganization={"id": member["organization"]}, locale="ko_KR")

    @route("GET", r"/project/v1/projects")
    def get_projects(self, me, query, body):
        found = [{"id": project["id"], "code": project["code"], "description": "", "state": "active",
                  "scope": "private", "type": "public", "organization": {"id": project["organization"]}}
                 for project in self.world.projects.values() if me["id"] in project["members"]]
        return page(found, query)

    @route("GET", r"/project/v1/projects/(\d+)")
    def get_project(self, me, query, body, project_id):
        project = self.world.project(project_id, me)
        return {"id": project["id"], "code": project["code"], "description": "", "scope": "private",
                "organizationId": project["organization"]}

    @route("GET", r"/project/v1/projects/(\d+)/workflows")
    def get_workflows(self, me, query, body, project_id):
        return self.world.project(project_id, me)["workflows"]

    @route("GET", r"/project/v1/projects/(\d+)/tags")
    def get_tags(self, me, query, body, project_id):
        tags = [{"id": tag["id"], "name": f"{tag['group']['name']}:{tag['name']}" if tag.get("group") else tag["name"],
                 "color": "ffffff", "tagGroup": tag.get("group")}
                for tag in self.world.project(project_id, me)["tags"]]
        return page(tags, query)

    @route("GET", r"/project/v1/projects/(\d+)/members")
    def get_project_members(self, me, query, body, project_id):
        members = self.world.project(project_id, me)["members"]
        return page([{"organizationMemberId": member, "role": "member"} for member in members], query)

    @route("GET", r"/project/v1/projects/(\d+)/member-groups")
    def get_member_groups(self, me, query, body, project_id):
        self.world.project(project_id, me)
        return [], 0

    @route("GET", r"/project/v1/projects/(\d+)/templates")
    def get_templates(self, me, query, body, project_id):
        kept = ("body", "guide")
        templates = [{name: value for name, value in template.items() if name not in kept}
                     for template in self.world.project(project_id, me)["templates"]]
        return page(templates, query)

    @route("GET", r"/project/v1/projects/(\d+)/templates/(\d+)")
    def get_template(self, me, query, body, project_id, template_id):
        for template in self.world.project(project_id, me)["templates"]:
            if template["id"] == template_id:
                return template
        raise Refusal(404, "template not found")

    @route("GET", r"/project/v1/projects/(\d+)/posts")
    def get_posts(self, me, query, body, project_id):
        project = self.world.project(project_id, me)
        posts = [post for post in self.world.posts.values() if post["project"] == project["id"]]
        if query.get("order", ["-createdAt"])[0] == "-createdAt":
            posts.reverse()
        tasks = [self.task(post) for post in posts]
        return page([{name: value for name, value in task.items() if name != "body"} for task in tasks], query)

    @route("POST", r"/project/v1/projects/(\d+)/posts")
    def create_post(self, me, query, body, project_id):
        project = self.world.project(project_id, me, must_belong=True)
        if not isinstance(body.get("subject"), str) or not body["subject"].strip():
            raise Refusal(400, "subject is required")
        chosen = body.get("tagIds", [])
        check_tags(project, chosen)
        for person in body.get("users", {}).get("to", []) + body.get("users", {}).get("cc", []):
            if person.get("type") == "member":
                member = self.world.members.get(person["member"]["organizationMemberId"])
                if member is None or member["organization"] != project["organization"]:
                    raise Refusal(400, "unknown member")
        post = {"id": self.world.new_id(), "project": project["id"], "creator": me["id"], "subject": body["subject"],
                # HTML is taken and stored as if it were Markdown.
                "body": {"mimeType": "text/x-markdown", "content": body.get("body", {}).get("content", "")},
                "users": body.get("users", {}), "tagIds": chosen, "priority": body.get("priority", "none"),
                "number": 1 + sum(other["project"] == project["id"] for other in self.world.posts.values()),
                "workflow": self.world.workflow(project, "registered"), "createdAt": now(), "updatedAt": now(),
                "logs": [], "files": []}
        self.world.posts[post["id"]] = post
        self.server.fire(project, post, "postCreated", me, by_api=True)
        return {"id": post["id"]}

    def task(self, post):
        project = self.world.projects[post["project"]]
        workflow = post["workflow"]
        return {"id": post["id"], "subject": post["subject"], "taskNumber": f"{project['code']}/{post['number']}",
                "number": str(post["number"]), "closed": workflow["class"] == "closed", "createdAt": post["createdAt"],
                "updatedAt": post["updatedAt"], "workflowClass": workflow["class"],
                "workflow": {"id": workflow["id"], "name": workflow["name"]},
                "tags": [{"id": tag} for tag in post["tagIds"]], "body": post["body"], "users": post["users"],
                "files": post["files"], "project": {"id": project["id"], "code": project["code"]}}

    @route("GET", r"/project/v1/projects/(\d+)/posts/(\d+)")
    def get_post(self, me, query, body, project_id, post_id):
        return self.task(self.world.post(self.world.project(project_id, me), post_id))

    @route("GET", r"/project/v1/posts/(\d+)")
    def get_post_alone(self, me, query, body, post_id):
        post = self.world.posts.get(post_id)
        if post is None:
            raise Refusal(404, "post not found")
        self.world.project(post["project"], me)
        return self.task(post)

    @route("POST", r"/project/v1/projects/(\d+)/posts/(\d+)/set-workflow")
    def set_workflow(self, me, query, body, project_id, post_id):
        project = self.world.project(project_id, me, must_belong=True)
        post = self.world.post(project, post_id)
        for workflow in project["workflows"]:
            if workflow["id"] == body.get("workflowId"):
                return self.move(project, post, workflow, me, by_api=True)
        raise Refusal(400, "unknown workflow")

    @route("POST", r"/project/v1/projects/(\d+)/posts/(\d+)/set-done")
    def set_done(self, me, query, body, project_id, post_id):
        project = self.world.project(project_id, me, must_belong=True)
        post = self.world.post(project, post_id)
        return self.move(project, post, self.world.workflow(project, "closed"), me, by_api=True)

    def move(self, project, post, workflow, member, by_api):
        post["workflow"], post["updatedAt"] = workflow, now()
        self.server.fire(project, post, "postWorkflowChanged", member, by_api=by_api)

    @route("POST", r"/project/v1/projects/(\d+)/posts/(\d+)/logs")
    def create_log(self, me, query, body, project_id, post_id):
        project = self.world.project(project_id, me, must_belong=True)
        return {"id": self.comment(project, self.world.post(project, post_id), me, body, by_api=True)["id"]}

    def comment(self, project, post, member, body, by_api):
        content = body.get("body", {}).get("content")
        if not isinstance(content, str) or not content:
            raise Refusal(400, "body.content is required")
        log = {"id": self.world.new_id(), "post": {"id": post["id"]}, "type": "comment", "subtype": "general",
               "createdAt": now(), "modifiedAt": now(),
               "creator": {"type": "member", "member": {"organizationMemberId": member["id"]}},
               "body": {"mimeType": "text/x-markdown", "content": content}}
        post["logs"].append(log)
        self.server.fire(project, post, "postCommentCreated", member, by_api=by_api, log=log)
        return log

    @route("GET", r"/project/v1/projects/(\d+)/posts/(\d+)/logs")
    def get_logs(self, me, query, body, project_id, post_id):
        logs = list(self.world.post(self.world.project(project_id, me), post_id)["logs"])
        if query.get("order", ["createdAt"])[0] == "-createdAt":
            logs.reverse()
        return page(logs, query)

    @route("GET", r"/project/v1/projects/(\d+)/posts/(\d+)/logs/(\d+)")
    def get_log(self, me, query, body, project_id, post_id, log_id):
        for log in self.world.post(self.world.project(project_id, me), post_id)["logs"]:
            if log["id"] == log_id:
                return log
        raise Refusal(404, "log not found")

    @route("POST", r"/project/v1/projects/(\d+)/posts/(\d+)/files")
    def send_to_files(self, me, query, body, project_id, post_id):
        self.world.post(self.world.project(project_id, me, must_belong=True), post_id)
        raise Refusal(307, headers=[("Location", self.server.file_url(f"/uploads/v1/{project_id}/{post_id}"))])

    @route("POST", r"/uploads/v1/(\d+)/(\d+)")
    def take_file(self, me, query, body, project_id, post_id):
        post = self.world.post(self.world.project(project_id, me, must_belong=True), post_id)
        if not isinstance(body, dict) or "file" not in body:
            raise Refusal(400, "a part named file is required")
        name, content = body["file"]
        file = {"id": self.world.new_id(), "name": name, "size": len(content)}
        self.world.files[file["id"]] = content
        post["files"].append(file)
        return {"id": file["id"]}

    @route("POST", r"/project/v1/projects/(\d+)/hooks")
    def create_hook(self, me, query, body, project_id):
        project = self.world.project(project_id, me, must_belong=True)
        if not str(body.get("url", "")).startswith("http") or not body.get("sendEvents"):
            raise Refusal(400, "url and sendEvents are required")
        hook = dict(body, id=self.world.new_id())
        project["hooks"].append(hook)
        return {"id": hook["id"]}


def page(items, query):
    number, size = int(query.get("page", ["0"])[0]), int(query.get("size", ["20"])[0])
    if number < 0 or not 1 <= size <= 100:
        raise Refusal(400, "page or size out of range")
    return items[number * size:(number + 1) * size], len(items)


def check_tags(project, chosen):
    known = {tag["id"]: tag for tag in project["tags"]}
    if any(tag not in known for tag in chosen):
        raise Refusal(400, "unknown tag")
    groups = {tag["group"]["id"]: tag["group"] for tag in project["tags"] if tag.get("group")}
    for group in groups.values():
        count = sum((known[tag].get("group") or {}).get("id") == group["id"] for tag in chosen)
        if group["mandatory"] and count == 0 or group["selectOne"] and count > 1:
            raise Refusal(400, f"tags of {group['name']}")


class Control:
    """What tests do behind the API's back: POST /_control/NAME with a JSON object."""

    def __init__(self, world, api, server):
        self.world, self.api, self.server = world, api, server

    def world_(self, body):
        self.world.load(body)

    def faults(self, body):
        """[{method, path (a pattern), kind, times, status, seconds}]. Kinds: `status` (answers so), `close` (does
        nothing and ends the connection), `lost` (does it and ends the connection), `slow` (waits, then does it),
        `garbage` (answers with what is no JSON)."""
        self.world.faults = body["faults"]

    def bucket(self, body):
        """{capacity, rate}: tokens at most, and a second; null: no limit."""
        self.world.bucket = dict(body, tokens=float(body["capacity"]), time=time.monotonic()) if body else None

    def hooks(self, body):
        """{form: documented | observed, deliver: bool}"""
        self.world.hook_form = body.get("form", self.world.hook_form)
        self.world.delivers_hooks = body.get("deliver", self.world.delivers_hooks)

    def move(self, body):
        """{post, class, member}: a person moves a task."""
        post = self.world.posts[body["post"]]
        project = self.world.projects[post["project"]]
        workflow = self.world.workflow(project, body["class"])
        self.api.move(project, post, workflow, self.world.members[body["member"]], by_api=False)

    def comment(self, body):
        """{post, member, text}: a person comments on a task."""
        post = self.world.posts[body["post"]]
        log = self.api.comment(self.world.projects[post["project"]], post, self.world.members[body["member"]],
                               {"body": {"content": body["text"]}}, by_api=False)
        return {"id": log["id"]}

    def relocate(self, body):
        """{post, project}: a person moves a task to another project."""
        self.world.posts[body["post"]]["project"] = body["project"]

    def remove(self, body):
        """{post}: a person deletes a task."""
        del self.world.posts[body["post"]]

    def attach(self, body):
        """{post, name, text}: a person adds a file to a task."""
        content = body["text"].encode()
        self.world.posts[body["post"]]["files"].append(
            {"id": self.world.new_id(), "name": body["name"], "size": len(content)})

    def fill(self, body):
        """{project, member, count}: a person creates so many tasks."""
        project = self.world.projects[body["project"]]
        for number in range(body["count"]):
            self.api.create_post(self.world.members[body["member"]], {}, {"subject": f"{number}", "body": {}},
                                 project["id"])

    def messages(self, _):
        """What was written into messenger channels, the oldest first, by the paths of their hooks."""
        return self.world.messengers

    def calls(self, _):
        return self.world.calls

    def posts(self, _):
        return list(self.world.posts.values())

    def payloads(self, _):
        """What hooks said so far, or would have said, the oldest first."""
        return self.world.payloads


class Server:
    def __init__(self, port, certificate=None, key=None):
        self.world = World()
        self.api = API(self.world, self)
        self.control = Control(self.world, self.api, self)
        handler = type("BoundHandler", (Handler,), {"fake": self})
        self.listeners = [Listener(("127.0.0.1", number), handler) for number in (port, 0)]
        self.port, self.file_port = (listener.server_address[1] for listener in self.listeners)
        self.messenger_port = None
        if certificate:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(certificate, key)
            self.listeners.append(Listener(("127.0.0.1", 0), handler, tls))
            self.messenger_port = self.listeners[-1].server_address[1]

    def file_url(self, path):
        return f"http://127.0.0.1:{self.file_port}{path}"

    def fire(self, project, post, event, member, by_api, log=None):
        """Tells the project's hooks, one after the other, in a thread of its own."""
        body = self.payload(project, post, event, member, by_api, log)
        self.world.payloads.append(body)
        if not self.world.delivers_hooks:
            return
        wanted = [hook["url"] for hook in project["hooks"] if event in hook["sendEvents"]]
        if wanted:
            payload = json.dumps(body).encode()
            threading.Thread(target=self.deliver, args=(wanted, payload), daemon=True).start()

    def payload(self, project, post, event, member, by_api, log):
        workflow = post["workflow"]
        payload = {
            "hookEventType": event,
            "workflow": {"id": workflow["id"], "names": workflow["names"], "class": workflow["class"]},
            "post": {"id": post["id"], "subject": post["subject"], "number": post["number"]},
            "project": {"id": project["id"], "code": project["code"]}, "tenant": {"id": project["organization"]},
            "source": {"type": "member", "member": {
                "id": member["id"], "name": member["name"], "userCode": member["email"].split("@")[0],
                "emailAddress": member["email"]}}}
        if log:
            payload["organization"] = {"id": project["organization"]}
            payload["comment"] = {
                "id": log["id"], "subtype": log["subtype"], "createdAt": log["createdAt"], "body": log["body"],
                "creator": {"type": "member", "member": {"organizationMemberId": member["id"], "name": member["name"]}}}
        if self.world.hook_form == "documented":
            return dict(payload, hookVersion=2)
        payload.update(version=2, webhookType=event,
                       titleLink=f"https://tenant.dooray.com/project/tasks/{post['id']}")
        payload["post"]["users"] = {"to": [{"type": "member", "member": {"workflowId": workflow["id"]}}]}
        if by_api:
            payload["requestOrigin"] = {"type": "open-api"}
        if log:
            del payload["comment"]["body"]
        return payload

    @staticmethod
    def deliver(urls, payload):
        for url in urls:
            parts = urllib.parse.urlsplit(url)
            try:
                connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
                connection.request("POST", parts.path + (f"?{parts.query}" if parts.query else ""), payload,
                                   {"Content-Type": "application/json"})
                connection.getresponse().read()
                connection.close()
            except OSError:
                pass


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60
    fake = None

    def do(self):
        raw = self.rfile.read(int(self.headers.get("content-length", 0)))
        parts = urllib.parse.urlsplit(self.path)
        world = self.fake.world
        if parts.path.startswith("/_control/"):
            return self.run_control(parts.path.rsplit("/", 1)[1], raw)
        try:
            with world.lock:
                fault = self.fault(parts.path)
                world.calls.append({"method": self.command, "path": self.path,
                                    "authorization": self.headers.get("authorization", "")})
            if fault and fault["kind"] == "slow":
                time.sleep(fault["seconds"])
            if fault and fault["kind"] in ("status", "garbage", "close"):
                return self.fail(fault)
            with world.lock:
                headers = self.take_tokens()
                result = self.run_api(parts, raw)
            if fault and fault["kind"] == "lost":
                raise Vanish
            self.answer(200, result, headers)
        except Refusal as refusal:
            self.answer(refusal.status, None, refusal.headers, refusal.message)
        except Vanish:
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_DELETE = do

    def fault(self, path):
        for fault in self.fake.world.faults:
            if fault["times"] > 0 and fault["method"] == self.command and re.search(fault["path"], path):
                fault["times"] -= 1
                return fault
        return None

    def fail(self, fault):
        if fault["kind"] == "close":
            raise Vanish
        if fault["kind"] == "garbage":
            return self.send(200, b"<html>maintenance</html>", [("Content-Type", "text/html")])
        raise Refusal(fault["status"], "told to fail")

    def take_tokens(self):
        bucket = self.fake.world.bucket
        if bucket is None:
            return []
        moment = time.monotonic()
        bucket["tokens"] = min(bucket["capacity"], bucket["tokens"] + (moment - bucket["time"]) * bucket["rate"])
        bucket["time"] = moment
        is_allowed = bucket["tokens"] >= 1
        if is_allowed:
            bucket["tokens"] -= 1
        headers = [("X-RateLimit-Remaining", str(int(bucket["tokens"]))), ("X-RateLimit-Requested-Tokens", "1"),
                   ("X-RateLimit-Burst-Capacity", str(bucket["capacity"])),
                   ("X-RateLimit-Replenish-Rate", str(bucket["rate"]))]
        if not is_allowed:
            raise Refusal(429, "too many requests", headers)
        return headers

    def run_messenger(self, path, raw):
        messages = self.fake.world.messengers.get(path)
        if messages is None or self.command != "POST":
            raise Refusal(404, "no such hook")
        body = self.body(raw)
        if not isinstance(body.get("text"), str) or not body["text"]:
            raise Refusal(400, "text is required")
        messages.append(body)

    def run_api(self, parts, raw):
        if parts.path.startswith("/services/"):
            return self.run_messenger(parts.path, raw)
        kind, _, token = self.headers.get("authorization", "").partition(" ")
        me = self.fake.world.member_of(token if kind == "dooray-api" else "")
        query = urllib.parse.parse_qs(parts.query)
        for method, pattern, function in ROUTES:
            match = pattern.match(parts.path)
            if method == self.command and match:
                return function(self.fake.api, me, query, self.body(raw), *match.groups())
        raise Refusal(404, "no such call")

    def body(self, raw):
        kind = self.headers.get("content-type", "")
        if not raw:
            return {}
        if kind.startswith("multipart/form-data"):
            message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(
                b"Content-Type: " + kind.encode() + b"\r\n\r\n" + raw)
            # Names come as bytes of UTF-8, which the parser of mails does not expect.
            names = [name.decode().replace("%22", '"') for name in re.findall(rb'filename="([^"]*)"', raw)]
            return {part.get_param("name", header="content-disposition"): (name, part.get_payload(decode=True))
                    for part, name in zip(message.iter_parts(), names)}
        if not kind.startswith("application/json"):
            raise Refusal(415, "application/json is expected")
        try:
            body = json.loads(raw)
        except ValueError:
            raise Refusal(400, "not JSON") from None
        if not isinstance(body, dict):
            raise Refusal(400, "an object is expected")
        return body

    def run_control(self, name, raw):
        with self.fake.world.lock:
            result = getattr(self.fake.control, "world_" if name == "world" else name)(json.loads(raw or b"null"))
        self.send(200, json.dumps(result).encode(), [("Content-Type", "application/json")])

    def answer(self, status, result, headers=(), message=""):
        total = {}
        if isinstance(result, tuple):
            result, total = result[0], {"totalCount": result[1]}
        envelope = {"header": {"isSuccessful": status == 200, "resultCode": 0 if status == 200 else -status,
                               "resultMessage": message}, "result": result, **total}
        self.send(status, json.dumps(envelope).encode(), [("Content-Type", "application/json"), *headers])

    def send(self, status, body, headers):
        try:
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            self.close_connection = True

    def log_message(self, *_):
        pass


class Listener(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address, handler, tls=None):
        self.tls = tls
        super().__init__(address, handler)

    def finish_request(self, request, client_address):
        # In the connection's own thread, so that a slow handshake keeps nobody waiting.
        try:
            super().finish_request(
                self.tls.wrap_socket(request, server_side=True) if self.tls else request, client_address)
        except (ssl.SSLError, OSError):
            pass


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--certificate", help="a PEM file, for messenger channels over TLS")
    parser.add_argument("--key", help="its key")
    options = parser.parse_args()
    fake = Server(options.port, options.certificate, options.key)
    for listener in fake.listeners:
        threading.Thread(target=listener.serve_forever, daemon=True).start()
    print(json.dumps({"port": fake.port, "filePort": fake.file_port, "messengerPort": fake.messenger_port}), flush=True)
    sys.stdin.read()


main()
