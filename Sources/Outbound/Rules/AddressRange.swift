/// A range of IP addresses: those whose first bits are given.
package struct AddressRange: Sendable, Equatable {
  /// 4 bytes for IPv4, 16 for IPv6.
  package let address: [UInt8]
  /// How many bits count.
  package let prefixLength: Int
  /// What the range is, for people.
  package let name: String

  /// Describes a range; bytes that are left out at the end are 0.
  package init(v4 bytes: [UInt8], _ prefixLength: Int, _ name: String) {
    self.init(bytes, 4, prefixLength, name)
  }

  /// Describes a range; bytes that are left out at the end are 0.
  package init(v6 bytes: [UInt8], _ prefixLength: Int, _ name: String) {
    self.init(bytes, 16, prefixLength, name)
  }

  private init(_ bytes: [UInt8], _ count: Int, _ prefixLength: Int, _ name: String) {
    address = bytes + [UInt8](repeating: 0, count: count - bytes.count)
    self.prefixLength = prefixLength
    self.name = name
  }

  /// Whether an address lies in the range; one of the other family never does.
  package func contains(_ other: [UInt8]) -> Bool {
    guard other.count == address.count else { return false }
    let whole = prefixLength / 8
    guard other[..<whole] == address[..<whole] else { return false }
    let rest = prefixLength % 8
    guard rest > 0 else { return true }
    return (other[whole] ^ address[whole]) >> UInt8(8 - rest) == 0
  }
}

/// Addresses that are nobody's on the public internet, or that lead to others in disguise: a host that somebody else
/// names must not have one, or Handoff could be made to call what only its own machines can reach.
package enum PrivateAddresses {
  /// The special-purpose registries of IANA (RFC 6890 and later), and the metadata services of clouds.
  package static let all: [AddressRange] = [
    .init(v4: [0], 8, "this network"),
    .init(v4: [10], 8, "private"),
    .init(v4: [100, 64], 10, "shared by carriers and clouds"),
    .init(v4: [127], 8, "loopback"),
    .init(v4: [168, 63, 129, 16], 32, "cloud metadata"),
    .init(v4: [169, 254], 16, "link-local and cloud metadata"),
    .init(v4: [172, 16], 12, "private"),
    .init(v4: [192, 0, 0], 24, "protocol assignments"),
    .init(v4: [192, 0, 2], 24, "documentation"),
    .init(v4: [192, 88, 99], 24, "6to4 relays"),
    .init(v4: [192, 168], 16, "private"),
    .init(v4: [198, 18], 15, "benchmarks"),
    .init(v4: [198, 51, 100], 24, "documentation"),
    .init(v4: [203, 0, 113], 24, "documentation"),
    .init(v4: [224], 4, "multicast"),
    .init(v4: [240], 4, "reserved and broadcast"),
    // What is not global unicast (2000::/3) is named as what it is mistaken for most.
    .init(v6: [], 128, "unspecified"),
    .init(v6: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], 128, "loopback"),
    .init(v6: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff], 96, "IPv4-mapped"),
    .init(v6: [0, 0x64, 0xff, 0x9b], 32, "NAT64"),
    .init(v6: [0xfc], 7, "unique local"),
    .init(v6: [0xfe, 0x80], 10, "link-local"),
    .init(v6: [0xfe, 0xc0], 10, "site-local"),
    .init(v6: [0xff], 8, "multicast"),
    .init(v6: [0], 3, "not global unicast"),
    .init(v6: [0x40], 2, "not global unicast"),
    .init(v6: [0x80], 1, "not global unicast"),
    .init(v6: [0x20, 0x01, 0, 0], 23, "Teredo and protocol assignments"),
    .init(v6: [0x20, 0x01, 0x0d, 0xb8], 32, "documentation"),
    .init(v6: [0x20, 0x02], 16, "6to4"),
    .init(v6: [0x3f, 0xff], 20, "documentation"),
  ]

  /// The range that an address lies in; nil for a public one.
  package static func range(of address: [UInt8]) -> AddressRange? { all.first { $0.contains(address) } }

  private static let localDomains = [
    "localhost", "local", "internal", "lan", "home", "corp", "intranet", "private", "localdomain",
  ]

  /// Whether a host's name belongs to local networks, so that no public address can be expected behind it: names
  /// without a dot, and those of RFC 6761, 6762, 8375 and the private-use domain `internal`.
  package static func isLocal(host: String) -> Bool {
    let name = host.hasSuffix(".") ? String(host.dropLast()) : host
    let labels = name.lowercased().split(separator: ".", omittingEmptySubsequences: false)
    guard labels.count > 1, let last = labels.last else { return true }
    return localDomains.contains(String(last)) || name.lowercased().hasSuffix(".home.arpa")
  }
}
