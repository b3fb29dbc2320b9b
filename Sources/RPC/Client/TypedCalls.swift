package import Protobuf

/// Calls over messages, for generated clients. A message that cannot be encoded or decoded fails the call as
/// ``ProtobufError/rpcError`` says.
extension RPCTransport {
  /// Sends one request and waits for the one response.
  package func unary<Request: Message, Response: Message>(
    _ path: String, _ request: Request, _ options: CallOptions
  ) async throws -> Response {
    let answer = try await unary(path, try encoded(request), options)
    return try decoded(answer.message)
  }

  /// Sends one request and returns the stream of responses.
  package func serverStreaming<Request: Message, Response: Message>(
    _ path: String, _ request: Request, _ options: CallOptions
  ) async throws -> ResponseStream<Response> {
    ResponseStream(try await serverStreaming(path, try encoded(request), options))
  }

  /// Sends what `requests` writes and waits for the one response.
  package func clientStreaming<Request: Message, Response: Message>(
    _ path: String, _ options: CallOptions,
    _ requests: @escaping @Sendable (RequestWriter<Request>) async throws -> Void
  ) async throws -> Response {
    let answer = try await clientStreaming(path, options) { writer in try await requests(RequestWriter(writer)) }
    return try decoded(answer.message)
  }

  /// Sends what `requests` writes while the returned stream gives the responses.
  package func bidirectional<Request: Message, Response: Message>(
    _ path: String, _ options: CallOptions,
    _ requests: @escaping @Sendable (RequestWriter<Request>) async throws -> Void
  ) async throws -> ResponseStream<Response> {
    ResponseStream(
      try await bidirectional(path, options) { writer in try await requests(RequestWriter(writer)) })
  }
}

/// The responses of a call with many, in order. One task may read it; dropping it unread cancels the call.
package struct ResponseStream<Response: Message>: AsyncSequence, Sendable {
  private let raw: RawResponseStream

  init(_ raw: RawResponseStream) {
    self.raw = raw
  }

  /// Metadata sent before the first response.
  package var initialMetadata: Metadata { raw.initialMetadata }

  /// Metadata sent with the status of a call that has succeeded; empty until then. That of a failure is in its error.
  package var trailers: Metadata { raw.trailers }

  /// Whether the response read last had come compressed; for the task that reads, on the call's loop.
  package var lastWasCompressed: Bool { raw.lastWasCompressed }

  /// Reads from the start of what has not been read yet.
  package func makeAsyncIterator() -> Iterator { Iterator(raw: raw.makeAsyncIterator()) }

  /// The reader of a ``ResponseStream``.
  package struct Iterator: AsyncIteratorProtocol {
    fileprivate var raw: RawResponseStream.Iterator

    /// The next response, or nil when the call has succeeded.
    ///
    /// - Throws: the ``RPCError`` with which the call ended, or of a response that cannot be parsed.
    package mutating func next() async throws -> Response? { try await raw.next().map { try decoded($0) } }
  }
}

/// Where the requests of a call with many are written.
package struct RequestWriter<Request: Message>: Sendable {
  private let raw: RawRequestWriter

  init(_ raw: RawRequestWriter) {
    self.raw = raw
  }

  /// Sends one request; suspends while more than the channel's bound waits for a slow server.
  ///
  /// - Parameter compressed: false for a request that is to go uncompressed though the call's are
  ///   (`CallOptions.compresses`).
  /// - Throws: ``RPCError`` when the call is over.
  package func send(_ request: Request, compressed: Bool = true) async throws {
    try await raw.send(try encoded(request), compressed: compressed)
  }
}

private func encoded(_ message: some Message) throws(RPCError) -> [UInt8] {
  do { return try message.serialized() } catch { throw error.rpcError }
}

private func decoded<Response: Message>(_ bytes: [UInt8]) throws(RPCError) -> Response {
  do { return try Response(serialized: bytes) } catch { throw error.rpcError }
}
