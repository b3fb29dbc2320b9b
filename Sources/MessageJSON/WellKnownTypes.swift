import Protobuf

/// Messages that are texts in JSON: times, durations and field masks.
enum WellKnownTypes {
  /// What a text must look like, in words.
  static func expectation(_ form: MessagePlan.TextForm) -> String {
    switch form {
    case .timestamp: "must be a time such as 2026-01-31T09:30:00Z"
    case .duration: "must be a duration such as 1.5s"
    case .fieldMask: "must be field names separated by commas"
    }
  }

  /// Appends the text of a message, in quotes.
  static func write(
    _ message: DynamicMessage, _ form: MessagePlan.TextForm, _ plan: MessagePlan, to output: inout JSONOutput
  ) {
    switch form {
    case .timestamp:
      let (seconds, nanos) = secondsAndNanos(message, plan)
      output.append(byte: "\"")
      RFC3339.write(seconds: seconds, nanos: nanos, to: &output)
      output.append(byte: "\"")
    case .duration:
      let (seconds, nanos) = secondsAndNanos(message, plan)
      output.append(seconds < 0 || nanos < 0 ? "\"-" : "\"")
      output.append(seconds.magnitude)
      RFC3339.write(fraction: Int32(truncatingIfNeeded: nanos.magnitude), to: &output)
      output.append("s\"")
    case .fieldMask:
      let paths = plan.fields[0].schema
      let names = (0..<message.count(paths)).map { lowerCamelCase(message.string(paths, at: $0)) }
      output.append(quoted: names.joined(separator: ","))
    }
  }

  /// Fills a message from its text; false when the text does not fit.
  static func put(
    _ text: String, into message: DynamicMessage, _ form: MessagePlan.TextForm, _ plan: MessagePlan
  ) -> Bool {
    switch form {
    case .timestamp:
      guard let time = RFC3339.parse(text) else { return false }
      return put(time.seconds, time.nanos, into: message, plan)
    case .duration:
      guard let time = parseDuration(text) else { return false }
      return put(time.seconds, time.nanos, into: message, plan)
    case .fieldMask:
      let paths = plan.fields[0].schema
      // An empty name between commas is one, for whoever reads the mask to refuse.
      let names = text.split(separator: ",", omittingEmptySubsequences: text.isEmpty)
      return !names.contains { (try? message.put(snakeCase($0), in: paths)) == nil }
    }
  }

  // The protos of these types are not ours to change: `seconds` is their first field, `nanos` the second.
  private static func secondsAndNanos(_ message: DynamicMessage, _ plan: MessagePlan) -> (Int64, Int32) {
    (message.int64(plan.fields[0].schema), Int32(truncatingIfNeeded: message.int64(plan.fields[1].schema)))
  }

  private static func put(_ seconds: Int64, _ nanos: Int32, into message: DynamicMessage, _ plan: MessagePlan) -> Bool {
    do {
      try message.put(seconds, in: plan.fields[0].schema)
      try message.put(Int64(nanos), in: plan.fields[1].schema)
      return true
    } catch {
      return false
    }
  }

  private static func parseDuration(_ text: String) -> (seconds: Int64, nanos: Int32)? {
    guard text.hasSuffix("s"), text.utf8.count <= 32 else { return nil }
    let isNegative = text.hasPrefix("-")
    let parts = text.dropLast().drop { $0 == "-" }.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count <= 2, let whole = parts.first, !whole.isEmpty,
      whole.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let seconds = Int64(whole), seconds <= 315_576_000_000,
      let nanos = parts.count == 1 ? 0 : RFC3339.nanos(parts[1])
    else { return nil }
    return isNegative ? (-seconds, -nanos) : (seconds, nanos)
  }

  // Both ways look at ASCII letters alone, so that a path comes back as it went, whatever else is in it.
  private static func lowerCamelCase(_ path: String) -> String {
    var result: [UInt8] = []
    var underscore = false
    for byte in path.utf8 {
      if underscore, (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) {
        result[result.count - 1] = byte & ~0x20
      } else {
        result.append(byte)
      }
      underscore = byte == UInt8(ascii: "_")
    }
    return String(decoding: result, as: UTF8.self)
  }

  private static func snakeCase(_ path: Substring) -> String {
    var result: [UInt8] = []
    for byte in path.utf8 {
      if (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) {
        result.append(UInt8(ascii: "_"))
        result.append(byte | 0x20)
      } else {
        result.append(byte)
      }
    }
    return String(decoding: result, as: UTF8.self)
  }
}

/// Times as RFC 3339 writes them, from year 1 to 9999.
package enum RFC3339 {
  private static let secondsRange: ClosedRange<Int64> = -62_135_596_800...253_402_300_799

  /// Appends a time in UTC with 0, 3, 6 or 9 digits of fraction.
  static func write(seconds: Int64, nanos: Int32, to output: inout JSONOutput) {
    let inRange = min(max(seconds, secondsRange.lowerBound), secondsRange.upperBound)
    let days = floorDivide(inRange, 86_400)
    let second = Int(inRange - days * 86_400)
    let (year, month, day) = civil(days)
    output.append(year, digits: 4)
    output.append(byte: "-")
    output.append(month, digits: 2)
    output.append(byte: "-")
    output.append(day, digits: 2)
    output.append(byte: "T")
    output.append(second / 3_600, digits: 2)
    output.append(byte: ":")
    output.append(second / 60 % 60, digits: 2)
    output.append(byte: ":")
    output.append(second % 60, digits: 2)
    write(fraction: nanos, to: &output)
    output.append(byte: "Z")
  }

  /// Appends `.` and 3, 6 or 9 digits, or nothing for 0.
  static func write(fraction nanos: Int32, to output: inout JSONOutput) {
    guard nanos > 0 else { return }
    output.append(byte: ".")
    let nanos = Int(nanos)
    if nanos.isMultiple(of: 1_000_000) {
      output.append(nanos / 1_000_000, digits: 3)
    } else if nanos.isMultiple(of: 1_000) {
      output.append(nanos / 1_000, digits: 6)
    } else {
      output.append(nanos, digits: 9)
    }
  }

  /// 1 to 9 digits of fraction as nanoseconds.
  static func nanos(_ digits: Substring) -> Int32? {
    guard (1...9).contains(digits.utf8.count), digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
      return nil
    }
    return Int32(digits + String(repeating: "0", count: 9 - digits.utf8.count))
  }

  /// Reads a time with `Z` or an offset: seconds since the epoch, and nanoseconds past them; nil for another text.
  package static func parse(_ text: String) -> (seconds: Int64, nanos: Int32)? {
    let bytes = Array(text.utf8)
    guard (20...35).contains(bytes.count) else { return nil }
    func number(_ range: Range<Int>) -> Int? {
      guard range.upperBound <= bytes.count, bytes[range].allSatisfy({ (0x30...0x39).contains($0) }) else {
        return nil
      }
      return bytes[range].reduce(0) { $0 * 10 + Int($1 - 0x30) }
    }
    guard let year = number(0..<4), let month = number(5..<7), let day = number(8..<10), let hour = number(11..<13),
      let minute = number(14..<16), let second = number(17..<19), bytes[4] == 0x2D, bytes[7] == 0x2D,
      bytes[10] == UInt8(ascii: "T") || bytes[10] == UInt8(ascii: "t"), bytes[13] == 0x3A, bytes[16] == 0x3A,
      year >= 1, (1...12).contains(month), (1...daysIn(month, year)).contains(day), hour < 24, minute < 60, second < 60
    else { return nil }
    var position = 19
    var fraction: Int32 = 0
    if bytes[position] == UInt8(ascii: ".") {
      let digits = bytes[(position + 1)...].prefix { (0x30...0x39).contains($0) }
      guard let value = nanos(Substring(decoding: digits, as: UTF8.self)) else { return nil }
      fraction = value
      position += 1 + digits.count
    }
    guard position < bytes.count, let offset = offsetSeconds(Array(bytes[position...])) else { return nil }
    let seconds = daysSinceEpoch(year, month, day) * 86_400 + Int64(hour * 3_600 + minute * 60 + second) - offset
    return secondsRange.contains(seconds) ? (seconds, fraction) : nil
  }

  private static func offsetSeconds(_ bytes: [UInt8]) -> Int64? {
    if bytes == [UInt8(ascii: "Z")] || bytes == [UInt8(ascii: "z")] { return 0 }
    guard bytes.count == 6, bytes[3] == 0x3A, bytes[0] == UInt8(ascii: "+") || bytes[0] == UInt8(ascii: "-"),
      [1, 2, 4, 5].allSatisfy({ (0x30...0x39).contains(bytes[$0]) })
    else { return nil }
    let hours = Int64(bytes[1] - 0x30) * 10 + Int64(bytes[2] - 0x30)
    let minutes = Int64(bytes[4] - 0x30) * 10 + Int64(bytes[5] - 0x30)
    guard hours < 24, minutes < 60 else { return nil }
    return (bytes[0] == UInt8(ascii: "-") ? -1 : 1) * (hours * 3_600 + minutes * 60)
  }

  private static func daysIn(_ month: Int, _ year: Int) -> Int {
    switch month {
    case 2: year.isMultiple(of: 4) && (!year.isMultiple(of: 100) || year.isMultiple(of: 400)) ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
  }

  /// Days since 1970-01-01 of a date in the proleptic Gregorian calendar; years are counted from March, so that leap
  /// days come last.
  private static func daysSinceEpoch(_ year: Int, _ month: Int, _ day: Int) -> Int64 {
    let shifted = Int64(month <= 2 ? year - 1 : year)
    let era = floorDivide(shifted, 400)
    let yearOfEra = shifted - era * 400
    let dayOfYear = Int64((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1)
    return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
  }

  private static func civil(_ days: Int64) -> (year: Int, month: Int, day: Int) {
    let shifted = days + 719_468
    let era = floorDivide(shifted, 146_097)
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let month = Int(shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9)
    let year = Int(yearOfEra + era * 400) + (month <= 2 ? 1 : 0)
    return (year, month, Int(dayOfYear - (153 * shiftedMonth + 2) / 5 + 1))
  }

  private static func floorDivide(_ value: Int64, _ divisor: Int64) -> Int64 {
    value >= 0 ? value / divisor : -((-value + divisor - 1) / divisor)
  }
}
