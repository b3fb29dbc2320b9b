/// How one session is set up.
package struct HTTP2Configuration: Sendable {
  /// Which end of the connection a session speaks for.
  package enum Role: Sendable { case server, client }

  /// The end of the connection.
  package var role: Role
  /// What the peer may make us hold or do.
  package var limits = HTTP2Limits()
  /// Bytes a peer may send on one stream before we have taken any of them.
  package var streamWindowBytes: Int32 = 1 << 20
  /// Bytes a peer may send on all streams together before we have taken any of them.
  package var connectionWindowBytes: Int32 = 1 << 20
  /// Below this many bytes a stream that had more asks its delegate for more (`outboundDrained`).
  package var outboundLowWaterBytes = 64 << 10

  /// The defaults of a role.
  package init(role: Role) { self.role = role }
}

/// What a peer may make us hold or do.
package struct HTTP2Limits: Sendable {
  /// Streams a client may have open at once; advertised, and enforced with the same number.
  package var concurrentStreamsMax: UInt32 = 200
  /// Decoded size of one header block, each field counted as name + value + 32 bytes (RFC 9113 §6.5.2).
  package var headerListBytesMax = 16 << 10
  /// Frames queued for a peer that does not read.
  package var outboundFramesMax = 10_000
  /// Frames without work in them: PING, SETTINGS, PRIORITY, WINDOW_UPDATE, GOAWAY, empty DATA, unknown types, and
  /// HEADERS for streams that are gone (which count many times). Frames that carry work give tokens back.
  package var unproductiveFrames = Rate(burst: 1000, perSecond: 100)
  /// RST_STREAM that the library sends because of what the peer did.
  package var resetsCaused = Rate(burst: 256, perSecond: 32)
  /// RST_STREAM that the peer sends.
  package var resetsReceived = Rate(burst: 500, perSecond: 50)

  /// The defaults.
  package init() {}

  /// A token bucket: `burst` at once, `perSecond` in the long run.
  package struct Rate: Sendable {
    /// Events that may come at once.
    package var burst: Int
    /// Events that may come each second in the long run.
    package var perSecond: Int

    static let deadHeadersCost = 20
    // A DATA frame sent may be answered by WINDOW_UPDATE for the stream and for the connection and by a bandwidth PING.
    static let tokensPerProductiveFrame = 3

    /// Both numbers must be above zero.
    package init(burst: Int, perSecond: Int) {
      self.burst = burst
      self.perSecond = perSecond
    }
  }
}

/// What a peer has announced in SETTINGS, as it stands now.
package struct HTTP2PeerSettings: Equatable, Sendable {
  /// Streams we may have open at once; libnghttp2 takes 100 until the peer has said.
  package let concurrentStreamsMax: UInt32
  /// Bytes we may send on a new stream.
  package let streamWindowBytes: UInt32
  /// The largest header block the peer wants to see; `UInt32.max` when it has named none.
  package let headerListBytesMax: UInt32
}
