import EventLoop
import Protobuf

/// One gRPC call being served, whatever brought it: this class keeps the rules of a call (one set of headers, one
/// status, nothing after it), its subclasses move the parts.
///
/// Ends exactly once: by the handler's return or error, the deadline, or the client leaving. What a handler does after
/// that is dropped silently, and its suspended sends and reads fail with CANCELLED.
// @unchecked: as `ServedStream`.
class ServerCall: ServedStream, @unchecked Sendable {
  private(set) var handler: RPCMethodHandler
  /// Messages of a client that may send many.
  lazy var inbox = MessageInbox(loop)
  private(set) var headersSent = false
  /// The headers said that messages may be compressed.
  private(set) var compresses = false
  private var body: (@Sendable () async throws -> Void)?

  init(loop: EventLoop, context: CallContext, handler: RPCMethodHandler, core: ServerCore) {
    self.handler = handler
    super.init(loop: loop, context: context, core: core)
  }

  func prepareForReuse(_ context: CallContext, handler: RPCMethodHandler) {
    prepareForReuse(context)
    self.handler = handler
    headersSent = false
    compresses = false
  }

  override var requestAwaitedSince: MonotonicTime? { handler.takesOneRequest ? began : nil }

  /// Moves the response headers; called once, before anything else is moved, unless the status comes first.
  func transmitHeaders(_ metadata: Metadata?) { preconditionFailure("for the transport to override") }

  /// Moves one message of `count` bytes, which `write` puts into the room it is given.
  func transmit(_ count: Int, isCompressed: Bool, _ write: (UnsafeMutableRawBufferPointer) -> Void) {
    preconditionFailure("for the transport to override")
  }

  /// Moves the status, which is the last thing; without headers before it is a "trailers-only" answer.
  func transmitStatus(_ error: RPCError?, trailers: Metadata?) { preconditionFailure("for the transport to override") }

  /// Runs the interceptors and starts the clock; false when the call was answered already.
  func admit() -> Bool {
    do {
      for interceptor in core.interceptors { try interceptor.admit(context) }
    } catch {
      fail(error)
      return false
    }
    guard context.deadline.time > loop.now else {
      expire()
      return false
    }
    startClock()
    return true
  }

  /// Starts the handler with the only message of a call, or with nothing for one whose client sends many.
  func begin(_ request: UnsafeRawBufferPointer) {
    do {
      try handler.begin(self, request)
    } catch let error as ProtobufError {
      fail(RPCServerFault.malformedMessage(error))
    } catch {
      fail(error)
    }
  }

  /// Runs a handler's body as the call's task and ends the call as it ends.
  func run(_ body: @escaping @Sendable () async throws -> Void) {
    self.body = body
    start()
  }

  override func serve() async {
    guard let body else { return }
    self.body = nil
    // The client left, or the deadline passed, before it was this call's turn.
    guard !isOver else { return }
    do {
      try await body()
      finish(nil, thrown: nil)
    } catch {
      fail(error)
    }
  }

  /// Sends a message without waiting for the client; for the only answer of a call.
  func sendLast(_ message: [UInt8], compressed: Bool = true) {
    sendLast(message.count, compressed: compressed) { room in room.copyBytes(from: message) }
  }

  /// Sends a message of `count` bytes without waiting for the client; nothing happens when the call is over.
  func sendLast(_ count: Int, compressed: Bool = true, _ write: (UnsafeMutableRawBufferPointer) -> Void) {
    loop.checkIsolated()
    guard !isOver else { return }
    sendHeaders()
    bytesSent += count
    guard compresses, compressed else { return transmit(count, isCompressed: false, write) }
    let plain = [UInt8](unsafeUninitializedCapacity: count) { room, written in
      write(UnsafeMutableRawBufferPointer(room))
      written = count
    }
    guard let packed = try? plain.withUnsafeBytes({ try Gzip.deflate($0) }) else {
      return transmit(count, isCompressed: false) { $0.copyBytes(from: plain) }
    }
    transmit(packed.count, isCompressed: true) { $0.copyBytes(from: packed) }
  }

  /// Sends a message and waits while too much is under way; from any executor.
  func send(_ message: [UInt8], compressed: Bool = true) async throws {
    let isOnLoop = loop.isCurrent
    if isOnLoop {
      guard !isOver else { throw Self.overError }
      sendLast(message, compressed: compressed)
      if outboundBytes <= core.limits.outboundBytesPerStreamMax { return }
    }
    try await withUnsafeThrowingContinuation { continuation in
      if isOnLoop { return waitForRoom(continuation) }
      loop.execute { [self] in
        sendLast(message, compressed: compressed)
        waitForRoom(continuation)
      }
    }
  }

  /// Sends the headers now, if they have not been.
  func sendHeaders() {
    guard !headersSent, !isOver else { return }
    headersSent = true
    compresses = context.acceptsCompression && context.compressesResponses
    transmitHeaders(context.initialMetadata)
  }

  /// Ends the call with the status an error stands for.
  func fail(_ error: any Error) { finish(core.status(error), thrown: error) }

  override func expire() { finish(core.status(RPCServerFault.deadlinePassed), thrown: nil) }

  private func finish(_ error: RPCError?, thrown: (any Error)?) {
    guard !isOver else { return }
    if error == nil { sendHeaders() }
    var trailers = context.trailers
    if let error, !error.metadata.isEmpty {
      var all = trailers ?? Metadata()
      all.add(contentsOf: error.metadata)
      trailers = all
    }
    transmitStatus(error, trailers: trailers)
    end(error?.code ?? .ok, httpStatus: nil, thrown: thrown)
  }

  override func end(_ status: StatusCode, httpStatus: Int?, thrown: (any Error)?) {
    super.end(status, httpStatus: httpStatus, thrown: thrown)
    if !handler.takesOneRequest { inbox.finish(.failure(Self.overError), dropping: true) }
  }
}
