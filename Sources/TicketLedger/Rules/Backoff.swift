/// How long failed work waits before it is tried again: doubling from a first wait up to a longest one.
package struct Backoff: Sendable {
  /// Wait after the first failure, in milliseconds.
  package var firstMilliseconds: Int64
  /// Longest wait, in milliseconds, before jitter.
  package var longestMilliseconds: Int64
  /// After this many attempts the work is given up.
  package var attemptsMax: Int32

  /// Makes a schedule; the defaults give up after about five hours.
  package init(firstMilliseconds: Int64 = 1000, longestMilliseconds: Int64 = 3_600_000, attemptsMax: Int32 = 16) {
    self.firstMilliseconds = firstMilliseconds
    self.longestMilliseconds = longestMilliseconds
    self.attemptsMax = attemptsMax
  }

  /// The wait after the `attempt`-th failure, or nil when the work is to be given up.
  ///
  /// - Parameters:
  ///   - attempt: 1 for the first.
  ///   - jitter: 0 up to 1; spreads the wait over the upper half, so that what failed together is not tried together.
  package func wait(afterAttempt attempt: Int32, jitter: Double) -> Int64? {
    guard attempt < attemptsMax else { return nil }
    let doublings = min(max(attempt - 1, 0), 40)
    let (product, overflow) = firstMilliseconds.multipliedReportingOverflow(by: 1 << Int64(doublings))
    let full = overflow ? longestMilliseconds : min(product, longestMilliseconds)
    return full / 2 + Int64(Double(full - full / 2) * min(max(jitter, 0), 1))
  }
}
