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
  ///   - isEligible: Whether an agent of the list can be given a ticket now.
  package static func pick<Agent>(
    turn: Int64, from agents: [Agent], where isEligible: (Agent) -> Bool
  ) -> Agent? {
    let eligible = agents.filter(isEligible)
    guard !eligible.isEmpty else { return nil }
    return eligible[Int(turn % Int64(eligible.count))]
  }
}
