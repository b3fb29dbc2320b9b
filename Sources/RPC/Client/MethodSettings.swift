/// What holds for all calls of a method, beside what its caller says: gRPC's "service config", written in code.
package struct MethodSettings: Sendable {
  /// The longest a call may take; the caller's deadline counts when it is nearer.
  package var timeout: Duration?
  /// Wait for a connection until the deadline, as `CallOptions.waitForReady`.
  package var waitForReady = false
  /// When a failed call is sent again; nil leaves it to transparent retries.
  package var retry: RetryPolicy?
  /// Bytes of one request message; more fails with RESOURCE_EXHAUSTED before anything is sent.
  package var requestBytesMax: Int?
  /// Bytes of one response message, when not the channel's `messageBytesMax`.
  package var responseBytesMax: Int?

  /// Nothing but the defaults.
  package init() {}
}

/// The settings of a channel's methods. The most exact entry counts, alone.
package struct MethodSettingsTable: Sendable {
  private var rows: [String: MethodSettings] = [:]

  /// Knows no method.
  package init() {}

  /// The settings of one method (`/package.Service/Method`), of all methods of a service (`/package.Service/`), or of
  /// all (the empty text).
  package subscript(row name: String) -> MethodSettings? {
    get { rows[name] }
    set { rows[name] = newValue }
  }

  /// What holds for a call of `path`; nil when nothing is set.
  func settings(for path: String) -> MethodSettings? {
    if rows.isEmpty { return nil }
    if let exact = rows[path] { return exact }
    if let slash = path.lastIndex(of: "/"), let service = rows[String(path[...slash])] { return service }
    return rows[""]
  }
}

/// When and how often a failed call is sent again (gRPC proposal A6).
///
/// A call of which response headers have come is never sent again: the caller may have seen a part of the answer.
package struct RetryPolicy: Sendable {
  /// Times a call is sent at most, the first time included; never more than ``attemptsLimit``.
  package let attemptsMax: Int
  /// The wait before the second attempt is a random part of it.
  package let initialBackoff: Duration
  /// No wait is longer.
  package let maxBackoff: Duration
  /// Each further wait may be that many times as long.
  package let multiplier: Double
  /// The failures after which it is tried again.
  package let retryableCodes: Set<StatusCode>

  /// More attempts are never made.
  package static let attemptsLimit = 5

  /// Makes a policy.
  package init(
    attemptsMax: Int, initialBackoff: Duration, maxBackoff: Duration, multiplier: Double = 2,
    retryableCodes: Set<StatusCode> = [.unavailable]
  ) {
    self.attemptsMax = min(max(attemptsMax, 1), Self.attemptsLimit)
    self.initialBackoff = initialBackoff
    self.maxBackoff = maxBackoff
    self.multiplier = multiplier
    self.retryableCodes = retryableCodes
  }

  /// The wait before the attempt that follows `attempts` of them, for a random number in 0…1.
  func delay(attempts: Int, random: Double) -> Duration {
    var ceiling = initialBackoff
    for _ in 1..<max(1, attempts) where ceiling < maxBackoff { ceiling = ceiling * multiplier }
    return min(ceiling, maxBackoff) * random
  }
}

/// Counts failures against successes: while the tokens are at half or less, nothing is retried, so that a server in
/// trouble is not given more of it (gRPC proposal A6). Each loop of a channel counts for itself.
package struct RetryThrottle: Sendable {
  /// Tokens at the start and at most; a failure takes one.
  package let tokensMax: Double
  /// What a success gives back.
  package let tokensPerSuccess: Double
  private var tokens: Double

  /// Makes a throttle with all its tokens.
  package init(tokensMax: Double = 10, tokensPerSuccess: Double = 0.1) {
    self.tokensMax = tokensMax
    self.tokensPerSuccess = tokensPerSuccess
    tokens = tokensMax
  }

  var allowsRetries: Bool { tokens > tokensMax / 2 }

  mutating func failed() { tokens = max(0, tokens - 1) }

  mutating func succeeded() { tokens = min(tokensMax, tokens + tokensPerSuccess) }
}
