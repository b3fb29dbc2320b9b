import EventLoop
import HTTP2

/// One connection of a channel: turns calls into streams and the session's events into parts of answers. Loop-confined.
final class ClientConnection: Connection {
  /// Where it leads.
  let address: SocketAddress
  private(set) var isReady = false
  /// Until the connection has closed.
  private var owner: Subchannel?
  private let authority: String
  private let scheme: StaticString
  private let configuration: RPCChannelConfiguration
  private var headers = HTTP2Headers()
  private var callsSent = 0
  private var isRetired = false
  private var ageTimer: LoopTimer?
  private let keepaliveFactor: Int
  private var keepaliveTimer: LoopTimer?
  /// When the PING went out that nothing has followed yet.
  private var pinged: MonotonicTime?

  init(_ fd: Int32, owner: Subchannel, authority: String, keepaliveFactor: Int, tls: TLSLayer?) throws {
    address = try Self.peerAddress(fd)
    self.owner = owner
    self.authority = authority
    scheme = tls == nil ? "http" : "https"
    self.configuration = owner.configuration
    self.keepaliveFactor = keepaliveFactor
    let limits = owner.configuration.limits
    var setup = HTTP2Configuration(role: .client)
    setup.limits.headerListBytesMax = limits.headerListBytesMax
    setup.streamWindowBytes = limits.streamWindowBytes
    setup.connectionWindowBytes = limits.connectionWindowBytes
    let session = try HTTP2Session(setup)
    super.init(fd, on: owner.loop, session: session, outboundBytesMax: limits.outboundBytesPerConnectionMax, tls: tls)
    session.delegate = self
  }

  /// Whether a call can be sent now without waiting for the server.
  var hasRoom: Bool { isReady && isUsable && session.streamCapacity > 0 }

  /// Whether calls can be sent now or when others have ended.
  var isUsable: Bool { !isClosed && !isRetired && session.acceptsRequests }

  /// Sends a call; false when the session has no room after all.
  func send(_ call: ClientCall) -> Bool {
    fillHeaders(call)
    var stream: HTTP2Stream?
    act { session throws(HTTP2Error) in stream = try session.request(headers, context: call) }
    guard let stream else { return false }
    callsSent += 1
    call.opened(stream, on: self)
    if callsSent >= configuration.limits.callsPerConnectionMax { becomeOld() }
    return true
  }

  /// Takes no more calls; closes when the last one has ended.
  func retire() {
    guard !isClosed, !isRetired else { return }
    isRetired = true
    if session.streamCount == 0 { shut() }
  }

  /// Ends at once, telling the server; calls under way fail.
  func shut() {
    act { session throws(HTTP2Error) in
      try session.terminate(.noError)
      try session.collectOutput()
    }
    close()
  }

  override func closed() {
    ageTimer?.cancel()
    keepaliveTimer?.cancel()
    let owner = self.owner
    self.owner = nil
    owner?.connectionClosed(self)
  }

  private func fillHeaders(_ call: ClientCall) {
    headers.removeAll()
    headers.append(":method", "POST")
    headers.append(":scheme", scheme)
    headers.append(":path", call.path)
    headers.append(":authority", authority)
    if !call.deadline.isNever {
      let remaining = call.deadline.time.since(loop.now)
      headers.append("grpc-timeout", CallTimeout.format(max(remaining, .nanoseconds(1))))
    }
    headers.append("content-type", "application/grpc")
    headers.append("te", "trailers")
    if call.options.compresses { headers.append("grpc-encoding", "gzip") }
    headers.append("grpc-accept-encoding", MessageEncoding.accepted)
    headers.append("user-agent", "grpc-swift-handoff/1")
    if call.retries > 0 { headers.append("grpc-previous-rpc-attempts", "\(call.retries)") }
    headers.append(call.options.metadata)
  }

  // MARK: Age and keepalive

  /// Has another connection take its place.
  private func becomeOld() {
    isRetired = true
    owner?.connectionChanged(self)
    if session.streamCount == 0, !isClosed { shut() }
  }

  private func startClocks() {
    if let age = configuration.connectionAgeMax {
      ageTimer = loop.schedule(after: age * Double.random(in: 0.9...1.1)) { [unowned self] in
        // Never from within the session.
        if !isRetired { becomeOld() }
      }
    }
    if let keepalive = configuration.keepalive { planKeepalive(after: keepalive.time * keepaliveFactor) }
  }

  private func planKeepalive(after duration: Duration) {
    keepaliveTimer = loop.schedule(after: duration) { [unowned self] in checkAlive() }
  }

  private func checkAlive() {
    guard let keepalive = configuration.keepalive, !isClosed else { return }
    let time = keepalive.time * keepaliveFactor
    if let pinged, lastRead < pinged {
      // Its calls fail with UNAVAILABLE.
      return close(.cancel)
    }
    pinged = nil
    let quiet = loop.now.since(lastRead)
    guard quiet >= time else { return planKeepalive(after: time - quiet) }
    guard keepalive.withoutCalls || session.streamCount > 0 else { return planKeepalive(after: time) }
    pinged = loop.now
    act { session throws(HTTP2Error) in try session.ping(Self.keepalivePing) }
    planKeepalive(after: keepalive.timeout)
  }

  private static let keepalivePing: UInt64 = 0x616c_6976_653f_0001
}

extension ClientConnection: HTTP2SessionDelegate {
  func settings(_ settings: HTTP2PeerSettings) {
    if !isReady { startClocks() }
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

  func data(_ stream: HTTP2Stream, _ bytes: UnsafeRawBufferPointer) {
    if let call = call(stream) { return call.receive(bytes) }
    act { session throws(HTTP2Error) in try session.consume(stream, bytes.count) }
  }

  func streamEnded(_ stream: HTTP2Stream) { call(stream)?.remoteEnded() }

  func outboundDrained(_ stream: HTTP2Stream) { call(stream)?.outboundDrained() }

  func streamClosed(_ stream: HTTP2Stream, errorCode: HTTP2ErrorCode) {
    if let call = call(stream),
      call.streamClosed(errorCode, isNeverSent: stream.isNeverSent, isConnectionLost: isClosed)
    {
      if let owner { owner.startAgain(call) } else { call.fail(ClientLoop.closedError) }
    }
    guard !isClosed else { return }
    // Not from within the session.
    if isRetired, session.streamCount == 0 { loop.executeLocally { [weak self] in self?.shut() } }
    owner?.connectionChanged(self)
  }

  func pingAck(_ payload: UInt64) {
    guard payload == Self.keepalivePing, let keepalive = configuration.keepalive else { return }
    pinged = nil
    keepaliveTimer?.cancel()
    planKeepalive(after: keepalive.time * keepaliveFactor)
  }

  func goaway(lastStreamID: Int32, errorCode: HTTP2ErrorCode, debugData: UnsafeRawBufferPointer) {
    if errorCode == .enhanceYourCalm, debugData.matches("too_many_pings") { owner?.pingedTooOften() }
    owner?.connectionChanged(self)
  }

  private func call(_ stream: HTTP2Stream) -> ClientCall? {
    // Only `send` sets the context, to a `ClientCall`.
    stream.context.map { unsafeDowncast($0, to: ClientCall.self) }
  }
}
