/// Exponential spacing of failing connects, with jitter so that clients do not come back in step.
///
/// The first delays are shorter than those gRPC proposes for the internet: a restarted daemon of the same cluster is
/// back within a second.
package struct ConnectBackoff: Sendable {
  /// After the first failure.
  package var initial: Duration = .milliseconds(200)
  /// Each further delay is that many times the one before.
  package var multiplier = 1.6
  /// No delay is longer.
  package var max: Duration = .seconds(30)
  /// A delay varies by up to this part of it.
  package var jitter = 0.2

  /// The defaults.
  package init() {}

  /// The delay after `failures` failures in a row (1 or more), for a random number in -1…1.
  package func delay(failures: Int, random: Double) -> Duration {
    var factor = 1.0
    let ceiling = self.max / initial
    for _ in 1..<Swift.max(1, Swift.min(failures, 1000)) where factor < ceiling { factor *= multiplier }
    return initial * (Swift.min(factor, ceiling) * (1 + jitter * random))
  }
}
