/// A JSON text that is being written: bytes, appended to one buffer.
struct JSONOutput {
  /// What was written.
  private(set) var bytes: [UInt8] = []

  /// Begins a text that has about so many bytes.
  init(capacity: Int = 0) { bytes.reserveCapacity(capacity) }

  /// Appends an ASCII character.
  mutating func append(byte: Unicode.Scalar) { bytes.append(UInt8(ascii: byte)) }

  /// Appends bytes as they are.
  mutating func append(_ raw: [UInt8]) { bytes.append(contentsOf: raw) }

  /// Appends a text as it is.
  mutating func append(_ raw: String) { bytes.append(contentsOf: raw.utf8) }

  /// Appends a whole number.
  mutating func append(_ number: Int64) {
    if number < 0 { append(byte: "-") }
    append(number.magnitude)
  }

  /// Appends a whole number.
  mutating func append(_ number: UInt64) {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 20) { digits in
      var (start, rest) = (20, number)
      repeat {
        start -= 1
        digits[start] = 0x30 + UInt8(truncatingIfNeeded: rest % 10)
        rest /= 10
      } while rest > 0
      bytes.append(contentsOf: UnsafeBufferPointer(rebasing: digits[start...]))
    }
  }

  /// Appends a whole number with leading zeros.
  mutating func append(_ number: Int, digits: Int) {
    var divisor = 1
    for _ in 1..<digits { divisor *= 10 }
    while divisor > 0 {
      bytes.append(0x30 + UInt8(truncatingIfNeeded: number / divisor % 10))
      divisor /= 10
    }
  }

  /// Appends a text in quotes, with what must be escaped escaped.
  mutating func append(quoted text: String) {
    var text = text
    text.withUTF8 { append(quoted: UnsafeRawBufferPointer($0)) }
  }

  /// Appends a text in quotes, with what must be escaped escaped.
  mutating func append(quoted text: UnsafeRawBufferPointer) {
    append(byte: "\"")
    var (start, index) = (0, 0)
    while index < text.count {
      // Eight bytes at a time: most have nothing to escape.
      if index + 8 <= text.count, Self.isPlain(text.loadUnaligned(fromByteOffset: index, as: UInt64.self)) {
        index += 8
        continue
      }
      let byte = text[index]
      if Self.isPlain(byte) {
        index += 1
        continue
      }
      bytes.append(contentsOf: text[start..<index])
      escape(byte)
      index += 1
      start = index
    }
    bytes.append(contentsOf: text[start...])
    append(byte: "\"")
  }

  private mutating func escape(_ byte: UInt8) {
    switch byte {
    case UInt8(ascii: "\""): append("\\\"")
    case UInt8(ascii: "\\"): append("\\\\")
    case 0x0A: append("\\n")
    case 0x0D: append("\\r")
    case 0x09: append("\\t")
    default:
      append(byte < 0x10 ? "\\u000" : "\\u00")
      append(String(byte, radix: 16))
    }
  }

  private static func isPlain(_ byte: UInt8) -> Bool {
    byte >= 0x20 && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\") && byte != 0x7F
  }

  /// Whether none of eight bytes is below 0x20, `"`, `\` or 0x7F.
  private static func isPlain(_ word: UInt64) -> Bool {
    let ones: UInt64 = 0x0101_0101_0101_0101
    func hasByte(_ byte: UInt64) -> UInt64 {
      let difference = word ^ (ones &* byte)
      return (difference &- ones) & ~difference
    }
    // A borrow can mark a byte falsely only above one that is marked rightly.
    let marks = ((word &- ones &* 0x20) & ~word) | hasByte(0x22) | hasByte(0x5C) | hasByte(0x7F)
    return marks & (ones &* 0x80) == 0
  }
}
