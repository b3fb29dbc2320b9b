package import Protobuf

/// Handlers over messages, for generated code: requests are decoded before the handler starts, so that a request that
/// cannot be parsed never reaches it.
extension RPCMethodHandler {
  /// A method with one request and one response.
  package static func unary<Request: Message, Response: Message>(
    _ name: String, _ request: Request.Type, _ response: Response.Type, isInternal: Bool = false,
    _ body: @escaping @Sendable (_ request: Request, _ call: CallContext) async throws -> Response
  ) -> RPCMethodHandler {
    RPCMethodHandler(name: name, kind: .unary, isInternal: isInternal) { call, bytes in
      let request = try Request(serialized: bytes)
      call.run { try call.sendLast(try await body(request, call.context)) }
    }
  }

  /// A method with one request and many responses.
  package static func serverStreaming<Request: Message, Response: Message>(
    _ name: String, _ request: Request.Type, _ response: Response.Type, isInternal: Bool = false,
    _ body:
      @escaping @Sendable (
        _ request: Request, _ responses: ResponseWriter<Response>, _ call: CallContext
      ) async throws -> Void
  ) -> RPCMethodHandler {
    RPCMethodHandler(name: name, kind: .serverStreaming, isInternal: isInternal) { call, bytes in
      let request = try Request(serialized: bytes)
      call.run { try await body(request, ResponseWriter(call) { try $0.serialized() }, call.context) }
    }
  }

  /// A method with many requests and one response.
  package static func clientStreaming<Request: Message, Response: Message>(
    _ name: String, _ request: Request.Type, _ response: Response.Type, isInternal: Bool = false,
    _ body: @escaping @Sendable (_ requests: RequestStream<Request>, _ call: CallContext) async throws -> Response
  ) -> RPCMethodHandler {
    RPCMethodHandler(name: name, kind: .clientStreaming, isInternal: isInternal) { call, _ in
      call.run {
        let requests = RequestStream(call.inbox) { try Request(serialized: $0) }
        try call.sendLast(try await body(requests, call.context))
      }
    }
  }

  /// A method with many requests and many responses.
  package static func bidirectional<Request: Message, Response: Message>(
    _ name: String, _ request: Request.Type, _ response: Response.Type, isInternal: Bool = false,
    _ body:
      @escaping @Sendable (
        _ requests: RequestStream<Request>, _ responses: ResponseWriter<Response>, _ call: CallContext
      ) async throws -> Void
  ) -> RPCMethodHandler {
    RPCMethodHandler(name: name, kind: .bidirectional, isInternal: isInternal) { call, _ in
      call.run {
        let requests = RequestStream(call.inbox) { try Request(serialized: $0) }
        try await body(requests, ResponseWriter(call) { try $0.serialized() }, call.context)
      }
    }
  }
}

extension ServerCall {
  /// Encodes the only answer of a call straight into the stream's output.
  fileprivate func sendLast(_ response: some Message) throws {
    let message = try response.prepared()
    sendLast(message.byteCount) { message.write(to: $0) }
  }
}

extension ProtobufError: RPCErrorConvertible {
  /// RESOURCE_EXHAUSTED when a limit is passed, else INTERNAL, as gRPC's list of library-made statuses says; the text
  /// names the field, never its value.
  package var rpcError: RPCError {
    switch reason {
    case .tooLarge, .tooDeep, .tooManyElements, .tooMuchMemory: RPCError(.resourceExhausted, description)
    default: RPCError(.internal, description)
    }
  }
}
