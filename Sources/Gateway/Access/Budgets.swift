import EventLoop
import ServiceKit
import Synchronization

/// What each credential and each address may still ask of this gateway.
///
/// Each copy of the gateway counts for itself: with two behind the edge, somebody may make twice as many calls.
package final class Budgets: Sendable {
  /// Buckets that are kept; those that are full again are dropped first.
  private static let subjectsMax = 50_000

  private let perSecond: Int
  private let began = MonotonicTime.current
  private let buckets = Mutex<[String: TokenBucket]>([:])

  /// - Parameter perSecond: calls a second; 0: as many as anybody likes.
  package init(perSecond: Int) { self.perSecond = perSecond }

  /// Takes one call out of a subject's budget; nil where there are no budgets.
  ///
  /// - Throws: TOO_MANY_REQUESTS, with `retry_after_seconds` and `limit`.
  func take(_ subject: String) throws(ServiceError) -> TokenBucket.Verdict? {
    guard perSecond > 0 else { return nil }
    let now = (EventLoop.current?.now ?? MonotonicTime.current).since(began) / .seconds(1)
    let verdict = buckets.withLock { buckets in
      if buckets.count >= Self.subjectsMax, buckets[subject] == nil {
        buckets = buckets.filter { !$0.value.isFull(at: now) }
        // Bounded memory goes before exact counts.
        if buckets.count >= Self.subjectsMax { buckets = [:] }
      }
      return buckets[subject, default: TokenBucket(perSecond: Double(perSecond), now: now)].take(at: now)
    }
    guard verdict.isAdmitted else {
      throw ServiceError(
        .tooManyRequests,
        metadata: ["retry_after_seconds": String(verdict.resetSeconds), "limit": String(verdict.limit)])
    }
    return verdict
  }
}
