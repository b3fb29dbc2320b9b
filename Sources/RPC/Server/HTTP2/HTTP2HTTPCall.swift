import EventLoop
import HTTP2

/// A plain HTTP request on an HTTP/2 stream.
// @unchecked: as `ServedStream`.
final class HTTP2HTTPCall: HTTPCall, @unchecked Sendable {
  private let connection: ServerConnection
  private let handler: any HTTPHandler
  private let authority: String
  /// Nil once the stream has closed.
  private var stream: HTTP2Stream?
  private var body: [UInt8] = []
  /// The pieces of a body that the handler reads as it comes.
  private let inbox: MessageInbox?
  private var requestHasEnded = false
  /// When the client last sent a byte, or was asked for more, or an answer began to wait for the end of its request.
  private var requestAwaited: MonotonicTime?
  private var bytesUnconsumed = 0
  private var bytesHeld = 0

  init(
    _ connection: ServerConnection, _ stream: HTTP2Stream, context: CallContext, authority: String,
    handler: any HTTPHandler, comesInPieces: Bool
  ) {
    self.connection = connection
    self.stream = stream
    self.authority = authority
    self.handler = handler
    inbox = comesInPieces ? MessageInbox(connection.loop) : nil
    super.init(loop: connection.loop, context: context, core: connection.core)
    inbox?.taken = { [weak self] isEmpty in
      guard let self else { return }
      holdChanged()
      guard isEmpty else { return }
      // Until now it was the reader who was waited for.
      requestAwaited = loop.now
      askForMore()
    }
  }

  override var requestAwaitedSince: MonotonicTime? {
    if isOver { return nil }
    guard let inbox else { return requestAwaited ?? began }
    return inbox.isEmpty || heldAnswer != nil ? requestAwaited ?? began : nil
  }

  override func requestTimedOut() -> Bool {
    if heldAnswer != nil {
      sendHeldAnswer()
    } else if inbox != nil {
      expire()
    } else {
      return true
    }
    return false
  }

  /// Has the handler begin, when it reads the body as it comes.
  func begin() {
    if let inbox { serve(request([], pieces: RequestStream(inbox) { $0 }), handler) }
  }

  override func detach() { stream = nil }

  override func taskChanged(_ change: Int) { connection.handlersRunning += change }

  override var outboundBytes: Int { stream?.outboundBytes ?? 0 }

  override func receive(_ bytes: UnsafeRawBufferPointer) {
    bytesReceived += bytes.count
    bytesUnconsumed += bytes.count
    guard !isOver else { return askForMore() }
    if heldAnswer != nil {
      askForMore()
      if !waitsForRequest { sendHeldAnswer() }
      return
    }
    if let inbox {
      requestAwaited = loop.now
      inbox.putPart(bytes)
      holdChanged()
      // What waits there stays unconsumed, so that the client is held back until the handler has read it.
      if inbox.isEmpty { askForMore() }
      return
    }
    guard body.count + bytes.count <= core.limits.httpBodyBytesMax else {
      return refuse(413)
    }
    body.append(contentsOf: bytes)
    holdChanged()
    connection.askForMore(self)
  }

  override func askForMore() {
    guard bytesUnconsumed > 0 else { return }
    let count = bytesUnconsumed
    bytesUnconsumed = 0
    guard let stream else { return }
    connection.act { session throws(HTTP2Error) in try session.consume(stream, count) }
  }

  // Many a client of HTTP/1.1 reads no answer before it has sent everything, and takes an earlier one for a broken
  // connection.
  override var waitsForRequest: Bool {
    guard !requestHasEnded, bytesReceived <= core.limits.httpBytesAwaitedMax else { return false }
    // Who asks before sending (RFC 9110 §10.1.1) waits for the answer.
    return bytesReceived > 0 || context.metadata["expect"] == nil
  }

  override func answerHeld() {
    requestAwaited = loop.now
    inbox?.finish(.failure(Self.overError), dropping: true)
    releaseBody()
    askForMore()
  }

  private func releaseBody() {
    body = []
    holdChanged()
    if inbox == nil { connection.requestLeft(self) }
  }

  private func holdChanged() {
    let now = isOver ? 0 : inbox?.bytes ?? body.count
    guard now != bytesHeld else { return }
    connection.bytesHeld += now - bytesHeld
    let isLess = now < bytesHeld
    bytesHeld = now
    if isLess { connection.holdsLess() }
  }

  private func request(_ body: [UInt8], pieces: RequestStream<[UInt8]>? = nil) -> HTTPRequest {
    HTTPRequest(
      method: context.method, path: context.path, authority: authority, headers: context.metadata, body: body,
      pieces: pieces)
  }

  override func refuse(_ status: Int) {
    let refusal = handler.refusal(status: status, context)
    respond(status: status, headers: refusal.headers, body: refusal.body)
  }

  override func receiveEnd() {
    requestHasEnded = true
    guard !isOver else { return }
    guard heldAnswer == nil else { return sendHeldAnswer() }
    if let inbox { return inbox.finish(.success(())) }
    let request = request(body)
    releaseBody()
    serve(request, handler)
  }

  override func transmitHeaders(
    _ status: Int, _ headers: [(name: String, value: String)], length: Int?, isWhole: Bool
  ) {
    guard let stream else { return }
    var block = HTTP2Headers(fieldsExpected: headers.count + 2)
    if status == 200 { block.append(":status", "200") } else { block.append(":status", String(status)) }
    for (name, value) in headers { block.append(name: name, value: value, isSecret: Self.isUnindexed(name)) }
    if let length { block.append("content-length", String(length)) }
    connection.act { session throws(HTTP2Error) in try session.respond(stream, block, endStream: isWhole) }
    if isWhole { connection.answered(stream) }
  }

  /// Whether a field stays out of the compression table: its value is a secret, or no other answer has it, so that it
  /// would only push out what they share.
  private static func isUnindexed(_ name: String) -> Bool {
    switch name {
    case "set-cookie", "x-csrf-token", "x-request-id", "ratelimit-remaining", "ratelimit-reset": true
    default: false
    }
  }

  override func transmit(_ bytes: UnsafeRawBufferPointer) {
    guard let stream else { return }
    connection.act { session throws(HTTP2Error) in try session.append(bytes, to: stream) }
  }

  override func transmitEnd() {
    guard let stream else { return }
    connection.act { session throws(HTTP2Error) in try session.finish(stream) }
    connection.answered(stream)
  }

  override func transmitReset() {
    guard let stream else { return }
    connection.act { session throws(HTTP2Error) in try session.reset(stream, .cancel) }
  }

  override func end(_ status: StatusCode, httpStatus: Int?, thrown: (any Error)?) {
    super.end(status, httpStatus: httpStatus, thrown: thrown)
    inbox?.finish(.failure(Self.overError), dropping: true)
    releaseBody()
    askForMore()
  }
}
