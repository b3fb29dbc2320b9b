import Synchronization

/// A number that only grows. Adding is one atomic instruction and may happen on any thread.
package final class Counter: Sendable {
  private let total = Atomic<UInt64>(0)

  init() {}

  /// Adds `amount`.
  package func add(_ amount: UInt64 = 1) {
    total.wrappingAdd(amount, ordering: .relaxed)
  }

  /// What was counted so far.
  package var value: UInt64 { total.load(ordering: .relaxed) }
}

/// A number that goes up and down.
package final class Gauge: Sendable {
  private let current = Atomic<Int64>(0)

  init() {}

  /// Replaces the value.
  package func set(_ value: Int64) {
    current.store(value, ordering: .relaxed)
  }

  /// Adds `amount`, which may be negative.
  package func add(_ amount: Int64) {
    current.wrappingAdd(amount, ordering: .relaxed)
  }

  /// The value now.
  package var value: Int64 { current.load(ordering: .relaxed) }
}

/// Counts observations in buckets by size.
///
/// Observing takes three atomic additions and no lock; a scrape may see one of them before the others, which
/// Prometheus tolerates.
package final class Histogram: Sendable {
  /// Upper bounds of the buckets, ascending, in the unit of the observations: nanoseconds for durations.
  let bounds: [UInt64]
  private let buckets: InlineArray<16, Atomic<UInt64>>
  private let total = Atomic<UInt64>(0)

  init(bounds: [UInt64]) {
    self.bounds = bounds
    buckets = InlineArray { _ in Atomic<UInt64>(0) }
  }

  /// Counts one length of time; negative counts as zero.
  package func observe(_ duration: Duration) {
    let (seconds, attoseconds) = duration.components
    let whole = UInt64(clamping: seconds).multipliedReportingOverflow(by: 1_000_000_000)
    observe(whole.overflow ? .max : whole.partialValue &+ UInt64(clamping: attoseconds / 1_000_000_000))
  }

  /// Counts one value, in the histogram's unit.
  package func observe(_ value: UInt64) {
    var index = 0
    while index < bounds.count, value > bounds[index] { index += 1 }
    buckets[index].wrappingAdd(1, ordering: .relaxed)
    total.wrappingAdd(value, ordering: .relaxed)
  }

  /// Observations per bucket, the last one without an upper bound, and the sum of the values.
  var snapshot: (counts: [UInt64], sum: UInt64) {
    ((0...bounds.count).map { buckets[$0].load(ordering: .relaxed) }, total.load(ordering: .relaxed))
  }
}

/// The unit of a histogram's observations, and how it is written for Prometheus.
package enum HistogramUnit: Sendable {
  /// Observed as `Duration`, written in seconds.
  case duration
  /// Observed and written as whole numbers: bytes, rows.
  case count

  /// What an observation is divided by when written.
  var divisor: Double {
    switch self {
    case .duration: 1e9
    case .count: 1
    }
  }
}
