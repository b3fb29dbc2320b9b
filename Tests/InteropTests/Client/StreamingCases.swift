import EventLoop
import RPC
import TestProtos

extension InteropCase {
  static let streaming: [InteropCase] = [
    InteropCase(name: "client_streaming") { interop in
      let response = try await interop.client.streamingInputCall(interop.options) { requests in
        for size in requestSizes { try await requests.send(StreamingInputCallRequest(payload: payload(size))) }
      }
      try expect("the sum", response.aggregatedPayloadSize, 74922)
    },
    InteropCase(name: "server_streaming") { interop in
      let request = StreamingOutputCallRequest(responseParameters: responseSizes.map { ResponseParameters(size: $0) })
      var sizes: [Int32] = []
      for try await response in try await interop.client.streamingOutputCall(request, interop.options) {
        sizes.append(Int32(response.payload?.body.count ?? 0))
      }
      try expect("the sizes", sizes, responseSizes)
    },
    InteropCase(name: "ping_pong") { interop in
      let (turns, next) = AsyncStream.makeStream(of: Void.self)
      let responses = try await interop.client.fullDuplexCall(interop.options) { requests in
        var turns = turns.makeAsyncIterator()
        for (index, size) in requestSizes.enumerated() {
          if index > 0 { await turns.next() }
          try await requests.send(request(responseSizes[index], payload: size))
        }
      }
      var sizes: [Int32] = []
      for try await response in responses {
        sizes.append(Int32(response.payload?.body.count ?? 0))
        next.yield()
      }
      try expect("the sizes", sizes, responseSizes)
    },
    InteropCase(name: "empty_stream") { interop in
      let responses = try await interop.client.fullDuplexCall(interop.options) { _ in }
      var count = 0
      for try await _ in responses { count += 1 }
      try expect("the number of answers", count, 0)
    },
  ]

  static let ending: [InteropCase] = [
    InteropCase(name: "cancel_after_begin") { interop in
      let (begun, begin) = AsyncStream.makeStream(of: Void.self)
      let call = Task(executorPreference: interop.loop) {
        try await failure {
          try await interop.client.streamingInputCall(interop.options) { _ in
            begin.yield()
            try await interop.loop.sleep(for: .seconds(60))
          }
        }.code
      }
      for await _ in begun { break }
      call.cancel()
      try expect("the status", try await call.value, .cancelled)
    },
    InteropCase(name: "cancel_after_first_response") { interop in
      let (came, first) = AsyncStream.makeStream(of: Void.self)
      let call = Task(executorPreference: interop.loop) {
        let responses = try await interop.client.fullDuplexCall(interop.options) { requests in
          try await requests.send(request(31415, payload: 27182))
          try await interop.loop.sleep(for: .seconds(60))
        }
        var reader = responses.makeAsyncIterator()
        try expect("the size", try await reader.next()?.payload?.body.count, 31415)
        first.yield()
        return try await failure { try await reader.next() }.code
      }
      for await _ in came { break }
      call.cancel()
      try expect("the status", try await call.value, .cancelled)
    },
    InteropCase(name: "timeout_on_sleeping_server") { interop in
      let error = try await failure {
        let responses = try await interop.client.fullDuplexCall(.timeout(.milliseconds(1))) { requests in
          try await requests.send(StreamingOutputCallRequest(payload: payload(27182)))
          try await interop.loop.sleep(for: .seconds(60))
        }
        for try await _ in responses {}
      }
      try expect("the status", error.code, .deadlineExceeded)
    },
  ]
}
