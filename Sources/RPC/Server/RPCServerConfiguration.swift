package import Crypto
package import EventLoop

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
  /// Bytes of the body of a plain HTTP request; more is answered with 413.
  package var httpBodyBytesMax = 1 << 20
  /// Calls one client connection may have open at once; advertised and enforced.
  package var streamsPerConnectionMax: UInt32 = 200
  /// Decoded bytes of one request's header block.
  package var headerListBytesMax = 16 << 10
  /// Connections of the whole server; further ones wait unaccepted.
  package var connectionsMax = 1024
  /// Handlers running on one loop, also those whose client has left; further calls are refused as retryable.
  package var handlersPerLoopMax = 4096
  /// Bytes of incomplete requests held for one connection.
  package var inboundBytesPerConnectionMax = 16 << 20
  /// Bytes of one stream's answers that wait for the client before its handler is suspended.
  package var outboundBytesPerStreamMax = 64 << 10
  /// Bytes written to no avail on one connection before nothing is read from it any more.
  package var outboundBytesPerConnectionMax = 1 << 20
  /// From accept to the client's HTTP/2 preface.
  package var handshakeTimeout: Duration = .seconds(10)
  /// From the first header of a request to its last byte, for requests of one message and plain HTTP.
  package var requestTimeout: Duration = .seconds(60)
  /// How long a client may take no byte of what waits for it.
  package var writeTimeout: Duration = .seconds(30)
  /// How long a connection may be without calls before it is closed gracefully; nil keeps it.
  package var idleTimeout: Duration?
  /// How long an ``HTTPHandler`` may take for an answer, streamed ones included.
  package var httpTimeout: Duration = .seconds(60)

  /// The defaults.
  package init() {}
}
