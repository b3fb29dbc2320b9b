import EventLoop
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
package struct AuditLog: Sendable {
  private static let timeLimit: Duration = .seconds(5)

  private let store: AccessStore
  private let failed: @Sendable (AuditEntry, any Error) -> Void

  /// - Parameter failed: told of a line that could not be stored; what it is about has happened all the same.
  package init(pool: PostgresPool, failed: @escaping @Sendable (AuditEntry, any Error) -> Void) {
    store = AccessStore(pool: pool)
    self.failed = failed
  }

  /// Stores a line.
  func record(_ entry: AuditEntry) async {
    do {
      // Not the caller's deadline: what has happened is to be on record.
      try await store.insert(entry, deadline: .after(Self.timeLimit))
    } catch {
      failed(entry, error)
    }
  }
}
