/// Receives what a session reads. Every method is called on the thread of the session, from inside `receive`,
/// `collectOutput` or `abandonStreams`.
///
/// A method may submit, append, finish, reset and consume; it must not call `receive` or `collectOutput`. Pointers are
/// valid during the call only.
package protocol HTTP2SessionDelegate: AnyObject {
  /// A header block begins; on a server a block of the kind `request` opens the stream.
  func headersBegan(_ stream: HTTP2Stream, _ kind: HTTP2HeadersKind)
  /// One field, in the order of the wire; pseudo-header fields come first. Names are lower case and checked.
  func header(_ stream: HTTP2Stream, name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer)
  /// The block is complete and valid. With `endStream`, `streamEnded` follows.
  func headersEnded(_ stream: HTTP2Stream, _ kind: HTTP2HeadersKind, endStream: Bool)
  /// Bytes of DATA, cut anywhere. They count against the windows until `consume` has been called for them.
  func data(_ stream: HTTP2Stream, _ bytes: UnsafeRawBufferPointer)
  /// The peer has ended its half of the stream.
  func streamEnded(_ stream: HTTP2Stream)
  /// The stream is gone: both halves have ended (`noError`), or one side has reset it.
  ///
  /// `refusedStream` also stands for a request that never reached the wire: it may be sent again.
  func streamClosed(_ stream: HTTP2Stream, errorCode: HTTP2ErrorCode)
  /// What was appended to the stream has fallen to `HTTP2Configuration.outboundLowWaterBytes` or below.
  func outboundDrained(_ stream: HTTP2Stream)
  /// The peer takes no new streams above `lastStreamID`.
  func goaway(lastStreamID: Int32, errorCode: HTTP2ErrorCode, debugData: UnsafeRawBufferPointer)
  /// The peer has announced settings; the first time, its preface has arrived.
  func settings(_ settings: HTTP2PeerSettings)
  /// The peer pings; the answer is queued already.
  func pingReceived(_ payload: UInt64)
  /// The peer has answered `ping(_:)`.
  func pingAck(_ payload: UInt64)
  /// A frame has been staged for the wire.
  func frameSent(_ type: HTTP2FrameType, streamID: Int32)
}

extension HTTP2SessionDelegate {
  /// Nothing to do for one who bounds what it appends otherwise.
  package func outboundDrained(_ stream: HTTP2Stream) {}
  /// Nothing to do for a server.
  package func goaway(lastStreamID: Int32, errorCode: HTTP2ErrorCode, debugData: UnsafeRawBufferPointer) {}
  /// Nothing to do for a server.
  package func settings(_ settings: HTTP2PeerSettings) {}
  /// Nothing to do without a policy for pings.
  package func pingReceived(_ payload: UInt64) {}
  /// Nothing to do for one who does not ping.
  package func pingAck(_ payload: UInt64) {}
  /// Nothing to do without a policy for pings.
  package func frameSent(_ type: HTTP2FrameType, streamID: Int32) {}
}
