import EventLoop
import HTTP2

/// One connection of a channel: turns calls into streams and the session's events into parts of answers. Loop-confined.
final class ClientConnection: Connection {
  private weak var owner: ClientLoop?
  private let authority: String
  private let scheme: StaticString
  private let credentials: Metadata
  private var headers = HTTP2Headers()
  private(set) var isReady = false

  init(
    _ fd: Int32, owner: ClientLoop, authority: String, credentials: Metadata, limits: RPCChannelLimits, tls: TLSLayer?
  ) throws(HTTP2Error) {
    self.owner = owner
    self.authority = authority
    self.credentials = credentials
    scheme = tls == nil ? "http" : "https"
    var configuration = HTTP2Configuration(role: .client)
    configuration.limits.headerListBytesMax = limits.headerListBytesMax
    Self.setWindows(&configuration)
    let session = try HTTP2Session(configuration)
    super.init(fd, on: owner.loop, session: session, outboundBytesMax: limits.outboundBytesPerConnectionMax, tls: tls)
    session.delegate = self
  }

  /// Whether a call can be sent now without waiting for the server.
  var hasRoom: Bool { isReady && !isClosed && session.acceptsRequests && session.streamCapacity > 0 }

  /// Whether calls can be sent now or when others have ended.
  var isUsable: Bool { !isClosed && session.acceptsRequests }

  /// Sends a call; false when the session has no room after all.
  func send(_ call: ClientCall) -> Bool {
    fillHeaders(call)
    var stream: HTTP2Stream?
    act { session throws(HTTP2Error) in stream = try session.request(headers, context: call) }
    guard let stream else { return false }
    call.opened(stream, on: self)
    return true
  }

  override func closed() { owner?.connectionClosed(self) }

  private func fillHeaders(_ call: ClientCall) {
    headers.removeAll()
    headers.append(":method", "POST")
    headers.append(":scheme", scheme)
    headers.append(":path", call.path)
    headers.append(":authority", authority)
    if !call.options.deadline.isNever {
      let remaining = call.options.deadline.time.since(loop.now)
      headers.append("grpc-timeout", CallTimeout.format(max(remaining, .nanoseconds(1))))
    }
    headers.append("content-type", "application/grpc")
    headers.append("te", "trailers")
    headers.append("grpc-accept-encoding", MessageEncoding.accepted)
    headers.append("user-agent", "grpc-swift-handoff/1")
    headers.append(credentials)
    headers.append(call.options.metadata)
  }
}

extension ClientConnection: HTTP2SessionDelegate {
  func settings(_ settings: HTTP2PeerSettings) {
    isReady = true
    owner?.connectionChanged(self)
  }

  func headersBegan(_ stream: HTTP2Stream, _ kind: HTTP2HeadersKind) { call(stream)?.headersBegan() }

  func header(_ stream: HTTP2Stream, name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) {
    call(stream)?.header(name, value)
  }

  func headersEnded(_ stream: HTTP2Stream, _ kind: HTTP2HeadersKind, endStream: Bool) {
    call(stream)?.headersEnded(kind, endStream: endStream)
  }

  func data(_ stream: HTTP2Stream, _ bytes: UnsafeRawBufferPointer) { call(stream)?.receive(bytes) }

  func streamEnded(_ stream: HTTP2Stream) { call(stream)?.remoteEnded() }

  func outboundDrained(_ stream: HTTP2Stream) { call(stream)?.outboundDrained() }

  func streamClosed(_ stream: HTTP2Stream, errorCode: HTTP2ErrorCode) {
    guard let call = call(stream) else { return }
    if call.streamClosed(errorCode, isConnectionLost: isClosed) { owner?.startAgain(call) }
    owner?.connectionChanged(self)
  }

  func goaway(lastStreamID: Int32, errorCode: HTTP2ErrorCode, debugData: UnsafeRawBufferPointer) {
    owner?.connectionChanged(self)
  }

  private func call(_ stream: HTTP2Stream) -> ClientCall? {
    // Only `send` sets the context, to a `ClientCall`.
    stream.context.map { unsafeDowncast($0, to: ClientCall.self) }
  }
}
