import EventLoop

/// The received messages of one stream that nobody has taken yet, with one reader waiting at most.
// @unchecked: loop-confined; the entry points for other threads go through the loop.
final class MessageInbox: @unchecked Sendable {
  let loop: EventLoop
  /// Called when a message was taken. Loop-confined.
  var taken: ((_ isEmpty: Bool) -> Void)?
  /// Called when the reading task was cancelled. Loop-confined.
  var readerCancelled: (() -> Void)?
  /// Bytes of the messages that wait.
  private(set) var bytes = 0
  /// Whether the message that the reader took last had been compressed.
  private(set) var lastWasCompressed = false
  private var messages: [(bytes: [UInt8], wasCompressed: Bool)] = []
  private var head = 0
  private var end: Result<Void, RPCError>?
  private var waiter: UnsafeContinuation<[UInt8]?, any Error>?

  init(_ loop: EventLoop) { self.loop = loop }

  var isEmpty: Bool { head == messages.count }
  var hasEnded: Bool { end != nil }

  func put(_ message: [UInt8], wasCompressed: Bool = false) {
    guard end == nil else { return }
    if let waiter {
      self.waiter = nil
      lastWasCompressed = wasCompressed
      waiter.resume(returning: message)
      taken?(true)
    } else {
      messages.append((message, wasCompressed))
      bytes += message.count
    }
  }

  /// Puts a part of a whole: it joins the one that was put last while that waits and is short, so that a peer that
  /// sends it byte by byte makes this hold no more than the bytes.
  func putPart(_ part: UnsafeRawBufferPointer) {
    guard end == nil, waiter == nil, !isEmpty, messages[messages.count - 1].bytes.count < Self.shortPartBytes else {
      return put(Array(part))
    }
    messages[messages.count - 1].bytes.append(contentsOf: part)
    bytes += part.count
  }

  private static let shortPartBytes = 16 << 10

  /// No more messages come. Those that wait can still be taken, before the failure if it is one, unless they are
  /// dropped.
  func finish(_ result: Result<Void, RPCError>, dropping: Bool = false) {
    // What waits behind a good end can still be dropped, and is then no good end any more.
    if case .failure? = end { return }
    guard end == nil || dropping && !isEmpty else { return }
    end = result
    if dropping {
      messages = []
      head = 0
      bytes = 0
    }
    guard let waiter, isEmpty else { return }
    self.waiter = nil
    Self.resume(waiter, result)
  }

  /// The next message, or nil after the last; from any executor. Only one reader at a time.
  ///
  /// - Throws: the ``RPCError`` of the stream, or CANCELLED when the reading task is cancelled.
  func next() async throws -> [UInt8]? {
    if loop.isCurrent, !isEmpty, !Task.isCancelled { return take() }
    return try await withTaskCancellationHandler {
      try await withUnsafeThrowingContinuation { continuation in
        if loop.isCurrent { wait(continuation) } else { loop.execute { self.wait(continuation) } }
      }
    } onCancel: {
      loop.execute { [self] in
        finish(.failure(RPCError(.cancelled, "the reader was cancelled")), dropping: true)
        readerCancelled?()
      }
    }
  }

  private func wait(_ continuation: UnsafeContinuation<[UInt8]?, any Error>) {
    if !isEmpty { return continuation.resume(returning: take()) }
    if let end { return Self.resume(continuation, end) }
    guard waiter == nil else {
      return continuation.resume(throwing: RPCError(.internal, "two tasks read one stream"))
    }
    waiter = continuation
  }

  private func take() -> [UInt8] {
    let (message, wasCompressed) = messages[head]
    messages[head].bytes = []
    lastWasCompressed = wasCompressed
    head += 1
    bytes -= message.count
    if head == messages.count {
      messages.removeAll(keepingCapacity: true)
      head = 0
    }
    taken?(isEmpty)
    return message
  }

  private static func resume(
    _ continuation: UnsafeContinuation<[UInt8]?, any Error>, _ end: Result<Void, RPCError>
  ) {
    switch end {
    case .success: continuation.resume(returning: nil)
    case .failure(let error): continuation.resume(throwing: error)
    }
  }
}
