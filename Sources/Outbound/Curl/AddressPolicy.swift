import Glibc

/// Which addresses may be called for hosts that an administrator names: public ones, and those that the operator has
/// allowed.
package struct AddressPolicy: Sendable, Equatable {
  private let allowed: [AddressRange]

  /// Public addresses only.
  package static let publicOnly = AddressPolicy(allowed: [])

  private init(allowed: [AddressRange]) { self.allowed = allowed }

  /// Reads what the operator allows beside public addresses: ranges such as `10.1.0.0/16` or `fd12::/48`, separated by
  /// commas; without a length, one address.
  ///
  /// - Throws: ``AddressRangeError`` naming what cannot be read.
  package init(allowing text: String) throws(AddressRangeError) {
    var ranges: [AddressRange] = []
    for part in text.split(separator: ",", omittingEmptySubsequences: true) {
      let part = part.trimmingPrefix { $0 == " " }.reversed().drop { $0 == " " }.reversed()
      guard let range = Self.range(String(part)) else { throw AddressRangeError(text: String(part)) }
      ranges.append(range)
    }
    allowed = ranges
  }

  /// Why an address must not be called; nil: it may.
  ///
  /// - Parameter address: 4 or 16 bytes.
  package func refusal(of address: [UInt8]) -> String? {
    guard let range = PrivateAddresses.range(of: address), !allowed.contains(where: { $0.contains(address) }) else {
      return nil
    }
    return range.name
  }

  /// Why a host must not be called, as far as its name tells; nil: it may, if its addresses may.
  ///
  /// - Parameter host: a name, or an address without brackets.
  package func refusal(of host: String) -> String? {
    if let address = Self.bytes(host) { return refusal(of: address) }
    // Where private addresses are allowed, so are the names that lead there.
    return allowed.isEmpty && PrivateAddresses.isLocal(host: host) ? "a name of local networks" : nil
  }

  private static func range(_ text: String) -> AddressRange? {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard (1...2).contains(parts.count), let address = bytes(String(parts[0])) else { return nil }
    let bits = address.count * 8
    guard let length = parts.count == 2 ? Int(parts[1]) : bits, (0...bits).contains(length) else { return nil }
    return address.count == 4
      ? AddressRange(v4: address, length, "allowed") : AddressRange(v6: address, length, "allowed")
  }

  /// The bytes of an address; nil for a name.
  static func bytes(_ text: String) -> [UInt8]? {
    for (family, count) in [(AF_INET, 4), (AF_INET6, 16)] {
      var bytes = [UInt8](repeating: 0, count: count)
      if inet_pton(family, text, &bytes) == 1 { return bytes }
    }
    return nil
  }
}

/// A range of addresses that cannot be read.
package struct AddressRangeError: Error, Sendable, Equatable, CustomStringConvertible {
  /// What was given.
  package let text: String
  /// For the operator.
  package var description: String { "\"\(text)\" is not a range of addresses such as 10.1.0.0/16 or fd12::/48" }
}
