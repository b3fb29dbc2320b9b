import RPC
import TestProtos

/// What is measured: the handlers of any service, typed and `async`, with no path of their own.
struct EchoBench: EchoServiceProvider {
  func echo(_ request: EchoRequest, _ call: CallContext) async throws -> EchoResponse {
    EchoResponse(text: request.text)
  }

  /// Sends the payload as often as the request says.
  func `repeat`(_ request: EchoRequest, _ responses: ResponseWriter<EchoResponse>, _ call: CallContext) async throws {
    let response = EchoResponse(payload: request.payload)
    for _ in 0..<request.count { try await responses.send(response) }
  }

  /// Counts the requests.
  func collect(_ requests: RequestStream<EchoRequest>, _ call: CallContext) async throws -> EchoResponse {
    var count: Int32 = 0
    for try await _ in requests { count += 1 }
    return EchoResponse(index: count)
  }

  func chat(
    _ requests: RequestStream<EchoRequest>, _ responses: ResponseWriter<EchoResponse>, _ call: CallContext
  ) async throws {
    for try await request in requests { try await responses.send(EchoResponse(text: request.text)) }
  }

  func echoInternally(_ request: EchoRequest, _ call: CallContext) async throws -> EchoResponse {
    try await echo(request, call)
  }
}
