import CNghttp2

private let callbackFailure = NGHTTP2_ERR_CALLBACK_FAILURE.rawValue

// What the library's callbacks come to; each is called by one function of `HTTP2Callbacks`.
extension HTTP2Session {
  func frameBegan(_ frame: nghttp2_frame_hd) -> Int32 {
    switch HTTP2FrameType(rawValue: frame.type) {
    case .headers:
      guard configuration.role == .server else { return productiveFrame() }
      switch skippedStreams.headers(frame.stream_id) {
      case .opens: return productiveFrame()
      case .outOfOrder: return violate(.streamIDOutOfOrder, .protocolError)
      case .known:
        // Trailers are work; a block for a stream that is gone is decoded for nothing.
        if stream(frame.stream_id) != nil { return productiveFrame() }
        if breaksClosedStream(frame.stream_id) { return violate(.frameOnClosedStream, .streamClosed) }
        return unproductiveFrame(HTTP2Limits.Rate.deadHeadersCost + undecodedCost(frame))
      }
    case .data:
      let endStream = UInt8(NGHTTP2_FLAG_END_STREAM.rawValue)
      return frame.length > 0 || frame.flags & endStream != 0 ? productiveFrame() : unproductiveFrame()
    case .reset:
      guard configuration.role == .server, !resetsReceived.take(now: now) else { return 0 }
      return violate(.tooManyResetsReceived, .enhanceYourCalm)
    case .priority:
      // The library skips these frames unread since we have declined RFC 7540 priorities; RFC 9113 §6.3 still holds.
      if frame.stream_id == 0 { return violate(.malformedFrame, .protocolError) }
      if frame.length != 5 { return violate(.malformedFrame, .frameSizeError) }
      return unproductiveFrame()
    default: return unproductiveFrame()
    }
  }

  // DATA or HEADERS of a client on a stream that has closed, where nothing can have been under way (RFC 9113 §5.1).
  // After our GOAWAY, streams that were never ours count as closed.
  func breaksClosedStream(_ id: Int32) -> Bool {
    guard configuration.role == .server, id & 1 == 1, id <= skippedStreams.highest, !hasSentGoaway else { return false }
    return stream(id) == nil && !resetStreams.mayHave(id)
  }

  func headersBegan(_ frame: nghttp2_frame_hd, _ category: nghttp2_headers_category) -> Int32 {
    headerListBytes = 0
    headerStream = nil
    let stream: HTTP2Stream
    if category == NGHTTP2_HCAT_REQUEST {
      stream = makeStream()
      stream.id = frame.stream_id
      stream.currentKind = .request
      let user = Unmanaged.passUnretained(stream).toOpaque()
      guard nghttp2_session_set_stream_user_data(handle, frame.stream_id, user) == 0 else {
        release(unlink(stream))
        return callbackFailure
      }
    } else {
      guard let known = self.stream(frame.stream_id) else { return 0 }
      stream = known
      let isFinal = configuration.role == .server || known.finalHeadersReceived
      stream.currentKind = isFinal ? .trailers : .response
    }
    headerStream = stream
    active?.headersBegan(stream, stream.currentKind)
    return 0
  }

  func header(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Int32 {
    guard count(name, value) else { return callbackFailure }
    guard let stream = headerStream else { return 0 }
    // `:status` is the only pseudo-header field of a response.
    if stream.currentKind == .response, name.first == UInt8(ascii: ":"), value.first == UInt8(ascii: "1") {
      stream.currentKind = .informational
    }
    active?.header(stream, name: name, value: value)
    return 0
  }

  /// A field that the library drops still costs what it costs to decode.
  func invalidHeader(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Int32 {
    count(name, value) ? 0 : callbackFailure
  }

  // The library stores SETTINGS_MAX_HEADER_LIST_SIZE but does not enforce it: a block of 147 KB can stand for 500 MB.
  private func count(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Bool {
    headerListBytes += name.count + value.count + 32
    if headerListBytes <= configuration.limits.headerListBytesMax { return true }
    _ = violate(.headerListTooLarge, .enhanceYourCalm)
    return false
  }

  /// The library has found a stream error in a frame. The rest of a header block is decoded without a word to us, so
  /// its size is counted, and more of it than one frame is not waited for.
  func invalidFrame(_ frame: nghttp2_frame_hd) -> Int32 {
    guard frame.type == HTTP2FrameType.headers.rawValue, configuration.role == .server else { return 0 }
    // The RST_STREAM is on its way; the stream never came to us.
    resetStreams.add(frame.stream_id)
    if frame.flags & UInt8(NGHTTP2_FLAG_END_HEADERS.rawValue) != 0,
      resetsCaused.take(undecodedCost(frame), now: now)
    {
      return 0
    }
    return violate(.tooManyResetsCaused, .enhanceYourCalm)
  }

  // One byte of a header block can stand for a field of 4 KB; 512 of them cost about a millisecond.
  private func undecodedCost(_ frame: nghttp2_frame_hd) -> Int {
    let isWhole = frame.flags & UInt8(NGHTTP2_FLAG_END_HEADERS.rawValue) != 0
    return (isWhole ? frame.length : 4 * 16384) / 512
  }

  func dataReceived(_ id: Int32, _ bytes: UnsafeRawBufferPointer) -> Int32 {
    guard let stream = stream(id) else {
      return nghttp2_session_consume_connection(handle, bytes.count) == 0 ? 0 : callbackFailure
    }
    stream.bytesUnconsumed += bytes.count
    active?.data(stream, bytes)
    return 0
  }

  func frameReceived(_ frame: UnsafePointer<nghttp2_frame>) -> Int32 {
    let header = frame.pointee.hd
    switch HTTP2FrameType(rawValue: header.type) {
    case .headers:
      guard let stream = headerStream, stream.id == header.stream_id else { return 0 }
      headerStream = nil
      headersEnded(stream, endStream: header.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0)
    case .data:
      guard header.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0, let stream = stream(header.stream_id)
      else { return 0 }
      stream.remoteEnded = true
      active?.streamEnded(stream)
    case .settings where header.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) == 0:
      active?.settings(peerSettings)
    case .ping:
      let payload = withUnsafeBytes(of: frame.pointee.ping.opaque_data) {
        UInt64(bigEndian: $0.loadUnaligned(as: UInt64.self))
      }
      if header.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) != 0 {
        active?.pingAck(payload)
      } else {
        active?.pingReceived(payload)
      }
    case .goaway:
      let goaway = frame.pointee.goaway
      active?.goaway(
        lastStreamID: goaway.last_stream_id, errorCode: HTTP2ErrorCode(rawValue: goaway.error_code),
        debugData: UnsafeRawBufferPointer(start: goaway.opaque_data, count: goaway.opaque_data_len))
    default: break
    }
    return 0
  }

  private func headersEnded(_ stream: HTTP2Stream, endStream: Bool) {
    if stream.currentKind == .response { stream.finalHeadersReceived = true }
    if endStream { stream.remoteEnded = true }
    active?.headersEnded(stream, stream.currentKind, endStream: endStream)
    if endStream { active?.streamEnded(stream) }
  }

  func streamClosed(_ stream: HTTP2Stream, _ code: UInt32) {
    if stream.bytesUnconsumed > 0 {
      // Fails only without memory, which the next call of the library reports as well.
      _ = nghttp2_session_consume_connection(handle, stream.bytesUnconsumed)
      stream.bytesUnconsumed = 0
    }
    if headerStream === stream { headerStream = nil }
    let released = unlink(stream)
    let code = stream.isNeverSent ? HTTP2ErrorCode.refusedStream : HTTP2ErrorCode(rawValue: code)
    active?.streamClosed(stream, errorCode: code)
    release(released)
  }

  /// Offers bytes of the stream to the library, which answers with a call of `sendData`.
  func readData(_ stream: HTTP2Stream, _ room: Int, _ flags: UnsafeMutablePointer<UInt32>) -> Int {
    let count = min(room, stream.outbound.count)
    let isLast = stream.localEnded && count == stream.outbound.count
    guard count > 0 || isLast else {
      stream.isDeferred = true
      return Int(NGHTTP2_ERR_DEFERRED.rawValue)
    }
    if count > 0 { flags.pointee |= NGHTTP2_DATA_FLAG_NO_COPY.rawValue }
    guard isLast else { return count }
    flags.pointee |= NGHTTP2_DATA_FLAG_EOF.rawValue
    if let trailers = stream.trailers {
      flags.pointee |= NGHTTP2_DATA_FLAG_NO_END_STREAM.rawValue
      stream.trailers = nil
      let code = trailers.withNameValues(&nameValues) { fields, count in
        nghttp2_submit_trailer(handle, stream.id, fields, count)
      }
      guard code == 0 else { return Int(callbackFailure) }
    }
    return count
  }

  /// Stages one DATA frame; the payload is copied once, from the stream's buffer to the output.
  func sendData(_ stream: HTTP2Stream, _ header: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
    output.append(header, count: 9)
    output.append(UnsafeRawBufferPointer(rebasing: stream.outbound.readable.prefix(count)))
    stream.outbound.drop(count)
    stream.bytesFramed += count
    if stream.isAboveLowWater, stream.outbound.count <= configuration.outboundLowWaterBytes {
      stream.isAboveLowWater = false
      active?.outboundDrained(stream)
    }
    return output.count < outputMark ? 0 : NGHTTP2_ERR_PAUSE.rawValue
  }

  func frameSent(_ frame: nghttp2_frame_hd) -> Int32 {
    let type = HTTP2FrameType(rawValue: frame.type)
    switch type {
    case .data, .headers: unproductiveFrames.give(HTTP2Limits.Rate.tokensPerProductiveFrame)
    case .reset where configuration.role == .server:
      resetStreams.add(frame.stream_id)
      let isOurs = stream(frame.stream_id)?.isResetByUs ?? false
      if !isOurs, !resetsCaused.take(now: now) { return violate(.tooManyResetsCaused, .enhanceYourCalm) }
    default: break
    }
    active?.frameSent(type, streamID: frame.stream_id)
    return 0
  }

  func frameNotSent(_ frame: UnsafePointer<nghttp2_frame>) {
    guard frame.pointee.hd.type == HTTP2FrameType.headers.rawValue,
      frame.pointee.headers.cat == NGHTTP2_HCAT_REQUEST, let stream = stream(frame.pointee.hd.stream_id)
    else { return }
    stream.isNeverSent = true
  }

  var peerSettings: HTTP2PeerSettings {
    HTTP2PeerSettings(
      concurrentStreamsMax: nghttp2_session_get_remote_settings(handle, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS),
      streamWindowBytes: nghttp2_session_get_remote_settings(handle, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE),
      headerListBytesMax: nghttp2_session_get_remote_settings(handle, NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE))
  }

  private func productiveFrame() -> Int32 {
    unproductiveFrames.give(1)
    return 0
  }

  private func unproductiveFrame(_ cost: Int = 1) -> Int32 {
    if unproductiveFrames.take(cost, now: now) { return 0 }
    return violate(.tooManyUnproductiveFrames, .enhanceYourCalm)
  }

  func violate(_ reason: HTTP2Error.Reason, _ code: HTTP2ErrorCode) -> Int32 {
    if violation == nil { violation = HTTP2Error(reason, code) }
    return callbackFailure
  }
}

// Life of the stream objects: the session owns each from the moment it opens until it has closed.
extension HTTP2Session {
  func stream(_ id: Int32) -> HTTP2Stream? {
    guard let user = nghttp2_session_get_stream_user_data(handle, id) else { return nil }
    return Unmanaged<HTTP2Stream>.fromOpaque(user).takeUnretainedValue()
  }

  func makeStream() -> HTTP2Stream {
    let stream = spareStreams.popLast() ?? HTTP2Stream()
    stream.isOpen = true
    stream.next = firstStream
    stream.previous = nil
    firstStream?.previous = stream
    firstStream = stream
    streamCount += 1
    _ = Unmanaged.passRetained(stream)
    return stream
  }

  func unlink(_ stream: HTTP2Stream) -> Unmanaged<HTTP2Stream> {
    if let previous = stream.previous { previous.next = stream.next } else { firstStream = stream.next }
    stream.next?.previous = stream.previous
    stream.next = nil
    stream.previous = nil
    stream.isOpen = false
    streamCount -= 1
    return Unmanaged.passUnretained(stream)
  }

  func release(_ stream: Unmanaged<HTTP2Stream>) {
    let owned = stream.takeRetainedValue()
    owned.context = nil
    if closedStreams.count < Self.spareStreamsMax { closedStreams.append(owned) }
  }

  /// Makes closed streams ready for use again. Not in the callback that reports their end: those who hold a stream
  /// while they are told so would pass for owners of it.
  func reclaimStreams() {
    while !closedStreams.isEmpty {
      let isUnowned = isKnownUniquelyReferenced(&closedStreams[closedStreams.count - 1])
      let stream = closedStreams.removeLast()
      guard isUnowned, spareStreams.count < Self.spareStreamsMax else { continue }
      stream.prepareForReuse()
      spareStreams.append(stream)
    }
  }
}
