import EventLoop
import RPCProtos
import Testing

@testable import RPC

@Suite("Calls within the process behave as over sockets")
struct InProcessTests {
  static let script = Fixture.service

  private static func run(
    loops: Int = 1, interceptors: [any ServerInterceptor] = [],
    _ body: (InProcessTransport, Script) async throws -> Void
  ) async throws {
    let group = try EventLoopGroup.start(count: loops)
    defer { group.shutdown() }
    let script = Script()
    try await body(
      InProcessTransport(group: group, services: [script.service(group)], interceptors: interceptors), script)
  }

  @Test("answers, metadata and trailers come back")
  func echo() async throws {
    try await Self.run(loops: 2) { calls, _ in
      var options = soon
      options.metadata.add("x-echo", "one")
      options.metadata.add("x-echo-bin", binary: [1, 2])
      let response = try await calls.unary(Self.script + "Echo", [7, 8], options)
      #expect(response.message == [7, 8])
      #expect(response.initialMetadata["x-echo"] == "one")
      #expect(response.trailers.binary("x-echo-bin") == [1, 2])
    }
  }

  @Test("errors come with status, text and details; unknown ones tell nothing")
  func errors() async throws {
    let log = OutcomeLog()
    try await Self.run(interceptors: [log]) { calls, _ in
      let error = await failure { try await calls.unary(Self.script + "Fail", [5, 0x68, 0x69], soon) }
      #expect(error?.code == .notFound)
      #expect(error?.message == "hi")
      #expect(error?.details == [.init(typeUrl: "type/x", value: [1, 2])])
      #expect(await failure { try await calls.unary(Self.script + "Throw", [], soon) }?.message == "internal error")
      #expect(await failure { try await calls.unary("/no.Service/X", [], soon) }?.code == .unimplemented)
      // The caller may be answered before the server has told its interceptors.
      while log.outcomes.count < 2 { await Task.yield() }
      #expect(log.outcomes.map(\.status) == [.notFound, .unknown])
    }
  }

  @Test("deadlines and cancellation reach the handler", .timeLimit(.minutes(1)))
  func endsEarly() async throws {
    try await Self.run { calls, script in
      let late = await failure { try await calls.unary(Self.script + "Wait", [], .timeout(.milliseconds(20))) }
      #expect(late?.code == .deadlineExceeded)
      await script.cancelled.wait()
    }
    try await Self.run { calls, script in
      let call = Task { await failure { try await calls.unary(Self.script + "Wait", [], soon) } }
      await script.began.wait()
      call.cancel()
      #expect(await call.value?.code == .cancelled)
      await script.cancelled.wait()
    }
  }

  @Test("streams come in order, errors behind the answers, and a flood ends with its reader", .timeLimit(.minutes(1)))
  func streams() async throws {
    try await Self.run { calls, script in
      var seen = 0
      for try await answer in try await calls.serverStreaming(Self.script + "Repeat", [200, 1], soon) {
        #expect(answer == [200, 1])
        seen += 1
      }
      #expect(seen == 200)
      seen = 0
      let error = await failure {
        for try await _ in try await calls.serverStreaming(Self.script + "RepeatAndFail", [3], soon) { seen += 1 }
      }
      #expect(seen == 3)
      #expect(error?.code == .dataLoss)
      var flood: RawResponseStream? = try await calls.serverStreaming(Self.script + "Flood", [], soon)
      if let flood {
        var reader = flood.makeAsyncIterator()
        for _ in 0..<50 { #expect(try await reader.next() != nil) }
      }
      flood = nil
      await script.cancelled.wait()
    }
  }

  @Test("a second message where one is wanted fails the call and ends its handler", .timeLimit(.minutes(1)))
  func secondMessage() async throws {
    try await Self.run { calls, script in
      let error = await failure { try await calls.unary(Self.script + "Flood", [], soon) }
      #expect(error?.code == .unimplemented)
      await script.cancelled.wait()
    }
  }

  @Test("clients may stream, too")
  func clientStreams() async throws {
    try await Self.run { calls, _ in
      let part = [UInt8](repeating: 3, count: 50_000)
      let joined = try await calls.clientStreaming(Self.script + "Join", soon) { requests in
        for _ in 0..<8 { try await requests.send(part) }
      }
      #expect(joined.message.count == 400_000)
      var seen = 0
      let chat = try await calls.bidirectional(Self.script + "Chat", soon) { requests in
        for number in 0..<20 { try await requests.send([UInt8(number)]) }
      }
      for try await answer in chat {
        #expect(answer == [UInt8(seen)])
        seen += 1
      }
      #expect(seen == 20)
      let wrong = await failure {
        try await calls.clientStreaming(Self.script + "Echo", soon) { try await $0.send([1]) }
      }
      #expect(wrong?.code == .unimplemented)
    }
  }
}
