import EventLoop

/// A call between two ends of one process: parts go straight from the handler to the caller.
// @unchecked: as `ServedStream`.
final class InProcessCall: ServerCall, @unchecked Sendable {
  private(set) var receiver: ResponseReceiver!
  private var writerTask: Task<Void, Never>?
  private var waitingWriters: [UnsafeContinuation<Void, any Error>] = []

  init(
    loop: EventLoop, context: CallContext, handler: RPCMethodHandler, core: ServerCore,
    waiter: ResponseReceiver.Waiter
  ) {
    super.init(loop: loop, context: context, handler: handler, core: core)
    receiver = ResponseReceiver(waiter, on: loop) { [weak self] in
      guard let self else { return }
      loop.execute { self.cancel() }
    }
    if case .stream = waiter {
      receiver.inbox.taken = { [weak self] _ in self?.roomForAnswers() }
    }
    guard !handler.takesOneRequest else { return }
    inbox.taken = { [weak self] _ in self?.roomForRequests() }
  }

  override var outboundBytes: Int { receiver.inboxIsEmpty ? 0 : receiver.inbox.bytes }

  /// The caller has given up.
  func cancel() {
    receiver.finish(RPCError(.cancelled, "the caller cancelled the call"), Metadata(), dropping: true)
    abandon()
  }

  /// Starts the handler for a caller that sends one message.
  func begin(with request: [UInt8]) {
    bytesReceived += request.count
    guard fits(request) else { return }
    if handler.takesOneRequest { return request.withUnsafeBytes { begin($0) } }
    begin(UnsafeRawBufferPointer(start: nil, count: 0))
    inbox.put(request)
    inbox.finish(.success(()))
  }

  /// Starts the handler for a caller that sends any number of messages, and the task that writes them.
  func begin(writing requests: @escaping @Sendable (RawRequestWriter) async throws -> Void) {
    guard !handler.takesOneRequest else {
      return fail(RPCError(.unimplemented, "the method takes one message, not a stream of them"))
    }
    begin(UnsafeRawBufferPointer(start: nil, count: 0))
    guard !isOver else { return }
    writerTask = Task(executorPreference: loop) { [self] in
      do {
        try await requests(RawRequestWriter { [self] message, _ in try await put(message) })
        inbox.finish(.success(()))
      } catch {
        receiver.finish(RPCError(thrown: error), Metadata(), dropping: true)
        abandon()
      }
      writerTask = nil
    }
  }

  override func transmitHeaders(_ metadata: Metadata?) { receiver.begin(metadata ?? Metadata()) }

  override func transmit(_ count: Int, isCompressed: Bool, _ write: (UnsafeMutableRawBufferPointer) -> Void) {
    let message = [UInt8](unsafeUninitializedCapacity: count) { room, initialized in
      write(UnsafeMutableRawBufferPointer(room))
      initialized = count
    }
    do { try receiver.receive(message) } catch { fail(error) }
  }

  override func transmitStatus(_ error: RPCError?, trailers: Metadata?) {
    var error = error
    let trailers = trailers ?? Metadata()
    error?.metadata = trailers
    receiver.finish(error, trailers)
  }

  override func end(_ status: StatusCode, httpStatus: Int?, thrown: (any Error)?) {
    super.end(status, httpStatus: httpStatus, thrown: thrown)
    writerTask?.cancel()
    let writers = waitingWriters
    waitingWriters = []
    for writer in writers { writer.resume(throwing: Self.overError) }
  }

  private func put(_ message: [UInt8]) async throws {
    try await withUnsafeThrowingContinuation { (continuation: UnsafeContinuation<Void, any Error>) in
      if loop.isCurrent { put(message, continuation) } else { loop.execute { self.put(message, continuation) } }
    }
  }

  private func put(_ message: [UInt8], _ continuation: UnsafeContinuation<Void, any Error>) {
    guard !isOver else { return continuation.resume(throwing: Self.overError) }
    bytesReceived += message.count
    guard fits(message) else { return continuation.resume(throwing: Self.overError) }
    inbox.put(message)
    guard inbox.bytes > core.limits.outboundBytesPerStreamMax else { return continuation.resume() }
    waitingWriters.append(continuation)
  }

  /// Over a socket a message over the limit would not be taken either.
  private func fits(_ message: [UInt8]) -> Bool {
    if message.count <= core.limits.messageBytesMax { return true }
    fail(
      RPCServerFault.tooLarge("message of \(message.count) bytes is over the limit of \(core.limits.messageBytesMax)"))
    return false
  }

  private func roomForRequests() {
    guard inbox.bytes <= core.limits.outboundBytesPerStreamMax else { return }
    let writers = waitingWriters
    waitingWriters = []
    for writer in writers { writer.resume() }
  }

  private func roomForAnswers() {
    if outboundBytes <= core.limits.outboundBytesPerStreamMax { outboundDrained() }
  }
}
