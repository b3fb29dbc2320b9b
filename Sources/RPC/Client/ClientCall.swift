import EventLoop
import HTTP2

/// One call of a channel, from the caller's decision to the answer: waits for a connection, has a stream, and may start
/// over on another one while nothing of an answer has come.
// @unchecked: loop-confined; `cancel` from elsewhere goes through the loop.
final class ClientCall: @unchecked Sendable {
  /// What the client sends.
  enum Requests {
    case one([UInt8])
    case many
  }

  let path: String
  let options: CallOptions
  /// The caller's, or the nearer one of the method's settings.
  private(set) var deadline: Deadline
  let waitsForReady: Bool
  let loop: EventLoop
  let settings: MethodSettings?
  let limits: RPCChannelLimits
  private(set) var receiver: ResponseReceiver!
  /// Called when the call ends while it waits for a connection.
  var leftQueue: (() -> Void)?
  /// Times the call was sent again because it had failed.
  var retries = 0
  /// Times the server refused the call unseen.
  var refusals = 0
  var retryTimer: LoopTimer?
  private(set) weak var owner: ClientLoop?
  private let requests: Requests
  private var connection: ClientConnection?
  private(set) var stream: HTTP2Stream?
  private(set) var head = ResponseHead()
  private var deframer: MessageDeframer
  private var bytesUnconsumed = 0
  private var deadlineTimer: LoopTimer?
  private var waitingWriters: [UnsafeContinuation<Void, any Error>] = []
  /// What was to be sent before the stream was open.
  private var early: [(message: FramedMessage, writer: UnsafeContinuation<Void, any Error>)] = []
  /// What a caller of many messages has sent, until the call is committed.
  private var sent: [FramedMessage] = []
  private var bytesSent = 0
  private var isCommitted = false
  private var requestsEnded = false
  private var writerTask: Task<Void, Never>?

  init(
    _ path: String, _ requests: Requests, _ options: CallOptions, on loop: EventLoop, limits: RPCChannelLimits,
    settings: MethodSettings? = nil, waiter: ResponseReceiver.Waiter
  ) {
    self.path = path
    self.requests = requests
    self.options = options
    self.loop = loop
    self.limits = limits
    self.settings = settings
    deadline = options.deadline
    if let timeout = settings?.timeout { deadline = min(deadline, Deadline(at: loop.now.advanced(by: timeout))) }
    waitsForReady = options.waitForReady || settings?.waitForReady ?? false
    deframer = MessageDeframer(messageBytesMax: settings?.responseBytesMax ?? limits.messageBytesMax)
    receiver = ResponseReceiver(waiter, on: loop) { [weak self] in
      guard let self else { return }
      loop.execute { self.cancel() }
    }
    if case .stream = waiter {
      receiver.inbox.taken = { [weak self] isEmpty in
        if isEmpty { self?.consume() }
      }
    }
  }

  var isOver: Bool { receiver.isOver }

  /// Whether the call may be sent again: nothing of an answer has come, and all that was sent is still at hand.
  var canStartAgain: Bool { !isOver && !isCommitted }

  /// Starts the clock; false when the call is over already.
  func prepare(by owner: ClientLoop) -> Bool {
    self.owner = owner
    guard !isOver else { return false }
    if case .one(let message) = requests, let refusal = refusal(of: message) {
      fail(refusal)
      return false
    }
    guard !deadline.isNever else { return true }
    guard deadline.time > loop.now else {
      expire()
      return false
    }
    deadlineTimer = loop.schedule(at: deadline.time) { [unowned self] in expire() }
    return true
  }

  /// The stream is open and the headers are submitted.
  func opened(_ stream: HTTP2Stream, on connection: ClientConnection) {
    leftQueue = nil
    self.connection = connection
    self.stream = stream
    switch requests {
    case .one(let message):
      connection.act { session throws(HTTP2Error) in
        try Self.append(frame(message, compressed: true), to: stream, session)
        try session.finish(stream)
      }
    case .many:
      for message in sent {
        connection.act { session throws(HTTP2Error) in try Self.append(message, to: stream, session) }
      }
      let early = self.early
      self.early = []
      for (message, writer) in early { send(message, writer) }
      if requestsEnded { endRequests() }
    }
  }

  func headersBegan() { head.beginBlock() }

  func header(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) { head.add(name, value) }

  func headersEnded(_ kind: HTTP2HeadersKind, endStream: Bool) {
    // A block with a status and the end of the stream is the whole answer; its fields are trailers.
    guard kind == .response, !endStream else { return }
    commit()
    guard head.isGRPC, head.httpStatus == 200 else { return fail(head.error ?? RPCError(.unknown, "no gRPC answer")) }
    guard let encoding = head.encoding else {
      return fail(RPCError(.internal, "the answer has a grpc-encoding that was not offered"))
    }
    deframer.encoding = encoding
    receiver.begin(head.metadata)
  }

  func receive(_ bytes: UnsafeRawBufferPointer) {
    bytesUnconsumed += bytes.count
    guard !isOver else { return consume() }
    do {
      try deframer.append(bytes)
      while let message = try deframer.next() {
        try receiver.receive(message, wasCompressed: deframer.lastWasCompressed)
      }
      // What waits in the inbox stays unconsumed, so that the server is held back until the caller has read it.
      if receiver.inboxIsEmpty { consume() }
    } catch {
      fail(error)
    }
  }

  /// The server has ended its half: what the last block said is the outcome.
  func remoteEnded() {
    guard !isOver else { return }
    var error = head.error
    if error == nil, deframer.count > 0 { error = RPCError(.internal, "the stream ended inside a message") }
    let stream = self.stream
    let connection = self.connection
    if let error, startsAgain(after: error) {
      // What the server still says about this attempt no longer matters.
      stream?.context = nil
      detach()
    } else {
      if error == nil { owner?.succeeded(self) }
      end(error, head.metadata)
    }
    guard let stream, !stream.localEnded else { return }
    connection?.act { session throws(HTTP2Error) in try session.reset(stream, .noError) }
  }

  /// The stream is gone. True when the call should be started again on another connection at once.
  func streamClosed(_ code: HTTP2ErrorCode, isNeverSent: Bool, isConnectionLost: Bool) -> Bool {
    let fault = connection?.fault
    detach()
    guard !isOver else { return false }
    if code == .refusedStream, isUnseen(isNeverSent: isNeverSent) { return true }
    let reason = fault.map { ": \($0)" } ?? ""
    let error =
      isConnectionLost ? RPCError(.unavailable, "the connection was lost\(reason)") : RPCError(reset: code)
    if !startsAgain(after: error) { end(error, Metadata()) }
    return false
  }

  func outboundDrained() {
    let writers = waitingWriters
    waitingWriters = []
    for writer in writers { writer.resume() }
  }

  /// The caller has given up.
  func cancel() { fail(RPCError(.cancelled, "the caller cancelled the call"), dropping: true) }

  /// Ends the call with an error of this side and tells the server.
  func fail(_ error: RPCError, dropping: Bool = false) {
    guard !isOver else { return }
    let stream = self.stream
    end(error, Metadata(), dropping: dropping)
    guard let stream else { return }
    connection?.act { session throws(HTTP2Error) in try session.reset(stream, .cancel) }
  }

  private func expire() { fail(RPCError(.deadlineExceeded, "the deadline passed before the answer came")) }

  private func end(_ error: RPCError?, _ trailers: Metadata, dropping: Bool = false) {
    var error = error
    // The server's own clock may have run out a moment before ours.
    if error?.code == .cancelled, !dropping, deadline.hasPassed { error?.code = .deadlineExceeded }
    deadlineTimer?.cancel()
    deadlineTimer = nil
    retryTimer?.cancel()
    retryTimer = nil
    receiver.finish(error, trailers, dropping: dropping)
    commit()
    let writers = waitingWriters
    waitingWriters = []
    for writer in writers + early.map(\.writer) { writer.resume(throwing: Self.overError) }
    early = []
    writerTask?.cancel()
    leftQueue?()
    leftQueue = nil
  }

  private func detach() {
    stream = nil
    connection = nil
    bytesUnconsumed = 0
    guard canStartAgain else { return }
    head = ResponseHead()
    deframer = MessageDeframer(messageBytesMax: deframer.messageBytesMax)
    // What was sent before is sent again with what follows.
    outboundDrained()
  }

  private func commit() {
    isCommitted = true
    sent = []
  }

  private func consume() {
    guard bytesUnconsumed > 0, let stream else { return }
    let count = bytesUnconsumed
    bytesUnconsumed = 0
    connection?.act { session throws(HTTP2Error) in try session.consume(stream, count) }
  }
}

// What a caller of many messages sends.
extension ClientCall {
  /// Runs what writes the requests, as a task that ends with the call.
  func write(_ requests: @escaping @Sendable (RawRequestWriter) async throws -> Void) {
    guard !isOver else { return }
    writerTask = Task(executorPreference: loop) { [self] in
      do {
        let writer = RawRequestWriter { [self] message, compressed in
          try await send(message, compressed: compressed)
        }
        try await requests(writer)
        endRequests()
      } catch {
        fail(RPCError(thrown: error))
      }
      writerTask = nil
    }
  }

  private func send(_ message: [UInt8], compressed: Bool) async throws {
    let framed = frame(message, compressed: compressed)
    try await withUnsafeThrowingContinuation { (continuation: UnsafeContinuation<Void, any Error>) in
      if loop.isCurrent { send(framed, continuation) } else { loop.execute { self.send(framed, continuation) } }
    }
  }

  private func send(_ message: FramedMessage, _ continuation: UnsafeContinuation<Void, any Error>) {
    guard !isOver, !requestsEnded || stream != nil else { return continuation.resume(throwing: Self.overError) }
    if let refusal = refusal(of: message.bytes) {
      continuation.resume(throwing: refusal)
      return fail(refusal)
    }
    guard let stream, let connection else { return early.append((message, continuation)) }
    keep(message)
    connection.act { session throws(HTTP2Error) in try Self.append(message, to: stream, session) }
    guard stream.outboundBytes > limits.outboundBytesPerStreamMax else { return continuation.resume() }
    waitingWriters.append(continuation)
  }

  /// Compresses a message when that is asked for; without memory to do so, it goes as it is.
  private func frame(_ message: [UInt8], compressed: Bool) -> FramedMessage {
    guard options.compresses, compressed, let packed = message.withUnsafeBytes({ try? Gzip.deflate($0) }) else {
      return FramedMessage(bytes: message, isCompressed: false)
    }
    return FramedMessage(bytes: packed, isCompressed: true)
  }

  private func keep(_ message: FramedMessage) {
    guard !isCommitted else { return }
    bytesSent += message.bytes.count
    if bytesSent > limits.retryBytesMax { return commit() }
    sent.append(message)
  }

  private func refusal(of message: [UInt8]) -> RPCError? {
    guard let bytesMax = settings?.requestBytesMax, message.count > bytesMax else { return nil }
    return RPCError(.resourceExhausted, "request of \(message.count) bytes is over the limit of \(bytesMax)")
  }

  private static let overError = RPCError(.cancelled, "the call is over")

  private func endRequests() {
    requestsEnded = true
    guard !isOver, let stream else { return }
    connection?.act { session throws(HTTP2Error) in try session.finish(stream) }
  }

  private static func append(
    _ message: FramedMessage, to stream: HTTP2Stream, _ session: HTTP2Session
  ) throws(HTTP2Error) {
    let bytes = message.bytes
    let whole = MessageDeframer.prefixBytes + bytes.count
    try session.append(capacity: whole, to: stream) { room in
      MessageDeframer.writePrefix(bytes.count, isCompressed: message.isCompressed, to: room)
      UnsafeMutableRawBufferPointer(rebasing: room[MessageDeframer.prefixBytes..<whole]).copyBytes(from: bytes)
      return whole
    }
  }
}

/// A message as it is sent, and whether that is compressed.
private struct FramedMessage: Sendable {
  let bytes: [UInt8]
  let isCompressed: Bool
}
