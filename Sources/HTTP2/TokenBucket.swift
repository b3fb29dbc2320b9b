/// Counts events against a rate. Time comes from the caller, in nanoseconds of any clock that never goes back.
struct TokenBucket {
  private let burst: Int
  private let nanosecondsPerToken: UInt64
  private var tokens: Int
  private var countedUpTo: UInt64 = 0

  init(_ rate: HTTP2Limits.Rate) {
    burst = max(1, rate.burst)
    nanosecondsPerToken = 1_000_000_000 / UInt64(max(1, rate.perSecond))
    tokens = burst
  }

  /// Takes `cost` tokens, or answers false when there are too few.
  mutating func take(_ cost: Int = 1, now: UInt64) -> Bool {
    if now > countedUpTo { refill(now) }
    guard tokens >= cost else { return false }
    tokens -= cost
    return true
  }

  mutating func give(_ count: Int) { tokens = min(burst, tokens + count) }

  private mutating func refill(_ now: UInt64) {
    let earned = (now - countedUpTo) / nanosecondsPerToken
    if earned >= UInt64(burst) {
      tokens = burst
      countedUpTo = now
    } else if earned > 0 {
      tokens = min(burst, tokens + Int(earned))
      countedUpTo += earned * nanosecondsPerToken
    }
  }
}
