import EventLoop
import RPC
import TestProtos

/// How much the cases of many calls do.
struct InteropScale: Sendable {
  /// Calls of `concurrent_large_unary`.
  let concurrentCalls: Int
  /// Calls of `rpc_soak`, and channels of `channel_soak`.
  let soakIterations: Int
  /// No call of the two may take longer.
  let soakLatencyMax: Duration
}

/// What a case works with.
struct Interop: Sendable {
  let channel: any RPCTransport
  let loop: EventLoop
  let scale: InteropScale
  /// Makes another channel to the same server.
  let connect: @Sendable () -> RPCChannel

  var client: TestServiceClient { TestServiceClient(channel) }
  var options: CallOptions { .timeout(.seconds(60)) }
}

/// A case did not come out as gRPC's description of it says.
struct Mismatch: Error, CustomStringConvertible {
  let description: String
}

func expect<Value: Equatable>(_ what: String, _ got: Value, _ wanted: Value) throws {
  guard got == wanted else { throw Mismatch(description: "\(what) is \(got), not \(wanted)") }
}

/// The status with which `call` fails.
func failure<Result>(_ call: () async throws -> Result) async throws -> RPCError {
  do { _ = try await call() } catch let error as RPCError { return error }
  throw Mismatch(description: "the call succeeded and should have failed")
}

/// One case of gRPC's interoperability tests.
struct InteropCase: Sendable {
  let name: String
  let run: @Sendable (Interop) async throws -> Void

  static let all: [InteropCase] = unary + compressed + streaming + ending + many

  static let requestSizes = [27182, 8, 1828, 45904]
  static let responseSizes: [Int32] = [31415, 9, 2653, 58979]

  static func payload(_ size: Int) -> Payload { Payload(body: [UInt8](repeating: 0, count: size)) }

  static let largeRequest = SimpleRequest(responseSize: 314159, payload: payload(271828))

  static func largeUnary(_ interop: Interop) async throws {
    let response = try await interop.client.unaryCall(largeRequest, interop.options)
    try expect("the size", response.payload?.body.count, 314159)
  }

  static func request(_ responseSize: Int32, payload size: Int) -> StreamingOutputCallRequest {
    StreamingOutputCallRequest(responseParameters: [ResponseParameters(size: responseSize)], payload: payload(size))
  }
}
