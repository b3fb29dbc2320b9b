import EventLoop
import RPC
import TestProtos

/// `grpc.testing.TestService` as gRPC's interoperability tests describe it.
struct InteropService: TestServiceProvider {
  static let echoInitial = "x-grpc-test-echo-initial"
  static let echoTrailing = "x-grpc-test-echo-trailing-bin"
  private static let payloadBytesMax = 4 << 20
  let loops: EventLoopGroup

  /// The service without the method that no server may offer.
  var service: RPCService {
    let whole = rpcService
    return RPCService(name: whole.name, methods: whole.methods.filter { $0.name != "UnimplementedCall" })
  }

  func emptyCall(_ request: Empty, _ call: CallContext) async throws -> Empty {
    echoMetadata(call)
    return Empty()
  }

  func unaryCall(_ request: SimpleRequest, _ call: CallContext) async throws -> SimpleResponse {
    try check(call.requestWasCompressed, request.expectCompressed)
    call.compressesResponses = request.responseCompressed?.value ?? false
    echoMetadata(call)
    try echoStatus(request.responseStatus)
    return SimpleResponse(payload: try payload(request.responseSize))
  }

  func cacheableUnaryCall(_ request: SimpleRequest, _ call: CallContext) async throws -> SimpleResponse {
    try await unaryCall(request, call)
  }

  func streamingOutputCall(
    _ request: StreamingOutputCallRequest, _ responses: ResponseWriter<StreamingOutputCallResponse>,
    _ call: CallContext
  ) async throws {
    call.compressesResponses = request.responseParameters.contains { $0.compressed?.value ?? false }
    echoMetadata(call)
    try await respond(request, responses)
    try echoStatus(request.responseStatus)
  }

  func streamingInputCall(
    _ requests: RequestStream<StreamingInputCallRequest>, _ call: CallContext
  ) async throws -> StreamingInputCallResponse {
    var size: Int32 = 0
    var reader = requests.makeAsyncIterator()
    while let request = try await reader.next() {
      try check(reader.lastWasCompressed, request.expectCompressed)
      size += Int32(request.payload?.body.count ?? 0)
    }
    return StreamingInputCallResponse(aggregatedPayloadSize: size)
  }

  func fullDuplexCall(
    _ requests: RequestStream<StreamingOutputCallRequest>, _ responses: ResponseWriter<StreamingOutputCallResponse>,
    _ call: CallContext
  ) async throws {
    echoMetadata(call)
    for try await request in requests {
      try echoStatus(request.responseStatus)
      try await respond(request, responses)
    }
  }

  func halfDuplexCall(
    _ requests: RequestStream<StreamingOutputCallRequest>, _ responses: ResponseWriter<StreamingOutputCallResponse>,
    _ call: CallContext
  ) async throws {
    echoMetadata(call)
    var all: [StreamingOutputCallRequest] = []
    for try await request in requests { all.append(request) }
    for request in all { try await respond(request, responses) }
  }

  func unimplementedCall(_ request: Empty, _ call: CallContext) async throws -> Empty {
    throw RPCError(.unimplemented, "no server offers this method")
  }

  private func respond(
    _ request: StreamingOutputCallRequest, _ responses: ResponseWriter<StreamingOutputCallResponse>
  ) async throws {
    for parameters in request.responseParameters {
      if parameters.intervalUs > 0 {
        try await loops.currentOrNext().sleep(for: .microseconds(Int64(parameters.intervalUs)))
      }
      try await responses.send(
        StreamingOutputCallResponse(payload: try payload(parameters.size)),
        compressed: parameters.compressed?.value ?? false)
    }
  }

  private func check(_ isCompressed: Bool, _ expected: BoolValue?) throws {
    if let expected, expected.value != isCompressed {
      throw RPCError(.invalidArgument, "the request \(isCompressed ? "is" : "is not") compressed, unlike expected")
    }
  }

  private func payload(_ size: Int32) throws -> Payload {
    guard (0...Self.payloadBytesMax).contains(Int(size)) else {
      throw RPCError(.invalidArgument, "a payload has 0 to \(Self.payloadBytesMax) bytes, not \(size)")
    }
    return Payload(body: [UInt8](repeating: 0, count: Int(size)))
  }

  private func echoMetadata(_ call: CallContext) {
    if let value = call.metadata[Self.echoInitial] { call.setInitialMetadata(Metadata([(Self.echoInitial, value)])) }
    if let value = call.metadata.binary(Self.echoTrailing) { call.addTrailer(Self.echoTrailing, binary: value) }
  }

  private func echoStatus(_ status: EchoStatus?) throws {
    guard let status, status.code != 0 else { return }
    throw RPCError(StatusCode(rawValue: status.code) ?? .unknown, status.message)
  }
}
