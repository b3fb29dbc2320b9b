"""Calls every RPC of the public API with stock grpcio: every_rpc.py DIR ADDRESS-NAME (`gateway` or `edge`)."""

import sys
import time

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

    def keep(self):
        waiting = self.agent.ListTickets({"parent": CARE, "menu": "UNASSIGNED", "pageSize": 200}).tickets
        assert waiting, "the demo data has no unassigned ticket left"
        group = next(group.name for group in self.groups if self.me in group.agents)
        kept = self.agent.KeepTicket({"name": waiting[0].name, "group": group, "version": waiting[0].version})
        equal((kept.agent, kept.group, kept.version), (self.me, group, waiting[0].version + 1))

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

    def answer(self):
        name = self.ticket.name
        held = self.agent.ProcessTicket({"name": name, "act": "HOLD", "text": "확인 중입니다."})
        group = next(group for group in self.groups if group.name == self.ticket.group)
        other = next(agent for agent in group.agents if agent != held.agent)
        forwarded = self.agent.ForwardTicket({"name": name, "group": group.name, "agent": other})
        equal(forwarded.agent, other)
        text = "환불이 완료되었습니다."
        preview = self.agent.PreviewAnswer({"ticket": name, "act": "ANSWER_ACT_RESOLVE", "text": text})
        assert text in preview.text and preview.recipient == self.address, preview
        self.agent.ProcessTicket({
            "name": name, "act": "RESOLVE", "text": text, "processingType": self.processing_type,
            "version": forwarded.version})
        sent = eventually("two sent mails", lambda: (lambda mails: mails if len(mails) == 2 and all(
            mail.state == 2 for mail in mails) else None)(self.agent.ListMailMessages({"parent": name}).mail_messages))
        spooled = eventually("two spooled mails", lambda: (lambda mails: mails if len(mails) == 2 else None)(
            self.cluster.mails_to(self.address)))
        equal({f"<{mail.message_id}>" for mail in sent}, {str(mail["Message-ID"]) for mail in spooled})
        assert any(text in mail.get_body(("plain",)).get_content() for mail in spooled)
        completed = self.admin.CompleteTicket({"name": name})
        equal(completed.state, 10)

    def history(self):
        name = self.ticket.name
        events = self.agent.ListEvents({"parent": name}).events
        equal([event.sequence for event in events], list(range(1, len(events) + 1)))
        codes = [event.code for event in events]
        for code in ("CREATED", "MASKED", "MASK_REVEALED", "UNMASKED", "HELD", "FORWARDED", "RESOLVED", "COMPLETED"):
            assert code in codes, f"{code} is not in {codes}"
        equal(codes.count("MAIL_SENT"), 2)
        assert all(event.actor.kind and event.create_time.seconds for event in events)
        verdict = self.agent.VerifyHistory({"name": name})
        assert verdict.intact and verdict.event_count == len(events), verdict
        counters = self.agent.GetCounters({"parent": CARE})
        assert counters.agent_count >= 6 and counters.received_today >= 1, counters
        listed = self.agent.ListTickets({"parent": CARE, "state": "COMPLETED", "pageSize": 1})
        equal((listed.tickets[0].name, bool(listed.next_page_token)), (name, True))

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
    for step in (tour.sign_in, tour.directory, tour.people, tour.triggers, tour.keep, tour.create, tour.mask, tour.answer,
                 tour.history, tour.sign_out, tour.nothing_left_out):
        report.row(f"{step.__name__} through {sys.argv[2]}", step)


main()
