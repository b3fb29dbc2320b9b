package import Crypto
package import EventLoop

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
  /// Encrypts every connection; nil speaks in the clear.
  package var tls: RPCChannelTLS?
  /// Which of a target's addresses are used.
  package var balancing = Balancing.pickFirst
  /// The service whose health decides whether an address of a round-robin channel gets calls, asked with
  /// `grpc.health.v1.Health/Watch`; the empty name stands for the whole server, nil asks nobody. A server that has no
  /// health service counts as healthy.
  package var healthService: String?
  /// What the server may make the channel hold.
  package var limits = RPCChannelLimits()
  /// How failing connects are spaced.
  package var backoff = ConnectBackoff()
  /// From the begin of a connect to the server's HTTP/2 preface, for each address.
  package var connectTimeout: Duration = .seconds(20)
  /// How often the names of a target in use are looked up again.
  package var resolveInterval: Duration = .seconds(30)
  /// The least time between two look-ups, also when connections fail.
  package var resolveIntervalMin: Duration = .seconds(1)
  /// Pings on a quiet connection; nil sends none.
  package var keepalive: Keepalive?
  /// How old a connection may become before another takes its place, varied by a tenth; nil keeps it. Its calls end
  /// in peace.
  package var connectionAgeMax: Duration?
  /// What holds for the calls of one method, of one service, or of all.
  package var methods = MethodSettingsTable()
  /// Stops retries while too many calls fail.
  package var throttle = RetryThrottle()
  /// Gives all addresses of a name; blocks, and runs on threads of its own. The system's resolver by default.
  package var lookUp: @Sendable (_ host: String, _ port: UInt16) throws -> [SocketAddress] = { host, port in
    try SocketAddress.resolve(host: host, port: port)
  }

  /// The defaults.
  package init() {}
}

/// Which of a target's addresses a channel uses.
package enum Balancing: Sendable {
  /// The first that answers, in the target's order.
  case pickFirst
  /// All of them in turn.
  case roundRobin
}

/// Pings that find out whether a connection on which nothing comes in is still alive (gRPC proposal A8).
package struct Keepalive: Sendable {
  /// After that long without a byte from the server a PING is sent.
  package let time: Duration
  /// A connection whose PING brings no byte that long is given up; its calls fail with UNAVAILABLE.
  package let timeout: Duration
  /// Whether to ping while no call is open.
  package let withoutCalls: Bool

  /// Nobody is pinged more often than that.
  package static let timeMin: Duration = .seconds(10)

  /// Pings after `time`, which is raised to ``timeMin``.
  package init(time: Duration, timeout: Duration = .seconds(20), withoutCalls: Bool = false) {
    self.init(exactly: max(time, Self.timeMin), timeout: timeout, withoutCalls: withoutCalls)
  }

  init(exactly time: Duration, timeout: Duration, withoutCalls: Bool) {
    self.time = time
    self.timeout = timeout
    self.withoutCalls = withoutCalls
  }
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
  /// Addresses of a round-robin channel that are connected to; of more, some are chosen by chance.
  package var addressesMax = 32
  /// Calls sent over one connection before another takes its place, well before its 2^30 stream ids are used up.
  package var callsPerConnectionMax = 800_000_000
  /// Bytes of one call's answers that the server may send before the caller has read any of them; at least 65,535.
  package var streamWindowBytes: Int32 = 256 << 10
  /// The same for all calls of a connection together.
  package var connectionWindowBytes: Int32 = 16 << 20
  /// Bytes of requests kept of one call so that it can be sent again; a call that sends more is not retried.
  package var retryBytesMax = 256 << 10

  /// The defaults.
  package init() {}
}
