package import ServiceKit

extension Access {
  /// Asks the lifecycle table whether the caller may do something to a ticket now.
  ///
  /// - Parameters:
  ///   - hasActiveHolder: whether the holder is active and still a member; only acts that reopen a ticket ask.
  ///   - role: in whose name; left out: the caller's own role.
  /// - Throws: PERMISSION_DENIED, TRANSITION_NOT_ALLOWED, TICKET_ALREADY_HELD or REASON_NOT_ALLOWED, in words that say
  ///   what to do first.
  package func outcome(
    of act: LifecycleAct, on ticket: TicketRecord, hasActiveHolder: Bool = true, as role: LifecycleRole? = nil
  ) throws(ServiceError) -> LifecycleOutcome {
    guard let role = role ?? (member == nil ? .system : member?.lifecycleRole) else {
      throw ServiceError(.permissionDenied, "you lack the ticket right in \(service.name)")
    }
    let standing = ticket.standing(in: service.kind, hasActiveHolder: hasActiveHolder)
    switch Lifecycle.outcome(of: act, on: standing, by: role) {
    case .success(let outcome): return outcome
    case .failure(let refusal): throw ServiceError(refusal, state: ticket.state)
    }
  }
}

extension ServiceError {
  /// A refusal of the lifecycle table, told to the caller.
  package init(_ refusal: LifecycleRefusal, state: TicketState) {
    let metadata = ["state": state.rawValue, "refusal": refusal.rawValue]
    switch refusal {
    case .notOfThisKind:
      self.init(.transitionNotAllowed, "services of this kind do not know this act", metadata: metadata)
    case .roleNotAllowed:
      self.init(.permissionDenied, "you lack the right for this act", metadata: metadata)
    case .reasonNotAllowed:
      self.init(
        .reasonNotAllowed, "a ticket that came by escalation cannot be ended for this reason", metadata: metadata)
    case .escalatedTicket:
      self.init(
        .transitionNotAllowed, "this ticket came by escalation; the consultation service talks with the customer",
        metadata: metadata)
    case .inSpamBox:
      self.init(
        .transitionNotAllowed, "the ticket is in the spam box; an administrator can restore it", metadata: metadata)
    case .notInSpamBox:
      self.init(.transitionNotAllowed, "the ticket is not in the spam box", metadata: metadata)
    case .completed:
      self.init(.transitionNotAllowed, "the ticket is completed; open a new one", metadata: metadata)
    case .notAssigned:
      self.init(.transitionNotAllowed, "nobody holds the ticket; keep it first", metadata: metadata)
    case .alreadyHeld:
      self.init(.ticketAlreadyHeld, metadata: metadata)
    case .escalationOpen:
      self.init(
        .transitionNotAllowed, "the ticket is escalated; wait for the answer, or comment on it", metadata: metadata)
    case .stateNotAllowed:
      self.init(.transitionNotAllowed, "a ticket in \(state.rawValue) does not allow this", metadata: metadata)
    }
  }
}
