package import Crypto
package import EventLoop
package import HTTP2

/// How a server is set up.
package struct RPCServerConfiguration: Sendable {
  /// Where to listen; port 0 lets the system choose, see `RPCServer.boundAddresses`.
  package var listen: [SocketAddress]
  /// What clients may make the server hold or do.
  package var limits = RPCServerLimits()
  /// The status that a client is told for an error of a handler, an interceptor, or the server itself
  /// (``RPCServerFault``).
  package var status: @Sendable (any Error) -> RPCError = { RPCError(thrown: $0) }

  /// Encrypts every connection, each with the context that is current when it is accepted; nil serves in the clear.
  package var tls: TLSSource?
  /// Told of a connection that ended because its peer cannot be talked to: a failed TLS handshake, or TLS on one side
  /// only. Called on the connection's loop.
  package var refusedPeer: @Sendable (_ peer: String, _ reason: String) -> Void = { _, _ in }

  /// The defaults, listening on the given addresses.
  package init(listen: [SocketAddress]) { self.listen = listen }
}

/// What clients may make a server hold or do. Numbers per connection multiply by ``connectionsMax``.
package struct RPCServerLimits: Sendable {
  /// Bytes of one request message, after decompression; more is answered with RESOURCE_EXHAUSTED.
  package var messageBytesMax = 4 << 20
  /// Bytes of the body of a plain HTTP request that is taken as a whole; more is answered with 413.
  package var httpBodyBytesMax = 1 << 20
  /// Bytes up to which the end of a plain HTTP request is awaited that is answered before it: what comes is thrown
  /// away. A longer one is broken off by the answer.
  package var httpBytesAwaitedMax = 16 << 20
  /// Calls one client connection may have open at once; advertised and enforced.
  package var streamsPerConnectionMax: UInt32 = 200
  /// Decoded bytes of one request's header block.
  package var headerListBytesMax = 16 << 10
  /// Connections of the whole server; further ones wait unaccepted.
  package var connectionsMax = 1024
  /// Handlers running on one loop, also those whose client has left; further calls are answered with
  /// RESOURCE_EXHAUSTED, further plain HTTP requests with 503.
  package var handlersPerLoopMax = 4096
  /// The same for one connection, whose client may have left the calls themselves.
  package var handlersPerConnectionMax = 1000
  /// Bytes of incomplete requests, and of answers that wait for slow clients, on one loop; above it, further calls are
  /// answered as above.
  package var heldBytesPerLoopMax = 256 << 20
  /// Bytes of incomplete requests held for one connection before those that are larger than a stream's window (256 KiB)
  /// are let in one at a time.
  package var inboundBytesPerConnectionMax = 16 << 20
  /// Bytes of one stream's answers that wait for the client before its handler is suspended.
  package var outboundBytesPerStreamMax = 64 << 10
  /// Bytes written to no avail on one connection before nothing is read from it any more.
  package var outboundBytesPerConnectionMax = 1 << 20
  /// From accept to the client's HTTP/2 preface.
  package var handshakeTimeout: Duration = .seconds(10)
  /// From the first header of a request to its last byte, for requests of one message and plain HTTP; where a handler
  /// reads the body as it comes, how long it may wait for a byte, and where an answer waits for the end, how long that.
  package var requestTimeout: Duration = .seconds(60)
  /// How long a client may take no byte of what waits for it.
  package var writeTimeout: Duration = .seconds(30)
  /// How long the answer of one call may be held up by a client that opens no window for it; then the call is reset.
  package var stallTimeout: Duration = .seconds(120)
  /// How long a connection may be without calls before it is closed gracefully; nil keeps it.
  package var idleTimeout: Duration?
  /// How old a connection may become before it is closed gracefully, varied by a tenth; nil keeps it.
  package var connectionAgeMax: Duration?
  /// How long the calls of a connection that is too old may go on; nil lets them.
  package var connectionAgeGrace: Duration?
  /// After that long without a byte from the client it is sent a PING (gRPC proposal A8).
  package var keepaliveTime: Duration = .seconds(2 * 3600)
  /// A connection whose PING brings no byte that long is closed. A graceful end goes on without the answer to its PING
  /// after that time.
  package var keepaliveTimeout: Duration = .seconds(20)
  /// The least time between two PINGs of a client; each that comes earlier is a strike. What the server sends of an
  /// answer clears the strikes.
  package var pingIntervalMin: Duration = .seconds(300)
  /// The same while the client has no call open.
  package var pingIntervalMinWithoutCalls: Duration = .seconds(2 * 3600)
  /// With more strikes than that the client is told "too_many_pings" and the connection closed.
  package var pingStrikesMax = 2
  /// Frames without work in them: PING, SETTINGS, PRIORITY, WINDOW_UPDATE, GOAWAY, empty DATA and unknown types.
  package var unproductiveFrames = HTTP2Limits.Rate(burst: 1000, perSecond: 100)
  /// Streams that a client resets.
  package var resetsReceived = HTTP2Limits.Rate(burst: 500, perSecond: 50)
  /// Streams that the server has to reset because of what a client did.
  package var resetsCaused = HTTP2Limits.Rate(burst: 256, perSecond: 32)
  /// How long an ``HTTPHandler`` may take for an answer, streamed ones included, unless it says so itself.
  package var httpTimeout: Duration = .seconds(60)

  /// The defaults.
  package init() {}
}
