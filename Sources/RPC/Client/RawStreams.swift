import Synchronization

/// The messages of a call with many answers, in order. One task may read it; when the stream and its readers are let go
/// of before the end, the call is cancelled.
package struct RawResponseStream: AsyncSequence, Sendable {
  private let source: ResponseSource

  init(_ source: ResponseSource) { self.source = source }

  /// Metadata sent before the first message; empty until the server has begun to answer.
  package var initialMetadata: Metadata { source.initialMetadata.withLock { $0 } }

  /// Metadata sent with the status of a call that has succeeded; empty until then. That of a failure is in its error.
  package var trailers: Metadata { source.trailers.withLock { $0 } }

  /// Whether the message read last had come compressed; for the task that reads, on the call's loop.
  package var lastWasCompressed: Bool { source.inbox.lastWasCompressed }

  /// Reads from the start of what has not been read yet.
  package func makeAsyncIterator() -> Iterator { Iterator(source: source) }

  /// The reader of a ``RawResponseStream``.
  package struct Iterator: AsyncIteratorProtocol {
    let source: ResponseSource

    /// The next message, or nil when the call has succeeded.
    ///
    /// - Throws: the ``RPCError`` with which the call ended.
    package mutating func next() async throws -> [UInt8]? { try await source.inbox.next() }
  }
}

/// Keeps a streaming call alive: when the last reader is gone, the call is cancelled.
final class ResponseSource: Sendable {
  let inbox: MessageInbox
  let initialMetadata: Mutex<Metadata>
  let trailers = Mutex(Metadata())
  private let cancel: @Sendable () -> Void

  init(_ inbox: MessageInbox, initialMetadata: Metadata, cancel: @escaping @Sendable () -> Void) {
    self.inbox = inbox
    self.initialMetadata = Mutex(initialMetadata)
    self.cancel = cancel
  }

  deinit { cancel() }
}

/// Where the requests of a call with many requests are written.
package struct RawRequestWriter: Sendable {
  private let write: @Sendable (_ message: [UInt8], _ compressed: Bool) async throws -> Void

  init(_ write: @escaping @Sendable (_ message: [UInt8], _ compressed: Bool) async throws -> Void) {
    self.write = write
  }

  /// Sends one message; suspends while there is no connection yet, or more than the channel's bound waits for a slow
  /// server.
  ///
  /// - Parameter compressed: false for a message that is to go uncompressed though the call's requests are
  ///   (`CallOptions.compresses`).
  /// - Throws: ``RPCError`` when the call is over; its outcome is read from the answer.
  package func send(_ message: [UInt8], compressed: Bool = true) async throws { try await write(message, compressed) }
}

extension RawResponseStream {
  /// The only message of a call that has one.
  ///
  /// - Throws: the ``RPCError`` with which the call ended; UNIMPLEMENTED when there is none or more than one message.
  func sole() async throws -> RawResponse {
    var messages = makeAsyncIterator()
    guard let message = try await messages.next() else {
      throw RPCError(.unimplemented, "OK came without the message that the call must have")
    }
    let wasCompressed = lastWasCompressed
    guard try await messages.next() == nil else {
      throw RPCError(.unimplemented, "more than one message came in answer to a call that has one")
    }
    return RawResponse(
      message: message, wasCompressed: wasCompressed, initialMetadata: initialMetadata, trailers: trailers)
  }
}
