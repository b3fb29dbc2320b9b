import EventLoop

/// The value of `grpc-timeout`: 1 to 8 digits and a unit (gRPC over HTTP/2, "Timeout").
enum CallTimeout {
  /// Nil when the value is malformed; saturates far beyond any useful deadline.
  static func parse(_ text: UnsafeRawBufferPointer) -> Duration? {
    guard (2...9).contains(text.count) else { return nil }
    var amount: Int64 = 0
    for byte in text.dropLast() {
      guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
      amount = amount * 10 + Int64(byte - UInt8(ascii: "0"))
    }
    switch text[text.count - 1] {
    case UInt8(ascii: "H"): return .seconds(amount * 3600)
    case UInt8(ascii: "M"): return .seconds(amount * 60)
    case UInt8(ascii: "S"): return .seconds(amount)
    case UInt8(ascii: "m"): return .milliseconds(amount)
    case UInt8(ascii: "u"): return .microseconds(amount)
    case UInt8(ascii: "n"): return .nanoseconds(amount)
    default: return nil
    }
  }

  /// The finest unit that needs at most 8 digits, rounded up, so that the peer never gives up before we do.
  static func format(_ remaining: Duration) -> String {
    let nanoseconds = remaining.wholeNanoseconds
    let units: [(UInt64, String)] = [
      (1, "n"), (1_000, "u"), (1_000_000, "m"), (1_000_000_000, "S"), (60_000_000_000, "M"),
    ]
    for (size, unit) in units {
      let amount = nanoseconds / size + (nanoseconds % size == 0 ? 0 : 1)
      if amount < 100_000_000 { return "\(amount)\(unit)" }
    }
    return "\(min(nanoseconds / 3_600_000_000_000, 99_999_999))H"
  }
}
