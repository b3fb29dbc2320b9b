package import Protobuf

extension Timestamp {
  /// Makes the instant that many microseconds after 1970 (before it, when negative).
  package init(microsecondsSince1970 microseconds: Int64) {
    let (seconds, rest) = microseconds.quotientAndRemainder(dividingBy: 1_000_000)
    // proto demands nanos from 0 on, also before 1970.
    self.init(seconds: rest < 0 ? seconds - 1 : seconds, nanos: Int32(rest < 0 ? rest + 1_000_000 : rest) * 1000)
  }

  /// Microseconds since 1970, rounded down; nil when the instant does not fit, or `nanos` is out of range.
  package var microsecondsSince1970: Int64? {
    guard (0..<1_000_000_000).contains(nanos) else { return nil }
    let (scaled, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000)
    let (sum, sumOverflow) = scaled.addingReportingOverflow(Int64(nanos / 1000))
    return overflow || sumOverflow ? nil : sum
  }
}

extension ProtoDuration {
  /// Makes the duration, cut to whole nanoseconds.
  package init(_ duration: Duration) {
    let (seconds, attoseconds) = duration.components
    self.init(seconds: seconds, nanos: Int32(attoseconds / 1_000_000_000))
  }

  /// The duration; meaningful when `seconds` and `nanos` have the same sign, as proto demands.
  package var duration: Duration { .seconds(seconds) + .nanoseconds(Int64(nanos)) }
}

extension ProtoAny {
  /// Packs a message under `type.googleapis.com/` and its full name.
  ///
  /// - Throws: a string field holds a NUL character.
  package init(packing message: some Message) throws(ProtobufError) {
    self.init(
      typeUrl: "type.googleapis.com/" + type(of: message).descriptor.fullName, value: try message.serialized())
  }

  /// The message, or nil when another type was packed.
  ///
  /// - Throws: the packed bytes are malformed.
  package func unpacked<Packed: Message>(
    as type: Packed.Type, limits: DecodingLimits = .default
  ) throws(ProtobufError) -> Packed? {
    guard typeUrl.split(separator: "/").last.map(String.init) == type.descriptor.fullName else { return nil }
    return try Packed(serialized: value, limits: limits)
  }
}
