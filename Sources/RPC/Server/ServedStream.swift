import EventLoop

/// What a gRPC call and a plain HTTP request have in common: a task that serves it, a deadline, an answer that may have
/// to wait for the client, and one end.
// @unchecked: loop-confined; what handlers on other executors call goes through the loop.
class ServedStream: @unchecked Sendable {
  let loop: EventLoop
  private(set) var context: CallContext
  let core: ServerCore
  private(set) var isOver = false
  var bytesReceived = 0
  var bytesSent = 0
  private var deadlineTimer: LoopTimer?
  private var waitingWriters: [UnsafeContinuation<Void, any Error>] = []
  /// When the request's headers had come.
  private(set) var began: MonotonicTime
  private var task: HandlerTask?

  init(loop: EventLoop, context: CallContext, core: ServerCore) {
    self.loop = loop
    self.context = context
    self.core = core
    began = loop.now
  }

  /// Makes a stream that is over ready to serve another request.
  func prepareForReuse(_ context: CallContext) {
    self.context = context
    isOver = false
    bytesReceived = 0
    bytesSent = 0
    began = loop.now
  }

  /// Whether the object may serve another request after this one. It keeps its timer then.
  var isReusable: Bool { false }

  /// Lets go of what a reusable object keeps.
  func discard() { deadlineTimer?.cancel() }

  /// Since when more of the request is waited for, which must come within the server's `requestTimeout`; nil: it may
  /// take its time.
  var requestAwaitedSince: MonotonicTime? { began }

  /// What was waited for has not come in time.
  ///
  /// - Returns: whether the stream is to be reset.
  func requestTimedOut() -> Bool { true }

  /// Bytes that wait for a slow client.
  var outboundBytes: Int { 0 }

  /// The deadline passed before the end: answers, and ends.
  func expire() { preconditionFailure("for the kind of stream to override") }

  /// Takes bytes of the request.
  func receive(_ bytes: UnsafeRawBufferPointer) {}

  /// The request is complete.
  func receiveEnd() {}

  /// Opens the window for as many bytes as have come.
  func askForMore() {}

  /// A task of the handler began (1) or ended (-1).
  func taskChanged(_ change: Int) {}

  /// The transport's stream is gone; it must not be kept.
  func detach() {}

  func startClock() {
    guard !context.deadline.isNever else { return }
    let timer =
      deadlineTimer
      ?? loop.timer { [unowned self] in
        expire()
        task?.cancel()
      }
    timer.start(at: context.deadline.time)
    deadlineTimer = timer
  }

  /// Takes the deadline off.
  func liftTimeLimit() {
    deadlineTimer?.cancel()
    deadlineTimer = nil
  }

  /// Runs the handler, within its task.
  func serve() async { preconditionFailure("for the kind of stream to override") }

  /// Has the handler run.
  func start() {
    core.handlersRunning += 1
    taskChanged(1)
    core.handlers.run(self)
  }

  /// The handler begins, in `task`.
  func begin(in task: HandlerTask) { self.task = task }

  /// The handler has ended; its task has no more to do with this stream.
  func served() {
    core.handlersRunning -= 1
    taskChanged(-1)
    task = nil
  }

  /// Resumes when no more than the bound waits for the client.
  func waitForRoom(_ continuation: UnsafeContinuation<Void, any Error>) {
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

  /// The client has left, or the connection is lost: the task is cancelled, nobody is answered.
  func abandon() {
    guard !isOver else { return }
    end(.cancelled, httpStatus: nil, thrown: nil)
    task?.cancel()
  }

  /// The last thing of every stream: nothing is sent after it, and the interceptors learn of it.
  func end(_ status: StatusCode, httpStatus: Int?, thrown: (any Error)?) {
    isOver = true
    if isReusable {
      deadlineTimer?.pause()
    } else {
      deadlineTimer?.cancel()
      deadlineTimer = nil
    }
    if !waitingWriters.isEmpty {
      let writers = waitingWriters
      waitingWriters = []
      for writer in writers { writer.resume(throwing: Self.overError) }
    }
    guard !core.interceptors.isEmpty else { return }
    let nanoseconds = MonotonicTime.current.nanoseconds - began.nanoseconds
    let outcome = CallOutcome(
      status: status, httpStatus: httpStatus, error: thrown, nanoseconds: nanoseconds, bytesReceived: bytesReceived,
      bytesSent: bytesSent)
    for interceptor in core.interceptors { interceptor.finished(context, outcome) }
  }

  static let overError = RPCError(.cancelled, "the call is over")
}
