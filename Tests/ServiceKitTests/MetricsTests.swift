import Testing

@testable import ServiceKit

@Suite("metrics")
struct MetricsTests {
  @Test("the exposition lists every metric, sorted, with escaped labels and cumulative buckets")
  func exposition() {
    let metrics = Metrics()
    let calls = metrics.counter("calls_total", "Calls by\nmethod.", labels: ["method", "code"])
    calls.with("Get", "OK").add()
    calls.with("Get", "OK").add(2)
    calls.with("a\"b\\c\n", "OK").add()
    let depth = metrics.gauge("depth", "Depth.").with()
    depth.set(5)
    depth.add(-7)
    let seconds = metrics.histogram("latency_seconds", "Latency.", labels: ["m"], bounds: [0.001, 0.5, 1])
      .with("x")
    for duration in [Duration.microseconds(1000), .milliseconds(2), .seconds(1), .seconds(5), .seconds(-1)] {
      seconds.observe(duration)
    }
    metrics.histogram("size_bytes", "Size.", unit: .count, bounds: [10]).with().observe(11)
    metrics.observed("age_seconds", "Age.", labels: ["q"]) { [(["mail"], 1.5), (["none"], .infinity)] }
    #expect(
      metrics.exposition() == #"""
        # HELP age_seconds Age.
        # TYPE age_seconds gauge
        age_seconds{q="mail"} 1.5
        age_seconds{q="none"} +Inf
        # HELP calls_total Calls by\nmethod.
        # TYPE calls_total counter
        calls_total{method="Get",code="OK"} 3
        calls_total{method="a\"b\\c\n",code="OK"} 1
        # HELP depth Depth.
        # TYPE depth gauge
        depth -2
        # HELP latency_seconds Latency.
        # TYPE latency_seconds histogram
        latency_seconds_bucket{m="x",le="0.001"} 2
        latency_seconds_bucket{m="x",le="0.5"} 3
        latency_seconds_bucket{m="x",le="1"} 4
        latency_seconds_bucket{m="x",le="+Inf"} 5
        latency_seconds_sum{m="x"} 6.003
        latency_seconds_count{m="x"} 5
        # HELP size_bytes Size.
        # TYPE size_bytes histogram
        size_bytes_bucket{le="10"} 0
        size_bytes_bucket{le="+Inf"} 1
        size_bytes_sum 11
        size_bytes_count 1

        """#)
  }

  @Test("a counter whose label values are known has all of them from the start")
  func knownValues() {
    let metrics = Metrics()
    let sent = metrics.counter("sent_total", "Sent.", label: "outcome", of: ["sent", "failed"])
    sent.with("failed").add()
    #expect(metrics.exposition().hasSuffix("sent_total{outcome=\"failed\"} 1\nsent_total{outcome=\"sent\"} 0\n"))
  }

  @Test("label values beyond the limit share one instrument")
  func bounded() {
    let calls = Metrics().counter("calls_total", "Calls.", labels: ["m"])
    for index in 0..<Metric<Counter>.instrumentsMax { calls.with("m\(index)").add() }
    #expect(calls.with("one more") === calls.with("another"))
    #expect(calls.with("m0") !== calls.with("m1"))
    #expect(calls.with("m0") === calls.with("m0"))
  }

  @Test("no addition is lost between threads")
  func concurrent() async {
    let metrics = Metrics()
    let counter = metrics.counter("calls_total", "Calls.").with()
    let histogram = metrics.histogram("x_bytes", "X.", unit: .count, bounds: [1, 2]).with()
    await withTaskGroup { group in
      for _ in 0..<8 {
        group.addTask {
          for _ in 0..<10_000 {
            counter.add()
            histogram.observe(2 as UInt64)
          }
        }
      }
    }
    #expect(counter.value == 80_000)
    #expect(histogram.snapshot.counts == [0, 80_000, 0])
    #expect(histogram.snapshot.sum == 160_000)
  }

  @Test("a process tells its memory, CPU time and descriptors")
  func process() throws {
    let metrics = Metrics()
    metrics.declareProcess(service: "handoff-test", log: .standardError)
    let text = metrics.exposition()
    for name in ["process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds"] {
      let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("\(name) ") })
      let value = try #require(Double(line.split(separator: " ")[1]))
      #expect(value > 0)
    }
  }
}
