import CNghttp2

func makeNghttp2Session(_ configuration: HTTP2Configuration) throws(HTTP2Error) -> OpaquePointer {
  var callbacks: OpaquePointer?
  var option: OpaquePointer?
  defer {
    nghttp2_session_callbacks_del(callbacks)
    nghttp2_option_del(option)
  }
  guard nghttp2_session_callbacks_new(&callbacks) == 0, nghttp2_option_new(&option) == 0,
    let callbacks, let option
  else { throw HTTP2Error(.library(code: NGHTTP2_ERR_NOMEM.rawValue), .internalError) }

  setSessionCallbacks(callbacks)
  setOptions(option, configuration)
  var handle: OpaquePointer?
  let code =
    switch configuration.role {
    case .server: nghttp2_session_server_new2(&handle, callbacks, nil, option)
    case .client: nghttp2_session_client_new2(&handle, callbacks, nil, option)
    }
  guard code == 0, let handle else { throw HTTP2Error(.library(code: code), .internalError) }
  return handle
}

private func setOptions(_ option: OpaquePointer, _ configuration: HTTP2Configuration) {
  // Windows are opened by `consume`, as bytes are taken: only so is there back-pressure.
  nghttp2_option_set_no_auto_window_update(option, 1)
  nghttp2_option_set_no_closed_streams(option, 1)
  // Resets are counted here, with the clock of the caller; the library's count must not come first.
  nghttp2_option_set_stream_reset_rate_limit(option, 1 << 40, 1 << 40)
  // A header block of the size allowed fits into one HEADERS and a few CONTINUATION.
  nghttp2_option_set_max_continuations(option, 3 + configuration.limits.headerListBytesMax / 16384)
  // Only types taken over by the application are shown to `on_begin_frame`, and unknown frames are to be counted.
  for type in UInt8(0xa)...UInt8.max { nghttp2_option_set_user_recv_extension_type(option, type) }
}

extension HTTP2Session {
  func submitSettings() throws(HTTP2Error) {
    func entry(_ id: nghttp2_settings_id, _ value: UInt32) -> nghttp2_settings_entry {
      nghttp2_settings_entry(settings_id: Int32(id.rawValue), value: value)
    }
    var entries = [
      entry(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, UInt32(clamping: configuration.streamWindowBytes)),
      entry(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, UInt32(clamping: configuration.limits.headerListBytesMax)),
      entry(NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1),
    ]
    switch configuration.role {
    case .server:
      entries.append(entry(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, configuration.limits.concurrentStreamsMax))
    case .client:
      entries.append(entry(NGHTTP2_SETTINGS_ENABLE_PUSH, 0))
    }
    try check(nghttp2_submit_settings(handle, UInt8(NGHTTP2_FLAG_NONE.rawValue), entries, entries.count))
    try check(
      nghttp2_session_set_local_window_size(
        handle, UInt8(NGHTTP2_FLAG_NONE.rawValue), 0, configuration.connectionWindowBytes))
  }

  func check(_ code: Int32) throws(HTTP2Error) {
    if code < 0 { throw HTTP2Error(.library(code: code), .internalError) }
  }
}
