package import Protobuf

/// What a server refuses by itself, before a handler has begun or instead of its answer.
package enum RPCServerFault: RPCErrorConvertible {
  /// Nobody serves the path.
  case noMethod(path: String)
  /// The message is larger than the server's limit.
  case tooLarge(String)
  /// The only message of the request cannot be read.
  case malformedMessage(ProtobufError)
  /// The server does as much as it may already.
  case overloaded
  /// The deadline passed before the answer was ready.
  case deadlinePassed

  /// The status that gRPC's list of library-made statuses gives it.
  package var rpcError: RPCError {
    switch self {
    case .noMethod(let path): RPCError(.unimplemented, "no method \(path)")
    case .tooLarge(let text): RPCError(.resourceExhausted, text)
    case .malformedMessage(let error): error.rpcError
    case .overloaded: RPCError(.resourceExhausted, "the server has too much to do; try again later")
    case .deadlinePassed: RPCError(.deadlineExceeded, "the deadline passed before the answer was ready")
    }
  }
}
