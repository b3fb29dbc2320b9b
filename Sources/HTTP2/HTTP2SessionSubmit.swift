import CNghttp2

// Errors thrown here come from a lack of memory or of stream ids; the connection is to be closed. Acts on a stream that
// has closed meanwhile do nothing: the delegate has been told.
extension HTTP2Session {
  /// Opens a stream (client side).
  ///
  /// The request may wait inside the library while the peer allows no further stream.
  package func request(
    _ headers: borrowing HTTP2Headers, endStream: Bool = false, context: AnyObject? = nil
  ) throws(HTTP2Error) -> HTTP2Stream {
    let stream = makeStream()
    stream.context = context
    stream.currentKind = .response
    let user = Unmanaged.passUnretained(stream).toOpaque()
    let id = headers.withNameValues(&nameValues) { fields, count in
      guard !endStream else { return nghttp2_submit_request(handle, nil, fields, count, nil, user) }
      var provider = dataProvider(stream)
      return nghttp2_submit_request(handle, nil, fields, count, &provider, user)
    }
    if id < 0 {
      release(unlink(stream))
      try check(id)
    }
    stream.id = id
    stream.headersSubmitted = true
    stream.localEnded = endStream
    return stream
  }

  /// Sends the response headers (server side); with `endStream` they are all there is ("trailers-only").
  package func respond(
    _ stream: HTTP2Stream, _ headers: borrowing HTTP2Headers, endStream: Bool = false
  ) throws(HTTP2Error) {
    guard stream.isOpen, !stream.headersSubmitted else { return }
    let code = headers.withNameValues(&nameValues) { fields, count in
      guard !endStream else { return nghttp2_submit_response(handle, stream.id, fields, count, nil) }
      var provider = dataProvider(stream)
      return nghttp2_submit_response(handle, stream.id, fields, count, &provider)
    }
    try check(code)
    stream.headersSubmitted = true
    stream.localEnded = endStream
  }

  /// Appends bytes to be sent as DATA. They are copied; `HTTP2Stream.outboundBytes` tells how many wait.
  package func append(_ bytes: UnsafeRawBufferPointer, to stream: HTTP2Stream) throws(HTTP2Error) {
    guard stream.isOpen, !stream.localEnded else { return }
    stream.outbound.append(bytes)
    try outboundChanged(stream)
  }

  /// Lets `fill` write up to `capacity` bytes straight into the stream's buffer; it answers how many they are, and must
  /// not call the session.
  package func append(
    capacity: Int, to stream: HTTP2Stream, _ fill: (UnsafeMutableRawBufferPointer) -> Int
  ) throws(HTTP2Error) {
    guard stream.isOpen, !stream.localEnded else { return }
    let room = UnsafeMutableRawBufferPointer(start: stream.outbound.reserve(capacity), count: capacity)
    stream.outbound.commit(fill(room))
    try outboundChanged(stream)
  }

  /// Ends our half of the stream behind what has been appended, with `trailers` if there are any.
  package func finish(_ stream: HTTP2Stream, trailers: HTTP2Headers? = nil) throws(HTTP2Error) {
    guard stream.isOpen, !stream.localEnded else { return }
    stream.localEnded = true
    stream.trailers = trailers
    try resume(stream)
  }

  /// Resets the stream; `streamClosed` follows when the frame has been staged.
  package func reset(_ stream: HTTP2Stream, _ code: HTTP2ErrorCode) throws(HTTP2Error) {
    guard stream.isOpen, !stream.isResetByUs, failure == nil else { return }
    stream.isResetByUs = true
    stream.localEnded = true
    try check(nghttp2_submit_rst_stream(handle, UInt8(NGHTTP2_FLAG_NONE.rawValue), stream.id, code.rawValue))
  }

  /// Tells that `count` received bytes of the stream have been taken, so that the peer may send as many more.
  ///
  /// What a stream has not consumed when it closes is given back to the connection's window by the session.
  package func consume(_ stream: HTTP2Stream, _ count: Int) throws(HTTP2Error) {
    let count = min(count, stream.bytesUnconsumed)
    guard stream.isOpen, count > 0, failure == nil else { return }
    stream.bytesUnconsumed -= count
    try check(nghttp2_session_consume(handle, stream.id, count))
  }

  /// Sends a PING; `pingAck` brings the payload back.
  package func ping(_ payload: UInt64) throws(HTTP2Error) {
    if let failure { throw failure }
    let code = withUnsafeBytes(of: payload.bigEndian) { bytes in
      nghttp2_submit_ping(
        handle, UInt8(NGHTTP2_FLAG_NONE.rawValue), bytes.baseAddress?.assumingMemoryBound(to: UInt8.self))
    }
    try check(code)
  }

  /// The first step of a graceful end (server side): GOAWAY with the highest id, which refuses nothing yet
  /// (RFC 9113 §6.8). After a round trip (`ping`) `goaway` follows.
  package func submitShutdownNotice() throws(HTTP2Error) {
    if let failure { throw failure }
    try check(nghttp2_submit_shutdown_notice(handle))
  }

  /// Takes no further streams: GOAWAY with the last id seen. Open streams go on.
  ///
  /// - Parameters:
  ///   - last: the last id that will be answered, when it is not that of the last request seen.
  ///   - debugData: a short text for the peer's log, such as `max_age`.
  package func goaway(
    _ code: HTTP2ErrorCode = .noError, last: Int32? = nil, debugData: StaticString = ""
  ) throws(HTTP2Error) {
    if let failure { throw failure }
    hasSentGoaway = true
    let last = last ?? nghttp2_session_get_last_proc_stream_id(handle)
    try check(
      nghttp2_submit_goaway(
        handle, UInt8(NGHTTP2_FLAG_NONE.rawValue), last, code.rawValue, debugData.utf8Start,
        debugData.utf8CodeUnitCount))
  }

  /// Gives the connection up: GOAWAY, and then `isFinished` without waiting for the streams.
  package func terminate(_ code: HTTP2ErrorCode) throws(HTTP2Error) {
    if let failure { throw failure }
    hasSentGoaway = true
    try check(nghttp2_session_terminate_session(handle, code.rawValue))
  }

  /// Visits the open streams. `visit` may reset them, which closes none at once.
  package func forEachStream(_ visit: (HTTP2Stream) -> Void) {
    var next = firstStream
    while let stream = next {
      next = stream.next
      visit(stream)
    }
  }

  /// Requests that can be opened now without waiting for the peer (client side).
  package var streamCapacity: Int {
    let peer = nghttp2_session_get_remote_settings(handle, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS)
    return max(0, Int(peer) - streamCount)
  }

  /// The stream ids left for requests (client side); with few left a new connection is due.
  package var streamIDsLeft: Int {
    let next = nghttp2_session_get_next_stream_id(handle)
    return next > UInt32(Int32.max) ? 0 : (Int(Int32.max) - Int(next)) / 2 + 1
  }

  /// A new request can be sent: no GOAWAY has come or gone, and there are ids left.
  package var acceptsRequests: Bool { failure == nil && nghttp2_session_check_request_allowed(handle) != 0 }

  private func outboundChanged(_ stream: HTTP2Stream) throws(HTTP2Error) {
    if stream.outbound.count > configuration.outboundLowWaterBytes {
      stream.isAboveLowWater = true
      if !stream.isIncremental, configuration.role == .server { makeIncremental(stream) }
    }
    try resume(stream)
  }

  private func resume(_ stream: HTTP2Stream) throws(HTTP2Error) {
    guard stream.isDeferred, failure == nil else { return }
    stream.isDeferred = false
    try check(nghttp2_session_resume_data(handle, stream.id))
  }

  // By default responses of one urgency are sent one after the other (RFC 9218 §4.2): right for short ones, but a long
  // one would keep all others waiting.
  private func makeIncremental(_ stream: HTTP2Stream) {
    stream.isIncremental = true
    var priority = nghttp2_extpri(urgency: UInt32(NGHTTP2_EXTPRI_DEFAULT_URGENCY), inc: 1)
    // A refusal leaves the order as it was.
    _ = nghttp2_session_change_extpri_stream_priority(handle, stream.id, &priority, 0)
  }
}
