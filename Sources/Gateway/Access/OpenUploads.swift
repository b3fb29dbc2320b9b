import ServiceKit
import Synchronization

/// The files and mails that are on their way up through this gateway. Each may take minutes, and a call to a daemon as
/// long: so that those of one client, or all of them, leave room for everybody else, they are few.
final class OpenUploads: Sendable {
  /// Most at once; a connection to a daemon has 200 calls.
  static let openMax = 100
  /// Most at once with one session or key.
  static let openMaxOfCredential = 10

  private let open = Mutex<[String: Int]>([:])

  /// Lets one begin, which has to ``end(_:)``.
  ///
  /// - Parameter credential: the name of the caller's session or key.
  /// - Throws: TOO_MANY_REQUESTS.
  func begin(_ credential: String) throws(ServiceError) {
    let isAdmitted = open.withLock { open in
      guard open[credential, default: 0] < Self.openMaxOfCredential,
        open.values.reduce(0, +) < Self.openMax
      else { return false }
      open[credential, default: 0] += 1
      return true
    }
    guard isAdmitted else {
      throw ServiceError(
        .tooManyRequests, "too many files are on their way up; send this one again when others are there",
        metadata: ["retry_after_seconds": "1", "limit": String(Self.openMaxOfCredential)])
    }
  }

  /// One has ended, well or badly.
  func end(_ credential: String) {
    open.withLock { open in
      let left = (open[credential] ?? 1) - 1
      open[credential] = left > 0 ? left : nil
    }
  }
}
