package import HandoffAPI
import Postgres
package import RPC
package import RPCProtos
import ServiceKit
import TicketLedger

/// Memberships: who may do what in a service.
extension AssignmentService {
  private static let memberFields = [
    "role", "ticket_right", "forward_right", "unmask_right", "assignable", "controls_assignable", "groups",
  ]
  private static let groupsMax = 200

  /// Makes an agent of the organization a member of a service.
  ///
  /// - Throws: SERVICE_NOT_FOUND, AGENT_NOT_FOUND, GROUP_NOT_FOUND, ALREADY_EXISTS, REQUEST_INVALID, PERMISSION_DENIED.
  package func createMember(_ request: CreateMemberRequest, _ call: CallContext) async throws -> Member {
    let parent = try ServiceName(request.parent, field: "parent")
    let (service, administrator) = try await administrator(of: parent.code, call)
    guard let wanted = request.member else { throw ServiceError.invalid("member", "is missing") }
    let agent = try AgentName(wanted.agent, field: "member.agent")
    var fields = MemberFields()
    try Self.put(wanted, into: &fields, try UpdateMask(nil, of: Self.memberFields), service)
    try await agents.createMember(agent.id, fields, of: service, by: administrator, deadline: call.deadline)
    triggers.forget()
    return try await found(agent.id, service, call)
  }

  /// Changes what a member may do.
  ///
  /// - Throws: AGENT_NOT_FOUND, GROUP_NOT_FOUND, REQUEST_INVALID, PERMISSION_DENIED.
  package func updateMember(_ request: UpdateMemberRequest, _ call: CallContext) async throws -> Member {
    let wanted = request.member ?? Member()
    let name = try MemberName(wanted.name, field: "member.name")
    let mask = try UpdateMask(request.updateMask, of: Self.memberFields)
    let (service, administrator) = try await switching(name, mask, call)
    try await agents.updateMember(
      name.agent, of: service, by: administrator, deadline: call.deadline
    ) { fields throws(ServiceError) in
      try Self.put(wanted, into: &fields, mask, service)
    }
    triggers.forget()
    return try await found(name.agent, service, call)
  }

  /// Takes a member out of a service, and orders what is to become of held tickets.
  ///
  /// - Throws: AGENT_NOT_FOUND, GROUP_NOT_FOUND, IN_USE, REQUEST_INVALID, PERMISSION_DENIED.
  package func deleteMember(_ request: DeleteMemberRequest, _ call: CallContext) async throws -> Empty {
    let name = try MemberName(request.name, field: "name")
    let (service, administrator) = try await administrator(of: name.service, missing: .agentNotFound, call)
    let (choice, groups) = try Self.held(request.heldTickets)
    let departure = try await departure(name.agent, service, choice, groups, administrator, call)
    let statements = try await leaving(name.agent, service, deactivating: request.deactivateTriggers, call)
    try await agents.deleteMember(
      name.agent, of: service, departure: departure, triggers: statements, by: administrator, deadline: call.deadline)
    triggers.forget()
    return Empty()
  }

  /// The service, and the caller as one who may change its people: an administrator of it, or of its organization.
  ///
  /// - Parameter missing: what a service that the caller has nothing to do with is told as.
  /// - Throws: SERVICE_NOT_FOUND or `missing`, PERMISSION_DENIED.
  func administrator(
    of code: String, missing: Reason = .serviceNotFound, _ call: CallContext
  ) async throws -> (ServiceRecord, Administrator) {
    let agent = try call.agent()
    do {
      let access = try await ledger.access(call, serviceCode: code)
      if access.member?.role == .administrator {
        let name = AgentName(id: agent).description
        return (
          access.service, Administrator(name: name, agentID: agent, organization: access.service.organizationID)
        )
      }
      if let found = try await agents.organizationAdministrator(agent, deadline: call.deadline) {
        return (access.service, found)
      }
      try access.require(.administrator)
    } catch let error as ServiceError where error.reason == .serviceNotFound {
      let service = try? await ledger.directory.service(code: code, deadline: call.deadline)
      if let service, let found = try await agents.organizationAdministrator(agent, deadline: call.deadline),
        found.organization == service.organizationID
      {
        return (service, found)
      }
    }
    throw ServiceError(missing)
  }

  /// Who may make an update: agents with the assign control their own switch, administrators everything.
  private func switching(
    _ name: MemberName, _ mask: UpdateMask, _ call: CallContext
  ) async throws -> (ServiceRecord, Administrator) {
    let agent = try call.agent()
    guard agent == name.agent, mask.isOnly("assignable") else {
      return try await administrator(of: name.service, missing: .agentNotFound, call)
    }
    let access = try? await ledger.access(call, serviceCode: name.service)
    guard let access, access.member?.role != .administrator else {
      return try await administrator(of: name.service, missing: .agentNotFound, call)
    }
    guard try await agents.member(agent, of: access.service, deadline: call.deadline)?.controlsAssignable == true
    else {
      throw ServiceError(.permissionDenied, "you do not control your assign switch; ask an administrator to flip it")
    }
    return (
      access.service,
      Administrator(
        name: AgentName(id: agent).description, agentID: agent, organization: access.service.organizationID)
    )
  }

  private static func put(
    _ wanted: Member, into fields: inout MemberFields, _ mask: UpdateMask, _ service: ServiceRecord
  ) throws(ServiceError) {
    var check = RequestCheck()
    if mask.has("role") {
      let role = MemberRole(number: wanted.role.rawValue)
      check.require(role != nil, "member.role", "must be ADMINISTRATOR or AGENT")
      fields.role = role ?? .agent
    }
    if mask.has("ticket_right") { fields.hasTicketRight = wanted.ticketRight }
    if mask.has("forward_right") { fields.hasForwardRight = wanted.forwardRight }
    if mask.has("unmask_right") { fields.hasUnmaskRight = wanted.unmaskRight }
    if mask.has("assignable") { fields.isAssignable = wanted.assignable }
    if mask.has("controls_assignable") { fields.controlsAssignable = wanted.controlsAssignable }
    if mask.has("groups") {
      check.require(wanted.groups.count <= groupsMax, "member.groups", "must name at most \(groupsMax) groups")
      fields.groups = []
      for (index, text) in wanted.groups.prefix(groupsMax).enumerated() {
        let field = "member.groups[\(index)]"
        guard let name = check.value(field, { () throws(ServiceError) in try GroupName(text, field: field) }) else {
          continue
        }
        check.require(name.service == service.code, field, "is not a group of this service")
        check.require(!fields.groups.contains(name.id), field, "stands in the list already")
        fields.groups.append(name.id)
      }
    }
    try check.done()
  }

  private func found(_ agent: AgentID, _ service: ServiceRecord, _ call: CallContext) async throws -> Member {
    guard let member = try await agents.member(agent, of: service, deadline: call.deadline) else {
      throw ServiceError(.agentNotFound)
    }
    return member
  }
}

/// What becomes of the tickets and triggers of an agent who leaves.
extension AssignmentService {
  /// Reads what is chosen.
  ///
  /// - Throws: REQUEST_INVALID.
  static func held(_ message: HeldTickets?) throws(ServiceError) -> (HeldTicketsChoice, [GroupName]) {
    guard let choice = HeldTicketsChoice(number: message?.choice.rawValue ?? 0) else {
      throw .invalid("held_tickets.choice", "must say what becomes of held tickets: KEEP, UNASSIGN or HAND_TO_GROUP")
    }
    let texts = message?.groups ?? []
    guard texts.isEmpty == (choice != .handToGroup) else {
      throw .invalid("held_tickets.groups", "must name groups for HAND_TO_GROUP, and only then")
    }
    guard texts.count <= groupsMax else {
      throw .invalid("held_tickets.groups", "must name at most \(groupsMax) groups")
    }
    var groups: [GroupName] = []
    for (index, text) in texts.enumerated() {
      groups.append(try GroupName(text, field: "held_tickets.groups[\(index)]"))
    }
    return (choice, groups)
  }

  /// The order for one service; nil when the tickets stay.
  ///
  /// - Throws: GROUP_NOT_FOUND.
  func departure(
    _ agent: AgentID, _ service: ServiceRecord, _ choice: HeldTicketsChoice, _ groups: [GroupName],
    _ administrator: Administrator, _ call: CallContext
  ) async throws -> Departure? {
    guard choice != .keep else { return nil }
    let group = groups.first { $0.service == service.code }
    if let group, try await agents.group(group.id, of: service, deadline: call.deadline)?.active != true {
      throw ServiceError(.groupNotFound)
    }
    return Departure(service: service.id, agent: agent, group: group?.id, actor: administrator.ledgerActor)
  }

  /// What is to be done about the triggers that give tickets to nobody but an agent who leaves.
  ///
  /// - Throws: IN_USE unless they are to be deactivated.
  func leaving(
    _ agent: AgentID, _ service: ServiceRecord, deactivating: Bool, _ call: CallContext
  ) async throws -> [Query] {
    let uses = try await triggers.uses(ofLast: agent, in: service, deadline: call.deadline)
    if !deactivating {
      try uses.refuse("triggers would be left with nobody to give tickets to; change them, or have them deactivated")
    }
    return TriggerStore.deactivating(uses, in: service.id, notice: "AGENT_LEFT \(AgentName(id: agent))")
  }
}
