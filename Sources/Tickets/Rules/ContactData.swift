/// The one form in which customers' addresses are stored and looked for.
enum ContactData {
  /// Bytes of a mail address (RFC 5321, 4.5.3.1.3, without the angle brackets).
  static let emailBytesMax = 254
  /// Digits of a phone number, its + included.
  static let phoneCharacters = 3...30

  /// A mail address in lower case without outer spaces; nil for what no mail can be sent to.
  ///
  /// Stricter than RFC 5321, as mail providers are: ASCII only, no quoted local part, no address literal.
  static func email(_ text: String) -> String? {
    let bytes = trimmed(text)
    guard bytes.count <= emailBytesMax, let at = bytes.lastIndex(of: UInt8(ascii: "@")) else { return nil }
    let local = bytes[..<at]
    let labels = bytes[(at + 1)...].split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    guard (1...64).contains(local.count), local.allSatisfy(isLocal),
      local.first != UInt8(ascii: "."), local.last != UInt8(ascii: "."), labels.allSatisfy({ isLabel($0) })
    else { return nil }
    return String(decoding: bytes, as: UTF8.self).lowercased()
  }

  /// A phone number's digits, with a leading + when it was written so; nil when it holds anything but digits and what
  /// people put between them.
  static func phone(_ text: String) -> String? {
    let bytes = trimmed(text)
    var number: [UInt8] = []
    for (index, byte) in bytes.enumerated() {
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): number.append(byte)
      case UInt8(ascii: "+") where index == 0: number.append(byte)
      case UInt8(ascii: " "), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "/"), UInt8(ascii: "("),
        UInt8(ascii: ")"):
        continue
      default: return nil
      }
    }
    return phoneCharacters.contains(number.count) ? String(decoding: number, as: UTF8.self) : nil
  }

  private static func trimmed(_ text: String) -> ArraySlice<UInt8> {
    let bytes = Array(text.utf8)
    let isSpace = { (byte: UInt8) in byte == UInt8(ascii: " ") }
    guard let first = bytes.firstIndex(where: { !isSpace($0) }), let last = bytes.lastIndex(where: { !isSpace($0) })
    else { return [] }
    return bytes[first...last]
  }

  private static func isLocal(_ byte: UInt8) -> Bool {
    isLetterOrDigit(byte) || "!#$%&'*+-/=?^_`{|}~.".utf8.contains(byte)
  }

  private static func isLabel(_ label: ArraySlice<UInt8>) -> Bool {
    (1...63).contains(label.count) && label.allSatisfy { isLetterOrDigit($0) || $0 == UInt8(ascii: "-") }
      && label.first != UInt8(ascii: "-") && label.last != UInt8(ascii: "-")
  }

  private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
      UInt8(ascii: "A")...UInt8(ascii: "Z"):
      true
    default: false
    }
  }
}
