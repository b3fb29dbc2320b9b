import Crypto
import EventLoop
import HTTP2

/// One client's connection: turns the events of its session into calls. Loop-confined.
final class ServerConnection: Connection {
  let core: ServerCore
  /// Bytes of requests that are not complete, or that no handler has read.
  var bytesHeld = 0 {
    didSet { core.bytesHeld += bytesHeld - oldValue }
  }
  private var largeRequests = LargeRequests()
  /// Handlers of this connection that have not ended, also those whose call is over.
  var handlersRunning = 0
  private let owner: ServerLoop
  private let peer: String
  private var head = RequestHead()
  private var isReadingRequest = false
  private(set) var headerBlockBegan: MonotonicTime?
  private(set) var hasSettings = false
  private(set) var idleSince: MonotonicTime
  let opened: MonotonicTime
  /// When it becomes too old.
  let expires: MonotonicTime?
  var pings = PingPolicy()
  private(set) var drain = DrainPhase.none
  private(set) var drainBegan: MonotonicTime?
  private var drainReason: StaticString = ""

  enum DrainPhase {
    case none
    /// The notice is submitted, and a PING follows it; streams that were on their way are still taken.
    case announced
    /// The last stream id is out.
    case final
  }

  init(_ fd: Int32, peer: String, owner: ServerLoop, core: ServerCore) throws {
    self.owner = owner
    self.peer = peer
    self.core = core
    opened = owner.loop.now
    idleSince = opened
    expires = core.limits.connectionAgeMax.map { [opened] in opened.advanced(by: $0 * Double.random(in: 0.9...1.1)) }
    var configuration = HTTP2Configuration(role: .server)
    configuration.limits.concurrentStreamsMax = core.limits.streamsPerConnectionMax
    configuration.limits.headerListBytesMax = core.limits.headerListBytesMax
    configuration.limits.unproductiveFrames = core.limits.unproductiveFrames
    configuration.limits.resetsReceived = core.limits.resetsReceived
    configuration.limits.resetsCaused = core.limits.resetsCaused
    Self.setWindows(&configuration, streams: Int(core.limits.streamsPerConnectionMax))
    let session = try HTTP2Session(configuration)
    super.init(
      fd, on: owner.loop, session: session, outboundBytesMax: core.limits.outboundBytesPerConnectionMax,
      tls: try core.tls.map { try TLSLayer($0.current) })
    session.delegate = self
  }

  override func closed() {
    if let fault, !hasSettings { core.refusedPeer(peer, fault) }
    bytesHeld = 0
    largeRequests = LargeRequests()
    owner.removed(self)
  }

  private var holdsMuch: Bool { bytesHeld > core.limits.inboundBytesPerConnectionMax }

  /// Has the client of a request that is not complete send more, now or when there is room.
  func askForMore(_ stream: ServedStream) {
    if !holdsMuch || largeRequests.mayAsk(stream) { stream.askForMore() }
  }

  /// A request is complete or over.
  func requestLeft(_ stream: ServedStream) {
    guard !largeRequests.isEmpty else { return }
    largeRequests.remove(stream)
    goOn()
  }

  /// Less is held than before: there may be room for large requests that wait.
  func holdsLess() {
    if !largeRequests.isEmpty { goOn() }
  }

  private func goOn() {
    while let next = largeRequests.next(holdsMuch: holdsMuch) { next.askForMore() }
  }

  /// Begins the graceful end: no new calls after a round trip, then close when the last one has ended.
  ///
  /// - Parameter reason: travels in the final GOAWAY.
  func beginDrain(_ reason: StaticString = "") {
    guard drain == .none, !isClosed else { return }
    guard hasSettings else { return close(.noError) }
    drain = .announced
    drainBegan = loop.now
    drainReason = reason
    act { session throws(HTTP2Error) in try session.submitShutdownNotice() }
  }

  /// The second step of the graceful end: the last stream id goes out. A client has had a round trip for what it sent
  /// before it knew; one that does not answer the PING in time has had it, too.
  func finishDrain() {
    guard drain == .announced else { return }
    drain = .final
    act { session throws(HTTP2Error) in try session.goaway(debugData: drainReason) }
  }

  /// Ends at once, telling the client; its calls are cancelled. Not to be called from within the session.
  ///
  /// - Parameters:
  ///   - reason: travels in the GOAWAY.
  ///   - fault: what is told of a client that never came to speak HTTP/2.
  func terminate(_ code: HTTP2ErrorCode = .noError, _ reason: StaticString = "", because fault: String? = nil) {
    drain = .final
    act { session throws(HTTP2Error) in
      try session.goaway(code, debugData: reason)
      try session.collectOutput()
    }
    close(.cancel, because: fault)
  }

  private static let drainPing: UInt64 = 0x6472_6169_6e00_0001
}

extension ServerConnection: HTTP2SessionDelegate {
  func settings(_ settings: HTTP2PeerSettings) { hasSettings = true }

  func headersBegan(_ stream: HTTP2Stream, _ kind: HTTP2HeadersKind) {
    headerBlockBegan = loop.now
    isReadingRequest = kind == .request
    if isReadingRequest { head.reset() }
  }

  func header(_ stream: HTTP2Stream, name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) {
    if isReadingRequest { head.add(name, value, core.routes) }
  }

  func headersEnded(_ stream: HTTP2Stream, _ kind: HTTP2HeadersKind, endStream: Bool) {
    headerBlockBegan = nil
    guard kind == .request else { return }
    isReadingRequest = false
    if core.isOverloaded || handlersRunning >= core.limits.handlersPerConnectionMax {
      return head.content == .grpc
        ? refuse(stream, core.status(RPCServerFault.overloaded)) : refuse(stream, "503")
    }
    if head.content == .grpc {
      openCall(stream)
    } else if let http = core.http {
      openHTTP(stream, http)
    } else {
      refuse(stream, head.isPost ? "415" : "405")
    }
  }

  func data(_ stream: HTTP2Stream, _ bytes: UnsafeRawBufferPointer) {
    if let served = served(stream) {
      served.receive(bytes)
    } else {
      act { session throws(HTTP2Error) in try session.consume(stream, bytes.count) }
    }
  }

  func streamEnded(_ stream: HTTP2Stream) { served(stream)?.receiveEnd() }

  func outboundDrained(_ stream: HTTP2Stream) { served(stream)?.outboundDrained() }

  func streamClosed(_ stream: HTTP2Stream, errorCode: HTTP2ErrorCode) {
    if session.streamCount == 0 { idleSince = loop.now }
    if drain == .final, session.streamCount == 0 { planFlush() }
    guard let served = served(stream) else { return }
    served.abandon()
    served.detach()
  }

  func pingReceived(_ payload: UInt64) {
    guard !pings.allows(now: loop.now, hasCalls: session.streamCount > 0, core.limits) else { return }
    // Not from within the session.
    loop.executeLocally { [weak self] in self?.terminate(.enhanceYourCalm, "too_many_pings") }
  }

  func frameSent(_ type: HTTP2FrameType, streamID: Int32) {
    if type == .data || type == .headers {
      pings.answered()
    } else if type == .goaway, drain == .announced {
      // Behind the notice, though the library prefers PINGs: the answer says that the client has read it.
      act { session throws(HTTP2Error) in try session.ping(Self.drainPing) }
    }
  }

  func pingAck(_ payload: UInt64) {
    if payload == Self.drainPing { finishDrain() }
  }

  func served(_ stream: HTTP2Stream) -> ServedStream? {
    // Only `openCall` and `openHTTP` set the context, to a `ServedStream`.
    stream.context.map { unsafeDowncast($0, to: ServedStream.self) }
  }

  private func openCall(_ stream: HTTP2Stream) {
    guard head.isPost else { return refuse(stream, "405") }
    guard let route = head.route else {
      return refuse(stream, core.status(RPCServerFault.noMethod(path: head.pathText)))
    }
    guard let encoding = head.encoding else {
      var error = RPCError(.unimplemented, "grpc-encoding is not supported")
      error.metadata.appendReserved("grpc-accept-encoding", MessageEncoding.accepted)
      return refuse(stream, error)
    }
    guard !head.timeoutIsMalformed else { return refuse(stream, RPCError(.internal, "malformed grpc-timeout")) }
    let deadline = head.timeout.map { Deadline(at: loop.now.advanced(by: $0)) } ?? .never
    let context = CallContext(
      target: route.target, metadata: head.metadata, deadline: deadline, peer: peer, certificate: peerCertificate,
      acceptsCompression: head.acceptsGzip)
    let call = HTTP2ServerCall.make(self, stream, context: context, handler: route.handler, encoding: encoding)
    stream.context = call
    if call.admit(), !route.handler.takesOneRequest { call.begin(UnsafeRawBufferPointer(start: nil, count: 0)) }
  }

  private func openHTTP(_ stream: HTTP2Stream, _ handler: any HTTPHandler) {
    var metadata = head.metadata
    if !head.userAgent.isEmpty { metadata.add("user-agent", String(decoding: head.userAgent, as: UTF8.self)) }
    let terms = handler.terms(method: head.methodText, path: head.pathText)
    let context = CallContext(
      service: "", method: head.methodText, path: head.pathText, metadata: metadata,
      deadline: Deadline(at: loop.now.advanced(by: terms.timeLimit ?? core.limits.httpTimeout)), peer: peer,
      certificate: peerCertificate)
    let authority = String(decoding: head.authority, as: UTF8.self)
    let call = HTTP2HTTPCall(
      self, stream, context: context, authority: authority, handler: handler, comesInPieces: terms.bodyComesInPieces)
    stream.context = call
    call.begin()
  }

  private func refuse(_ stream: HTTP2Stream, _ status: StaticString) {
    act { session throws(HTTP2Error) in
      try session.respond(stream, ResponseHeaders.refusal(status), endStream: true)
    }
    answered(stream)
  }

  private func refuse(_ stream: HTTP2Stream, _ error: RPCError) {
    act { session throws(HTTP2Error) in
      var headers = ResponseHeaders.ok
      ResponseHeaders.status(error, trailers: error.metadata, to: &headers)
      try session.respond(stream, headers, endStream: true)
    }
    answered(stream)
  }
}

extension Metadata {
  /// Appends a field that only the library may send.
  mutating func appendReserved(_ name: StaticString, _ value: StaticString) {
    appendRaw(
      UnsafeRawBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount),
      UnsafeRawBufferPointer(start: value.utf8Start, count: value.utf8CodeUnitCount))
  }
}
