import ServiceKit
import Synchronization

/// Refused acts that are only counted: those of agents who were refused more often within a minute than is put on
/// record one by one, and those for which the log has no more room.
///
/// It knows the agents of one minute, so it is as large as there are agents who were refused in it.
final class RefusalCount: Sendable {
  /// Acts of an agent that were counted and are not stored yet.
  struct Uncounted: Sendable {
    let agent: AgentID
    /// The first of them.
    let first: AuditEntry
    var calls: Int64
  }

  /// Refused acts of an agent that are put on record one by one, from one ``take()`` to the next.
  static let admittedMax = 100

  private struct State {
    var admitted: [AgentID: Int] = [:]
    var counts: [AgentID: Uncounted] = [:]
  }

  private let state = Mutex(State())

  /// Whether one more refused act of an agent is to be put on record by itself.
  func admits(_ agent: AgentID) -> Bool {
    state.withLock { state in
      let before = state.admitted[agent, default: 0]
      guard before < Self.admittedMax else { return false }
      state.admitted[agent] = before + 1
      return true
    }
  }

  /// Counts a refused act.
  func count(_ entry: AuditEntry, of agent: AgentID) { add(Uncounted(agent: agent, first: entry, calls: 1)) }

  /// What was counted, which is not counted here any more; a new minute begins.
  func take() -> [Uncounted] {
    state.withLock { state in
      defer { state = State() }
      return Array(state.counts.values)
    }
  }

  /// Counts again what could not be stored.
  func putBack(_ counts: [Uncounted]) {
    for count in counts { add(count) }
  }

  private func add(_ more: Uncounted) {
    state.withLock { state in
      if let known = state.counts[more.agent] {
        state.counts[more.agent] = Uncounted(agent: more.agent, first: known.first, calls: known.calls + more.calls)
      } else {
        state.counts[more.agent] = more
      }
    }
  }
}
