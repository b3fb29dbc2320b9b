import Protobuf
import RPC
import TestProtos

extension InteropCase {
  private static let message = "test status message"
  private static let whitespace = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"
  static let echoed = (initial: "test_initial_metadata_value", trailing: [UInt8](repeating: 0xAB, count: 3))

  static let unary: [InteropCase] = [
    InteropCase(name: "empty_unary") { interop in
      try expect("the answer", try await interop.client.emptyCall(Empty(), interop.options), Empty())
    },
    InteropCase(name: "large_unary") { try await largeUnary($0) },
    InteropCase(name: "custom_metadata") { interop in
      var options = interop.options
      options.metadata.add("x-grpc-test-echo-initial", echoed.initial)
      options.metadata.add("x-grpc-test-echo-trailing-bin", binary: echoed.trailing)
      let answer = try await interop.channel.unary(
        "/grpc.testing.TestService/UnaryCall", largeRequest.serialized(), options)
      try checkEchoed(answer.initialMetadata, answer.trailers)
      let stream = try await interop.channel.bidirectional("/grpc.testing.TestService/FullDuplexCall", options) {
        try await $0.send(request(314159, payload: 271828).serialized())
      }
      var count = 0
      for try await _ in stream { count += 1 }
      try expect("the number of answers", count, 1)
      try checkEchoed(stream.initialMetadata, stream.trailers)
    },
    InteropCase(name: "status_code_and_message") { interop in
      let status = EchoStatus(code: 2, message: message)
      let unary = try await failure {
        try await interop.client.unaryCall(SimpleRequest(responseStatus: status), interop.options)
      }
      try expect("the status", [unary.code.rawValue == 2, unary.message == message], [true, true])
      let duplex = try await failure {
        let responses = try await interop.client.fullDuplexCall(interop.options) { requests in
          try await requests.send(StreamingOutputCallRequest(responseStatus: status))
        }
        for try await _ in responses {}
      }
      try expect("the status of the stream", [duplex.code.rawValue == 2, duplex.message == message], [true, true])
    },
    InteropCase(name: "special_status_message") { interop in
      let request = SimpleRequest(responseStatus: EchoStatus(code: 2, message: whitespace))
      let error = try await failure { try await interop.client.unaryCall(request, interop.options) }
      try expect("the status", error.code, .unknown)
      try expect("the message", error.message, whitespace)
    },
    InteropCase(name: "unimplemented_method") { interop in
      let error = try await failure { try await interop.client.unimplementedCall(Empty(), interop.options) }
      try expect("the status", error.code, .unimplemented)
    },
    InteropCase(name: "unimplemented_service") { interop in
      let client = UnimplementedServiceClient(interop.channel)
      let error = try await failure { try await client.unimplementedCall(Empty(), interop.options) }
      try expect("the status", error.code, .unimplemented)
    },
  ]

  private static func checkEchoed(_ initial: Metadata, _ trailers: Metadata) throws {
    try expect("the initial metadata", initial["x-grpc-test-echo-initial"], echoed.initial)
    try expect("the trailing metadata", trailers.binary("x-grpc-test-echo-trailing-bin"), echoed.trailing)
  }
}
