/// A type of the server by its object id; ids below 10000 are fixed for all servers (`pg_type.dat`).
package struct PostgresType: Hashable, Sendable {
  /// The object id in `pg_type`.
  package let oid: UInt32

  /// Names a type by its object id.
  package init(oid: UInt32) { self.oid = oid }

  static let bool = PostgresType(oid: 16)
  static let bytea = PostgresType(oid: 17)
  static let char = PostgresType(oid: 18)
  static let name = PostgresType(oid: 19)
  static let int8 = PostgresType(oid: 20)
  static let int2 = PostgresType(oid: 21)
  static let int4 = PostgresType(oid: 23)
  static let text = PostgresType(oid: 25)
  static let oid = PostgresType(oid: 26)
  static let json = PostgresType(oid: 114)
  static let float4 = PostgresType(oid: 700)
  static let float8 = PostgresType(oid: 701)
  static let unknown = PostgresType(oid: 705)
  static let bpchar = PostgresType(oid: 1042)
  static let varchar = PostgresType(oid: 1043)
  static let timestamptz = PostgresType(oid: 1184)
  static let uuid = PostgresType(oid: 2950)
  /// `tsvector`: words that a text is found by.
  package static let tsvector = PostgresType(oid: 3614)
  static let jsonb = PostgresType(oid: 3802)

  static let boolArray = PostgresType(oid: 1000)
  static let byteaArray = PostgresType(oid: 1001)
  static let nameArray = PostgresType(oid: 1003)
  static let int2Array = PostgresType(oid: 1005)
  static let int4Array = PostgresType(oid: 1007)
  static let textArray = PostgresType(oid: 1009)
  static let varcharArray = PostgresType(oid: 1015)
  static let int8Array = PostgresType(oid: 1016)
  static let float8Array = PostgresType(oid: 1022)
  static let timestamptzArray = PostgresType(oid: 1185)
  /// `tsvector[]`.
  package static let tsvectorArray = PostgresType(oid: 3643)
  static let jsonbArray = PostgresType(oid: 3807)

  /// Whether the binary form is the text itself: the text types, and enums and the like that a schema defines.
  var isTextual: Bool {
    switch self {
    case .text, .varchar, .bpchar, .name, .char, .json, .unknown: true
    default: oid >= 16384
    }
  }
}

/// A moment as PostgreSQL's `timestamptz` holds it: microseconds, no time zone.
package struct Instant: Comparable, Hashable, Sendable {
  /// Microseconds since 1970-01-01T00:00:00Z; negative before.
  package let microsecondsSinceEpoch: Int64

  /// Makes an instant from microseconds since 1970-01-01T00:00:00Z.
  package init(microsecondsSinceEpoch: Int64) { self.microsecondsSinceEpoch = microsecondsSinceEpoch }

  /// Before every other instant: `-infinity` on the server.
  package static let distantPast = Instant(microsecondsSinceEpoch: .min)
  /// After every other instant: `infinity` on the server.
  package static let distantFuture = Instant(microsecondsSinceEpoch: .max)

  /// Whole seconds since 1970, rounded down.
  package var seconds: Int64 {
    let (quotient, remainder) = microsecondsSinceEpoch.quotientAndRemainder(dividingBy: 1_000_000)
    return remainder < 0 ? quotient - 1 : quotient
  }

  /// Nanoseconds past `seconds`, 0…999,999,000.
  package var nanoseconds: Int32 {
    let remainder = microsecondsSinceEpoch % 1_000_000
    return Int32(truncatingIfNeeded: (remainder < 0 ? remainder + 1_000_000 : remainder) * 1000)
  }

  /// The instant `duration` later; saturates, and rounds down to a microsecond.
  package func advanced(by duration: Duration) -> Instant {
    let (seconds, attoseconds) = duration.components
    let (scaled, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000)
    guard !overflow else { return seconds < 0 ? .distantPast : .distantFuture }
    let step = scaled.addingReportingOverflow(attoseconds / 1_000_000_000_000)
    guard !step.overflow else { return seconds < 0 ? .distantPast : .distantFuture }
    let sum = microsecondsSinceEpoch.addingReportingOverflow(step.partialValue)
    guard !sum.overflow else { return step.partialValue < 0 ? .distantPast : .distantFuture }
    return Instant(microsecondsSinceEpoch: sum.partialValue)
  }

  /// Orders by time.
  package static func < (left: Instant, right: Instant) -> Bool {
    left.microsecondsSinceEpoch < right.microsecondsSinceEpoch
  }

  // The server counts from 2000-01-01; the two ends of its range mean infinity (`timestamp.h`).
  private static let serverEpochMicroseconds: Int64 = 946_684_800_000_000

  init(serverMicroseconds: Int64) {
    switch serverMicroseconds {
    case .min: self = .distantPast
    case .max: self = .distantFuture
    default:
      let (sum, overflow) = serverMicroseconds.addingReportingOverflow(Self.serverEpochMicroseconds)
      microsecondsSinceEpoch = overflow ? .max : sum
    }
  }

  var serverMicroseconds: Int64 {
    switch self {
    case .distantPast: return .min
    case .distantFuture: return .max
    default:
      let (difference, overflow) = microsecondsSinceEpoch.subtractingReportingOverflow(Self.serverEpochMicroseconds)
      return overflow ? .min + 1 : difference
    }
  }
}

/// JSON text for a `jsonb` (or `json`) column; the server checks that it is JSON.
package struct JSONText: Hashable, Sendable {
  /// The JSON document.
  package let text: String

  /// Wraps a JSON document without checking it.
  package init(_ text: String) { self.text = text }
}
