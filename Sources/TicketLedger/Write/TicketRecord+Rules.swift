package import ServiceKit

extension TicketRecord {
  /// What the rules need to know of the ticket.
  ///
  /// - Parameters:
  ///   - service: the ticket's service.
  ///   - actor: the agent who asks, if one does.
  ///   - hasActiveHolder: whether the holder is active and still a member; only acts that reopen a ticket ask.
  package func standing(in service: ServiceRecord, for actor: AgentID? = nil, hasActiveHolder: Bool = true) -> Standing
  {
    var standing = standing(in: service.kind, hasActiveHolder: hasActiveHolder)
    standing.isReserved = service.isAssigneeOnly && actor != nil && actor != agentID
    return standing
  }

  /// Asks the lifecycle table whether an act is allowed.
  ///
  /// - Throws: PERMISSION_DENIED, REASON_NOT_ALLOWED, TICKET_ALREADY_HELD or TRANSITION_NOT_ALLOWED, whose metadata
  ///   says how the ticket stands and why that does not allow it.
  package func outcome(
    of act: LifecycleAct, in service: ServiceRecord, by role: LifecycleRole, actor: AgentID? = nil,
    hasActiveHolder: Bool = true
  ) throws(ServiceError) -> LifecycleOutcome {
    let standing = standing(in: service, for: actor, hasActiveHolder: hasActiveHolder)
    switch Lifecycle.outcome(of: act, on: standing, by: role) {
    case .success(let outcome): return outcome
    case .failure(let refusal): throw refusal.error(of: act, on: self)
    }
  }
}

extension LifecycleRefusal {
  /// The refusal as callers see it.
  package func error(of act: LifecycleAct, on ticket: TicketRecord) -> ServiceError {
    let metadata = ["state": ticket.state.rawValue, "refusal": rawValue, "act": act.rawValue]
    switch self {
    case .roleNotAllowed: return ServiceError(.permissionDenied, metadata: ["act": act.rawValue])
    case .notHolder:
      return ServiceError(.permissionDenied, "in this service only the holder processes a ticket", metadata: metadata)
    case .reasonNotAllowed:
      return ServiceError(
        .reasonNotAllowed, "a ticket that was escalated cannot be ended as spam, abuse or a duplicate",
        metadata: metadata)
    case .alreadyHeld: return ServiceError(.ticketAlreadyHeld, metadata: metadata)
    default: return ServiceError(.transitionNotAllowed, text(ticket), metadata: metadata)
    }
  }

  private func text(_ ticket: TicketRecord) -> String {
    switch self {
    case .inSpamBox: "the ticket is in the spam box; an administrator must restore it first"
    case .notInSpamBox: "the ticket is not in the spam box"
    case .completed: "the ticket is completed, which is for good"
    case .notAssigned: "nobody holds the ticket; keep it or have it assigned first"
    case .escalationOpen: "the ticket waits for the answer to its escalation"
    case .escalatedTicket: "the customer of an escalated ticket talks with the consultation service"
    case .notOfThisKind: "services of this kind have no such act"
    default: "a ticket in \(ticket.state.rawValue) does not allow this act"
    }
  }
}
