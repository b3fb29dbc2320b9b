import Protobuf
import RPC
import TestProtos

extension InteropCase {
  static let compressed: [InteropCase] = [
    InteropCase(name: "client_compressed_unary") { interop in
      // The probe: a server that does not see whether a message is compressed answers as if all were well.
      let probe = try await failure { try await interop.client.unaryCall(large(isCompressed: true), interop.options) }
      try expect("the status of the probe", probe.code, .invalidArgument)
      for isCompressed in [true, false] {
        let answer = try await interop.client.unaryCall(
          large(isCompressed: isCompressed), interop.options(compresses: isCompressed))
        try expect("the size", answer.payload?.body.count, 314159)
      }
    },
    InteropCase(name: "client_compressed_streaming") { interop in
      let first = StreamingInputCallRequest(payload: payload(27182), expectCompressed: BoolValue(value: true))
      let second = StreamingInputCallRequest(payload: payload(45904), expectCompressed: BoolValue(value: false))
      let probe = try await failure {
        try await interop.client.streamingInputCall(interop.options) { try await $0.send(first) }
      }
      try expect("the status of the probe", probe.code, .invalidArgument)
      let answer = try await interop.client.streamingInputCall(interop.options(compresses: true)) { requests in
        try await requests.send(first)
        try await requests.send(second, compressed: false)
      }
      try expect("the sum", answer.aggregatedPayloadSize, 73086)
    },
    InteropCase(name: "server_compressed_unary") { interop in
      for isCompressed in [true, false] {
        let request = SimpleRequest(
          responseSize: 314159, payload: payload(271828), responseCompressed: BoolValue(value: isCompressed))
        let answer = try await interop.channel.unary(
          "/grpc.testing.TestService/UnaryCall", request.serialized(), interop.options)
        try expect("whether the answer is compressed", answer.wasCompressed, isCompressed)
        try expect("the size", try SimpleResponse(serialized: answer.message).payload?.body.count, 314159)
      }
    },
    InteropCase(name: "server_compressed_streaming") { interop in
      let wanted: [(size: Int32, isCompressed: Bool)] = [(31415, true), (92653, false)]
      let request = StreamingOutputCallRequest(
        responseParameters: wanted.map {
          ResponseParameters(size: $0.size, compressed: BoolValue(value: $0.isCompressed))
        })
      let answers = try await interop.client.streamingOutputCall(request, interop.options)
      var reader = answers.makeAsyncIterator()
      for (size, isCompressed) in wanted {
        let answer = try await reader.next()
        try expect("the size", answer?.payload?.body.count, Int(size))
        try expect("whether an answer of \(size) is compressed", answers.lastWasCompressed, isCompressed)
      }
      try expect("what is left", try await reader.next(), nil)
    },
  ]

  private static func large(isCompressed: Bool) -> SimpleRequest {
    SimpleRequest(
      responseSize: 314159, payload: payload(271828), expectCompressed: BoolValue(value: isCompressed))
  }
}

extension Interop {
  func options(compresses: Bool) -> CallOptions {
    var options = options
    options.compresses = compresses
    return options
  }
}
