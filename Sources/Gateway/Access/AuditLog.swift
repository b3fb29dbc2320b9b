package import EventLoop
import HandoffAPI
package import Postgres
package import ServiceKit

/// One line for the audit log.
package struct AuditEntry: Sendable {
  /// Whom it is about.
  package enum Subject: Sendable {
    /// Who acted.
    case agent(AgentID)
    /// Who was to be signed in. An address that belongs to nobody is not kept: it may be a mistyped password.
    case email(String)
  }

  let subject: Subject
  let kind: AuditEvent.Kind
  var credential = ""
  var address = ""
  var method = ""
  var resource = ""
  var outcome = "OK"
  var requestID = ""

  /// The agent of an act of administration that was not done; nil for everything else.
  var refusedAgent: AgentID? {
    guard case .agent(let agent) = subject, kind == .administration, outcome != "OK" else { return nil }
    return agent
  }

  /// The line for the daemon's own log, where it goes when it cannot be stored.
  package func fields(_ error: any Error) -> LogFields {
    let agent: LogValue = if case .agent(let id) = subject { .integer(id.rawValue) } else { .none }
    return [
      "kind": .optional(kind.protoName), "agent": agent, "credential": .string(credential), "method": .string(method),
      "resource": .string(resource), "outcome": .string(outcome), "requestId": .string(requestID),
      "cause": .string(String(describing: error)),
    ]
  }
}

/// Keeps who signed in, who made keys, and what administrators did.
///
/// Acts that were refused are kept one by one up to a limit an agent, and as a number beyond it: whoever may do nothing
/// can neither fill the log, nor keep the database busy with it.
package struct AuditLog: Sendable {
  /// Refused acts of an agent within an hour that are kept one by one.
  static let refusedHourMax: Int64 = 100
  private static let timeLimit: Duration = .seconds(5)

  private let store: AccessStore
  private let refusals = RefusalCount()
  private let failed: @Sendable (AuditEntry, any Error) -> Void

  /// - Parameter failed: told of a line that could not be stored; what it is about has happened all the same.
  package init(pool: PostgresPool, failed: @escaping @Sendable (AuditEntry, any Error) -> Void) {
    store = AccessStore(pool: pool)
    self.failed = failed
  }

  /// Stores a line, or counts a refused act.
  func record(_ entry: AuditEntry) async {
    // Not the caller's deadline: what has happened is to be on record.
    let deadline = Deadline.after(Self.timeLimit)
    do {
      guard let agent = entry.refusedAgent else {
        try await store.insert(entry, deadline: deadline)
        return
      }
      guard refusals.admits(agent) else { return refusals.count(entry, of: agent) }
      guard try await !store.insert(entry, refusedHourMax: Self.refusedHourMax, deadline: deadline) else { return }
      refusals.count(entry, of: agent)
    } catch {
      failed(entry, error)
    }
  }

  /// Stores what was counted since the last time; to be called every minute.
  package func recordCounts() async {
    let counts = refusals.take()
    guard !counts.isEmpty else { return }
    do {
      try await store.add(counts, deadline: .after(Self.timeLimit))
    } catch {
      refusals.putBack(counts)
    }
  }

  /// Starts a task that stores what was counted every minute, until it is cancelled.
  package func recordCountsRegularly(on loop: EventLoop) -> Task<Void, Never> {
    Task(executorPreference: loop) {
      while !Task.isCancelled {
        do { try await loop.sleep(for: .seconds(60)) } catch { return }
        await recordCounts()
      }
    }
  }
}
