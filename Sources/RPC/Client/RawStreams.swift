/// The messages of a call with many answers, in order. One task may read it; dropping it unread cancels the call.
package struct RawResponseStream: AsyncSequence, Sendable {
  private let source: ResponseSource

  init(_ source: ResponseSource) { self.source = source }

  /// Metadata sent before the first message.
  package var initialMetadata: Metadata { source.initialMetadata }

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
  let initialMetadata: Metadata
  private let cancel: @Sendable () -> Void

  init(_ inbox: MessageInbox, initialMetadata: Metadata, cancel: @escaping @Sendable () -> Void) {
    self.inbox = inbox
    self.initialMetadata = initialMetadata
    self.cancel = cancel
  }

  deinit { cancel() }
}

/// Where the requests of a call with many requests are written.
package struct RawRequestWriter: Sendable {
  private let write: @Sendable ([UInt8]) async throws -> Void

  init(_ write: @escaping @Sendable ([UInt8]) async throws -> Void) { self.write = write }

  /// Sends one message; suspends while more than the channel's bound waits for a slow server.
  ///
  /// - Throws: ``RPCError`` when the call is over.
  package func send(_ message: [UInt8]) async throws { try await write(message) }
}
