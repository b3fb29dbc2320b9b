internal import CEventLoop
import Glibc

/// An address to listen on or connect to.
package enum SocketAddress: Sendable, Hashable {
  /// An IPv4 address in host byte order, and a port.
  case ipv4(UInt32, port: UInt16)
  /// The 16 bytes of an IPv6 address in network order, a port and a scope (interface index or 0).
  case ipv6([UInt8], port: UInt16, scope: UInt32)
  /// The path of a unix socket, at most 107 bytes.
  case unix(path: String)

  /// Reads `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080` (IPv4 loopback) or `unix:/path`; names other than
  /// `localhost` are for ``resolve(host:port:)``. Nil for anything else.
  package init?(parsing text: String) {
    if text.hasPrefix("unix:") {
      let path = String(text.dropFirst(5))
      guard !path.isEmpty, path.utf8.count <= Self.unixPathBytesMax else { return nil }
      self = .unix(path: path)
      return
    }
    guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else { return nil }
    self.init(numericHost: String(text[..<colon]), port: port)
  }

  /// Reads a numeric host (IPv6 with or without brackets) or `localhost`.
  package init?(numericHost host: String, port: UInt16) {
    if host == "localhost" {
      self = .ipv4(0x7F00_0001, port: port)
      return
    }
    var four = in_addr()
    if inet_pton(AF_INET, host, &four) == 1 {
      self = .ipv4(UInt32(bigEndian: four.s_addr), port: port)
      return
    }
    let bare = host.hasPrefix("[") && host.hasSuffix("]") ? String(host.dropFirst().dropLast()) : host
    var six = in6_addr()
    guard inet_pton(AF_INET6, bare, &six) == 1 else { return nil }
    self = .ipv6(withUnsafeBytes(of: &six) { Array($0) }, port: port, scope: 0)
  }

  /// The longest path of a unix socket, in bytes.
  package static let unixPathBytesMax = 107

  /// Every address of a host name, in the resolver's order. Blocks: for a ``BlockingPool``, never a loop.
  ///
  /// - Throws: ``SocketError`` with operation `getaddrinfo` and the resolver's `EAI_` code.
  package static func resolve(host: String, port: UInt16) throws(SocketError) -> [SocketAddress] {
    var hints = addrinfo()
    hints.ai_family = AF_UNSPEC
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    hints.ai_flags = Int32(AI_ADDRCONFIG)
    var list: UnsafeMutablePointer<addrinfo>?
    let code = getaddrinfo(host, nil, &hints, &list)
    guard code == 0 else { throw SocketError(operation: "getaddrinfo", code: code) }
    defer { freeaddrinfo(list) }
    var found: [SocketAddress] = []
    var next = list
    while let entry = next {
      next = entry.pointee.ai_next
      guard let raw = entry.pointee.ai_addr,
        let address = SocketAddress(raw, port: port), !found.contains(address)
      else { continue }
      found.append(address)
    }
    return found
  }

  init?(_ raw: UnsafePointer<sockaddr>, port: UInt16? = nil) {
    switch Int32(raw.pointee.sa_family) {
    case AF_INET:
      let four = UnsafeRawPointer(raw).loadUnaligned(as: sockaddr_in.self)
      self = .ipv4(UInt32(bigEndian: four.sin_addr.s_addr), port: port ?? UInt16(bigEndian: four.sin_port))
    case AF_INET6:
      var six = UnsafeRawPointer(raw).loadUnaligned(as: sockaddr_in6.self)
      let bytes = withUnsafeBytes(of: &six.sin6_addr) { Array($0) }
      self = .ipv6(bytes, port: port ?? UInt16(bigEndian: six.sin6_port), scope: six.sin6_scope_id)
    case AF_UNIX:
      var unix = UnsafeRawPointer(raw).loadUnaligned(as: sockaddr_un.self)
      let path = withUnsafeBytes(of: &unix.sun_path) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      self = .unix(path: path)
    default: return nil
    }
  }

  var family: Int32 {
    switch self {
    case .ipv4: AF_INET
    case .ipv6: AF_INET6
    case .unix: AF_UNIX
    }
  }

  /// The port, or nil of a unix socket.
  package var port: UInt16? {
    switch self {
    case .ipv4(_, let port), .ipv6(_, let port, _): port
    case .unix: nil
    }
  }

  func withRaw<T>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> T) -> T {
    var storage = sockaddr_storage()
    let length = withUnsafeMutableBytes(of: &storage) { fill($0) }
    return withUnsafePointer(to: &storage) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(length)) }
    }
  }

  private func fill(_ room: UnsafeMutableRawBufferPointer) -> Int {
    switch self {
    case .ipv4(let address, let port):
      var raw = sockaddr_in()
      raw.sin_family = sa_family_t(AF_INET)
      raw.sin_port = port.bigEndian
      raw.sin_addr.s_addr = address.bigEndian
      room.storeBytes(of: raw, as: sockaddr_in.self)
      return MemoryLayout<sockaddr_in>.size
    case .ipv6(let address, let port, let scope):
      var raw = sockaddr_in6()
      raw.sin6_family = sa_family_t(AF_INET6)
      raw.sin6_port = port.bigEndian
      raw.sin6_scope_id = scope
      withUnsafeMutableBytes(of: &raw.sin6_addr) { $0.copyBytes(from: address.prefix(16)) }
      room.storeBytes(of: raw, as: sockaddr_in6.self)
      return MemoryLayout<sockaddr_in6>.size
    case .unix(let path):
      var raw = sockaddr_un()
      raw.sun_family = sa_family_t(AF_UNIX)
      withUnsafeMutableBytes(of: &raw.sun_path) { $0.copyBytes(from: path.utf8.prefix(Self.unixPathBytesMax)) }
      room.storeBytes(of: raw, as: sockaddr_un.self)
      return MemoryLayout<sockaddr_un>.size
    }
  }
}

extension SocketAddress: CustomStringConvertible {
  /// The form that ``init(parsing:)`` reads.
  package var description: String {
    switch self {
    case .ipv4(let address, let port):
      return "\(address >> 24).\(address >> 16 & 255).\(address >> 8 & 255).\(address & 255):\(port)"
    case .ipv6(let bytes, let port, _):
      var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
      var copy = bytes
      _ = inet_ntop(AF_INET6, &copy, &text, socklen_t(text.count))
      return "[\(String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))]:\(port)"
    case .unix(let path):
      return "unix:\(path)"
    }
  }
}
