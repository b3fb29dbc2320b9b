package import EventLoop
import Glibc

/// Where a server listens or is reached: a TCP host and port, or a Unix socket.
package enum ServiceAddress: Sendable, Hashable, CustomStringConvertible {
  /// `host` is an IPv4 or IPv6 address (without brackets) or, for an address to call, a host name.
  case tcp(host: String, port: UInt16)
  /// `path` is absolute and at most 107 bytes, the limit of `sockaddr_un` (unix(7)).
  case unix(path: String)

  /// Parses `127.0.0.1:7101`, `[::1]:7101`, `host.example:7101` or `unix:/path`; nil for anything else.
  package init?(_ text: String) {
    if text.hasPrefix("unix:") {
      let path = text.dropFirst(5)
      guard path.hasPrefix("/"), path.utf8.count <= 107, !path.utf8.contains(0) else { return nil }
      self = .unix(path: String(path))
      return
    }
    guard let colon = text.lastIndex(of: ":") else { return nil }
    let digits = text[text.index(after: colon)...]
    guard digits.allSatisfy({ $0.isASCII && $0.isNumber }), let port = UInt16(digits) else { return nil }
    var host = text[..<colon]
    if host.hasPrefix("["), host.hasSuffix("]") {
      host = host.dropFirst().dropLast()
      guard Self.isIPv6(host) else { return nil }
    } else {
      guard !host.isEmpty, host.utf8.count <= 253, host.utf8.allSatisfy(Self.isHostByte) else { return nil }
    }
    self = .tcp(host: String(host), port: port)
  }

  /// The form in which configuration names it: `host:port`, `[ipv6]:port` or `unix:/path`.
  package var description: String {
    switch self {
    case .tcp(let host, let port): host.utf8.contains(0x3a) ? "[\(host)]:\(port)" : "\(host):\(port)"
    case .unix(let path): "unix:\(path)"
    }
  }

  /// Whether one may listen there: a literal IP address, `localhost` or a Unix socket.
  var isListenable: Bool {
    switch self {
    case .unix: true
    case .tcp(let host, _): host == "localhost" || Self.isIPv4(host) || Self.isIPv6(host[...])
    }
  }

  private static func isHostByte(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e, 0x5f: true
    default: false
    }
  }

  private static func isIPv4(_ host: String) -> Bool {
    var address = in_addr()
    return inet_pton(AF_INET, host, &address) == 1
  }

  private static func isIPv6(_ host: Substring) -> Bool {
    var address = in6_addr()
    return inet_pton(AF_INET6, String(host), &address) == 1
  }
}

extension ConfigKey {
  /// One to 32 addresses to call, separated by commas: `host:port`, `[ipv6]:port` or `unix:/path`.
  package static func addresses(_ name: String, default value: String?, doc: String) -> ConfigKey<[ServiceAddress]> {
    let expectation = "up to 32 addresses separated by commas, each host:port, [ipv6]:port or unix:/path"
    return ConfigKey<[ServiceAddress]>(name, expectation: expectation, default: value, doc: doc) {
      text throws(ConfigProblem) in
      let parts = text.split(separator: ",", omittingEmptySubsequences: false)
      let addresses = parts.compactMap { ServiceAddress(String($0)) }
      guard addresses.count == parts.count, (1...32).contains(parts.count) else {
        throw ConfigProblem("is \(quoted(text)); it needs \(expectation)")
      }
      return addresses
    }
  }

  /// One to eight addresses to listen on, separated by commas; port 0 takes any free port.
  package static func listen(_ name: String, default value: String?, doc: String) -> ConfigKey<[ServiceAddress]> {
    let expectation = "up to 8 addresses separated by commas, each ip:port, [ipv6]:port or unix:/path"
    return ConfigKey<[ServiceAddress]>(name, expectation: expectation, default: value, doc: doc) {
      text throws(ConfigProblem) in
      let parts = text.split(separator: ",", omittingEmptySubsequences: false)
      let addresses = parts.compactMap { ServiceAddress(String($0)) }.filter(\.isListenable)
      guard addresses.count == parts.count, (1...8).contains(parts.count) else {
        throw ConfigProblem("is \(quoted(text)); it needs \(expectation)")
      }
      return addresses
    }
  }
}

extension ServiceAddress {
  /// The address as a socket's; nil for a host name, which is to be resolved first.
  package var socketAddress: SocketAddress? {
    switch self {
    case .tcp(let host, let port): SocketAddress(numericHost: host, port: port)
    case .unix(let path): .unix(path: path)
    }
  }
}
