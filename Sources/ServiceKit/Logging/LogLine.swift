import Glibc
// Names the same C headers: the compiler ascribes `timespec` to whichever of the two it loads first.
import SwiftOverlayShims

/// Seconds and nanoseconds of the system's clock, for log lines only: decisions use monotonic time.
struct WallTime {
  let seconds: Int64
  let nanoseconds: Int

  static var now: WallTime {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return WallTime(seconds: Int64(time.tv_sec), nanoseconds: time.tv_nsec)
  }
}

/// Builds one bounded line of JSON.
struct LogLine {
  private var bytes: [UInt8]
  private let bytesMax: Int
  private var isTruncated = false
  /// Longest value in bytes before escaping; the rest is replaced by "…".
  private static let valueBytesMax = 1024
  /// Room kept for `,"truncated":true}` and the line break.
  private static let reserve = 24

  private init(bytesMax: Int) {
    self.bytesMax = bytesMax
    bytes = []
    bytes.reserveCapacity(min(bytesMax, 512))
  }

  static func build(bytesMax: Int, _ body: (inout LogLine) -> Void) -> [UInt8] {
    var line = LogLine(bytesMax: bytesMax)
    body(&line)
    return line.bytes
  }

  mutating func open() { bytes.append(UInt8(ascii: "{")) }

  mutating func close() {
    if isTruncated { bytes.append(contentsOf: ",\"truncated\":true".utf8) }
    bytes.append(contentsOf: "}\n".utf8)
  }

  /// Appends fields made by another line.
  mutating func raw(_ fields: [UInt8]) {
    attempt { $0.bytes.append(contentsOf: fields) }
  }

  mutating func field(_ name: StaticString, _ text: StaticString) {
    attempt { line in
      line.name(name)
      text.withUTF8Buffer { line.quoted($0) }
    }
  }

  mutating func field(_ name: StaticString, time: WallTime) {
    attempt { line in
      line.name(name)
      line.bytes.append(UInt8(ascii: "\""))
      line.append(time)
      line.bytes.append(UInt8(ascii: "\""))
    }
  }

  mutating func field(_ name: StaticString, _ value: LogValue) {
    if case .none = value { return }
    attempt { line in
      line.name(name)
      switch value {
      case .string(var text): text.withUTF8 { line.quoted($0) }
      case .integer(let number): line.bytes.append(contentsOf: String(number).utf8)
      case .double(let number):
        // JSON has no infinity and no NaN (RFC 8259 §6).
        line.bytes.append(contentsOf: number.isFinite ? String(number).utf8 : "null".utf8)
      case .boolean(let flag): line.bytes.append(contentsOf: flag ? "true".utf8 : "false".utf8)
      case .milliseconds(let duration): line.append(milliseconds: duration)
      case .none: break
      }
    }
  }

  /// Runs `body`, and takes its bytes back when they do not fit.
  private mutating func attempt(_ body: (inout LogLine) -> Void) {
    let mark = bytes.count
    body(&self)
    guard bytes.count > bytesMax - Self.reserve else { return }
    bytes.removeSubrange(mark...)
    isTruncated = true
  }

  private mutating func name(_ name: StaticString) {
    if bytes.last != UInt8(ascii: "{") { bytes.append(UInt8(ascii: ",")) }
    name.withUTF8Buffer { quoted($0) }
    bytes.append(UInt8(ascii: ":"))
  }

  /// Appends a JSON string: escapes as RFC 8259 §7 asks, and U+007F so that terminals show the line safely.
  private mutating func quoted(_ text: UnsafeBufferPointer<UInt8>) {
    var end = min(text.count, Self.valueBytesMax)
    // Never cut within a character: step back over UTF-8 continuation bytes.
    if end < text.count { while end > 0, text[end] & 0xc0 == 0x80 { end -= 1 } }
    bytes.append(UInt8(ascii: "\""))
    for byte in text[..<end] {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"):
        bytes.append(UInt8(ascii: "\\"))
        bytes.append(byte)
      case UInt8(ascii: "\n"): bytes.append(contentsOf: "\\n".utf8)
      case UInt8(ascii: "\r"): bytes.append(contentsOf: "\\r".utf8)
      case UInt8(ascii: "\t"): bytes.append(contentsOf: "\\t".utf8)
      case 0..<0x20, 0x7f:
        bytes.append(contentsOf: "\\u00".utf8)
        bytes.append(Self.hexDigit(byte >> 4))
        bytes.append(Self.hexDigit(byte & 15))
      default: bytes.append(byte)
      }
    }
    if end < text.count { bytes.append(contentsOf: "…".utf8) }
    bytes.append(UInt8(ascii: "\""))
  }

  private static func hexDigit(_ nibble: UInt8) -> UInt8 {
    nibble < 10 ? UInt8(ascii: "0") + nibble : UInt8(ascii: "a") + nibble - 10
  }

  private mutating func append(milliseconds duration: Duration) {
    let (seconds, attoseconds) = duration.components
    let microseconds = seconds.multipliedReportingOverflow(by: 1_000_000)
    let total = microseconds.overflow ? .max : microseconds.partialValue + attoseconds / 1_000_000_000_000
    bytes.append(contentsOf: String(total / 1000).utf8)
    bytes.append(UInt8(ascii: "."))
    append(digits: Int(total % 1000).magnitude, width: 3)
  }

  private mutating func append(digits number: UInt, width: Int) {
    var divisor: UInt = 1
    for _ in 1..<width { divisor *= 10 }
    while divisor > 0 {
      bytes.append(UInt8(ascii: "0") + UInt8(number / divisor % 10))
      divisor /= 10
    }
  }

  /// RFC 3339 with milliseconds, UTC; the civil date by Howard Hinnant's `civil_from_days`.
  private mutating func append(_ time: WallTime) {
    let days = time.seconds / 86_400 + 719_468
    let second = UInt(time.seconds % 86_400)
    let era = days / 146_097
    let dayOfEra = days % 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let marchMonth = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * marchMonth + 2) / 5 + 1
    let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    append(digits: UInt(year), width: 4)
    bytes.append(UInt8(ascii: "-"))
    append(digits: UInt(month), width: 2)
    bytes.append(UInt8(ascii: "-"))
    append(digits: UInt(day), width: 2)
    bytes.append(UInt8(ascii: "T"))
    append(digits: second / 3600, width: 2)
    bytes.append(UInt8(ascii: ":"))
    append(digits: second / 60 % 60, width: 2)
    bytes.append(UInt8(ascii: ":"))
    append(digits: second % 60, width: 2)
    bytes.append(UInt8(ascii: "."))
    append(digits: UInt(time.nanoseconds / 1_000_000), width: 3)
    bytes.append(UInt8(ascii: "Z"))
  }
}
