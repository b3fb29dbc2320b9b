import EventLoop

/// One plain HTTP request being answered; the counterpart of ``ServerCall`` for an ``HTTPHandler``.
// @unchecked: as `ServedStream`.
class HTTPCall: ServedStream, @unchecked Sendable {
  private var status = 0
  /// A whole answer that waits for the end of the request.
  private(set) var heldAnswer: (headers: [(name: String, value: String)], body: [UInt8])?
  private var isLate = false
  private var work: (request: HTTPRequest, handler: any HTTPHandler)?

  /// Moves the response headers, which are the whole answer when `isWhole`.
  ///
  /// - Parameter length: bytes of the body; nil: it is not told.
  func transmitHeaders(_ status: Int, _ headers: [(name: String, value: String)], length: Int?, isWhole: Bool) {
    preconditionFailure("for the transport to override")
  }

  /// Moves a piece of the body.
  func transmit(_ bytes: UnsafeRawBufferPointer) { preconditionFailure("for the transport to override") }

  /// Ends the body.
  func transmitEnd() { preconditionFailure("for the transport to override") }

  /// Breaks off an answer whose headers are out.
  func transmitReset() { preconditionFailure("for the transport to override") }

  /// Whether a whole answer is to wait until the client has sent what nobody reads.
  var waitsForRequest: Bool { false }

  /// An answer waits: what comes of the request is not read any more.
  func answerHeld() {}

  /// Answers with what the handler says of a refusal of the server's own.
  func refuse(_ status: Int) { preconditionFailure("for the transport to override") }

  func serve(_ request: HTTPRequest, _ handler: any HTTPHandler) {
    startClock()
    work = (request, handler)
    start()
  }

  override func serve() async {
    guard let (request, handler) = work else { return }
    work = nil
    guard !isOver else { return }
    await handler.respond(to: request, HTTPResponseWriter(self), context)
    if status == 0 { respond(status: 500, headers: [], body: []) } else { end() }
  }

  func respond(status: Int, headers: [(name: String, value: String)], body: [UInt8]) {
    guard !isOver, self.status == 0 else { return }
    self.status = status
    guard waitsForRequest, !isLate else { return send(headers, body) }
    heldAnswer = (headers, body)
    answerHeld()
  }

  /// Sends an answer that waits, if one does.
  func sendHeldAnswer() {
    guard !isOver, let (headers, body) = heldAnswer else { return }
    heldAnswer = nil
    send(headers, body)
  }

  private func send(_ headers: [(name: String, value: String)], _ body: [UInt8]) {
    let isBodiless = body.isEmpty || context.method == "HEAD"
    let length = status == 204 || status == 304 ? nil : body.count
    transmitHeaders(status, headers, length: length, isWhole: isBodiless)
    if !isBodiless {
      bytesSent += body.count
      body.withUnsafeBytes { transmit($0) }
      transmitEnd()
    }
    end(.ok, httpStatus: status, thrown: nil)
  }

  func begin(status: Int, headers: [(name: String, value: String)]) {
    guard !isOver, self.status == 0 else { return }
    self.status = status
    transmitHeaders(status, headers, length: nil, isWhole: false)
  }

  func write(_ bytes: [UInt8]) async throws {
    try await withUnsafeThrowingContinuation { (continuation: UnsafeContinuation<Void, any Error>) in
      if loop.isCurrent { write(bytes, continuation) } else { loop.execute { self.write(bytes, continuation) } }
    }
  }

  private func write(_ bytes: [UInt8], _ continuation: UnsafeContinuation<Void, any Error>) {
    guard !isOver, status != 0, heldAnswer == nil else { return continuation.resume(throwing: Self.overError) }
    bytesSent += bytes.count
    bytes.withUnsafeBytes { transmit($0) }
    waitForRoom(continuation)
  }

  func end() {
    guard !isOver, status != 0, heldAnswer == nil else { return }
    transmitEnd()
    end(.ok, httpStatus: status, thrown: nil)
  }

  override func expire() {
    guard !isOver else { return }
    isLate = true
    guard status != 0 else { return refuse(504) }
    guard heldAnswer == nil else { return sendHeldAnswer() }
    transmitReset()
    end(.deadlineExceeded, httpStatus: status, thrown: nil)
  }

  override func abandon() {
    guard heldAnswer != nil, !isOver else { return super.abandon() }
    // The client learned no answer, but there is one.
    end(.cancelled, httpStatus: status, thrown: nil)
  }

  func onLoop(_ act: @escaping @Sendable (HTTPCall) -> Void) async {
    if loop.isCurrent { return act(self) }
    await withUnsafeContinuation { continuation in
      loop.execute {
        act(self)
        continuation.resume()
      }
    }
  }
}
