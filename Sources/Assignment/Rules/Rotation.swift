/// Who is next when tickets are given out one after the other.
///
/// A sequential result counts its turns. Turn `n` takes place `n`, counted around, of those agents of the list who can
/// be given a ticket now. So everybody who is there gets the same share, in the order of the list; when somebody
/// leaves or comes back, the order jumps once and goes on evenly.
package enum Rotation {
  /// Returns the agent of a turn, or nil when nobody can be given a ticket.
  ///
  /// - Parameters:
  ///   - turn: Counted from 0.
  ///   - eligible: Who can be given a ticket now, in the order of the list.
  package static func pick<Agent>(turn: Int64, from eligible: [Agent]) -> Agent? {
    eligible.isEmpty ? nil : eligible[Int(turn % Int64(eligible.count))]
  }
}

/// Why an agent of a trigger's list cannot be given a ticket now; the order is that of the API's numbers.
package enum AssignmentObstacle: CaseIterable, Sendable {
  case inactive
  case notAMember
  case noTicketRight
  case switchedOff
  case notInGroup
}

/// What decides whether an agent can be given tickets.
package struct AssignmentStanding: Sendable {
  /// Whether the account is active.
  package let isActive: Bool
  /// Whether the agent may work on tickets.
  package let mayWorkOnTickets: Bool
  /// The assign switch.
  package let isAssignable: Bool
  /// Whether the agent is in the group in question.
  package let isInGroup: Bool

  /// Describes an agent.
  package init(isActive: Bool, mayWorkOnTickets: Bool, isAssignable: Bool, isInGroup: Bool) {
    self.isActive = isActive
    self.mayWorkOnTickets = mayWorkOnTickets
    self.isAssignable = isAssignable
    self.isInGroup = isInGroup
  }

  /// The first thing that stands in the way; nil: nothing does.
  package var obstacle: AssignmentObstacle? {
    if !isActive { return .inactive }
    if !mayWorkOnTickets { return .noTicketRight }
    if !isAssignable { return .switchedOff }
    return isInGroup ? nil : .notInGroup
  }
}
