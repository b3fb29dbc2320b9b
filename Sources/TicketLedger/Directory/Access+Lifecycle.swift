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
    guard let role = role ?? ownRole else {
      throw ServiceError(.permissionDenied, "you lack the ticket right in \(service.name)")
    }
    return try ticket.outcome(
      of: act, in: service, by: role, actor: member?.agentID, hasActiveHolder: hasActiveHolder)
  }

  /// Nil: an agent without the ticket right, or a program with the account of one.
  private var ownRole: LifecycleRole? {
    guard let member else { return .system }
    return member.lifecycleRole.map { isByAgent ? $0 : .customer }
  }
}
