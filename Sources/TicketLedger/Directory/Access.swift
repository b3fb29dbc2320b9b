package import EventLoop
package import Protobuf
package import RPC
package import ServiceKit

/// Who calls, and what they may do in the service that the call is about.
package struct Access: Sendable {
  /// Rights that an act may need.
  package enum Right: String, Sendable {
    /// See and process tickets.
    case ticket
    /// Hand tickets to others.
    case forward
    /// Bring masked data back.
    case unmask
    /// Run the service.
    case administrator
  }

  /// Who calls.
  package let actor: CallActor
  /// The service.
  package let service: ServiceRecord
  /// What the calling agent may do in it; nil when a daemon acts for itself.
  package let member: MemberRecord?

  /// Grants what the arguments say; ``TicketLedger/access(_:serviceCode:)`` finds it out.
  package init(actor: CallActor, service: ServiceRecord, member: MemberRecord?) {
    self.actor = actor
    self.service = service
    self.member = member
  }

  /// Whether an agent acts, not a daemon, nor a program that speaks for a customer.
  package var isByAgent: Bool {
    if case .agent = actor { true } else { false }
  }

  /// The actor as events and entries name it; of what a customer says through an agent's program, who answers for that.
  package var ledgerActor: LedgerActor {
    switch actor {
    case .agent(let id), .customer(through: let id): .agent(id)
    case .service(let name): .service(name)
    }
  }

  /// The caller's part of a request's claim.
  package var claimant: String {
    switch actor {
    case .agent(let id), .customer(through: let id): AgentName(id: id).description
    case .service(let name): name
    }
  }

  /// The role in which the rules see an agent; a daemon that acts for itself is the system.
  package var lifecycleRole: LifecycleRole {
    if case .customer = actor { return .customer }
    return member?.lifecycleRole ?? .system
  }

  /// The calling agent.
  ///
  /// - Throws: PERMISSION_DENIED when a daemon acts for itself, or a program for a customer.
  package func agent() throws(ServiceError) -> MemberRecord {
    guard isByAgent, let member else { throw ServiceError(.permissionDenied, "only an agent can do this") }
    return member
  }

  /// Demands a right. Daemons have the ticket right: what each may call is its allow-list's matter.
  ///
  /// - Throws: PERMISSION_DENIED naming the right.
  package func require(_ right: Right) throws(ServiceError) {
    let isGranted: Bool
    if let member {
      switch right {
      case .ticket: isGranted = member.mayWorkOnTickets
      case .forward:
        isGranted = member.mayWorkOnTickets && (member.hasForwardRight || member.role == .administrator)
      case .unmask: isGranted = member.mayWorkOnTickets && member.hasUnmaskRight
      case .administrator: isGranted = member.isActive && member.role == .administrator
      }
    } else {
      isGranted = right == .ticket
    }
    guard isGranted else {
      throw ServiceError(
        .permissionDenied, "you lack the \(right.rawValue) right in \(service.name)",
        metadata: ["right": right.rawValue])
    }
  }
}

extension TicketLedger {
  /// Finds out who calls and what they may do in a service.
  ///
  /// For an agent who is no active member of the service, the service does not exist, nor does anything in it.
  ///
  /// - Throws: SERVICE_NOT_FOUND, and what `call.actor()` throws.
  package func access(_ call: CallContext, serviceCode: String) async throws -> Access {
    try await access(try call.actor(), serviceCode: serviceCode, deadline: call.deadline)
  }

  /// Finds out what an actor may do in a service; see ``access(_:serviceCode:)``.
  package func access(_ actor: CallActor, serviceCode: String, deadline: Deadline) async throws -> Access {
    let service = try await directory.service(code: serviceCode, deadline: deadline)
    guard let agentID = actor.agentID else { return Access(actor: actor, service: service, member: nil) }
    guard let member = try await directory.member(agentID, of: service, deadline: deadline), member.isActive else {
      throw ServiceError(.serviceNotFound)
    }
    return Access(actor: actor, service: service, member: member)
  }

  /// Finds out what the caller may do with a ticket's service; a service that is out of the caller's reach is told as a
  /// ticket that is not found.
  ///
  /// - Throws: TICKET_NOT_FOUND, and what `call.actor()` throws.
  package func access(_ call: CallContext, ticket: TicketName) async throws -> Access {
    do {
      return try await access(call, serviceCode: ticket.service)
    } catch let error as ServiceError where error.reason == .serviceNotFound {
      throw ServiceError(.ticketNotFound)
    }
  }
}

extension IdempotencyClaim {
  /// Claims a request of a call; nil when it has no request id.
  ///
  /// - Throws: REQUEST_INVALID for a request id that is none.
  package static func claim(
    _ call: CallContext, _ access: Access, requestID: String, request: some Message, key: LedgerKey
  ) throws -> IdempotencyClaim? {
    guard !requestID.isEmpty else { return nil }
    return try claim(
      caller: access.claimant, method: call.method, requestID: requestID, request: try request.serialized(), key: key)
  }
}
