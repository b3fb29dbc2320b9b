/// A way to reach services: a channel over HTTP/2, or services of the same process.
///
/// Messages are bytes here; generated clients add the types. `path` is `/package.Service/Method`.
/// Calls may be made from any executor and fail with ``RPCError``.
package protocol RPCTransport: Sendable {
  /// Sends one message and waits for the one answer.
  func unary(_ path: String, _ request: [UInt8], _ options: CallOptions) async throws -> RawResponse

  /// Sends one message and returns the stream of answers, once the server has begun to answer or failed.
  func serverStreaming(_ path: String, _ request: [UInt8], _ options: CallOptions) async throws -> RawResponseStream

  /// Sends what `requests` writes and waits for the one answer.
  func clientStreaming(
    _ path: String, _ options: CallOptions, _ requests: @escaping @Sendable (RawRequestWriter) async throws -> Void
  ) async throws -> RawResponse

  /// Sends what `requests` writes while the returned stream gives the answers; returns without waiting for the server.
  ///
  /// `requests` runs as a task of its own, which is cancelled when the call ends; an error it throws ends the call.
  func bidirectional(
    _ path: String, _ options: CallOptions, _ requests: @escaping @Sendable (RawRequestWriter) async throws -> Void
  ) async throws -> RawResponseStream
}

/// The answer to a call with one answer.
package struct RawResponse: Sendable {
  /// The message.
  package var message: [UInt8]
  /// Whether it came compressed.
  package var wasCompressed = false
  /// Metadata sent before the message.
  package var initialMetadata: Metadata
  /// Metadata sent with the status.
  package var trailers: Metadata
}
