import Synchronization

/// A service as a server offers it: usually made by generated code from an implementation.
package struct RPCService: Sendable {
  /// The full name, such as `handoff.tickets.v1.TicketService`.
  package let name: String
  /// Its methods.
  package let methods: [RPCMethodHandler]

  /// Makes a service; method names must differ.
  package init(name: String, methods: [RPCMethodHandler]) {
    self.name = name
    self.methods = methods
  }
}

/// One method of a service: how many messages go which way, and the code that serves a call.
package struct RPCMethodHandler: Sendable {
  /// Which sides may send many messages.
  package enum Kind: Sendable {
    case unary
    case serverStreaming
    case clientStreaming
    case bidirectional
  }

  /// The simple name, such as `GetTicket`.
  package let name: String
  /// The shape of its calls.
  package let kind: Kind
  /// Unique in the process and ascending as handlers are made, so that a table can hold something for each.
  package let id: Int
  /// Whether only the cluster's own daemons may call it, as the proto option `(handoff.type.v1.internal)` says.
  package let isInternal: Bool
  /// Starts the handler's task. `request` is the one message of a call whose client sends one, else empty, and valid
  /// only during this call. Runs on the call's loop; an error is one of decoding.
  let begin: @Sendable (_ call: ServerCall, _ request: UnsafeRawBufferPointer) throws -> Void

  init(
    name: String, kind: Kind, isInternal: Bool = false,
    begin: @escaping @Sendable (_ call: ServerCall, _ request: UnsafeRawBufferPointer) throws -> Void
  ) {
    self.name = name
    self.kind = kind
    self.isInternal = isInternal
    self.begin = begin
    id = Self.made.wrappingAdd(1, ordering: .relaxed).oldValue
  }

  private static let made = Atomic<Int>(0)

  var takesOneRequest: Bool { kind == .unary || kind == .serverStreaming }
}

extension RPCMethodHandler {
  /// A unary method over bytes.
  package static func raw(
    _ name: String, _ body: @escaping @Sendable (_ request: [UInt8], _ call: CallContext) async throws -> [UInt8]
  ) -> RPCMethodHandler {
    RPCMethodHandler(name: name, kind: .unary) { call, bytes in
      let request = [UInt8](bytes)
      call.run {
        let response = try await body(request, call.context)
        call.sendLast(response)
      }
    }
  }

  /// A server-streaming method over bytes.
  package static func rawServerStreaming(
    _ name: String,
    _ body:
      @escaping @Sendable (
        _ request: [UInt8], _ responses: ResponseWriter<[UInt8]>, _ call: CallContext
      ) async throws -> Void
  ) -> RPCMethodHandler {
    RPCMethodHandler(name: name, kind: .serverStreaming) { call, bytes in
      let request = [UInt8](bytes)
      call.run { try await body(request, ResponseWriter(call) { $0 }, call.context) }
    }
  }

  /// A client-streaming method over bytes.
  package static func rawClientStreaming(
    _ name: String,
    _ body:
      @escaping @Sendable (_ requests: RequestStream<[UInt8]>, _ call: CallContext) async throws -> [UInt8]
  ) -> RPCMethodHandler {
    RPCMethodHandler(name: name, kind: .clientStreaming) { call, _ in
      call.run { call.sendLast(try await body(RequestStream(call.inbox) { $0 }, call.context)) }
    }
  }

  /// A bidirectional method over bytes.
  package static func rawBidirectional(
    _ name: String,
    _ body:
      @escaping @Sendable (
        _ requests: RequestStream<[UInt8]>, _ responses: ResponseWriter<[UInt8]>, _ call: CallContext
      ) async throws -> Void
  ) -> RPCMethodHandler {
    RPCMethodHandler(name: name, kind: .bidirectional) { call, _ in
      call.run { try await body(RequestStream(call.inbox) { $0 }, ResponseWriter(call) { $0 }, call.context) }
    }
  }
}
