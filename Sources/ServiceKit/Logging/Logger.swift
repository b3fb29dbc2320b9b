/// How important a line is.
package enum LogLevel: String, Sendable, CaseIterable, Comparable {
  case debug, info, warning, error

  /// Orders by importance, `debug` being the least.
  package static func < (left: LogLevel, right: LogLevel) -> Bool { left.rank < right.rank }

  private var rank: Int {
    switch self {
    case .debug: 0
    case .info: 1
    case .warning: 2
    case .error: 3
    }
  }
}

/// The value of one field of a log line.
package enum LogValue: Sendable {
  case string(String)
  case integer(Int64)
  case double(Double)
  case boolean(Bool)
  /// Written in milliseconds with three decimals; end the field's name in `_ms`.
  case milliseconds(Duration)
  /// The field is left out.
  case none

  /// A string, or nothing when there is none.
  package static func optional(_ text: String?) -> LogValue { text.map(LogValue.string) ?? .none }
}

extension LogValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
  ExpressibleByStringInterpolation
{
  /// Makes a literal or interpolated text a string value.
  package init(stringLiteral value: String) { self = .string(value) }
  /// Makes a literal whole number an integer value.
  package init(integerLiteral value: Int64) { self = .integer(value) }
  /// Makes `true` or `false` a boolean value.
  package init(booleanLiteral value: Bool) { self = .boolean(value) }
}

/// Named values of one line, in order: `["ticket": .integer(42), "state": "RESOLVED"]`.
package typealias LogFields = KeyValuePairs<StaticString, LogValue>

/// Writes one JSON object per event: `time`, `level`, `service`, `event`, then the fields.
///
/// Events and field names are static strings, so a reader can count on them and nothing from outside becomes a key.
/// Fields must not hold personal data. A line has at most 4096 bytes: the longest values are cut, then fields are left
/// out and `"truncated":true` says so. May be called from any thread and never waits for the reader of the log.
package struct Logger: Sendable {
  /// The name in every line: `handoff-tickets`.
  package let service: String
  /// Less important lines cost a comparison and nothing more.
  package let level: LogLevel
  private let output: LogOutput
  private let context: [UInt8]

  /// Makes a logger for `service` that writes to `output`.
  package init(service: String, level: LogLevel, output: LogOutput) {
    self.init(service: service, level: level, output: output, context: [])
  }

  private init(service: String, level: LogLevel, output: LogOutput, context: [UInt8]) {
    self.service = service
    self.level = level
    self.output = output
    self.context = context
  }

  /// A logger whose lines all carry `fields` too, such as the request's id; at most 1024 bytes of them.
  package func with(_ fields: LogFields) -> Logger {
    let bytes = LogLine.build(bytesMax: 1024) { line in
      for (name, value) in fields { line.field(name, value) }
    }
    return Logger(service: service, level: level, output: output, context: context + bytes)
  }

  /// Logs what helps only while looking for a fault.
  package func debug(_ event: StaticString, _ fields: @autoclosure () -> LogFields = [:]) {
    log(.debug, event, fields)
  }

  /// Logs what an operator wants to find later.
  package func info(_ event: StaticString, _ fields: @autoclosure () -> LogFields = [:]) {
    log(.info, event, fields)
  }

  /// Logs what is wrong but was coped with.
  package func warning(_ event: StaticString, _ fields: @autoclosure () -> LogFields = [:]) {
    log(.warning, event, fields)
  }

  /// Logs what needs someone's attention.
  package func error(_ event: StaticString, _ fields: @autoclosure () -> LogFields = [:]) {
    log(.error, event, fields)
  }

  /// Logs at a level chosen at run time.
  package func log(_ level: LogLevel, _ event: StaticString, _ fields: () -> LogFields) {
    guard level >= self.level else { return }
    let line = LogLine.build(bytesMax: LogOutput.lineBytesMax) { line in
      line.open()
      line.field("time", time: .now)
      line.field("level", .string(level.rawValue))
      line.field("service", .string(service))
      line.field("event", event)
      line.raw(context)
      for (name, value) in fields() { line.field(name, value) }
      line.close()
    }
    output.write(line)
  }
}
