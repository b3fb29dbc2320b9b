import EventLoop
package import HandoffAPI
package import RPC
import ServiceKit
import TicketLedger

extension AssignmentService {
  /// Takes an unassigned ticket for the calling agent.
  ///
  /// - Throws: TICKET_NOT_FOUND, TICKET_ALREADY_HELD naming who won and when, TRANSITION_NOT_ALLOWED, GROUP_REQUIRED,
  ///   GROUP_NOT_FOUND, STALE_VERSION, PERMISSION_DENIED, REQUEST_ID_REUSED.
  package func keepTicket(_ request: KeepTicketRequest, _ call: CallContext) async throws -> Ticket {
    let name = try TicketName(request.name, field: "name")
    let wanted = try GroupName.optional(request.group, field: "group")
    let access = try await ledger.access(call, ticket: name)
    try access.require(.ticket)
    let member = try access.agent()
    let written = try await ledger.perform(
      on: name, access: access, idempotency: try claim(of: request, request.requestId, call, access),
      deadline: call.deadline
    ) { ticket in
      let outcome = try await keeping(ticket, access, call.deadline)
      // After the holder: who lost a race learns who won it rather than that the version is an old one.
      try ticket.require(version: request.version)
      var event = EventDraft(.kept, by: access.ledgerActor, outcome: outcome, on: ticket)
      event.set.agentID = .some(member.agentID)
      if let group = try Self.group(wanted, of: member, access.service) { event.set.groupID = .some(group) }
      if outcome.has(.runsTriggers) { event.outbox = [try .triggers()] }
      return TicketChange(event)
    }
    return try await ledger.message(for: written.ticket, deadline: call.deadline)
  }

  /// Hands a ticket to an agent of a group.
  ///
  /// - Throws: TICKET_NOT_FOUND, TRANSITION_NOT_ALLOWED, AGENT_NOT_ASSIGNABLE, GROUP_NOT_FOUND, STALE_VERSION,
  ///   PERMISSION_DENIED, REQUEST_ID_REUSED.
  package func forwardTicket(_ request: ForwardTicketRequest, _ call: CallContext) async throws -> Ticket {
    let name = try TicketName(request.name, field: "name")
    return try await forward(request, name, try await ledger.access(call, ticket: name), call)
  }

  /// Hands a ticket to an agent of a group in the name of the agent who ordered it.
  ///
  /// - Throws: as ``forwardTicket(_:_:)``.
  package func forwardTicketOnBehalf(
    _ request: ForwardTicketOnBehalfRequest, _ call: CallContext
  ) async throws -> Ticket {
    let order = request.request ?? ForwardTicketRequest()
    let name = try TicketName(order.name, field: "request.name")
    let principal = try AgentName(request.principal, field: "principal")
    do {
      let access = try await ledger.access(.agent(principal.id), serviceCode: name.service, deadline: call.deadline)
      return try await forward(order, name, access, call)
    } catch let error as ServiceError where error.reason == .serviceNotFound {
      throw ServiceError(.ticketNotFound)
    }
  }

  private func forward(
    _ request: ForwardTicketRequest, _ name: TicketName, _ access: Access, _ call: CallContext
  ) async throws -> Ticket {
    let group = try GroupName(request.group, field: "group")
    let agent = try AgentName(request.agent, field: "agent")
    try access.require(.forward)
    let written = try await ledger.perform(
      on: name, access: access, version: request.version,
      idempotency: try claim(of: request, request.requestId, call, access), deadline: call.deadline
    ) { ticket in
      let outcome = try access.outcome(of: .forward, on: ticket)
      try await requireAssignable(agent.id, in: group, of: access.service, call.deadline)
      var event = EventDraft(.forwarded, by: access.ledgerActor, outcome: outcome, on: ticket)
      event.set.agentID = .some(agent.id)
      event.set.groupID = .some(group.id)
      if outcome.has(.runsTriggers) { event.outbox = [try .triggers()] }
      return TicketChange(event)
    }
    return try await ledger.message(for: written.ticket, deadline: call.deadline)
  }

  /// Asks the lifecycle table, and says who holds the ticket when that is why not.
  private func keeping(
    _ ticket: TicketRecord, _ access: Access, _ deadline: Deadline
  ) async throws -> LifecycleOutcome {
    do throws(ServiceError) {
      return try access.outcome(of: .keep, on: ticket)
    } catch {
      guard error.reason == .ticketAlreadyHeld, let holder = ticket.agentID,
        let agent = try await ledger.directory.agent(holder, deadline: deadline),
        let since = try await agents.holdTime(of: ticket, deadline: deadline)
      else { throw error }
      var told = error
      told.message = "\(agent.displayName) has held the ticket since \(since); ask them to forward it"
      told.metadata["agent"] = AgentName(id: holder).description
      told.metadata["agent_display_name"] = agent.displayName
      told.metadata["hold_time"] = since
      throw told
    }
  }

  /// The group in which an agent keeps a ticket: one of their own. Who is in none leaves the ticket where it is.
  ///
  /// - Throws: GROUP_NOT_FOUND for a group that the agent is not in; GROUP_REQUIRED.
  private static func group(
    _ wanted: GroupName?, of member: MemberRecord, _ service: ServiceRecord
  ) throws(ServiceError) -> GroupID? {
    if let wanted {
      guard wanted.service == service.code, member.groups.contains(wanted.id) else {
        throw ServiceError(.groupNotFound, "you are in no such group of this service")
      }
      return wanted.id
    }
    guard member.groups.count > 1 else { return member.groups.first }
    let names = member.groups.map { GroupName(service: service.code, id: $0).description }
    throw ServiceError(
      .groupRequired, "you are in several groups; name the one in which you keep the ticket",
      metadata: ["groups": names.joined(separator: ",")])
  }

  /// - Throws: GROUP_NOT_FOUND; AGENT_NOT_ASSIGNABLE, for an agent of another service as for one who cannot be given
  ///   tickets.
  private func requireAssignable(
    _ agent: AgentID, in group: GroupName, of service: ServiceRecord, _ deadline: Deadline
  ) async throws {
    guard group.service == service.code else { throw ServiceError(.groupNotFound) }
    let member = try await ledger.directory.member(agent, of: service, deadline: deadline)
    guard let member, member.groups.contains(group.id) else {
      guard try await agents.hasGroup(group.id, of: service.id, deadline: deadline) else {
        throw ServiceError(.groupNotFound)
      }
      throw ServiceError(.agentNotAssignable, "the agent is no member of this group; choose another")
    }
    guard member.mayWorkOnTickets, member.isAssignable else { throw ServiceError(.agentNotAssignable) }
  }
}
