/// How long to wait when Dooray! takes no more requests (429), by what its answer says of its bucket of tokens.
enum DoorayPatience {
  /// When the answer says nothing that can be used.
  static let usualMilliseconds = 1_000
  private static let longestMilliseconds = 60_000

  /// The time in which the bucket fills up far enough for one more request of the same price.
  ///
  /// - Parameters:
  ///   - remaining: tokens in the bucket.
  ///   - requested: tokens that the request costs.
  ///   - replenishRate: tokens a second.
  static func milliseconds(remaining: Int?, requested: Int?, replenishRate: Int?) -> Int {
    guard let replenishRate, replenishRate > 0 else { return usualMilliseconds }
    let price = min(max(requested ?? 1, 1), 1_000_000)
    let missing = max(price - max(remaining ?? 0, 0), 1)
    return min((missing * 1_000 + replenishRate - 1) / replenishRate, longestMilliseconds)
  }
}
