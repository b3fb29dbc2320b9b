/// Where the handler of a streaming method sends its answers.
package struct ResponseWriter<Response: Sendable>: Sendable {
  private let call: ServerCall
  private let encode: @Sendable (Response) throws -> [UInt8]

  init(_ call: ServerCall, _ encode: @escaping @Sendable (Response) throws -> [UInt8]) {
    self.call = call
    self.encode = encode
  }

  /// Sends one message; suspends while more than the server's bound waits for a slow client.
  ///
  /// - Parameter compressed: false sends this message as it is in a call that compresses its answers.
  /// - Throws: ``RPCError`` with CANCELLED when the call is over, because the client left or the deadline passed.
  package func send(_ response: Response, compressed: Bool = true) async throws {
    try await call.send(try encode(response), compressed: compressed)
  }
}

/// The messages a client streams to a method, in order. One task may read it.
package struct RequestStream<Request: Sendable>: AsyncSequence, Sendable {
  private let inbox: MessageInbox
  private let decode: @Sendable ([UInt8]) throws -> Request

  init(_ inbox: MessageInbox, _ decode: @escaping @Sendable ([UInt8]) throws -> Request) {
    self.inbox = inbox
    self.decode = decode
  }

  /// Reads from the start of what has not been read yet.
  package func makeAsyncIterator() -> Iterator { Iterator(inbox: inbox, decode: decode) }

  /// The reader of a ``RequestStream``.
  package struct Iterator: AsyncIteratorProtocol {
    let inbox: MessageInbox
    let decode: @Sendable ([UInt8]) throws -> Request

    /// Whether the message that ``next()`` gave last had come compressed.
    package var lastWasCompressed: Bool { inbox.lastWasCompressed }

    /// The next message, or nil when the client has sent its last.
    ///
    /// - Throws: ``RPCError`` when the call is over or a message cannot be parsed.
    package mutating func next() async throws -> Request? { try await inbox.next().map(decode) }
  }
}
