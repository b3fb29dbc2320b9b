import Crypto
import EventLoop
import HandoffAPI
import LedgerTestKit
import Postgres
import RPCProtos
import ServiceKit
import Testing
import TicketLedger

@testable import Assignment

@Suite("Administering agents, members, groups and their permissions")
struct AdministrationTests {
  private let office: Office
  /// An administrator of the organization who is a member of nothing.
  private let owner = AgentID(9)

  init() async throws {
    office = try await Office.open()
    try await office.execute(
      """
      INSERT INTO agent (id, organization_id, email, display_name, is_organization_administrator)
      VALUES (9, 1, 'owner@example.org', '한대표', true)
      """)
  }

  private func createAgent(
    _ email: String, password: String = "", by agent: AgentID? = AgentID(9)
  ) async throws -> Agent {
    try await office.service.createAgent(
      CreateAgentRequest(agent: Agent(displayName: "새상담", email: email), password: password),
      office.call("CreateAgent", by: agent))
  }

  private func join(
    _ agent: String, _ groups: [String] = ["services/care/groups/1"], by: AgentID = Desk.boss
  ) async throws -> Member {
    try await office.service.createMember(
      CreateMemberRequest(
        parent: "services/care",
        member: Member(
          agent: agent, role: .agent, ticketRight: true, unmaskRight: true, assignable: true, groups: groups)),
      office.call("CreateMember", by: by))
  }

  private func update(_ member: Member, _ paths: String..., by agent: AgentID) async throws -> Member {
    try await office.service.updateMember(
      UpdateMemberRequest(member: member, updateMask: FieldMask(paths: paths)),
      office.call("UpdateMember", by: agent))
  }

  private func leave(_ name: String, _ held: HeldTickets?, deactivateTriggers: Bool = false) async throws {
    _ = try await office.service.deleteMember(
      DeleteMemberRequest(name: name, heldTickets: held, deactivateTriggers: deactivateTriggers),
      office.call("DeleteMember", by: Desk.boss))
  }

  private func log(
    _ parent: String = "services/care", by agent: AgentID = Desk.boss
  ) async throws -> [PermissionChange] {
    try await office.service.listPermissionChanges(
      ListPermissionChangesRequest(parent: parent, pageSize: 200), office.call("ListPermissionChanges", by: agent)
    ).permissionChanges
  }

  private func password(_ email: String, _ password: String) async -> Reason? {
    await refusal {
      _ = try await office.service.verifyCredential(
        VerifyCredentialRequest(email: email, password: password), office.call("VerifyCredential", by: nil))
    }?.reason
  }

  @Test("an agent is created, becomes a member, signs in, keeps a ticket, and every step is in the log")
  func newcomer() async throws {
    let agent = try await createAgent("new@example.org", password: "correct horse")
    #expect(agent.active && agent.displayName == "새상담" && !agent.organizationAdministrator)
    #expect(await password("new@example.org", "correct horse") == nil)
    let member = try await join(agent.name, ["services/care/groups/1", "services/care/groups/2"])
    let id = try #require(AgentName(agent.name)).id
    #expect(member.name == "services/care/members/\(id)" && member.groups.count == 2)
    #expect(member.role == .agent && member.assignable && !member.forwardRight && !member.controlsAssignable)
    let kept = try await office.service.keepTicket(
      KeepTicketRequest(name: try await office.ticket(cause: nil).description, group: "services/care/groups/2"),
      office.call("KeepTicket", by: id))
    #expect(kept.agent == agent.name)
    let changes = try await log()
    #expect(Set(changes.map(\.actor)) == ["agents/3"] && Set(changes.map(\.agent)) == [agent.name])
    #expect(
      Set(changes.map(\.field)) == [
        "member", "role", "ticket_right", "forward_right", "unmask_right", "assignable", "controls_assignable",
        "group",
      ])
    let all = try await log("", by: owner)
    #expect(all.count == changes.count + 3)
    #expect(all.contains { $0.field == "email" && $0.after == "new@example.org" && $0.actor == "agents/9" })
    #expect(all.map { $0.createTime?.seconds ?? 0 } == all.map { $0.createTime?.seconds ?? 0 }.sorted(by: >))
  }

  @Test("rights are changed one by one, and the log says what was before and after")
  func rights() async throws {
    let name = "services/care/members/1"
    var member = Member(forwardRight: true, name: name, controlsAssignable: true)
    member = try await update(member, "forward_right", "controls_assignable", by: Desk.boss)
    #expect(member.forwardRight && member.controlsAssignable && member.ticketRight && member.assignable)
    #expect(member.groups == ["services/care/groups/1"])
    let lines = try await log().map { "\($0.field) \($0.before)>\($0.after) \($0.agent)" }
    #expect(lines == ["controls_assignable false>true agents/1", "forward_right false>true agents/1"])
    // The same again changes nothing, and so says nothing.
    _ = try await update(member, "forward_right", by: Desk.boss)
    #expect(try await log().count == 2)
    member.groups = ["services/care/groups/2"]
    member = try await update(member, "groups", by: owner)
    #expect(member.groups == ["services/care/groups/2"])
    #expect(
      try await log().prefix(2).map { "\($0.field) \($0.before)>\($0.after) \($0.group)" } == [
        "group >MEMBER services/care/groups/2", "group MEMBER> services/care/groups/1",
      ])
  }

  @Test("with the assign control agents flip their own switch, and nothing else")
  func ownSwitch() async throws {
    var own = Member(name: "services/care/members/1")
    #expect(await refusal { _ = try await update(own, "assignable", by: Desk.kim) }?.reason == .permissionDenied)
    try await office.execute("UPDATE service_member SET controls_assignable = true WHERE agent_id = 1")
    let off = try await update(own, "assignable", by: Desk.kim)
    #expect(!off.assignable && off.ticketRight)
    own.assignable = true
    #expect(try await update(own, "assignable", by: Desk.kim).assignable)
    for paths in [["assignable", "forward_right"], ["role"], []] {
      let error = await refusal {
        _ = try await office.service.updateMember(
          UpdateMemberRequest(member: own, updateMask: FieldMask(paths: paths)),
          office.call("UpdateMember", by: Desk.kim))
      }
      #expect(error?.reason == .permissionDenied, "\(paths)")
    }
    own.name = "services/care/members/2"
    #expect(await refusal { _ = try await update(own, "assignable", by: Desk.kim) }?.reason == .permissionDenied)
    #expect(await refusal { _ = try await update(own, "assignable", by: Desk.stranger) }?.reason == .agentNotFound)
    #expect(try await log().map(\.actor) == ["agents/1", "agents/1"])
  }

  @Test("a deactivated agent cannot sign in or be given tickets, and comes back with the rights of before")
  func deactivation() async throws {
    let agent = try await createAgent("new@example.org", password: "correct horse")
    _ = try await join(agent.name)
    _ = try await office.service.deactivateAgent(
      DeactivateAgentRequest(name: agent.name, heldTickets: HeldTickets(choice: .keep)),
      office.call("DeactivateAgent", by: owner))
    #expect(await password("new@example.org", "correct horse") == .signInFailed)
    let name = try await office.ticket(cause: nil)
    let forward = ForwardTicketRequest(name: name.description, group: "services/care/groups/1", agent: agent.name)
    let refused = await refusal {
      _ = try await office.service.forwardTicket(forward, office.call("ForwardTicket", by: Desk.lee))
    }
    #expect(refused?.reason == .agentNotAssignable)
    let back = try await office.service.activateAgent(
      ActivateAgentRequest(name: agent.name), office.call("ActivateAgent", by: owner))
    #expect(back.active && back.memberships.map(\.groups) == [["services/care/groups/1"]])
    #expect(await password("new@example.org", "correct horse") == nil)
  }

  @Test("a password is set by an administrator, or changed by the agent who knows the old one")
  func passwords() async throws {
    _ = try await office.service.setPassword(
      SetPasswordRequest(name: "agents/1", password: "first password"), office.call("SetPassword", by: owner))
    #expect(await password("kim@example.org", "first password") == nil)
    let change = { (current: String, next: String, agent: AgentID) in
      await refusal {
        _ = try await office.service.changePassword(
          ChangePasswordRequest(name: "agents/1", currentPassword: current, newPassword: next),
          office.call("ChangePassword", by: agent))
      }?.reason
    }
    #expect(await change("wrong password", "second password", Desk.kim) == .signInFailed)
    #expect(await change("first password", "short", Desk.kim) == .requestInvalid)
    #expect(await change("first password", "second password", owner) == .permissionDenied)
    #expect(await change("first password", "second password", Desk.kim) == nil)
    #expect(await password("kim@example.org", "first password") == .signInFailed)
    #expect(await password("kim@example.org", "second password") == nil)
    let hashes = try await office.desk.number("SELECT count(*) FROM credential WHERE password_hash LIKE 'scrypt$%'")
    #expect(hashes == 1)
    #expect(
      try await log("", by: owner).map { "\($0.field) \($0.before)\($0.after) \($0.actor)" } == [
        "password SET agents/1", "password SET agents/9",
      ])
  }

  @Test("groups are created, filled, renamed, and deleted when nothing names them")
  func groups() async throws {
    let call = { (method: String) in office.call(method, by: Desk.boss) }
    var group = try await office.service.createGroup(
      CreateGroupRequest(
        parent: "services/care", group: Group(displayName: "VIP", agents: ["agents/1", "agents/2"])),
      call("CreateGroup"))
    #expect(group.active && group.agents == ["agents/1", "agents/2"])
    group.displayName = "Very important"
    group.agents = ["agents/2"]
    group = try await office.service.updateGroup(
      UpdateGroupRequest(group: group, updateMask: FieldMask(paths: ["display_name"])), call("UpdateGroup"))
    #expect(group.displayName == "Very important" && group.agents == ["agents/1", "agents/2"])
    group.agents = []
    group = try await office.service.updateGroup(UpdateGroupRequest(group: group), call("UpdateGroup"))
    #expect(group.agents.isEmpty)
    _ = try await office.service.deleteGroup(DeleteGroupRequest(name: group.name), call("DeleteGroup"))
    #expect(try await office.desk.number("SELECT count(*) FROM agent_group WHERE service_id = 1") == 2)
    #expect(try await log().first.map { "\($0.field) \($0.before)" } == "group Very important")
  }

  @Test("a group in use is refused with what uses it; deactivated, it takes its triggers down with it")
  func groupInUse() async throws {
    let call = { (method: String) in office.call(method, by: Desk.boss) }
    let delete = { (deactivate: Bool) in
      await refusal {
        _ = try await office.service.deleteGroup(
          DeleteGroupRequest(name: "services/care/groups/1", deactivate: deactivate), call("DeleteGroup"))
      }
    }
    let name = try await office.ticket(cause: nil)
    try await office.execute("UPDATE ticket SET group_id = 1 WHERE id = \(name.id)")
    let byTicket = await delete(false)
    #expect(byTicket?.reason == .inUse && byTicket?.metadata["ticket_count"] == "1")
    let trigger = try await office.trigger([.isNew], .assign(.random, [Desk.kim, Desk.lee]))
    let byTrigger = await delete(false)
    #expect(byTrigger?.reason == .inUse && byTrigger?.metadata["triggers"] == trigger.name)
    #expect(await delete(true) == nil)
    let after = try await office.service.getTrigger(GetTriggerRequest(name: trigger.name), call("GetTrigger"))
    #expect(!after.active)
    let groups = try await office.service.listGroups(ListGroupsRequest(parent: "services/care"), call("ListGroups"))
    #expect(groups.groups.first { $0.name == "services/care/groups/1" }.map { !$0.active && $0.agents.isEmpty } == true)
    #expect(await refusal { _ = try await join("agents/4") }?.reason == .groupNotFound)
  }

  @Test("an organization keeps at least one administrator, also when two step down at a time")
  func lastAdministrator() async throws {
    try await office.execute("UPDATE agent SET is_organization_administrator = true WHERE id = 3")
    let results = await withTaskGroup(of: Reason?.self) { group in
      for agent in [owner, Desk.boss] {
        group.addTask {
          await refusal {
            _ = try await office.service.updateAgent(
              UpdateAgentRequest(
                agent: Agent(name: AgentName(id: agent).description),
                updateMask: FieldMask(paths: ["organization_administrator"])),
              office.call("UpdateAgent", by: agent))
          }?.reason
        }
      }
      return await group.reduce(into: [Reason?]()) { $0.append($1) }
    }
    #expect(results.count { $0 == nil } == 1 && results.contains(.inUse), "\(results)")
    #expect(try await office.desk.number("SELECT count(*) FROM agent WHERE is_organization_administrator") == 1)
  }

  /// A request that is refused, and why.
  enum Refused: String, CaseIterable {
    case agentByAgent, agentByServiceAdministrator, agentByNobody, emailTaken, emailMalformed, passwordShort, nameEmpty
    case memberByAgent, memberByStranger, memberTwice, memberUnknown, memberOfOtherOrganization, roleMissing
    case groupOfOtherService, groupUnknown, maskUnknown, choiceMissing, groupsMissing, groupNameTaken
    case groupMemberUnknown, logByAgent, logOfOrganization, foreignGroup

    var reason: Reason {
      switch self {
      case .agentByAgent, .agentByServiceAdministrator, .agentByNobody, .memberByAgent, .logByAgent,
        .logOfOrganization:
        .permissionDenied
      case .emailTaken, .memberTwice, .groupNameTaken: .alreadyExists
      case .emailMalformed, .passwordShort, .nameEmpty, .roleMissing, .groupOfOtherService, .maskUnknown,
        .choiceMissing, .groupsMissing:
        .requestInvalid
      case .memberByStranger: .serviceNotFound
      case .memberUnknown, .memberOfOtherOrganization, .groupMemberUnknown: .agentNotFound
      case .groupUnknown, .foreignGroup: .groupNotFound
      }
    }
  }

  @Test("what may not be done is refused with its reason and leaves no trace", arguments: Refused.allCases)
  func refusals(_ row: Refused) async throws {
    try await office.execute("INSERT INTO organization (id, code, display_name) VALUES (2, 'other', 'Other')")
    try await office.execute(
      "INSERT INTO agent (id, organization_id, email, display_name) VALUES (20, 2, 'far@example.org', 'Far')")
    let service = office.service
    let call = { (agent: AgentID?) in office.call(row.rawValue, by: agent) }
    let error = await refusal {
      switch row {
      case .agentByAgent: _ = try await createAgent("x@example.org", by: Desk.kim)
      case .agentByServiceAdministrator: _ = try await createAgent("x@example.org", by: Desk.boss)
      case .agentByNobody: _ = try await createAgent("x@example.org", by: nil)
      case .emailTaken: _ = try await createAgent("KIM@example.org")
      case .emailMalformed: _ = try await createAgent("kim at example.org")
      case .passwordShort: _ = try await createAgent("x@example.org", password: "1234567")
      case .nameEmpty:
        _ = try await service.createAgent(
          CreateAgentRequest(agent: Agent(displayName: " ", email: "x@example.org")), call(owner))
      case .memberByAgent: _ = try await join("agents/4", by: Desk.kim)
      case .memberByStranger: _ = try await join("agents/4", by: Desk.stranger)
      case .memberTwice: _ = try await join("agents/1")
      case .memberUnknown: _ = try await join("agents/99")
      case .memberOfOtherOrganization: _ = try await join("agents/20")
      case .roleMissing:
        _ = try await service.createMember(
          CreateMemberRequest(parent: "services/care", member: Member(agent: "agents/4")), call(Desk.boss))
      case .groupOfOtherService: _ = try await join("agents/4", ["services/tech/groups/3"])
      case .groupUnknown: _ = try await join("agents/4", ["services/care/groups/99"])
      case .maskUnknown: _ = try await update(Member(name: "services/care/members/1"), "agent", by: Desk.boss)
      case .choiceMissing: try await leave("services/care/members/1", nil)
      case .groupsMissing: try await leave("services/care/members/1", HeldTickets(choice: .handToGroup))
      case .groupNameTaken:
        _ = try await service.createGroup(
          CreateGroupRequest(parent: "services/care", group: Group(displayName: "Front")), call(Desk.boss))
      case .groupMemberUnknown:
        _ = try await service.createGroup(
          CreateGroupRequest(parent: "services/care", group: Group(displayName: "New", agents: ["agents/4"])),
          call(Desk.boss))
      case .logByAgent: _ = try await log(by: Desk.kim)
      case .logOfOrganization: _ = try await log("", by: Desk.boss)
      case .foreignGroup:
        _ = try await service.deleteGroup(DeleteGroupRequest(name: "services/tech/groups/3"), call(Desk.boss))
      }
    }
    #expect(error?.reason == row.reason, "\(row.rawValue)")
    #expect(try await office.desk.number("SELECT count(*) FROM permission_change") == 0)
    #expect(try await office.desk.number("SELECT count(*) FROM service_member") == 5)
  }
}
