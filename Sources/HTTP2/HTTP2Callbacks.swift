import CNghttp2

// The C side of `HTTP2Session`: each function checks pointers, makes a buffer of pointer and length, and calls one
// method.

private typealias Handle = OpaquePointer?
private typealias Frame = UnsafePointer<nghttp2_frame>?
private typealias Bytes = UnsafePointer<UInt8>?
private typealias UserData = UnsafeMutableRawPointer?

private let failed = NGHTTP2_ERR_CALLBACK_FAILURE.rawValue

func setSessionCallbacks(_ callbacks: OpaquePointer) {
  nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, onBeginFrame)
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, onBeginHeaders)
  nghttp2_session_callbacks_set_on_header_callback(callbacks, onHeader)
  nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, onInvalidHeader)
  nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, onInvalidFrame)
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, onDataChunk)
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, onFrameReceived)
  nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, onFrameSent)
  nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, onFrameNotSent)
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, onStreamClosed)
  nghttp2_session_callbacks_set_send_data_callback(callbacks, onSendData)
  nghttp2_session_callbacks_set_unpack_extension_callback(callbacks, onUnpackExtension)
  nghttp2_session_callbacks_set_on_extension_chunk_recv_callback(callbacks, onExtensionChunk)
}

func dataProvider(_ stream: HTTP2Stream) -> nghttp2_data_provider {
  let source = nghttp2_data_source(ptr: Unmanaged.passUnretained(stream).toOpaque())
  return nghttp2_data_provider(source: source, read_callback: onReadData)
}

private func withSession(_ userData: UserData, _ body: (HTTP2Session) -> Int32) -> Int32 {
  guard let userData else { return failed }
  return Unmanaged<HTTP2Session>.fromOpaque(userData)._withUnsafeGuaranteedRef { session in
    session.isAbandoned ? failed : body(session)
  }
}

private let onBeginFrame: nghttp2_on_begin_frame_callback = { (_: Handle, header, userData: UserData) in
  guard let header else { return failed }
  return withSession(userData) { $0.frameBegan(header.pointee) }
}

private let onBeginHeaders: nghttp2_on_begin_headers_callback = { (_: Handle, frame: Frame, userData: UserData) in
  guard let frame else { return failed }
  return withSession(userData) { $0.headersBegan(frame.pointee.hd, frame.pointee.headers.cat) }
}

private let onHeader: nghttp2_on_header_callback = { _, frame, name, nameCount, value, valueCount, _, userData in
  withSession(userData) {
    $0.header(
      UnsafeRawBufferPointer(start: name, count: nameCount), UnsafeRawBufferPointer(start: value, count: valueCount))
  }
}

private let onInvalidHeader: nghttp2_on_invalid_header_callback = {
  _, frame, name, nameCount, value, valueCount, _, userData in
  withSession(userData) {
    $0.invalidHeader(
      UnsafeRawBufferPointer(start: name, count: nameCount), UnsafeRawBufferPointer(start: value, count: valueCount))
  }
}

private let onInvalidFrame: nghttp2_on_invalid_frame_recv_callback = { (_: Handle, frame: Frame, _: Int32, userData) in
  guard let frame else { return failed }
  return withSession(userData) { $0.invalidFrame(frame.pointee.hd) }
}

private let onDataChunk: nghttp2_on_data_chunk_recv_callback = { _, _, id, bytes, count, userData in
  withSession(userData) { $0.dataReceived(id, UnsafeRawBufferPointer(start: bytes, count: count)) }
}

private let onFrameReceived: nghttp2_on_frame_recv_callback = { (_: Handle, frame: Frame, userData: UserData) in
  guard let frame else { return failed }
  return withSession(userData) { $0.frameReceived(frame) }
}

private let onFrameSent: nghttp2_on_frame_send_callback = { (_: Handle, frame: Frame, userData: UserData) in
  guard let frame else { return failed }
  return withSession(userData) { $0.frameSent(frame.pointee.hd) }
}

private let onFrameNotSent: nghttp2_on_frame_not_send_callback = { (_: Handle, frame: Frame, _: Int32, userData) in
  guard let frame else { return failed }
  return withSession(userData) {
    $0.frameNotSent(frame)
    return 0
  }
}

// Never answers an error: the library would leak the stream's frames (CVE-2023-35945).
private let onStreamClosed: nghttp2_on_stream_close_callback = { handle, id, code, userData in
  _ = withSession(userData) {
    if let stream = $0.stream(id) { $0.streamClosed(stream, code) }
    return 0
  }
  return 0
}

private let onReadData: nghttp2_data_source_read_callback = { _, _, _, room, flags, source, userData in
  guard let flags, let stream = source?.pointee.ptr, let userData else { return Int(failed) }
  return Unmanaged<HTTP2Session>.fromOpaque(userData)._withUnsafeGuaranteedRef { session in
    guard !session.isAbandoned else { return Int(failed) }
    return Unmanaged<HTTP2Stream>.fromOpaque(stream)._withUnsafeGuaranteedRef { session.readData($0, room, flags) }
  }
}

private let onSendData: nghttp2_send_data_callback = { _, _, header, count, source, userData in
  guard let header, let stream = source?.pointee.ptr else { return failed }
  return withSession(userData) { session in
    Unmanaged<HTTP2Stream>.fromOpaque(stream)._withUnsafeGuaranteedRef { session.sendData($0, header, count) }
  }
}

// Frames of unknown types are counted when they begin, and otherwise ignored (RFC 9113 §5.5).
private let onUnpackExtension: nghttp2_unpack_extension_callback = { _, _, _, _ in NGHTTP2_ERR_CANCEL.rawValue }

private let onExtensionChunk: nghttp2_on_extension_chunk_recv_callback = { _, _, _, _, _ in
  NGHTTP2_ERR_CANCEL.rawValue
}
