import Synchronization

/// The numbers behind ``PostgresMetrics`` for one loop: written by the loop, read from anywhere.
final class PoolCounters: Sendable {
  struct Gauge: ~Copyable, Sendable {
    private let value = Atomic<Int>(0)
    func set(_ new: Int) { value.store(new, ordering: .relaxed) }
    var current: Int { value.load(ordering: .relaxed) }
  }

  struct Counter: ~Copyable, Sendable {
    private let value = Atomic<UInt64>(0)
    func add(_ more: UInt64) { value.wrappingAdd(more, ordering: .relaxed) }
    var current: UInt64 { value.load(ordering: .relaxed) }
  }

  let open = Gauge()
  let inUse = Gauge()
  let waiting = Gauge()
  let queries = Counter()
  let acquired = Counter()
  let waitNanoseconds = Counter()
  let connects = Counter()
  let failures = Counter()
  let retries = Counter()

  func add(to metrics: inout PostgresMetrics) {
    metrics.open += open.current
    metrics.inUse += inUse.current
    metrics.waiting += waiting.current
    metrics.queries &+= queries.current
    metrics.acquired &+= acquired.current
    metrics.waitNanoseconds &+= waitNanoseconds.current
    metrics.connects &+= connects.current
    metrics.failures &+= failures.current
    metrics.retries &+= retries.current
  }
}
