/// How many calls somebody may make: so many a second on average, and as many at once as were saved up.
package struct TokenBucket: Sendable {
  /// What a call is told.
  package struct Verdict: Sendable, Equatable {
    /// Whether it may go on.
    package let isAdmitted: Bool
    /// Calls that may be made at once when none were made for a while.
    package let limit: Int
    /// Calls that may be made now.
    package let remaining: Int
    /// Seconds until all of them are there again; of a refused call, until one is.
    package let resetSeconds: Int
  }

  /// Calls that are saved up, in seconds of the rate.
  package static let burstSeconds = 5.0

  private let perSecond: Double
  private var tokens: Double
  private var time: Double

  private var capacity: Double { perSecond * Self.burstSeconds }

  /// A full bucket.
  ///
  /// - Parameters:
  ///   - perSecond: calls a second, above 0.
  ///   - now: seconds of a clock that never goes back.
  package init(perSecond: Double, now: Double) {
    self.perSecond = perSecond
    time = now
    tokens = perSecond * Self.burstSeconds
  }

  /// Whether nothing was taken for so long that a new bucket would say the same.
  package func isFull(at now: Double) -> Bool { tokens + (now - time) * perSecond >= capacity }

  /// Takes one call out, if there is one.
  package mutating func take(at now: Double) -> Verdict {
    tokens = min(capacity, tokens + max(0, now - time) * perSecond)
    time = max(time, now)
    let isAdmitted = tokens >= 1
    if isAdmitted { tokens -= 1 }
    let missing = isAdmitted ? capacity - tokens : 1 - tokens
    return Verdict(
      isAdmitted: isAdmitted, limit: Int(capacity), remaining: Int(tokens),
      resetSeconds: Int((missing / perSecond).rounded(.up)))
  }
}
