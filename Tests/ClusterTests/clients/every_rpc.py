"""Calls every RPC of the public API with stock grpcio: every_rpc.py DIR ADDRESS-NAME (`gateway` or `edge`)."""

import base64
import http.client
import json
import os
import sys
import time
import urllib.parse

from cluster import API, Cluster, Failure, Protos, Report, equal, eventually, unique

CARE = "services/care"


class EveryRPC:
    def __init__(self, cluster, address):
        self.protos = Protos()
        self.cluster = cluster
        self.door = API(self.protos, address)

    def sign_in(self):
        self.agent, session = self.door.sign_in(self.cluster.sign_ins["seoyeon.kim"])
        self.admin, _ = self.door.sign_in(self.cluster.sign_ins["jihye.yoon"])
        equal(session.agent.email, "seoyeon.kim@example.com")
        equal(self.agent.GetMe(), session.agent, "GetMe and the session's agent")
        assert session.expire_time.seconds > time.time()
        self.me = session.agent.name

    def access(self):
        """A session is ended from another one, a program gets a key and loses it, and the administrator sees it all."""
        other, _ = self.door.sign_in(self.cluster.sign_ins["seoyeon.kim"])
        sessions = self.agent.ListSessions({"pageSize": 200}).sessions
        equal(sum(session.current for session in sessions), 1, "sessions that are the calling one")
        newest = next(session for session in sessions if not session.current)
        self.agent.RevokeSession({"name": newest.name})
        made = self.agent.CreateApiKey({"apiKey": {"displayName": "reports", "scopes": ["ticket.read"]}})
        key = self.door.signed_in(made.token)
        equal(key.GetMe().name, self.me, "whom a key acts as")
        assert key.ListTickets({"parent": CARE, "pageSize": 1}).tickets
        for call in (lambda: key.UpdateService({"service": {"name": CARE}}), key.ListSessions):
            try:
                call()
                raise AssertionError("was answered")
            except Failure as failure:
                equal((failure.status, failure.reason), ("PERMISSION_DENIED", "PERMISSION_DENIED"))
        assert made.api_key.name in [key.name for key in self.agent.ListApiKeys().api_keys]
        self.agent.RevokeApiKey({"name": made.api_key.name})
        program = self.agent.CreateApiKey({"apiKey": {"displayName": "help center", "scopes": ["inquiry.write"]}})
        desk = self.door.signed_in(program.token)
        kind = desk.ListSubmissionTypes({"parent": CARE}).submission_types[0].name
        form = {"parent": CARE, "title": "문의", "text": "언제 오나요?", "submissionType": kind, "channel": "HELP_CENTER"}
        try:
            desk.CreateTicket(form)
            raise AssertionError("a form without the customer's consent was taken")
        except Failure as failure:
            equal(failure.reason, "REQUEST_INVALID")
            assert "privacy" in str(failure.fields).lower(), failure
        inquiry = desk.CreateTicket(dict(form, privacyConsent=True))
        assert self.agent.GetTicket({"name": inquiry.name}).privacy_consent
        assert desk.AppendInquiry({"parent": inquiry.name, "text": "아직도 안 왔어요."}).name.startswith(inquiry.name)
        self.agent.RevokeApiKey({"name": program.api_key.name})

        def gone(api):
            try:
                api.GetMe()
            except Failure as failure:
                equal((failure.status, failure.reason), ("UNAUTHENTICATED", "SESSION_EXPIRED"))
                return True

        eventually("the end of the key", lambda: gone(key))
        eventually("the end of the session", lambda: gone(other))
        kinds = self.protos.type("handoff.gateway.v1.AuditEvent").Kind
        events = [(kinds.Name(event.kind), event.resource) for event in self.admin.ListAuditEvents(
            {"agent": self.me, "pageSize": 200}).audit_events]
        for event in (("SIGNED_IN", ""), ("SESSION_REVOKED", newest.name), ("KEY_CREATED", made.api_key.name),
                      ("KEY_REVOKED", made.api_key.name)):
            assert event in events, f"{event} is not in {events}"

    def directory(self):
        services = self.admin.ListServices().services
        equal([service.name for service in services if service.name in (CARE, "services/tech")],
              [CARE, "services/tech"])
        equal(self.agent.GetService({"name": CARE}), services[0], "GetService and its row of ListServices")
        self.types = self.agent.ListSubmissionTypes({"parent": CARE}).submission_types
        assert self.types[0].level == 1 and any(node.parent == self.types[0].name for node in self.types)
        self.processing_type = self.agent.ListProcessingTypes({"parent": CARE}).processing_types[0].name
        self.members = self.agent.ListMembers({"parent": CARE}).members
        self.groups = self.agent.ListGroups({"parent": CARE}).groups
        assert self.me in [member.agent for member in self.members]
        assert any(self.me in group.agents for group in self.groups)
        equal(self.agent.GetAgent({"name": self.me}).name, self.me)
        kinds = {(layout.kind, layout.language) for layout in self.agent.ListLayouts({"parent": CARE}).layouts}
        assert len(kinds) >= 4, kinds

    def people(self):
        """The organization's administrator hires an agent, who works in a group of her own and leaves again."""
        owner, _ = self.door.sign_in(self.cluster.sign_ins["jihye.yoon"])
        email = f"{unique('new')}@example.com"
        agent = owner.CreateAgent({"agent": {"displayName": "새 상담원", "email": email}, "password": "first-password"})
        listed = owner.ListAgents({"pageSize": 200}).agents
        assert agent.name in [other.name for other in listed]
        renamed = owner.UpdateAgent({"agent": {"name": agent.name, "displayName": "새 이름"},
                                     "updateMask": "displayName"})
        equal((renamed.display_name, renamed.email), ("새 이름", email))
        member = owner.CreateMember({"parent": CARE, "member": {
            "agent": agent.name, "role": "AGENT", "ticketRight": True, "assignable": True}})
        group = owner.CreateGroup({"parent": CARE, "group": {"displayName": unique("group"), "agents": [agent.name]}})
        group = owner.UpdateGroup({"group": {"name": group.name, "displayName": unique("renamed")},
                                   "updateMask": "displayName"})
        equal(list(group.agents), [agent.name])
        member = owner.UpdateMember({"member": {"name": member.name, "forwardRight": True},
                                     "updateMask": "forwardRight"})
        assert member.forward_right and list(member.groups) == [group.name], member
        owner.SetPassword({"name": agent.name, "password": "second-password"})
        own, _ = self.door.sign_in((email, "second-password"))
        own.ChangePassword({"name": agent.name, "currentPassword": "second-password", "newPassword": "third-password"})
        owner.DeactivateAgent({"name": agent.name, "heldTickets": {"choice": "UNASSIGN"}})
        assert owner.ActivateAgent({"name": agent.name}).active
        owner.DeleteMember({"name": member.name, "heldTickets": {"choice": "KEEP"}})
        owner.DeleteGroup({"name": group.name})
        fields = {change.field for change in owner.ListPermissionChanges({"pageSize": 200}).permission_changes
                  if change.agent == agent.name}
        assert {"active", "email", "member", "forward_right", "group", "password"} <= fields, fields

    def organization(self):
        """The organization's administrator adds a service and gives it an administrator, who opens it for business."""
        own = self.agent.GetOrganization({"name": "organizations/-"})
        owner = self.admin
        renamed = owner.UpdateOrganization({
            "organization": {"name": own.name, "displayName": own.display_name}, "updateMask": "displayName"})
        equal((renamed.display_name, renamed.version > own.version), (own.display_name, True))
        code = "desk" + "".join(chr(ord("a") + int(digit, 16)) for digit in unique("x").split("-")[1])
        made = owner.CreateService({"serviceId": code, "service": {
            "displayName": "새 창구", "kind": "CONSULTATION", "language": "en"}})
        equal((made.name, made.language, made.auto_complete_days), (f"services/{code}", "en", 14))
        equal(owner.GetService({"name": made.name}), made)
        listed = owner.ListServices({"organization": own.name, "pageSize": 200}).services
        assert {CARE, made.name} <= {service.name for service in listed}, listed
        assert made.name not in [service.name for service in owner.ListServices().services]
        session = owner.GetMe()
        owner.CreateMember({"parent": made.name, "member": {
            "agent": session.name, "role": "ADMINISTRATOR", "ticketRight": True, "assignable": True}})

        def known():
            try:
                return owner.ListMembers({"parent": made.name}).members and [
                    owner.ListSubmissionTypes({"parent": made.name})]
            except Failure as failure:
                equal(failure.reason, "SERVICE_NOT_FOUND", "before everybody knows of the member")

        eventually("the right", known)
        kind = owner.CreateSubmissionType({"parent": made.name, "submissionType": {"displayName": "Question"}})
        address = f"{unique('alice')}@example.com"
        ticket = owner.CreateTicket({
            "parent": made.name, "title": "Where is it?", "text": "?", "submissionType": kind.name, "agent": session.name,
            "customer": {"displayName": "Alice", "email": address}})
        owner.ProcessTicket({"name": ticket.name, "act": "RESOLVE", "text": "On its way."})
        mail, = eventually("the mail of a service without layouts", lambda: self.cluster.mails_to(address))
        assert "On its way." in mail.get_body(("plain",)).get_content()
        off = owner.UpdateService({
            "service": {"name": made.name, "securityEnabled": False}, "updateMask": "securityEnabled"})
        equal(off.security_enabled, False)

    def triggers(self):
        word = unique("nobody-writes-this")
        condition = {"target": "TITLE", "operator": "CONTAINS", "values": [word]}
        trigger = {"displayName": f"Test {word}", "conditions": [condition], "results": [{"priority": "HIGH"}]}
        made = self.admin.CreateTrigger({"parent": CARE, "trigger": trigger})
        assert made.active and made.version == 1, made
        equal(self.admin.GetTrigger({"name": made.name}), made)
        listed = self.admin.ListTriggers({"parent": CARE}).triggers
        assert made.name in [trigger.name for trigger in listed if trigger.active]
        assert [trigger.position for trigger in listed if trigger.active] == sorted(
            trigger.position for trigger in listed if trigger.active)

    def trigger_settings(self):
        """A trigger that hands tickets to the agent is tried out, changed, ordered, switched off and deleted."""
        vocabulary = self.admin.GetTriggerVocabulary({"name": f"{CARE}/triggerVocabulary"})
        assert len(vocabulary.targets) >= 12 and vocabulary.depth_max == 4, vocabulary
        settings = self.admin.GetTriggerSettings({"name": f"{CARE}/triggerSettings"})
        updated = self.admin.UpdateTriggerSettings({"triggerSettings": {"name": settings.name, "mode": "ALL_MATCHES"}})
        equal(updated.mode, settings.mode)
        word = unique("nobody-writes-this")
        condition = {"group": {"kind": "ANY", "conditions": [
            {"target": "TITLE", "operator": "CONTAINS", "values": [word]},
            {"target": "STATE", "operator": "CHANGED_TO", "values": ["PENDING"]}]}}
        made = self.admin.CreateTrigger({"parent": CARE, "trigger": {
            "displayName": word, "conditions": [condition], "results": [{"priority": "HIGH"}]}})
        changed = self.admin.UpdateTrigger({
            "trigger": {"name": made.name, "version": made.version, "results": [{"priority": "URGENT"}]},
            "updateMask": "results"})
        equal((changed.version, len(changed.conditions)), (2, 1))
        active = [trigger.name for trigger in self.admin.ListTriggers({"parent": CARE, "pageSize": 200}).triggers
                  if trigger.active]
        equal([trigger.name for trigger in self.admin.ReorderTriggers({
            "parent": CARE, "triggers": [made.name] + [name for name in active if name != made.name]}).triggers][0],
            made.name)
        simulated = self.admin.SimulateTriggers({"parent": CARE, "ticketCount": 20})
        assert simulated.ticket_count == 20 and simulated.tickets, simulated
        explained = self.agent.ExplainAssignment({"name": simulated.tickets[0].ticket, "language": "ko"})
        assert explained.text, explained
        assert not self.admin.DeactivateTrigger({"name": made.name}).active
        assert self.admin.ActivateTrigger({"name": made.name}).active
        self.admin.DeactivateTrigger({"name": made.name})
        self.admin.DeleteTrigger({"name": made.name})

    def keep(self):
        waiting = self.agent.ListTickets({"parent": CARE, "menu": "UNASSIGNED", "pageSize": 200}).tickets
        assert waiting, "the demo data has no unassigned ticket left"
        group = next(group.name for group in self.groups if self.me in group.agents)
        kept = self.agent.KeepTicket({"name": waiting[0].name, "group": group, "version": waiting[0].version})
        equal((kept.agent, kept.group, kept.version), (self.me, group, waiting[0].version + 1))

    def new_ticket(self, title):
        """A ticket that a trigger has given to an agent."""
        made = self.agent.CreateTicket({
            "parent": CARE, "title": title, "submissionType": self.types[0].name, "text": "문의드립니다.",
            "customer": {"displayName": "김하늘", "email": f"{unique('haneul')}@example.com"}})
        return eventually("the assignment", lambda: (lambda ticket: ticket if ticket.agent else None)(
            self.agent.GetTicket({"name": made.name})))

    def create(self):
        request = {
            "parent": CARE, "title": "환불 문의드립니다", "submissionType": self.types[0].name,
            "text": "안녕하세요. 환불이 늦어져 문의드립니다. 연락처는 010-0000-1234입니다.",
            "customer": {"displayName": "김하늘", "email": f"{unique('haneul')}@example.com"},
            "requestId": unique("create"),
        }
        self.ticket = self.agent.CreateTicket(request)
        equal(self.agent.CreateTicket(request).name, self.ticket.name, "the same request id")
        self.address = request["customer"]["email"]
        # A trigger gives every new ticket to an agent, normally before the answer.
        self.ticket = eventually("the assignment", lambda: (lambda ticket: ticket if ticket.agent else None)(
            self.agent.GetTicket({"name": self.ticket.name})))
        equal(self.protos.type("handoff.tickets.v1.Ticket").State.Name(self.ticket.state), "PROCESSING")

    def change(self):
        name = self.ticket.name
        changed = self.agent.UpdateTicket({
            "ticket": {"name": name, "priority": "HIGH", "callBack": {
                "phone": "010-0000-1234", "time": "2031-01-31T09:00:00Z", "active": True}},
            "updateMask": "priority,callBack", "version": self.ticket.version})
        equal((changed.priority, changed.call_back.phone), (3, "01000001234"))
        assert self.agent.StarTicket({"name": name}).starred
        starred = self.agent.ListTickets({"parent": CARE, "starred": True}).tickets
        equal([ticket.name for ticket in starred], [name])
        assert not self.agent.UnstarTicket({"name": name}).starred
        self.ticket = self.agent.GetTicket({"name": name})

    def spam(self):
        name = self.new_ticket("당첨을 축하합니다").name
        dismiss = {"name": name, "act": "RESOLVE_INTERNALLY", "internalReason": "SPAM"}
        assert self.agent.ProcessTicket(dismiss).spam
        equal(self.admin.RestoreTicket({"name": name}).state, 2, "PROCESSING")
        self.agent.ProcessTicket(dismiss)
        self.admin.DeleteTicket({"name": name})
        try:
            self.admin.GetTicket({"name": name})
        except Failure as failure:
            equal(failure.reason, "TICKET_NOT_FOUND")
        else:
            raise AssertionError("a deleted ticket was found")

    def escalate(self):
        target = self.agent.ListEscalationTargets({"parent": CARE}).targets[0]
        name = self.new_ticket("결제 오류").name
        assert 7 in self.agent.ListActs({"parent": name}).acts, "ESCALATE"
        waiting = self.agent.EscalateTicket({
            "name": name, "targetService": target.service, "submissionType": target.submission_types[0].name,
            "title": "결제 오류 확인 요청", "text": "로그를 확인해 주세요."})
        equal((waiting.state, waiting.target_service_display_name), (4, target.display_name))
        issue = self.admin.GetTicket({"name": waiting.target_ticket})
        equal(issue.source_ticket, name)
        entries = self.admin.ListSourceEntries({"parent": issue.name}).entries
        equal(entries[0].text, "문의드립니다.")

    def callbacks(self):
        """A callback to a host that nobody has waits, and replaying it changes nothing."""
        settings = self.admin.GetCallbackSettings({"name": f"{CARE}/callbackSettings"})
        rotated = self.admin.RotateCallbackSecret({"name": settings.name})
        assert rotated.secret.startswith("whsec_") and rotated.callback_settings.HasField("secret_create_time")
        word = unique("callback")
        trigger = self.admin.CreateTrigger({"parent": CARE, "trigger": {
            "displayName": word, "conditions": [{"target": "TITLE", "operator": "CONTAINS", "values": [word]}],
            "results": [{"callback": {"url": "https://receiver.invalid/hook"}}]}})
        name = self.new_ticket(word).name

        def waiting():
            listed = self.admin.ListCallbacks({"parent": CARE, "state": "WAITING", "pageSize": 200}).callbacks
            return next((callback for callback in listed if callback.ticket == name), None)

        callback = eventually("the callback", waiting)
        equal((callback.trigger, callback.url), (trigger.name, "https://receiver.invalid/hook"))
        equal(self.admin.ReplayCallback({"name": callback.name}).ticket, name)
        self.admin.DeactivateTrigger({"name": trigger.name})

    def messenger_hooks(self):
        """A hook is entered, written through by a trigger that is deactivated with it, and its URL is never told."""
        hook = self.admin.CreateMessengerHook({"parent": CARE, "messengerHook": {
            "displayName": "긴급", "url": "https://hook.example.com/services/1/2/secret"}})
        changed = self.admin.UpdateMessengerHook({
            "messengerHook": {"name": hook.name, "displayName": "긴급 채널", "version": hook.version},
            "updateMask": "displayName"})
        assert changed in self.admin.ListMessengerHooks({"parent": CARE}).messenger_hooks
        equal((hook.url, changed.url, changed.version), ("", "", hook.version + 1))
        word = unique("message")
        trigger = self.admin.CreateTrigger({"parent": CARE, "trigger": {
            "displayName": word, "conditions": [{"target": "TITLE", "operator": "CONTAINS", "values": [word]}],
            "results": [{"messenger": {"hook": hook.name, "text": "#{ticketId} #{subject}"}}]}})
        try:
            self.admin.DeleteMessengerHook({"name": hook.name})
        except Failure as failure:
            equal(failure.reason, "IN_USE")
        else:
            raise AssertionError("a hook that a trigger writes through was deleted")
        self.admin.DeleteMessengerHook({"name": hook.name, "deactivateTriggers": True})
        equal(self.admin.GetTrigger({"name": trigger.name}).notice, f"NAME_GONE {hook.name}")

    def dooray(self):
        """Dooray! is set up, looked at (whether it answers or not) and taken away again."""
        settings = self.admin.GetDooraySettings({"name": f"{CARE}/dooraySettings"})
        active = self.admin.UpdateDooraySettings({
            "dooraySettings": {"name": settings.name, "state": "ACTIVE"}, "updateMask": "state",
            "version": settings.version})
        equal((active.state, active.version), (2, settings.version + 1))
        equal(self.agent.GetDooraySettings({"name": settings.name}).hook_path, "")
        hook = {"hookEventType": "postWorkflowChanged", "project": {"id": "1"}, "post": {"id": "2"}}
        self.door.ReceiveDoorayHook({
            "name": active.hook_path.removeprefix("/v1/"),
            "payload": base64.b64encode(json.dumps(hook).encode()).decode()})
        digits = "".join(character for character in unique("") if character.isdigit())[:19] or "1"
        organization = self.admin.CreateDoorayOrganization({"parent": CARE, "organization": {
            "displayName": "본사", "doorayId": digits, "token": "not-a-token"}})
        equal(organization.token, "")
        organization = self.admin.UpdateDoorayOrganization({
            "organization": {"name": organization.name, "displayName": "새 본사"}, "updateMask": "displayName",
            "version": organization.version})
        assert organization in self.agent.ListDoorayOrganizations({"parent": CARE}).organizations
        key = f"{organization.name}/userKeys/{self.me.split('/')[1]}"
        equal(self.agent.SetDoorayUserKey({"name": key, "key": "not-a-key"}).agent, self.me)
        equal([one.name for one in self.admin.ListDoorayUserKeys({"parent": organization.name}).user_keys], [key])
        project = self.admin.CreateDoorayProject({"parent": CARE, "project": {
            "organization": organization.name, "displayName": "고객 지원", "doorayId": "1"}})
        project = self.admin.UpdateDoorayProject({
            "project": {"name": project.name, "representative": self.me}, "updateMask": "representative",
            "version": project.version})
        assert project in self.agent.ListDoorayProjects({"parent": CARE}).projects
        found = self.admin.VerifyDoorayConnection({"name": organization.name})
        equal((found.works, found.findings[0].resource), (False, organization.name))
        ticket = self.agent.CreateTicket({
            "parent": CARE, "title": "배송", "submissionType": self.types[0].name, "text": "문의", "agent": self.me}).name
        try:
            self.agent.EscalateToDooray({"name": ticket, "project": project.name, "subject": "확인", "text": "확인해 주세요."})
        except Failure as failure:
            assert failure.reason in ("BACKEND_UNAVAILABLE", "DOORAY_REFUSED"), failure.reason
        else:
            raise AssertionError("a task was created with what is no key")
        try:
            self.agent.GetDoorayChoices({"name": project.name})
        except Failure as failure:
            assert failure.reason in ("BACKEND_UNAVAILABLE", "DOORAY_REFUSED"), failure.reason
        else:
            raise AssertionError("choices were told for what is no key")
        equal(list(self.agent.ListDoorayTasks({"parent": ticket}).tasks), [])
        try:
            self.agent.CreateDoorayComment({"parent": ticket, "text": "확인했나요?"})
        except Failure as failure:
            equal(failure.reason, "TRANSITION_NOT_ALLOWED")
        else:
            raise AssertionError("a comment was taken for a ticket without a task")
        equal(list(self.agent.ListDoorayComments({"parent": ticket}).comments), [])
        escalate_to_dooray = 8
        assert escalate_to_dooray in self.agent.ListActs({"parent": ticket}).acts
        self.admin.UpdateDooraySettings({
            "dooraySettings": {"name": settings.name, "state": "PAUSED"}, "updateMask": "state"})
        assert escalate_to_dooray not in self.agent.ListActs({"parent": ticket}).acts
        self.admin.DeleteDoorayProject({"name": project.name})
        self.agent.DeleteDoorayUserKey({"name": key})
        self.admin.DeleteDoorayOrganization({"name": organization.name})

    def settings(self):
        service = self.admin.GetService({"name": CARE})
        changed = self.admin.UpdateService({
            "service": {"name": CARE, "autoCompleteDays": service.auto_complete_days},
            "updateMask": "autoCompleteDays", "version": service.version})
        equal(changed.version, service.version + 1)

    def type_trees(self):
        for kind, message in (("SubmissionType", "submissionType"), ("ProcessingType", "processingType")):
            create, update, delete = (getattr(self.admin, verb + kind) for verb in ("Create", "Update", "Delete"))
            made = create({"parent": CARE, message: {"displayName": unique("유형")}})
            changed = update({message: {"name": made.name}, "updateMask": "active"})
            equal((changed.name, changed.active), (made.name, False))
            delete({"name": made.name})

    def forms(self):
        code = unique("order").replace("-", "_").lower()[:40]
        field = self.admin.CreateField({"parent": CARE, "field": {
            "code": code, "kind": "TEXT", "audience": "CUSTOMER", "displayName": "주문 번호"}})
        field = self.admin.UpdateField({
            "field": {"name": field.name, "description": "숫자 10자리"}, "updateMask": "description",
            "version": field.version})
        assert field in self.agent.ListFields({"parent": CARE}).fields
        kind = self.types[0].name
        form = self.admin.UpdateForm({"submissionType": kind, "customerFields": [field.name]})
        equal(self.agent.GetForm({"submissionType": kind}).customer_fields, form.customer_fields)
        name = self.agent.CreateTicket({
            "parent": CARE, "title": "주문 문의", "submissionType": kind, "text": "문의드립니다.",
            "fieldValues": [{"code": code, "values": ["0000000001"]}]}).name
        filled = self.agent.GetTicketForm({"ticket": name}).customer_fields
        equal([(value.field.code, list(value.values)) for value in filled], [(code, ["0000000001"])])
        found = self.agent.SearchTickets({"parent": CARE, "words": "ㅁㅇ", "fields": [{"code": code, "text": "00001"}]})
        equal([ticket.name for ticket in found.tickets], [name])
        settings = {"name": f"{CARE}/searchSettings", "fields": [field.name]}
        equal(list(self.agent.UpdateSearchSettings(
            {"searchSettings": settings, "updateMask": "fields"}).fields), [field.name])
        equal(list(self.agent.GetSearchSettings({"name": settings["name"]}).fields), [field.name])
        try:
            self.admin.DeleteField({"name": field.name})
        except Failure as failure:
            equal(failure.reason, "IN_USE")
        else:
            raise AssertionError("a field in use was deleted")
        self.admin.DeleteField({"name": field.name, "deactivateIfUsed": True})

    def system_fields(self):
        listed = self.agent.ListSystemFields({"parent": CARE}).system_fields
        field, = (field for field in listed if field.code == "customer_phone")
        equal((field.required, field.changed), (False, False))
        field = self.admin.UpdateSystemField({
            "systemField": {"name": field.name, "displayName": "연락처"}, "updateMask": "displayName",
            "version": field.version})
        equal((field.display_name, field.changed), ("연락처", True))
        assert field in self.agent.GetForm({"submissionType": self.types[0].name}).system_fields
        equal(self.admin.ResetSystemField({"name": field.name, "version": field.version}).changed, False)

    def templates(self):
        made = self.admin.CreateTemplate({"parent": CARE, "template": {
            "title": unique("인사"), "content": "#{customerName}님, 안녕하세요."}})
        made = self.admin.UpdateTemplate({
            "template": {"name": made.name, "shared": True}, "updateMask": "shared", "version": made.version})
        equal(self.agent.GetTemplate({"name": made.name}), made)
        listed = self.agent.ListTemplates({"parent": CARE, "title": made.title}).templates
        equal(list(listed), [made])
        early = self.agent.InsertTemplate({
            "name": made.name, "service": CARE, "draft": {"customer": {"displayName": "김하늘"}}})
        assert early.text, "a template for a ticket that is being made"
        inserted = self.agent.InsertTemplate({"name": made.name, "ticket": self.ticket.name})
        equal(inserted.text, "김하늘님, 안녕하세요.")
        self.admin.DeleteTemplate({"name": made.name})

    def conversations(self):
        code = unique("U")
        customer = {"displayName": "김하늘", "email": f"{unique('haneul')}@example.com", "userCode": code}
        common = {"parent": CARE, "title": "상담", "submissionType": self.types[0].name, "text": "문의",
                  "customer": customer}
        chat = self.agent.CreateTicket(dict(common, channel="CHAT", transcript=[
            {"speaker": "CUSTOMER", "speakerName": "김하늘", "text": "안녕하세요", "time": "2026-01-31T09:00:00Z"}]))
        call = self.agent.CreateTicket(dict(common, channel="PHONE", callRecord={
            "direction": "INBOUND", "phone": "010-0000-1234", "startTime": "2026-01-31T09:00:00Z", "duration": "95s"}))
        equal([line.text for line in self.agent.ListTranscriptLines({"parent": chat.name}).lines], ["안녕하세요"])
        equal(self.agent.GetCallRecord({"ticket": call.name}).phone, "01000001234")
        others = self.agent.ListCustomerTickets({"parent": call.name}).tickets
        equal([ticket.name for ticket in others], [chat.name])
        found = self.agent.SearchTickets({"parent": CARE, "userCode": code}).tickets
        equal([(ticket.name, ticket.customer.user_code) for ticket in found], [(call.name, code), (chat.name, code)])

    def files(self):
        content = b"%PDF-1.4\n" + os.urandom(1_500_000)
        file = self.agent.upload(CARE, "영수증.pdf", content)
        equal((file.content_type, file.size_bytes), ("application/pdf", len(content)))
        name = self.new_ticket("영수증").name
        self.agent.ProcessTicket({"name": name, "act": "COMMENT", "text": "첨부합니다.", "attachments": [file.name]})
        equal(list(self.agent.ListEntries({"parent": name}).entries[-1].attachments), [file])
        assert self.agent.download(file.name) == content
        # The same over HTTP.
        token = dict(self.agent.metadata)["authorization"]
        door = http.client.HTTPConnection(self.cluster.edge, timeout=120)
        path = f"/v1/{CARE}/attachments?fileName=" + urllib.parse.quote("영수증.pdf")
        door.request("POST", path, content, {"authorization": token, "content-type": "application/pdf"})
        made = json.loads(door.getresponse().read())
        door.request("GET", f"/v1/{made['name']}:download", headers={"authorization": token})
        answer = door.getresponse()
        assert answer.read() == content
        disposition = answer.getheader("content-disposition")
        assert disposition.startswith("attachment; ") and "filename*=UTF-8''%EC%98%81" in disposition, disposition
        equal((answer.getheader("content-type"), answer.getheader("x-content-type-options")),
              ("application/pdf", "nosniff"))

    def mask(self):
        name = self.ticket.name
        findings = self.agent.DetectPersonalData({"parent": name}).findings
        phone = next(finding for finding in findings if finding.kind == 1)
        span = {"entry": phone.span.entry, "start": phone.span.start, "length": phone.span.length}
        made = self.agent.CreateMasks({"parent": name, "spans": [span], "version": self.ticket.version})
        mask = made.masks[0].name
        entries = self.agent.ListEntries({"parent": name}).entries
        assert "*" * 13 in entries[0].text and "010" not in entries[0].text, entries[0].text
        equal(self.agent.RevealMask({"name": mask, "reason": "a test"}).text, "010-0000-1234")
        equal([listed.name for listed in self.agent.ListMasks({"parent": name}).masks], [mask])
        self.agent.UnmaskText({"name": mask, "reason": "a test"})
        entries = self.agent.ListEntries({"parent": name}).entries
        assert "010-0000-1234" in entries[0].text, entries[0].text
        acts = [act for act in self.admin.ListMaskingActs({"parent": CARE, "pageSize": 200}).acts if act.ticket == name]
        equal([(act.act, act.agent, act.reason) for act in acts],
              [(3, self.me, "a test"), (4, self.me, "a test"), (1, self.me, "")])
        settings = self.agent.GetMaskingSettings({"name": f"{CARE}/maskingSettings"})
        changed = self.admin.UpdateMaskingSettings({
            "maskingSettings": {"name": settings.name, "detection": "SUGGEST"}, "updateMask": "detection"})
        equal((changed.version, changed.detection), (settings.version + 1, 2))

    def answer(self):
        name = self.ticket.name
        held = self.agent.ProcessTicket({"name": name, "act": "HOLD", "text": "확인 중입니다."})
        group = next(group for group in self.groups if group.name == self.ticket.group)
        other = next(agent for agent in group.agents if agent != held.agent)
        forwarded = self.agent.ForwardTicket({"name": name, "group": group.name, "agent": other})
        equal(forwarded.agent, other)
        text = "환불이 완료되었습니다."
        content = b"%PDF-1.4\n" + b"receipt " * 40_000
        receipt = self.agent.upload(CARE, "환불 영수증.pdf", content)
        preview = self.agent.PreviewAnswer({
            "ticket": name, "act": "ANSWER_ACT_RESOLVE", "text": text, "attachments": [receipt.name]})
        assert text in preview.text and preview.recipient == self.address, preview
        equal(list(preview.attachments), [receipt])
        self.agent.ProcessTicket({
            "name": name, "act": "RESOLVE", "text": text, "processingType": self.processing_type,
            "attachments": [receipt.name], "version": forwarded.version})
        sent = eventually("two sent mails", lambda: (lambda mails: mails if len(mails) == 2 and all(
            mail.state == 2 for mail in mails) else None)(self.agent.ListMailMessages({"parent": name}).mail_messages))
        spooled = eventually("two spooled mails", lambda: (lambda mails: mails if len(mails) == 2 else None)(
            self.cluster.mails_to(self.address)))
        equal({f"<{mail.message_id}>" for mail in sent}, {str(mail["Message-ID"]) for mail in spooled})
        answered = next(mail for mail in spooled if text in mail.get_body(("plain",)).get_content())
        equal([(file.get_filename(), file.get_content()) for file in answered.iter_attachments()],
              [("환불 영수증.pdf", content)])
        self.bounce(name, sent[1])
        completed = self.admin.CompleteTicket({"name": name})
        equal(completed.state, 10)

    def bounce(self, name, mail):
        report = (
            "From: MAILER-DAEMON@mx.example\r\nTo: care@example.com\r\nSubject: Undelivered Mail\r\n"
            "MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"
            "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n"
            f"Final-Recipient: rfc822; {self.address}\r\nAction: failed\r\nStatus: 5.1.1\r\n"
            "Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n\r\n"
            f"--b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: <{mail.message_id}>\r\n--b--\r\n")
        taken = self.admin.ingest(CARE, report.encode())
        equal((taken.reason, taken.ticket), ("BOUNCE", name))
        bounce, = self.agent.ListMailMessages({"parent": name}).mail_messages[1].bounces
        equal((bounce.kind, bounce.status, bounce.server_reply), (1, "5.1.1", "550 5.1.1 no such user"))
        address = f"{name}/customerAddress"
        equal(self.agent.GetCustomerAddress({"name": address}).block.mail_message, mail.name)
        unblocked = self.agent.UnblockCustomerAddress({"name": address})
        assert not unblocked.HasField("block") and unblocked.email == self.address, unblocked
        equal(self.agent.ResendMailMessage({"name": mail.name}).state, 1)
        eventually("the mail that was sent again", lambda: [
            (mail.state, mail.resent) for mail in self.agent.ListMailMessages({"parent": name}).mail_messages
        ] == [(2, False), (2, True), (2, False)] or None)

    def history(self):
        name = self.ticket.name
        events = self.agent.ListEvents({"parent": name}).events
        equal([event.sequence for event in events], list(range(1, len(events) + 1)))
        codes = [event.code for event in events]
        for code in ("CREATED", "MASKED", "MASK_REVEALED", "UNMASKED", "HELD", "FORWARDED", "RESOLVED", "COMPLETED"):
            assert code in codes, f"{code} is not in {codes}"
        equal((codes.count("MAIL_SENT"), codes.count("MAIL_BOUNCED"), codes.count("MAIL_RESENT")), (3, 1, 1))
        assert all(event.actor.kind and event.create_time.seconds for event in events)
        verdict = self.agent.VerifyHistory({"name": name})
        assert verdict.intact and verdict.event_count == len(events), verdict
        counters = self.agent.GetCounters({"parent": CARE})
        assert counters.agent_count >= 6 and counters.received_today >= 1, counters
        listed = self.agent.ListTickets({"parent": CARE, "state": "COMPLETED", "pageSize": 1})
        equal((listed.tickets[0].name, bool(listed.next_page_token)), (name, True))

    def batches(self):
        """Two tickets get a comment, one that is not there does not."""
        names = [self.new_ticket("일괄 문의").name, self.new_ticket("일괄 문의").name, f"{CARE}/tickets/999999999"]
        made = self.agent.CreateBatch({"parent": CARE, "batch": {"act": "COMMENT", "text": "공지"}, "tickets": names})
        ended = eventually("the end of the batch", lambda: (
            lambda batch: batch if batch.HasField("end_time") else None)(self.agent.GetBatch({"name": made.name})))
        equal((ended.succeeded_count, ended.failed_count), (2, 1))
        results = self.agent.ListBatchResults({"parent": made.name}).results
        equal([(result.ticket, result.reason) for result in results],
              list(zip(names, ["", "", "TICKET_NOT_FOUND"])))
        equal(self.agent.CancelBatch({"name": made.name}), ended, "cancelling what has ended")
        assert made.name in [batch.name for batch in self.agent.ListBatches({"parent": CARE}).batches]

    def live(self):
        """Who watches is told of a comment by another, in both forms of the API."""
        stream = self.agent.watch({"parent": CARE, "ticket": self.ticket.name, "counters": True})
        begin = next(stream).heartbeat.id
        connection = http.client.HTTPConnection(self.cluster.edge, timeout=120)
        connection.request("GET", f"/v1/{CARE}/tickets:watch?ticket={self.ticket.name}", headers={
            "authorization": dict(self.agent.metadata)["authorization"], "last-event-id": begin})
        events = connection.getresponse()
        name = self.new_ticket("실시간 문의").name
        other = self.agent.watch({"parent": CARE, "resumeAfter": begin})
        created = next(response.change for response in other if response.change.name == name)
        equal((created.events[0].code, created.ticket.title, created.version), ("CREATED", "실시간 문의", 1))
        assert next(response for response in stream if response.HasField("counters")).counters.received_today
        stream.cancel()
        other.cancel()
        head = [events.readline().decode() for _ in range(4)]
        equal(head, ["retry: 2000\n", "\n", ": heartbeat\n", f"id: {begin}\n"])
        connection.close()

    def mails(self):
        def ingest(sender, subject, message_id):
            mail = (f"From: <{sender}>\r\nTo: care@example.com\r\nSubject: {subject}\r\nMessage-ID: <{message_id}>\r\n\r\n"
                    "어디까지 왔나요?\r\n").encode()
            return self.admin.ingest(CARE, mail), mail

        customer = f"{unique('mailer')}@example.com"
        first, mail = ingest(customer, "parcel", unique("first") + "@example.com")
        equal((first.state, first.reason), (2, ""))
        # The same over HTTP, which makes nothing new.
        door = http.client.HTTPConnection(self.cluster.edge, timeout=120)
        door.request("POST", f"/v1/{CARE}/inboundMails", mail,
                     {"authorization": dict(self.admin.metadata)["authorization"], "content-type": "message/rfc822"})
        equal(json.loads(door.getresponse().read())["name"], first.name)
        strange = [ingest("eve@evil.example", f"[#{first.ticket.split('/')[-1]}]", unique("e") + "@evil.example")[0]
                   for _ in range(3)]
        equal({(mail.state, mail.reason, mail.ticket) for mail in strange}, {(5, "UNKNOWN_SENDER", first.ticket)})
        waiting = self.agent.ListInboundMails({"parent": CARE, "pageSize": 50}).inbound_mails
        assert {mail.name for mail in strange} <= {mail.name for mail in waiting}, waiting
        shown = self.agent.GetInboundMail({"name": strange[0].name})
        equal((shown.sender, shown.text), ("eve@evil.example", "어디까지 왔나요?\n"))
        accepted = self.agent.AcceptInboundMail({"name": strange[0].name, "ticket": first.ticket})
        equal((accepted.state, accepted.decider), (3, self.me))
        equal(self.agent.RerunInboundMail({"name": strange[1].name}).state, 5)
        equal(self.agent.RejectInboundMail({"name": strange[1].name}).reason, "REJECTED")
        equal(len(self.agent.ListEntries({"parent": first.ticket}).entries), 2)

    def wording(self):
        """Another layout and another banned word, and all as it was."""
        owner, _ = self.door.sign_in(self.cluster.sign_ins["jihye.yoon"])
        layout = {"kind": "MANUAL", "language": "fr", "subject": "#{subject}", "body": "#{content} #{field.nothing}"}
        made = owner.CreateLayout({"parent": CARE, "layout": layout})
        equal(list(made.unknown_codes), ["field.nothing"])
        assert made.name in [other.name for other in self.agent.ListLayouts({"parent": CARE}).layouts]
        owner.DeleteLayout({"name": made.name})
        word = unique("word")
        before = list(owner.ListBannedWords({"parent": CARE, "pageSize": 1000}).words)
        equal(owner.ChangeBannedWords({"parent": CARE, "added": [word]}).word_count, len(before) + 1)
        equal(list(owner.ListBannedWords({"parent": CARE, "pageSize": 1000}).words), before + [word])
        owner.ChangeBannedWords({"parent": CARE, "removed": [word]})

    def folds(self):
        """A quotation can be folded, and masks before it move where it begins by what they save."""
        family = "👨‍👩‍👧"
        mail = (f"From: <{unique('folds')}@example.com>\r\nTo: care@example.com\r\nSubject: photo\r\n"
                f"Message-ID: <{unique('fold')}@example.com>\r\n\r\n가족 {family} 사진입니다.\r\n\r\n"
                "On Mon, 5 Jan 2026, Care <care@example.com> wrote:\r\n> 안녕하세요.\r\n").encode()
        name = self.admin.ingest(CARE, mail).ticket
        folded = "\nOn Mon, 5 Jan 2026, Care <care@example.com> wrote:\n> 안녕하세요.\n"

        def entry():
            return self.agent.ListEntries({"parent": name}).entries[0]

        first = entry()
        equal(first.text[first.fold_start_scalars:], folded)
        version = self.agent.GetTicket({"name": name}).version
        span = {"entry": first.name, "start": first.text.index(family), "length": len(family)}
        mask = self.agent.CreateMasks({"parent": name, "spans": [span], "version": version}).masks[0]
        masked = entry()
        equal((masked.text[:masked.fold_start_scalars], masked.text[masked.fold_start_scalars:]),
              ("가족 * 사진입니다.\n", folded))
        equal(masked.fold_start_scalars, first.fold_start_scalars - len(family) + 1)
        self.agent.UnmaskText({"name": mask.name, "reason": "a test"})
        equal(entry(), first)

    def mail_accounts(self):
        # Paused, it is saved without being opened; nothing that a test can reach may be called by default.
        made = self.admin.CreateMailAccount({"parent": CARE, "mailAccount": {
            "displayName": "외부 메일", "address": "help@shop.example", "host": "127.0.0.1", "user": unique("help"),
            "password": "secret", "security": "TLS", "paused": True}})
        equal((made.port, made.mailbox, made.password, made.state), (993, "INBOX", "", 3))
        made = self.admin.UpdateMailAccount({
            "mailAccount": {"name": made.name, "deleteImported": True}, "updateMask": "deleteImported",
            "version": made.version})
        equal((made.version, made.delete_imported), (2, True))
        checked = self.admin.CheckMailAccount({"name": made.name})
        equal((checked.problem, "must not be called" in checked.problem_text), (1, True))
        equal(self.admin.GetMailAccount({"name": made.name}), checked)
        listed = self.admin.ListMailAccounts({"parent": CARE}).mail_accounts
        equal((listed[0].kind, listed[0].name), (1, f"{CARE}/mailAccounts/representative"))
        assert checked in listed, listed
        try:
            self.admin.UpdateMailAccount({
                "mailAccount": {"name": made.name, "paused": False}, "updateMask": "paused"})
        except Failure as failure:
            equal((failure.reason, [field.split(".")[1] for field in failure.fields]), ("MAILBOX_UNREADABLE", ["host"]))
        else:
            raise AssertionError("an account that cannot be read was saved")
        self.admin.DeleteMailAccount({"name": made.name})

    def sign_out(self):
        self.agent.SignOut()

        def refused():
            try:
                self.agent.GetMe()
            except Failure as failure:
                equal((failure.status, failure.reason), ("UNAUTHENTICATED", "SESSION_EXPIRED"))
                return True

        eventually("the end of the session", refused)

    def nothing_left_out(self):
        offered = {
            f"{service}/{method.name}"
            for service in ("handoff.gateway.v1.SessionService", "handoff.gateway.v1.HandoffService")
            for method in self.protos.service(service).methods
        }
        equal(sorted(offered - self.door.called), [], "methods that were not called")


def main():
    cluster = Cluster(sys.argv[1])
    address = {"gateway": cluster.addresses["gateway"], "edge": cluster.edge}[sys.argv[2]]
    tour = EveryRPC(cluster, address)
    report = Report()
    for step in (tour.sign_in, tour.access, tour.directory, tour.people, tour.organization,
                 tour.triggers, tour.trigger_settings, tour.callbacks, tour.messenger_hooks,
                 tour.keep, tour.create, tour.change, tour.mask, tour.answer, tour.history, tour.spam, tour.escalate,
                 tour.type_trees, tour.forms, tour.system_fields, tour.templates, tour.conversations, tour.files,
                 tour.mails, tour.wording, tour.folds, tour.mail_accounts, tour.dooray, tour.settings, tour.batches,
                 tour.live, tour.sign_out,
                 tour.nothing_left_out):
        report.row(f"{step.__name__} through {sys.argv[2]}", step)


main()
