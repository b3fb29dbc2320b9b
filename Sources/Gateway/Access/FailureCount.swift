import ServiceKit
import Synchronization

/// Acts of administration that failed and are only counted: those of agents who failed more often within a minute than
/// is put on record one by one, and those for which the log has no more room.
///
/// It knows the agents of one minute, so it is as large as there are agents who failed in it, each with a number for
/// each method and outcome.
final class FailureCount: Sendable {
  /// What is counted together.
  struct Subject: Hashable, Sendable {
    let agent: AgentID
    let method: String
    let outcome: String
  }

  /// Acts that were counted and are not stored yet.
  struct Uncounted: Sendable {
    let subject: Subject
    /// The first of them.
    let first: AuditEntry
    var calls: Int64
  }

  private struct Failing: Hashable {
    let agent: AgentID
    let failure: AuditEntry.Failure
  }

  private struct State {
    var admitted: [Failing: Int64] = [:]
    var counts: [Subject: Uncounted] = [:]
  }

  private let state = Mutex(State())

  /// Whether one more act of an agent that failed so is to be put on record by itself.
  func admits(_ failure: AuditEntry.Failure, of agent: AgentID) -> Bool {
    state.withLock { state in
      let before = state.admitted[Failing(agent: agent, failure: failure), default: 0]
      guard before < failure.hourMax else { return false }
      state.admitted[Failing(agent: agent, failure: failure)] = before + 1
      return true
    }
  }

  /// Counts an act that failed.
  func count(_ entry: AuditEntry, of agent: AgentID) {
    let subject = Subject(agent: agent, method: entry.method, outcome: entry.outcome)
    add(Uncounted(subject: subject, first: entry, calls: 1))
  }

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
      if let known = state.counts[more.subject] {
        state.counts[more.subject] = Uncounted(
          subject: more.subject, first: known.first, calls: known.calls + more.calls)
      } else {
        state.counts[more.subject] = more
      }
    }
  }
}
