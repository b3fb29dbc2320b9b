/// One stream of a session, as the delegate and its owner see it. Confined to the thread of its session.
///
/// The object may be kept after the stream has closed; then `isOpen` is false and every act on it does nothing.
package final class HTTP2Stream {
  /// The number on the wire; odd for streams opened by the client.
  package internal(set) var id: Int32 = 0
  /// Whatever the delegate wants to find again in its callbacks; let go of when the stream has closed.
  package var context: AnyObject?
  /// False from the moment `streamClosed` has been delivered.
  package internal(set) var isOpen = false
  /// The peer will send no more on this stream.
  package internal(set) var remoteEnded = false
  /// `finish` has been called, or headers were sent that end the stream.
  package internal(set) var localEnded = false
  /// Headers have been submitted on this stream; on a server, a response can no longer be replaced.
  package internal(set) var headersSubmitted = false

  // Unchecked for the reason given in `HTTP2Session`.
  @exclusivity(unchecked) var outbound = ByteQueue()
  var trailers: HTTP2Headers?
  @exclusivity(unchecked) var isDeferred = false
  @exclusivity(unchecked) var isAboveLowWater = false
  var isIncremental = false
  @exclusivity(unchecked) var finalHeadersReceived = false
  @exclusivity(unchecked) var currentKind = HTTP2HeadersKind.request
  /// The application reset the stream: the RST_STREAM is not the peer's doing.
  var isResetByUs = false
  /// The request never reached the wire; known when the stream has closed.
  package internal(set) var isNeverSent = false
  @exclusivity(unchecked) var bytesUnconsumed = 0

  /// Bytes that have been framed since the stream opened: while it does not grow, nothing could be sent.
  @exclusivity(unchecked) package internal(set) var bytesFramed = 0
  /// For the owner, who looks now and then whether the stream moves.
  package var stall: (bytesFramed: Int, since: UInt64)?

  @exclusivity(unchecked) unowned(unsafe) var next: HTTP2Stream?
  @exclusivity(unchecked) unowned(unsafe) var previous: HTTP2Stream?

  init() {}

  /// Bytes appended that have not been framed yet.
  package var outboundBytes: Int { outbound.count }

  /// Received bytes that have been delivered but not yet consumed.
  package var inboundBytes: Int { bytesUnconsumed }

  func prepareForReuse() {
    context = nil
    remoteEnded = false
    localEnded = false
    headersSubmitted = false
    outbound.reset(keepingUpTo: 4096)
    trailers = nil
    isDeferred = false
    isAboveLowWater = false
    isIncremental = false
    finalHeadersReceived = false
    isResetByUs = false
    isNeverSent = false
    bytesUnconsumed = 0
    bytesFramed = 0
    stall = nil
  }
}

/// What a header block is.
package enum HTTP2HeadersKind: Equatable, Sendable {
  /// Opens a stream (server side).
  case request
  /// The final response headers (client side).
  case response
  /// A 1xx response; the final one is still to come. Known only when the block has ended.
  case informational
  /// Fields behind the last DATA.
  case trailers
}

/// The type of a frame (RFC 9113 §6); unknown values are kept.
package struct HTTP2FrameType: RawRepresentable, Equatable, Sendable {
  /// The number on the wire.
  package let rawValue: UInt8

  /// Any number is taken.
  package init(rawValue: UInt8) { self.rawValue = rawValue }

  /// DATA.
  package static let data = HTTP2FrameType(rawValue: 0)
  /// HEADERS.
  package static let headers = HTTP2FrameType(rawValue: 1)
  /// PRIORITY.
  package static let priority = HTTP2FrameType(rawValue: 2)
  /// RST_STREAM.
  package static let reset = HTTP2FrameType(rawValue: 3)
  /// SETTINGS.
  package static let settings = HTTP2FrameType(rawValue: 4)
  /// PING.
  package static let ping = HTTP2FrameType(rawValue: 6)
  /// GOAWAY.
  package static let goaway = HTTP2FrameType(rawValue: 7)
  /// WINDOW_UPDATE.
  package static let windowUpdate = HTTP2FrameType(rawValue: 8)
  /// CONTINUATION.
  package static let continuation = HTTP2FrameType(rawValue: 9)
}
