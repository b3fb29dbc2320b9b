package import RPCProtos

/// How a call failed: the status that travels on the wire.
package struct RPCError: Error, Sendable {
  /// The kind of failure; never ``StatusCode/ok``.
  package var code: StatusCode
  /// A text for developers; it travels to the peer, so it holds no secret and no personal data.
  package var message: String
  /// Messages that say more, such as `google.rpc.ErrorInfo`; they travel as `grpc-status-details-bin`.
  package var details: [ProtoAny]
  /// Further metadata: sent with the status by a server, received with it by a client.
  package var metadata: Metadata

  /// Makes a failure; its text travels to the peer.
  package init(
    _ code: StatusCode, _ message: String, details: [ProtoAny] = [], metadata: Metadata = Metadata()
  ) {
    self.code = code
    self.message = message
    self.details = details
    self.metadata = metadata
  }
}

extension RPCError: CustomStringConvertible {
  /// For logs, such as `NOT_FOUND: no such ticket`.
  package var description: String { "\(code.name): \(message)" }
}

/// An error that knows the status it becomes on the wire. Any other error a handler throws becomes UNKNOWN with a fixed
/// text, so that nothing internal leaks.
package protocol RPCErrorConvertible: Error {
  /// The status to send.
  var rpcError: RPCError { get }
}

extension RPCError: RPCErrorConvertible {
  /// Itself.
  package var rpcError: RPCError { self }
}

extension RPCError {
  /// The status for whatever a handler threw.
  init(thrown error: any Error) {
    if let error = error as? RPCError {
      self = error
    } else if let error = error as? any RPCErrorConvertible {
      self = error.rpcError
    } else if error is CancellationError {
      self.init(.cancelled, "the call was cancelled")
    } else {
      self.init(.unknown, "internal error")
    }
  }
}
