/// A person's address, with the name people know.
package struct MailAddress: Hashable, Sendable {
  /// May be empty.
  package let displayName: String
  /// `local@domain`, ASCII.
  package let address: String

  /// Bytes of an address (RFC 5321, 4.5.3.1.3, without the angle brackets).
  package static let addressBytesMax = 254

  /// Takes an address that a mail can be sent to; nil for anything else, such as an empty one or one that was masked.
  ///
  /// Stricter than RFC 5321, as mail providers are: no quoted local parts, no address literals, ASCII only.
  package init?(_ address: String, displayName: String = "") {
    let bytes = Array(address.utf8)
    guard bytes.count <= Self.addressBytesMax, let at = bytes.lastIndex(of: UInt8(ascii: "@")) else { return nil }
    let local = bytes[..<at]
    let domain = bytes[(at + 1)...]
    guard (1...64).contains(local.count), local.allSatisfy(Self.isLocal), local.first != 0x2E, local.last != 0x2E else {
      return nil
    }
    let labels = domain.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    guard labels.allSatisfy({ Self.isLabel($0) }) else { return nil }
    self.address = address
    self.displayName = displayName
  }

  /// What stands after the `@`.
  package var domain: Substring { address[address.index(after: address.lastIndex(of: "@") ?? address.startIndex)...] }

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
