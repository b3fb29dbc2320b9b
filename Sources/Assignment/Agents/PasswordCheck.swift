package import Crypto
import EventLoop
import ServiceKit

/// Checks passwords, away from the event loops: one check is meant to cost a tenth of a second of a core.
package final class PasswordCheck: Sendable {
  /// Longest password, in bytes.
  package static let passwordBytesMax = 1024
  /// Checks at the same time; each takes 32 MiB.
  private static let threads = 2
  /// Checks that may wait; those who wait longer than their deadline leave the queue.
  private static let queueMax = 64

  private let pool = BlockingPool(name: "passwords", threads: threads, queueMax: queueMax)
  private let parameters: Scrypt.Parameters
  private let decoy: String

  /// Checks against hashes; those that were not made with `parameters` are renewed.
  package init(parameters: Scrypt.Parameters = .standard) {
    self.parameters = parameters
    decoy = Scrypt.decoy(parameters: parameters)
  }

  /// Whether a hash was made from a password. Without a hash it takes as long, and the answer is no.
  ///
  /// - Throws: TOO_MANY_REQUESTS when too many checks wait; INTERNAL for a hash that is none.
  func verify(_ password: String, against hash: String?) async throws -> Bool {
    let wanted = hash ?? decoy
    do {
      return try await pool.run { try Scrypt.verify(password, against: wanted) } && hash != nil
    } catch let error as BlockingPool.Refusal {
      throw ServiceError(.tooManyRequests, "too many sign-ins at a time; try again in a moment", cause: error)
    } catch let error as CryptoError {
      throw ServiceError(.internal, cause: error)
    }
  }

  /// Makes the hash of a new password.
  ///
  /// - Throws: TOO_MANY_REQUESTS when too many wait.
  func hash(_ password: String) async throws -> String {
    let parameters = parameters
    do {
      return try await pool.run { try Scrypt.hash(password, parameters: parameters) }
    } catch let error as BlockingPool.Refusal {
      throw ServiceError(.tooManyRequests, "too many passwords at a time; try again in a moment", cause: error)
    } catch let error as CryptoError {
      throw ServiceError(.internal, cause: error)
    }
  }

  /// A hash of today's cost when the stored one was made with another; nil also when there is no time for it now.
  func renewed(_ hash: String, for password: String) async -> String? {
    let parameters = parameters
    guard (try? Scrypt.isOutdated(hash, parameters: parameters)) == true else { return nil }
    return try? await pool.run { try Scrypt.hash(password, parameters: parameters) }
  }

  /// Ends the threads; blocks until the checks under way are over, so never to be called on a loop.
  package func shutdown() { pool.shutdown() }
}
