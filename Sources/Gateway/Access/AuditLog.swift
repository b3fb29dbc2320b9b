package import EventLoop
import HandoffAPI
package import Postgres
import RPC
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

  /// How an act of administration failed.
  enum Failure: Hashable, Sendable {
    /// It was refused: nothing was done.
    case refused
    /// No answer came in time, or none that says what was done: it may have been.
    case uncertain

    /// Acts of an agent that failed so within an hour and are kept one by one. More of those that may have been done:
    /// they are what somebody will look for. Still there is an end, since anybody can call with a deadline of a moment.
    var hourMax: Int64 {
      switch self {
      case .refused: 100
      case .uncertain: 1_000
      }
    }

    /// The outcomes behind which something may have been done.
    static let uncertainOutcomes: [String] = Reason.allCases.filter { reason in
      switch reason.entry.code {
      case .deadlineExceeded, .unavailable, .cancelled, .internal, .unknown, .dataLoss: true
      default: false
      }
    }.map(\.rawValue)
  }

  /// The agent of an act of administration that failed, and how; nil for everything else.
  var failed: (agent: AgentID, failure: Failure)? {
    guard case .agent(let agent) = subject, kind == .administration, outcome != "OK" else { return nil }
    return (agent, Failure.uncertainOutcomes.contains(outcome) ? .uncertain : .refused)
  }

  /// Whether somebody was not let try a password, since too many were wrong: that is said once in the time for which
  /// nobody is.
  var isThrottled: Bool { kind == .signInFailed && outcome == Reason.tooManyAttempts.rawValue }

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

/// Keeps who signed in, who made keys, and what administrators did, also when it was refused.
///
/// Acts that failed are kept one by one up to a limit an agent, and as numbers beyond it: whoever may do nothing can
/// neither fill the log, nor keep the database busy with it.
package struct AuditLog: Sendable {
  private static let timeLimit: Duration = .seconds(5)

  private let store: AccessStore
  private let failures = FailureCount()
  private let notStored: @Sendable (AuditEntry, any Error) -> Void

  /// - Parameter notStored: told of a line that could not be stored; what it is about has happened all the same.
  package init(pool: PostgresPool, notStored: @escaping @Sendable (AuditEntry, any Error) -> Void) {
    store = AccessStore(pool: pool)
    self.notStored = notStored
  }

  /// Stores a line, or counts an act that failed; returns when that is done, also in a task that is cancelled.
  func record(_ entry: AuditEntry) async {
    // A task of its own: whoever hangs up after an act does not keep it off the record. There are no more of these
    // tasks than handlers, since each is waited for.
    await Task(executorPreference: EventLoop.current) { await write(entry) }.value
  }

  private func write(_ entry: AuditEntry) async {
    // Not the caller's deadline: what has happened is to be on record.
    let deadline = Deadline.after(Self.timeLimit)
    do {
      guard let (agent, failure) = entry.failed else {
        try await store.insert(entry, deadline: deadline)
        return
      }
      guard failures.admits(failure, of: agent) else { return failures.count(entry, of: agent) }
      guard try await !store.insert(entry, within: failure, deadline: deadline) else { return }
      failures.count(entry, of: agent)
    } catch {
      notStored(entry, error)
    }
  }

  /// Stores what was counted since the last time; to be called every minute.
  package func recordCounts() async {
    let counts = failures.take()
    guard !counts.isEmpty else { return }
    do {
      try await store.add(counts, deadline: .after(Self.timeLimit))
    } catch {
      failures.putBack(counts)
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
