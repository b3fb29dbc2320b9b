/// Base64 with `+` and `/` (RFC 4648 §4).
package enum Base64 {
  private static let alphabet = Base64Alphabet("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")

  /// The text of `bytes`.
  package static func encode(_ bytes: [UInt8], padded: Bool = true) -> String {
    bytes.withUnsafeBytes { alphabet.encode($0, padded: padded) }
  }

  /// The text of `bytes`.
  package static func encode(_ bytes: UnsafeRawBufferPointer, padded: Bool = true) -> String {
    alphabet.encode(bytes, padded: padded)
  }

  /// The bytes of a text, with or without padding; nil for anything else, such as white space.
  package static func decode(_ text: String) -> [UInt8]? { alphabet.decode(text) }

  /// The bytes of a text given as ASCII.
  package static func decode(_ text: UnsafeRawBufferPointer) -> [UInt8]? { alphabet.decode(text) }
}

/// Base64 with `-` and `_` (RFC 4648 §5), as goes into URLs, cookies and tokens.
package enum Base64URL {
  private static let alphabet = Base64Alphabet("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")

  /// The text of `bytes`, as a rule without padding.
  package static func encode(_ bytes: [UInt8], padded: Bool = false) -> String {
    bytes.withUnsafeBytes { alphabet.encode($0, padded: padded) }
  }

  /// The bytes of a text, with or without padding; nil for anything else.
  package static func decode(_ text: String) -> [UInt8]? { alphabet.decode(text) }

  /// The bytes of a text given as ASCII.
  package static func decode(_ text: UnsafeRawBufferPointer) -> [UInt8]? { alphabet.decode(text) }
}

private struct Base64Alphabet: Sendable {
  private let digits: [UInt8]
  private let values: [UInt8]

  private static let invalid: UInt8 = 0xff

  init(_ digits: StaticString) {
    self.digits = digits.withUTF8Buffer { Array($0) }
    var values = [UInt8](repeating: Self.invalid, count: 256)
    for (value, digit) in self.digits.enumerated() { values[Int(digit)] = UInt8(value) }
    self.values = values
  }

  func encode(_ bytes: UnsafeRawBufferPointer, padded: Bool) -> String {
    let groups = (bytes.count + 2) / 3
    return String(unsafeUninitializedCapacity: groups * 4) { output in
      var count = 0
      func put(_ value: UInt32) {
        output[count] = digits[Int(value & 63)]
        count += 1
      }
      for start in stride(from: 0, to: bytes.count, by: 3) {
        let left = bytes.count - start
        let group =
          UInt32(bytes[start]) << 16 | (left > 1 ? UInt32(bytes[start + 1]) << 8 : 0)
          | (left > 2 ? UInt32(bytes[start + 2]) : 0)
        put(group >> 18)
        put(group >> 12)
        if left > 1 { put(group >> 6) }
        if left > 2 { put(group) }
      }
      while padded && count % 4 != 0 {
        output[count] = UInt8(ascii: "=")
        count += 1
      }
      return count
    }
  }

  func decode(_ text: String) -> [UInt8]? {
    var text = text
    return text.withUTF8 { decode(UnsafeRawBufferPointer($0)) }
  }

  func decode(_ text: UnsafeRawBufferPointer) -> [UInt8]? {
    var count = text.count
    if count % 4 == 0 {
      while count > 0 && text.count - count < 2 && text[count - 1] == UInt8(ascii: "=") { count -= 1 }
    }
    guard count % 4 != 1 else { return nil }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count / 4 * 3 + 2)
    var bits: UInt32 = 0
    var held = 0
    for index in 0..<count {
      let value = values[Int(text[index])]
      if value == Self.invalid { return nil }
      bits = bits << 6 | UInt32(value)
      held += 6
      if held >= 8 {
        held -= 8
        bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(held)))
      }
    }
    // Bits beyond the last byte must be zero, so that every sequence of bytes has one text only.
    return bits & ((1 << UInt32(held)) - 1) == 0 ? bytes : nil
  }
}
