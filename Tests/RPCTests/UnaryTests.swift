import EventLoop
import RPCProtos
import Testing

@testable import RPC

@Suite("Unary calls over sockets")
struct UnaryTests {
  static let script = Fixture.service

  @Test("return the answer, whatever its size, over TCP and unix sockets", arguments: [true, false])
  func echo(isUnix: Bool) async throws {
    let address = isUnix ? Fixture.temporarySocket() : .ipv4(0x7F00_0001, port: 0)
    try await Fixture.run(address: address) { fixture in
      for size in [0, 1, 5, 16_379, 16_384, 100_000, 271_828, 4 << 20] {
        let body = [UInt8](unsafeUninitializedCapacity: size) { room, count in
          for index in 0..<size { room.initializeElement(at: index, to: UInt8(truncatingIfNeeded: index &* 31)) }
          count = size
        }
        let response = try await fixture.channel.unary(Self.script + "Echo", body, soon)
        #expect(response.message == body)
      }
    }
  }

  @Test("carry metadata both ways, text and bytes")
  func metadata() async throws {
    try await Fixture.run { fixture in
      var options = soon
      options.metadata.add("x-echo", "one")
      options.metadata.add("x-echo", "two, three")
      options.metadata.add("x-echo-bin", binary: [0, 255, 171])
      let response = try await fixture.channel.unary(Self.script + "Echo", [1], options)
      #expect(response.initialMetadata.values("x-echo") == ["one", "two, three"])
      #expect(response.trailers.binary("x-echo-bin") == [0, 255, 171])
    }
  }

  @Test("fail with the status, text and details of the handler", arguments: StatusCode.allCases.dropFirst())
  func failures(code: StatusCode) async throws {
    let text = "\t\nwhitespace\r\nand ☺ and 😈 100%\n"
    try await Fixture.run { fixture in
      let error = await failure {
        try await fixture.channel.unary(Self.script + "Fail", [UInt8(code.rawValue)] + Array(text.utf8), soon)
      }
      #expect(error?.code == code)
      #expect(error?.message == text)
      #expect(error?.details == [.init(typeUrl: "type/x", value: [1, 2])])
    }
  }

  @Test("fail with the beginning of a text that no client would take whole", arguments: ["x", "가", "%", "😈"])
  func longFailure(letter: String) async throws {
    try await Fixture.run { fixture in
      let text = String(repeating: letter, count: 100_000)
      let error = await failure {
        try await fixture.channel.unary(
          Self.script + "Fail", [UInt8(StatusCode.invalidArgument.rawValue)] + Array(text.utf8), soon)
      }
      #expect(error?.code == .invalidArgument && error?.details.count == 1)
      let message = try #require(error?.message)
      #expect(message.hasSuffix("…") && text.hasPrefix(message.dropLast()) && message.utf8.count > 600)
    }
    let large = ProtoAny(typeUrl: "type/x", value: [UInt8](repeating: 1, count: 5_000))
    #expect(StatusDetails.encode(RPCError(.internal, "x", details: [large])) == nil)
  }

  @Test("tell nothing of an error that no table knows")
  func unknownError() async throws {
    let log = OutcomeLog()
    try await Fixture.run(interceptors: [log]) { fixture in
      let error = await failure { try await fixture.channel.unary(Self.script + "Throw", [], soon) }
      #expect(error?.code == .unknown)
      #expect(error?.message == "internal error")
      #expect(log.outcomes.first?.error is Unknown)
    }
  }

  @Test(
    "to a method or service that is not there are unimplemented",
    arguments: ["/test.v1.Script/Nothing", "/no.Service/Echo", "/", "/test.v1.script/Echo"])
  func unimplemented(path: String) async throws {
    try await Fixture.run { fixture in
      #expect(await failure { try await fixture.channel.unary(path, [], soon) }?.code == .unimplemented)
    }
  }

  @Test("know their names, request id and trace, and shorten the deadline for the next hop")
  func context() async throws {
    try await Fixture.run { fixture in
      var options = soon
      let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
      options.metadata.add("x-request-id", "req-7")
      options.metadata.add("traceparent", trace)
      let answer = try await fixture.channel.unary(Self.script + "Context", [], options).message
      #expect(
        String(decoding: answer, as: UTF8.self)
          == "Script|Context|/test.v1.Script/Context|req-7|req-7|\(trace)|shorter")
      let other = try await fixture.channel.unary(Self.script + "Context", [], soon).message
      let made = String(decoding: other, as: UTF8.self).split(separator: "|")[3]
      #expect(made.count == 16)
    }
  }

  @Test("larger than a limit fail with RESOURCE_EXHAUSTED, on either side")
  func limits() async throws {
    try await Fixture.run(
      limits: .with { $0.messageBytesMax = 1000 }, channel: .with { $0.limits.messageBytesMax = 500 }
    ) { fixture in
      for (size, code) in [(500, nil), (501, .resourceExhausted), (1001, .resourceExhausted)] as [(Int, StatusCode?)] {
        let error = await failure {
          try await fixture.channel.unary(Self.script + "Echo", [UInt8](repeating: 0, count: size), soon)
        }
        #expect(error?.code == code)
      }
      let again = try await fixture.channel.unary(Self.script + "Echo", [1], soon)
      #expect(again.message == [1])
    }
  }

  @Test("pass their deadline on, which ends the handler and the call", .timeLimit(.minutes(1)))
  func deadline() async throws {
    try await Fixture.run { fixture in
      let error = await failure {
        try await fixture.channel.unary(Self.script + "Wait", [], .timeout(.milliseconds(30)))
      }
      #expect(error?.code == .deadlineExceeded)
      await fixture.script.cancelled.wait()
      let late = await failure { try await fixture.channel.unary(Self.script + "Echo", [], .timeout(.zero)) }
      #expect(late?.code == .deadlineExceeded)
    }
  }

  @Test("cancelled by their task cancel the handler", .timeLimit(.minutes(1)))
  func cancellation() async throws {
    let log = OutcomeLog()
    try await Fixture.run(interceptors: [log]) { fixture in
      let call = Task { await failure { try await fixture.channel.unary(Self.script + "Wait", [], soon) } }
      await fixture.script.began.wait()
      call.cancel()
      #expect(await call.value?.code == .cancelled)
      await fixture.script.cancelled.wait()
      #expect(log.outcomes.map(\.status) == [.cancelled])
      let early = Task { await failure { try await fixture.channel.unary(Self.script + "Wait", [], soon) } }
      early.cancel()
      #expect(await early.value?.code == .cancelled)
    }
  }

  @Test("beyond the streams a server allows wait their turn", arguments: [101, 300, 1000])
  func manyAtOnce(count: Int) async throws {
    try await Fixture.run(limits: .with { $0.streamsPerConnectionMax = 100 }) { fixture in
      try await withThrowingTaskGroup(of: Bool.self) { tasks in
        for number in 0..<count {
          tasks.addTask {
            let body = Array("\(number)".utf8)
            return try await fixture.channel.unary(Self.script + "Echo", body, soon).message == body
          }
        }
        for try await isSame in tasks { #expect(isSame) }
      }
    }
  }

  @Test("from several loops and from outside use a connection per loop")
  func manyLoops() async throws {
    try await Fixture.run(loops: 2) { fixture in
      try await withThrowingTaskGroup(of: Bool.self) { tasks in
        for number in 0..<40 {
          let preferred = number % 2 == 0 ? fixture.group.loops[number / 2 % 2] : nil
          tasks.addTask(executorPreference: preferred) {
            let response = try await fixture.channel.unary(Self.script + "Echo", [UInt8(number)], soon)
            return response.message == [UInt8(number)] && (preferred.map(\.isCurrent) ?? true)
          }
        }
        for try await isRight in tasks { #expect(isRight) }
      }
    }
  }

  @Test("are admitted or refused by interceptors, which learn each outcome")
  func interceptors() async throws {
    let log = OutcomeLog()
    try await Fixture.run(interceptors: [Guardian(), log]) { fixture in
      var options = soon
      options.metadata.add("token", "right")
      let response = try await fixture.channel.unary(Self.script + "Echo", [1, 2, 3], options)
      #expect(response.message == [1, 2, 3])
      let error = await failure { try await fixture.channel.unary(Self.script + "Echo", [], soon) }
      #expect(error?.code == .unauthenticated)
      #expect(log.outcomes.map(\.status) == [.ok, .unauthenticated])
      #expect(log.outcomes.map(\.bytesReceived) == [8, 0])
      #expect(log.outcomes.map(\.bytesSent) == [3, 0])
      #expect(log.callers == ["friend", nil])
    }
  }
}

struct Guardian: ServerInterceptor {
  func admit(_ call: CallContext) throws {
    guard call.metadata["token"] == "right" else { throw RPCError(.unauthenticated, "who are you?") }
    call.caller = "friend"
  }
}
