import EventLoop

/// One gRPC call being served, whatever brought it: this class keeps the rules of a call (one set of headers, one status,
/// nothing after it), its subclasses move the parts.
///
/// Ends exactly once: by the handler's return or error, the deadline, or the client leaving. What a handler does after
/// that is dropped silently, and its suspended sends and reads fail with CANCELLED.
// @unchecked: loop-confined; what handlers on other executors call goes through the loop.
class ServerCall: @unchecked Sendable {
  let loop: EventLoop
  let context: CallContext
  let handler: RPCMethodHandler
  let core: ServerCore
  /// Messages of a client that may send many.
  lazy var inbox = MessageInbox(loop)
  private(set) var isOver = false
  private(set) var headersSent = false
  private var task: Task<Void, Never>?
  private var deadlineTimer: LoopTimer?
  private var waitingWriters: [UnsafeContinuation<Void, any Error>] = []
  private let began: MonotonicTime
  var bytesReceived = 0
  private var bytesSent = 0

  init(loop: EventLoop, context: CallContext, handler: RPCMethodHandler, core: ServerCore) {
    self.loop = loop
    self.context = context
    self.handler = handler
    self.core = core
    began = loop.now
  }

  /// Moves the response headers; called once, before anything else is moved, unless the status comes first.
  func transmitHeaders(_ metadata: Metadata) { preconditionFailure("for the transport to override") }

  /// Moves one message.
  func transmit(_ message: UnsafeRawBufferPointer) { preconditionFailure("for the transport to override") }

  /// Moves the status, which is the last thing; without headers before it is a "trailers-only" answer.
  func transmitStatus(_ error: RPCError?, trailers: Metadata) { preconditionFailure("for the transport to override") }

  /// Bytes that wait for a slow client.
  var outboundBytes: Int { 0 }

  /// Runs the interceptors and starts the clock; false when the call was answered already.
  func admit() -> Bool {
    do {
      for interceptor in core.interceptors { try interceptor.admit(context) }
    } catch {
      fail(error)
      return false
    }
    if !context.deadline.isNever {
      guard context.deadline.time > loop.now else {
        expire()
        return false
      }
      deadlineTimer = loop.schedule(at: context.deadline.time) { [unowned self] in expire() }
    }
    return true
  }

  /// Starts the handler with the only message of a call, or with nothing for one whose client sends many.
  func begin(_ request: UnsafeRawBufferPointer) {
    do { try handler.begin(self, request) } catch { fail(error) }
  }

  /// Runs a handler's body as the call's task and ends the call as it ends.
  func run(_ body: @escaping @Sendable () async throws -> Void) {
    core.handlersRunning += 1
    task = Task(executorPreference: loop) { [self] in
      do {
        try await body()
        finish(nil, thrown: nil)
      } catch {
        fail(error)
      }
      core.handlersRunning -= 1
      task = nil
    }
  }

  /// Sends a message without waiting for the client; for the only answer of a call.
  func sendLast(_ message: [UInt8]) {
    guard beginMessage(message.count) else { return }
    message.withUnsafeBytes { transmit($0) }
  }

  /// Counts a message and sends the headers before the first; false when the call is over.
  func beginMessage(_ bytes: Int) -> Bool {
    loop.checkIsolated()
    guard !isOver else { return false }
    sendHeaders()
    bytesSent += bytes
    return true
  }

  /// Sends a message and waits while too much is under way; from any executor.
  func send(_ message: [UInt8]) async throws {
    if loop.isCurrent {
      guard !isOver else { throw Self.overError }
      sendLast(message)
      if outboundBytes <= core.limits.outboundBytesPerStreamMax { return }
    }
    let isSent = loop.isCurrent
    try await withUnsafeThrowingContinuation { continuation in
      if isSent {
        waitForRoom(continuation)
      } else {
        loop.execute { [self] in
          sendLast(message)
          waitForRoom(continuation)
        }
      }
    }
  }

  private func waitForRoom(_ continuation: UnsafeContinuation<Void, any Error>) {
    if isOver { return continuation.resume(throwing: Self.overError) }
    if outboundBytes <= core.limits.outboundBytesPerStreamMax { return continuation.resume() }
    waitingWriters.append(continuation)
  }

  /// The transport has room again.
  func outboundDrained() {
    let writers = waitingWriters
    waitingWriters = []
    for writer in writers { writer.resume() }
  }

  /// Sends the headers now, if they have not been.
  func sendHeaders() {
    guard !headersSent, !isOver else { return }
    headersSent = true
    transmitHeaders(context.takeInitialMetadata())
  }

  /// Ends the call with the status an error stands for.
  func fail(_ error: any Error) { finish(RPCError(thrown: error), thrown: error) }

  /// The client has left, or the connection is lost: the handler is cancelled, nobody is answered.
  func abandon() {
    guard !isOver else { return }
    end(.cancelled, thrown: nil)
    task?.cancel()
  }

  private func expire() {
    finish(RPCError(.deadlineExceeded, "the deadline passed before the answer was ready"), thrown: nil)
    task?.cancel()
  }

  private func finish(_ error: RPCError?, thrown: (any Error)?) {
    guard !isOver else { return }
    if error == nil { sendHeaders() }
    var trailers = context.takeTrailers()
    if let error { trailers.add(contentsOf: error.metadata) }
    transmitStatus(error, trailers: trailers)
    end(error?.code ?? .ok, thrown: thrown)
  }

  private func end(_ status: StatusCode, thrown: (any Error)?) {
    isOver = true
    deadlineTimer?.cancel()
    deadlineTimer = nil
    if !handler.takesOneRequest { inbox.finish(.failure(Self.overError)) }
    let writers = waitingWriters
    waitingWriters = []
    for writer in writers { writer.resume(throwing: Self.overError) }
    guard !core.interceptors.isEmpty else { return }
    let outcome = CallOutcome(
      status: status, httpStatus: nil, error: thrown, duration: MonotonicTime.current.since(began),
      bytesReceived: bytesReceived, bytesSent: bytesSent)
    for interceptor in core.interceptors { interceptor.finished(context, outcome) }
  }

  private static let overError = RPCError(.cancelled, "the call is over")
}
