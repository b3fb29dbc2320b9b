package import EventLoop

/// Where a channel finds its server.
package struct RPCTarget: Sendable, Hashable, CustomStringConvertible {
  /// One place to connect to.
  package enum Endpoint: Sendable, Hashable {
    /// A numeric address, or a name that stands for all of its addresses and is looked up again from time to time.
    case tcp(host: String, port: UInt16)
    /// The path of a unix socket.
    case unix(path: String)
  }

  /// The places of one and the same service.
  package let endpoints: [Endpoint]

  /// A target of one or more endpoints.
  package init(_ endpoints: [Endpoint]) { self.endpoints = endpoints }

  /// A name or numeric address and a port.
  package static func tcp(_ host: String, _ port: UInt16) -> RPCTarget { RPCTarget([.tcp(host: host, port: port)]) }

  /// A unix socket.
  package static func unix(_ path: String) -> RPCTarget { RPCTarget([.unix(path: path)]) }

  /// The target of a bound server, for a server of the same machine.
  package init(_ address: SocketAddress) {
    let text = address.description
    switch address {
    case .unix(let path): self = .unix(path)
    case .ipv4(_, let port), .ipv6(_, let port, _):
      self = .tcp(String(text[..<(text.lastIndex(of: ":") ?? text.endIndex)]), port)
    }
  }

  /// Reads `host:port`, `[::1]:port` or `unix:/path`, several joined by commas. Nil for anything else.
  package init?(parsing text: String) {
    var endpoints: [Endpoint] = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      if part.hasPrefix("unix:") {
        guard (1...SocketAddress.unixPathBytesMax).contains(part.utf8.count - 5) else { return nil }
        endpoints.append(.unix(path: String(part.dropFirst(5))))
        continue
      }
      guard let colon = part.lastIndex(of: ":"), let port = UInt16(part[part.index(after: colon)...]) else {
        return nil
      }
      let host = String(part[..<colon])
      guard !host.isEmpty, !host.contains(":") || host.hasPrefix("[") && host.hasSuffix("]") else { return nil }
      endpoints.append(.tcp(host: host, port: port))
    }
    guard !endpoints.isEmpty else { return nil }
    self.endpoints = endpoints
  }

  /// The form that ``init(parsing:)`` reads.
  package var description: String {
    endpoints.map { endpoint in
      switch endpoint {
      case .tcp(let host, let port): "\(host):\(port)"
      case .unix(let path): "unix:\(path)"
      }
    }.joined(separator: ",")
  }

  /// The `:authority` of requests.
  var authority: String {
    switch endpoints.first {
    case .tcp(let host, let port): "\(host):\(port)"
    case .unix, nil: "localhost"
    }
  }
}

extension RPCTarget {
  /// The host of the first endpoint, for which its certificate must be unless another name is expected.
  var host: String {
    switch endpoints.first {
    case .tcp(let host, _): host
    case .unix, nil: "localhost"
    }
  }
}
