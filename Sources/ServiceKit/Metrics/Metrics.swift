import Synchronization

/// Every metric of a process.
///
/// Metrics are declared once, at start, with their labels; `with` prepares the instrument of one combination of label
/// values, which the hot path then uses without lock or lookup. Names follow Prometheus: base units, `_total` for
/// counters. May be used from any thread.
package final class Metrics: Sendable {
  private let families = Mutex<[String: any MetricFamily]>([:])

  /// Begins without metrics; one registry serves a process.
  package init() {}

  /// Declares a counter; its name ends in `_total`.
  package func counter(_ name: String, _ help: String, labels: [String] = []) -> Metric<Counter> {
    declare(
      Metric(name, help, type: "counter", labels: labels, make: Counter.init) { counter, name, labels in
        "\(name)\(labels.text()) \(counter.value)\n"
      })
  }

  /// Declares a counter by one label whose values are known. All are there from the start, with 0, so that the first
  /// event of a kind is a rise.
  package func counter(_ name: String, _ help: String, label: String, of values: [String]) -> Metric<Counter> {
    let counter = counter(name, help, labels: [label])
    for value in values { _ = counter.with(value) }
    return counter
  }

  /// Declares a gauge that the program sets.
  package func gauge(_ name: String, _ help: String, labels: [String] = []) -> Metric<Gauge> {
    declare(
      Metric(name, help, type: "gauge", labels: labels, make: Gauge.init) { gauge, name, labels in
        "\(name)\(labels.text()) \(gauge.value)\n"
      })
  }

  /// Declares a metric that is asked for its value at each scrape; `read` must be quick and must not block.
  package func observed(
    _ name: String, _ help: String, type: ObservedType = .gauge, read: @escaping @Sendable () -> Double
  ) {
    observed(name, help, type: type, labels: []) { [([], read())] }
  }

  /// Declares a metric with labels that is asked for its values at each scrape: label values, in the order of
  /// `labels`, and a number. `read` must be quick and must not block.
  package func observed(
    _ name: String, _ help: String, type: ObservedType = .gauge, labels: [String],
    read: @escaping @Sendable () -> [([String], Double)]
  ) {
    _ = declare(ObservedMetric(name: name, help: help, type: type, labels: labels, read: read))
  }

  /// Declares a histogram; `bounds` are the upper bounds of at most 15 buckets, ascending, in seconds or counts.
  package func histogram(
    _ name: String, _ help: String, labels: [String] = [], unit: HistogramUnit = .duration,
    bounds: [Double] = Metrics.latencyBounds
  ) -> Metric<Histogram> {
    precondition(bounds.count <= 15 && bounds == bounds.sorted(), "\(name): at most 15 ascending bounds")
    let raw = bounds.map { UInt64($0 * unit.divisor) }
    return declare(
      Metric(
        name, help, type: "histogram", labels: labels, make: { Histogram(bounds: raw) },
        write: { histogram, name, labels in
          let (counts, sum) = histogram.snapshot
          var text = ""
          var seen: UInt64 = 0
          for (index, count) in counts.enumerated() {
            seen += count
            let bound = index < bounds.count ? number(bounds[index]) : "+Inf"
            text += "\(name)_bucket\(labels.text(adding: ("le", bound))) \(seen)\n"
          }
          text += "\(name)_sum\(labels.text()) \(number(Double(sum) / unit.divisor))\n"
          text += "\(name)_count\(labels.text()) \(seen)\n"
          return text
        }))
  }

  /// Bounds for calls of well under a millisecond up to the usual deadlines, in seconds.
  package static let latencyBounds: [Double] = [
    0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
  ]

  /// All metrics in the text format 0.0.4 of Prometheus, sorted by name.
  package func exposition() -> String {
    let sorted = families.withLock { $0.values.sorted { $0.name < $1.name } }
    var text = ""
    for family in sorted {
      let help = family.help.replacing("\\", with: "\\\\").replacing("\n", with: "\\n")
      text += "# HELP \(family.name) \(help)\n# TYPE \(family.name) \(family.typeName)\n\(family.samples())"
    }
    return text
  }

  private func declare<Family: MetricFamily>(_ family: Family) -> Family {
    precondition(isMetricName(family.name), "\(family.name) is no metric name")
    families.withLock { families in
      precondition(families[family.name] == nil, "\(family.name) is declared twice")
      families[family.name] = family
    }
    return family
  }
}

/// What a scraped number means.
package enum ObservedType: String, Sendable {
  case gauge, counter
}

/// One declared metric: its instruments by label values.
package final class Metric<Instrument: AnyObject & Sendable>: Sendable {
  let name: String
  let help: String
  let typeName: String
  private let labels: [String]
  private let make: @Sendable () -> Instrument
  private let write: @Sendable (Instrument, String, LabelSet) -> String
  private let instruments = Mutex<[[String]: Instrument]>([:])

  /// Combinations of label values one metric may have; what comes later is counted under the value `other`, so that
  /// no input can grow the process.
  package static var instrumentsMax: Int { 2000 }

  init(
    _ name: String, _ help: String, type: String, labels: [String], make: @escaping @Sendable () -> Instrument,
    write: @escaping @Sendable (Instrument, String, LabelSet) -> String
  ) {
    self.name = name
    self.help = help
    self.typeName = type
    self.labels = labels
    self.make = make
    self.write = write
  }

  /// The instrument for `values`, one for each declared label in order; the same object for the same values.
  ///
  /// Takes a lock: prepare instruments ahead where a path is hot.
  package func with(_ values: String...) -> Instrument {
    precondition(values.count == labels.count, "\(name) has the labels \(labels)")
    return instruments.withLock { instruments in
      if let instrument = instruments[values] { return instrument }
      let key = instruments.count < Self.instrumentsMax ? values : labels.map { _ in "other" }
      if let instrument = instruments[key] { return instrument }
      let instrument = make()
      instruments[key] = instrument
      return instrument
    }
  }
}

extension Metric: MetricFamily {
  func samples() -> String {
    let sorted = instruments.withLock { $0.sorted { $0.key.lexicographicallyPrecedes($1.key) } }
    return sorted.map { write($0.value, name, LabelSet(names: labels, values: $0.key)) }.joined()
  }
}

protocol MetricFamily: Sendable {
  var name: String { get }
  var help: String { get }
  var typeName: String { get }
  func samples() -> String
}

private struct ObservedMetric: MetricFamily {
  let name: String
  let help: String
  let type: ObservedType
  let labels: [String]
  let read: @Sendable () -> [([String], Double)]

  var typeName: String { type.rawValue }

  func samples() -> String {
    read().map { "\(name)\(LabelSet(names: labels, values: $0.0).text()) \(number($0.1))\n" }.joined()
  }
}

struct LabelSet {
  let names: [String]
  let values: [String]

  func text(adding extra: (String, String)? = nil) -> String {
    var pairs = zip(names, values).map { "\($0)=\"\(Self.escaped($1))\"" }
    if let extra { pairs.append("\(extra.0)=\"\(extra.1)\"") }
    return pairs.isEmpty ? "" : "{\(pairs.joined(separator: ","))}"
  }

  private static func escaped(_ value: String) -> String {
    value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
  }
}

/// A number as Prometheus reads it, without ".0" for whole ones.
private func number(_ value: Double) -> String {
  if value.isNaN { return "NaN" }
  if value.isInfinite { return value > 0 ? "+Inf" : "-Inf" }
  return value == value.rounded() && abs(value) < 1e15 ? String(Int64(value)) : String(value)
}

private func isMetricName(_ name: String) -> Bool {
  guard let first = name.utf8.first, first > 0x39 else { return false }
  return name.utf8.allSatisfy { byte in
    switch byte {
    case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x5f, 0x3a: true
    default: false
    }
  }
}
