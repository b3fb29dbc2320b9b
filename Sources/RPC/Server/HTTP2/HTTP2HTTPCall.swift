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
  private var bytesUnconsumed = 0

  init(
    _ connection: ServerConnection, _ stream: HTTP2Stream, context: CallContext, authority: String,
    handler: any HTTPHandler
  ) {
    self.connection = connection
    self.stream = stream
    self.authority = authority
    self.handler = handler
    super.init(loop: connection.loop, context: context, core: connection.core)
  }

  override func detach() { stream = nil }

  override func taskChanged(_ change: Int) { connection.handlersRunning += change }

  override var outboundBytes: Int { stream?.outboundBytes ?? 0 }

  override func receive(_ bytes: UnsafeRawBufferPointer) {
    bytesReceived += bytes.count
    bytesUnconsumed += bytes.count
    guard !isOver else { return askForMore() }
    guard body.count + bytes.count <= core.limits.httpBodyBytesMax else {
      return refuse(413)
    }
    body.append(contentsOf: bytes)
    connection.bytesHeld += bytes.count
    connection.askForMore(self)
  }

  override func askForMore() {
    guard bytesUnconsumed > 0 else { return }
    let count = bytesUnconsumed
    bytesUnconsumed = 0
    guard let stream else { return }
    connection.act { session throws(HTTP2Error) in try session.consume(stream, count) }
  }

  private func releaseBody() {
    connection.bytesHeld -= body.count
    body = []
    connection.requestLeft(self)
  }

  override func refuse(_ status: Int) {
    let refusal = handler.refusal(status: status, context)
    respond(status: status, headers: refusal.headers, body: refusal.body)
  }

  override func receiveEnd() {
    guard !isOver else { return }
    let request = HTTPRequest(
      method: context.method, path: context.path, authority: authority, headers: context.metadata, body: body)
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
    releaseBody()
    askForMore()
  }
}
