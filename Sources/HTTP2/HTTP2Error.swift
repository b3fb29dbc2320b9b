/// Why a session can no longer be used. Whoever holds the connection writes out what is staged and closes the socket.
package struct HTTP2Error: Error, Equatable, CustomStringConvertible {
  /// The causes a caller may want to count apart.
  package enum Reason: Equatable, Sendable {
    /// The first bytes of the connection are not the HTTP/2 preface: an HTTP/1.1 client, or no HTTP at all.
    case badPreface
    /// The library found the peer in breach of the protocol, or ran out of memory; the code is libnghttp2's.
    case library(code: Int32)
    /// A header block is larger than `HTTP2Limits.headerListBytesMax` once decoded.
    case headerListTooLarge
    /// More frames that carry no work than `HTTP2Limits.unproductiveFrames` allows.
    case tooManyUnproductiveFrames
    /// The peer made us reset more streams than `HTTP2Limits.resetsCaused` allows ("MadeYouReset").
    case tooManyResetsCaused
    /// The peer reset more streams than `HTTP2Limits.resetsReceived` allows ("Rapid Reset").
    case tooManyResetsReceived
    /// Answers pile up for a peer that does not read them.
    case outboundQueueTooLong
    /// HEADERS opened a stream whose id is below one already opened (RFC 9113 §5.1.1).
    case streamIDOutOfOrder
    /// DATA or HEADERS came on a stream that both sides had ended, or that the peer had reset (RFC 9113 §5.1).
    case frameOnClosedStream
    /// A frame that the library would skip breaks the rules of its type.
    case malformedFrame
    /// The holder has given the session up (`abandonStreams`).
    case abandoned
    /// `receive` or `collectOutput` was called from inside a delegate method.
    case misuse
    /// The installed libnghttp2 is older than `HTTP2Library.versionMin`.
    case libraryTooOld
  }

  /// What went wrong.
  package let reason: Reason
  /// The code for the GOAWAY frame that tells the peer.
  package let code: HTTP2ErrorCode

  init(_ reason: Reason, _ code: HTTP2ErrorCode) {
    self.reason = reason
    self.code = code
  }

  /// A text for logs; it holds no bytes of the peer.
  package var description: String {
    switch reason {
    case .library(let code): "HTTP/2 session failed: \(HTTP2Library.text(ofError: code)) (\(self.code))"
    default: "HTTP/2 session failed: \(reason) (\(code))"
    }
  }
}

/// An error code of RST_STREAM and GOAWAY (RFC 9113 §7); unknown values are kept.
package struct HTTP2ErrorCode: RawRepresentable, Equatable, Hashable, Sendable, CustomStringConvertible {
  /// The number on the wire.
  package let rawValue: UInt32

  /// Any number is taken.
  package init(rawValue: UInt32) { self.rawValue = rawValue }

  /// NO_ERROR: a graceful end.
  package static let noError = HTTP2ErrorCode(rawValue: 0x0)
  /// PROTOCOL_ERROR: the peer broke the protocol in a way no other code names.
  package static let protocolError = HTTP2ErrorCode(rawValue: 0x1)
  /// INTERNAL_ERROR: the fault is on the sender's side.
  package static let internalError = HTTP2ErrorCode(rawValue: 0x2)
  /// FLOW_CONTROL_ERROR: more bytes than the window allowed, or a window beyond 2^31-1.
  package static let flowControlError = HTTP2ErrorCode(rawValue: 0x3)
  /// SETTINGS_TIMEOUT: SETTINGS was not acknowledged in time.
  package static let settingsTimeout = HTTP2ErrorCode(rawValue: 0x4)
  /// STREAM_CLOSED: a frame came for a stream that was half-closed.
  package static let streamClosed = HTTP2ErrorCode(rawValue: 0x5)
  /// FRAME_SIZE_ERROR: a frame of a size its type does not allow.
  package static let frameSizeError = HTTP2ErrorCode(rawValue: 0x6)
  /// REFUSED_STREAM: nothing was processed, the request may be sent again.
  package static let refusedStream = HTTP2ErrorCode(rawValue: 0x7)
  /// CANCEL: the stream is no longer needed.
  package static let cancel = HTTP2ErrorCode(rawValue: 0x8)
  /// COMPRESSION_ERROR: the HPACK state is lost.
  package static let compressionError = HTTP2ErrorCode(rawValue: 0x9)
  /// CONNECT_ERROR: a tunnel's connection broke.
  package static let connectError = HTTP2ErrorCode(rawValue: 0xa)
  /// ENHANCE_YOUR_CALM: the peer makes too much load.
  package static let enhanceYourCalm = HTTP2ErrorCode(rawValue: 0xb)
  /// INADEQUATE_SECURITY: the transport is not secure enough.
  package static let inadequateSecurity = HTTP2ErrorCode(rawValue: 0xc)
  /// HTTP_1_1_REQUIRED: the request must come over HTTP/1.1.
  package static let http11Required = HTTP2ErrorCode(rawValue: 0xd)

  /// The name of the RFC, or the number of an unknown code.
  package var description: String {
    let names = [
      "NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED",
      "FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM",
      "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED",
    ]
    return rawValue < UInt32(names.count) ? names[Int(rawValue)] : "\(rawValue)"
  }
}
