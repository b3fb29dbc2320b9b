import CNghttp2

/// One end of one HTTP/2 connection: bytes in, events out, and the other way round. It owns one `nghttp2_session` and
/// knows neither sockets nor clocks.
///
/// Confined to one thread. The holder feeds what it has read to `receive`, and when the turn is over calls
/// `collectOutput` and writes `withOutput`'s bytes, telling `outputWritten` how far it came. It closes the connection
/// when a call throws (after writing what is staged: the GOAWAY that says why) and when `isFinished` is true.
package final class HTTP2Session {
  /// Receives the events. Not retained, since it is as a rule the owner of the session; it must outlive its last call.
  // Not `weak` either: that would slow down every reference to the delegate.
  package unowned var delegate: (any HTTP2SessionDelegate)?
  /// How the session was set up.
  package let configuration: HTTP2Configuration
  /// The first error; from then on every call throws it.
  package private(set) var failure: HTTP2Error?
  /// Streams that are open.
  package internal(set) var streamCount = 0

  let handle: OpaquePointer
  // What follows is used for every frame or field. No access to it spans a call of the delegate, so that checking each
  // for overlaps at run time would find nothing, at a tenth of the whole cost of a request.
  // `active` is the delegate during `receive` and `collectOutput`, which hold it.
  @exclusivity(unchecked) unowned(unsafe) var active: (any HTTP2SessionDelegate)?
  @exclusivity(unchecked) var nameValues: [nghttp2_nv] = []
  @exclusivity(unchecked) var output = ByteQueue()
  @exclusivity(unchecked) var headerListBytes = 0
  @exclusivity(unchecked) unowned(unsafe) var headerStream: HTTP2Stream?
  @exclusivity(unchecked) unowned(unsafe) var firstStream: HTTP2Stream?
  @exclusivity(unchecked) var spareStreams: [HTTP2Stream] = []
  @exclusivity(unchecked) var closedStreams: [HTTP2Stream] = []
  @exclusivity(unchecked) var unproductiveFrames: TokenBucket
  @exclusivity(unchecked) var now: UInt64 = 0
  @exclusivity(unchecked) var isAbandoned = false
  var skippedStreams = SkippedStreams()
  var resetStreams = ResetStreams()
  private var scanner = DataScanner()
  var hasSentGoaway = false
  var resetsCaused: TokenBucket
  var resetsReceived: TokenBucket
  // Set by a callback that makes the library give up; it says more than the library's code.
  var violation: HTTP2Error?
  // Bytes to be staged before the library is asked to pause.
  var outputMark = Int.max
  private var bytesStagedEver = false

  // Closed streams whose objects nobody kept are used again, up to this many.
  static let spareStreamsMax = 128

  /// Sets up the session and queues its preface and SETTINGS.
  ///
  /// - Throws: `HTTP2Error` when the library is too old or out of memory.
  package init(_ configuration: HTTP2Configuration) throws(HTTP2Error) {
    try HTTP2Library.check()
    self.configuration = configuration
    unproductiveFrames = TokenBucket(configuration.limits.unproductiveFrames)
    resetsCaused = TokenBucket(configuration.limits.resetsCaused)
    resetsReceived = TokenBucket(configuration.limits.resetsReceived)
    handle = try makeNghttp2Session(configuration)
    nghttp2_session_set_user_data(handle, Unmanaged.passUnretained(self).toOpaque())
    try submitSettings()
  }

  deinit {
    nghttp2_session_del(handle)
    // The library does not report streams that end with the session.
    while let stream = firstStream { release(unlink(stream)) }
  }

  /// Reads what came from the peer; all of it is taken.
  ///
  /// - Parameter now: nanoseconds of a monotonic clock, for the rate limits.
  /// - Throws: `HTTP2Error`: the connection is to be closed.
  package func receive(_ bytes: UnsafeRawBufferPointer, now: UInt64) throws(HTTP2Error) {
    try checkUsable()
    self.now = max(self.now, now)
    let delegate = self.delegate
    active = delegate
    let taken = configuration.role == .server ? feedScanning(bytes) : feed(bytes)
    active = nil
    withExtendedLifetime(delegate) {}
    reclaimStreams()
    if taken < 0 { throw fail(Int32(truncatingIfNeeded: taken)) }
    if let failure { throw failure }
    // The library has no bound of its own for what it queues for a peer that does not read.
    if configuration.role == .server,
      nghttp2_session_get_outbound_queue_size(handle) > configuration.limits.outboundFramesMax
    {
      throw fail(HTTP2Error(.outboundQueueTooLong, .enhanceYourCalm))
    }
  }

  private func feed(_ bytes: UnsafeRawBufferPointer) -> Int {
    nghttp2_session_mem_recv(handle, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count)
  }

  /// Feeds a client's bytes in pieces that end before the last byte of a DATA header whose stream is not open, so that
  /// the stream's state then is the one the frame meets.
  private func feedScanning(_ bytes: UnsafeRawBufferPointer) -> Int {
    var fed = 0
    var place = 0
    while let id = scanner.next(in: bytes, at: &place) {
      guard stream(id) == nil else { continue }
      let taken = feed(UnsafeRawBufferPointer(rebasing: bytes[fed..<place - 1]))
      if taken < 0 || failure != nil { return taken }
      fed = place - 1
      if breaksClosedStream(id) { return Int(violate(.frameOnClosedStream, .streamClosed)) }
    }
    return feed(UnsafeRawBufferPointer(rebasing: bytes[fed...]))
  }

  /// Stages what is to be sent, until nothing is left or `bytesMax` bytes are staged (one frame more at most).
  ///
  /// - Throws: `HTTP2Error`: the connection is to be closed.
  package func collectOutput(bytesMax: Int = .max) throws(HTTP2Error) {
    try checkUsable()
    let delegate = self.delegate
    active = delegate
    outputMark = bytesMax
    defer {
      active = nil
      withExtendedLifetime(delegate) {}
      reclaimStreams()
    }
    var isInsideHeaders = false
    while output.count < bytesMax || isInsideHeaders {
      var chunk: UnsafePointer<UInt8>?
      let count = nghttp2_session_mem_send(handle, &chunk)
      if count < 0 { throw fail(Int32(truncatingIfNeeded: count)) }
      guard count > 0, let chunk else { break }
      bytesStagedEver = true
      output.append(chunk, count: count)
      // Only whole header blocks are staged: a GOAWAY of our own may have to follow (RFC 9113 §6.10).
      isInsideHeaders = count >= 9 && (chunk[3] == 1 || chunk[3] == 9) && chunk[4] & 0x4 == 0
    }
    if let failure { throw failure }
    if let violation { throw fail(violation) }
  }

  /// Bytes staged and not yet written.
  package var outputBytes: Int { output.count }

  /// Lends the staged bytes, which `body` must not change by calling the session. They may be lent after a failure too.
  package func withOutput<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    try body(output.readable)
  }

  /// Takes the first `count` staged bytes as written.
  package func outputWritten(_ count: Int) { output.drop(count) }

  /// Collects the output and moves all that is staged behind the end of `bytes`.
  package func takeOutput(into bytes: inout [UInt8]) throws(HTTP2Error) {
    defer {
      bytes.append(contentsOf: output.readable)
      output.drop(output.count)
    }
    if failure == nil { try collectOutput() }
  }

  /// There is something to collect or to write.
  package var wantsWrite: Bool {
    !output.isEmpty || (failure == nil && nghttp2_session_want_write(handle) != 0)
  }

  /// Bytes of the peer can still matter.
  package var wantsRead: Bool { failure == nil && nghttp2_session_want_read(handle) != 0 }

  /// Neither side has anything left to say: close the connection.
  package var isFinished: Bool { !wantsWrite && !wantsRead }

  /// Reports every open stream as closed, for a connection that is lost or given up. The session is of no use after it.
  ///
  /// It may be called from a delegate method too; that is the last one then, but for these reports.
  package func abandonStreams(_ code: HTTP2ErrorCode) {
    if failure == nil { failure = HTTP2Error(.abandoned, code) }
    // The library still holds pointers to the streams and must not come back with them.
    isAbandoned = true
    headerStream = nil
    let delegate = self.delegate
    while let stream = firstStream {
      let released = unlink(stream)
      delegate?.streamClosed(stream, errorCode: code)
      release(released)
    }
  }

  private func checkUsable() throws(HTTP2Error) {
    if let failure { throw failure }
    // The library may not be entered again from its own callbacks.
    if active != nil { throw HTTP2Error(.misuse, .internalError) }
  }

  private func fail(_ libraryCode: Int32) -> HTTP2Error {
    // Abandoned during this very call: there is no one left to tell.
    if let failure { return failure }
    if let violation { return fail(violation) }
    switch libraryCode {
    case NGHTTP2_ERR_BAD_CLIENT_MAGIC.rawValue: return fail(HTTP2Error(.badPreface, .protocolError))
    case NGHTTP2_ERR_FLOODED.rawValue, NGHTTP2_ERR_TOO_MANY_CONTINUATIONS.rawValue:
      return fail(HTTP2Error(.library(code: libraryCode), .enhanceYourCalm))
    default: return fail(HTTP2Error(.library(code: libraryCode), .internalError))
    }
  }

  private func fail(_ error: HTTP2Error) -> HTTP2Error {
    failure = error
    if bytesStagedEver { stageGoaway(error.code) }
    return error
  }

  // After a fatal error the library may only be deleted, so this one frame is written by hand.
  private func stageGoaway(_ code: HTTP2ErrorCode) {
    var frame: [UInt8] = [0, 0, 8, HTTP2FrameType.goaway.rawValue, 0, 0, 0, 0, 0]
    withUnsafeBytes(of: nghttp2_session_get_last_proc_stream_id(handle).bigEndian) { frame += $0 }
    withUnsafeBytes(of: code.rawValue.bigEndian) { frame += $0 }
    frame.withUnsafeBytes { output.append($0) }
  }
}
