import EventLoop

/// One plain HTTP request being answered; the counterpart of ``ServerCall`` for an ``HTTPHandler``.
// @unchecked: loop-confined; writers on other executors come through `onLoop`.
class HTTPCall: @unchecked Sendable {
  let loop: EventLoop
  let context: CallContext
  let core: ServerCore
  private(set) var isOver = false
  private var status = 0
  private var task: Task<Void, Never>?
  private var deadlineTimer: LoopTimer?
  private var waitingWriters: [UnsafeContinuation<Void, any Error>] = []
  private let began: MonotonicTime
  var bytesReceived = 0
  private var bytesSent = 0

  init(loop: EventLoop, context: CallContext, core: ServerCore) {
    self.loop = loop
    self.context = context
    self.core = core
    began = loop.now
  }

  /// Moves the response headers, with `isWhole` as the whole answer.
  func transmitHeaders(_ status: Int, _ headers: [(name: String, value: String)], isWhole: Bool) {
    preconditionFailure("for the transport to override")
  }

  /// Moves a piece of the body.
  func transmit(_ bytes: UnsafeRawBufferPointer) { preconditionFailure("for the transport to override") }

  /// Ends the body.
  func transmitEnd() { preconditionFailure("for the transport to override") }

  /// Breaks off an answer whose headers are out.
  func transmitReset() { preconditionFailure("for the transport to override") }

  /// Bytes that wait for a slow client.
  var outboundBytes: Int { 0 }

  func start(_ request: HTTPRequest, _ handler: any HTTPHandler) {
    core.handlersRunning += 1
    deadlineTimer = loop.schedule(at: context.deadline.time) { [unowned self] in expire() }
    task = Task(executorPreference: loop) { [self] in
      await handler.respond(to: request, HTTPResponseWriter(self), context)
      if status == 0 { respond(status: 500, headers: [], body: []) } else { end() }
      core.handlersRunning -= 1
      task = nil
    }
  }

  func respond(status: Int, headers: [(name: String, value: String)], body: [UInt8]) {
    guard !isOver, self.status == 0 else { return }
    self.status = status
    let length = (name: "content-length", value: "\(body.count)")
    let isBodiless = body.isEmpty || context.method == "HEAD"
    transmitHeaders(status, status == 204 || status == 304 ? headers : headers + [length], isWhole: isBodiless)
    if !isBodiless {
      bytesSent += body.count
      body.withUnsafeBytes { transmit($0) }
      transmitEnd()
    }
    finish(.ok)
  }

  func begin(status: Int, headers: [(name: String, value: String)]) {
    guard !isOver, self.status == 0 else { return }
    self.status = status
    transmitHeaders(status, headers, isWhole: false)
  }

  func write(_ bytes: [UInt8]) async throws {
    try await withUnsafeThrowingContinuation { (continuation: UnsafeContinuation<Void, any Error>) in
      if loop.isCurrent { write(bytes, continuation) } else { loop.execute { self.write(bytes, continuation) } }
    }
  }

  private func write(_ bytes: [UInt8], _ continuation: UnsafeContinuation<Void, any Error>) {
    guard !isOver, status != 0 else { return continuation.resume(throwing: Self.overError) }
    bytesSent += bytes.count
    bytes.withUnsafeBytes { transmit($0) }
    if outboundBytes <= core.limits.outboundBytesPerStreamMax { return continuation.resume() }
    waitingWriters.append(continuation)
  }

  func end() {
    guard !isOver, status != 0 else { return }
    transmitEnd()
    finish(.ok)
  }

  func outboundDrained() {
    let writers = waitingWriters
    waitingWriters = []
    for writer in writers { writer.resume() }
  }

  /// The client has left, or the connection is lost.
  func abandon() {
    guard !isOver else { return }
    finish(.cancelled)
    task?.cancel()
  }

  private func expire() {
    guard !isOver else { return }
    if status == 0 {
      respond(status: 504, headers: [], body: [])
    } else {
      transmitReset()
      finish(.deadlineExceeded)
    }
    task?.cancel()
  }

  private func finish(_ code: StatusCode) {
    isOver = true
    deadlineTimer?.cancel()
    deadlineTimer = nil
    let writers = waitingWriters
    waitingWriters = []
    for writer in writers { writer.resume(throwing: Self.overError) }
    let outcome = CallOutcome(
      status: code, httpStatus: status, error: nil, duration: MonotonicTime.current.since(began),
      bytesReceived: bytesReceived, bytesSent: bytesSent)
    for interceptor in core.interceptors { interceptor.finished(context, outcome) }
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

  private static let overError = RPCError(.cancelled, "the call is over")
}
