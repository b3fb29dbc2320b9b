package import Crypto
package import EventLoop

/// Where a channel finds its server.
package struct RPCTarget: Sendable, Hashable, CustomStringConvertible {
  /// One place to connect to.
  package enum Endpoint: Sendable, Hashable {
    /// A numeric address or a name, which is resolved anew for every connect.
    case tcp(host: String, port: UInt16)
    /// The path of a unix socket.
    case unix(path: String)
  }

  /// Tried in order until one answers.
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

/// The TLS of a channel.
package struct RPCChannelTLS: Sendable {
  /// Gives each new connection its context.
  package var source: TLSSource
  /// The name for which the server's certificate must be; nil for the host of the target. Copies of a service have many
  /// addresses and one name.
  package var serverName: String?

  /// Takes contexts of clients.
  package init(_ source: TLSSource, serverName: String? = nil) {
    self.source = source
    self.serverName = serverName
  }
}

/// How a channel is set up.
package struct RPCChannelConfiguration: Sendable {
  /// Sent with every call, such as the identity of the calling service.
  package var credentials = Metadata()
  /// Encrypts every connection; nil speaks in the clear.
  package var tls: RPCChannelTLS?
  /// What the server may make the channel hold.
  package var limits = RPCChannelLimits()
  /// How failing connects are spaced.
  package var backoff = ConnectBackoff()
  /// From the begin of a connect to the server's HTTP/2 preface, for each address.
  package var connectTimeout: Duration = .seconds(20)

  /// The defaults.
  package init() {}
}

/// What a server may make a channel hold. Numbers are per loop.
package struct RPCChannelLimits: Sendable {
  /// Bytes of one response message, after decompression; more ends the call with RESOURCE_EXHAUSTED.
  package var messageBytesMax = 4 << 20
  /// Decoded bytes of one response's header block.
  package var headerListBytesMax = 16 << 10
  /// Calls that wait for a connection or for room on it; further ones fail with RESOURCE_EXHAUSTED.
  package var waitingCallsMax = 10_000
  /// Bytes of one stream's requests that wait for the server before the writer is suspended.
  package var outboundBytesPerStreamMax = 64 << 10
  /// Bytes written to no avail before nothing is read from the connection any more.
  package var outboundBytesPerConnectionMax = 1 << 20

  /// The defaults.
  package init() {}
}

/// Exponential spacing of failing connects, with jitter so that clients do not come back in step.
///
/// The first delays are shorter than those gRPC proposes for the internet: a restarted daemon of the same cluster is
/// back within a second.
package struct ConnectBackoff: Sendable {
  /// After the first failure.
  package var initial: Duration = .milliseconds(200)
  /// Each further delay is that many times the one before.
  package var multiplier = 1.6
  /// No delay is longer.
  package var max: Duration = .seconds(30)
  /// A delay varies by up to this part of it.
  package var jitter = 0.2

  /// The defaults.
  package init() {}

  /// The delay after `failures` failures in a row (1 or more), for a random number in -1…1.
  package func delay(failures: Int, random: Double) -> Duration {
    var factor = 1.0
    let ceiling = self.max / initial
    for _ in 1..<Swift.max(1, Swift.min(failures, 1000)) where factor < ceiling { factor *= multiplier }
    return initial * (Swift.min(factor, ceiling) * (1 + jitter * random))
  }
}
