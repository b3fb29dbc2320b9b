import ServiceKit
import Synchronization

/// The files and mails that are on their way up through this gateway. Each may take minutes, and a call to a daemon as
/// long: so that those of one client, or all of them, leave room for everybody else, they are few.
final class OpenUploads: Sendable {
  /// Most at once; a connection to a daemon has 200 calls.
  static let openMax = 100
  /// Most at once of one agent, with whatever sessions and keys.
  static let openMaxOfAgent = 10

  private let open = Mutex<[AgentID: Int]>([:])

  /// Lets one of an agent begin, which has to ``end(_:)``.
  ///
  /// - Throws: TOO_MANY_REQUESTS.
  func begin(_ agent: AgentID) throws(ServiceError) {
    let isAdmitted = open.withLock { open in
      guard open[agent, default: 0] < Self.openMaxOfAgent,
        open.values.reduce(0, +) < Self.openMax
      else { return false }
      open[agent, default: 0] += 1
      return true
    }
    guard isAdmitted else {
      throw ServiceError(
        .tooManyRequests, "too many files are on their way up; send this one again when others are there",
        metadata: ["retry_after_seconds": "1"])
    }
  }

  /// One has ended, well or badly.
  func end(_ agent: AgentID) {
    open.withLock { open in
      let left = (open[agent] ?? 1) - 1
      open[agent] = left > 0 ? left : nil
    }
  }
}
