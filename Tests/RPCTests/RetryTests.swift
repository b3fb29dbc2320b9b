import EventLoop
import HTTP2
import Synchronization
import Testing

@testable import RPC

@Suite("Calls that are sent again", .timeLimit(.minutes(2)))
struct RetryTests {
  static let path = "/test.v1.Script/Echo"
  static let policy = RetryPolicy(attemptsMax: 4, initialBackoff: .milliseconds(2), maxBackoff: .milliseconds(5))

  /// Runs a body with a channel to a scripted server.
  static func run(
    _ change: (inout RPCChannelConfiguration) -> Void = { $0.methods[row: ""] = .retrying(policy) },
    setup: @escaping @Sendable (inout HTTP2Configuration) -> Void = { _ in },
    answer: @escaping @Sendable (ScriptedRequest) -> Void,
    test: (RPCChannel, ScriptedServer) async throws -> Void
  ) async throws {
    let group = try EventLoopGroup.start(count: 1)
    defer { group.shutdown() }
    let server = try await ScriptedServer(group, setup: setup, answer: answer)
    var configuration = RPCChannelConfiguration()
    configuration.backoff.initial = .milliseconds(2)
    change(&configuration)
    let channel = RPCChannel(group: group, target: RPCTarget(server.address), configuration: configuration)
    do { try await test(channel, server) } catch { Issue.record(error) }
    await channel.close()
    try await server.close()
  }

  @Test("a call that fails in a way its policy names is sent again, telling how often it was before")
  func retries() async throws {
    let tally = Tally()
    try await Self.run(
      answer: { request in
        tally.add("attempt after \(request.value("grpc-previous-rpc-attempts") ?? "none")")
        if tally.add("attempts") < 3 { request.fail(14) } else { request.succeed([7]) }
      },
      test: { channel, _ in
        let answer = try await channel.unary(Self.path, [1], soon).message
        #expect(answer == [7])
        #expect((tally["attempts"], tally["attempt after none"]) == (3, 1))
        #expect((tally["attempt after 1"], tally["attempt after 2"]) == (1, 1))
      })
  }

  @Test("after the last attempt the call fails as that one did; other failures are final at once")
  func givesUp() async throws {
    let tally = Tally()
    try await Self.run(
      answer: { request in
        tally.add(request.value(":path") ?? "")
        request.fail(request.value(":path") == Self.path ? 14 : 5, [("grpc-message", "no. \(tally[Self.path])")])
      },
      test: { channel, _ in
        let error = await failure { try await channel.unary(Self.path, [], soon) }
        #expect((error?.code, error?.message) == (.unavailable, "no. 4"))
        #expect(tally[Self.path] == 4)
        #expect(await failure { try await channel.unary("/other.Service/Get", [], soon) }?.code == .notFound)
        #expect(tally["/other.Service/Get"] == 1)
      })
  }

  @Test("the server may say when to come again, and that one may not")
  func pushback() async throws {
    let tally = Tally()
    try await Self.run(
      {
        // Its own waits would outlast the test.
        $0.methods[row: ""] = .retrying(
          RetryPolicy(attemptsMax: 4, initialBackoff: .seconds(3600), maxBackoff: .seconds(3600)))
      },
      answer: { request in
        let name = request.value("x-name") ?? ""
        if tally.add(name) == 2 { return request.succeed() }
        request.fail(14, [("grpc-retry-pushback-ms", name == "later" ? "1" : name)])
      },
      test: { channel, _ in
        for (name, attempts) in [("later", 2), ("-1", 1), ("nonsense", 1)] {
          var options = soon
          options.metadata.add("x-name", name)
          let error = await failure { try await channel.unary(Self.path, [], options) }
          #expect((error == nil) == (attempts == 2), "\(name)")
          #expect(tally[name] == attempts, "\(name)")
        }
      })
  }

  @Test("while too many calls fail nothing is sent again")
  func throttling() async throws {
    let tally = Tally()
    try await Self.run(
      {
        $0.methods[row: ""] = .retrying(Self.policy)
        $0.throttle = RetryThrottle(tokensMax: 4, tokensPerSuccess: 1)
      },
      answer: { request in
        tally.add("attempts")
        if request.value("x-good") != nil { request.succeed() } else { request.fail(14) }
      },
      test: { channel, _ in
        // The tokens fall from 4 to 3 (sent again) and 2 (half: no more).
        #expect(await failure { try await channel.unary(Self.path, [], soon) }?.code == .unavailable)
        #expect(tally["attempts"] == 2)
        #expect(await failure { try await channel.unary(Self.path, [], soon) }?.code == .unavailable)
        #expect(tally["attempts"] == 3)
        var good = soon
        good.metadata.add("x-good", "yes")
        for _ in 0..<3 { _ = try await channel.unary(Self.path, [], good) }
        #expect(await failure { try await channel.unary(Self.path, [], soon) }?.code == .unavailable)
        #expect(tally["attempts"] == 8)
      })
  }

  @Test("a call of which an answer has begun is not sent again")
  func committed() async throws {
    let tally = Tally()
    try await Self.run(
      answer: { request in
        tally.add("attempts")
        request.respond(ScriptedRequest.ok, body: [], trailers: [("grpc-status", "14")])
      },
      test: { channel, _ in
        #expect(await failure { try await channel.unary(Self.path, [], soon) }?.code == .unavailable)
        #expect(tally["attempts"] == 1)
      })
  }

  @Test(
    "a caller of many messages is sent again with all it has sent, unless that is more than is kept",
    arguments: [(1000, 3), (2, 1)])
  func streams(bytesMax: Int, attempts: Int) async throws {
    let group = try EventLoopGroup.start(count: 1)
    defer { group.shutdown() }
    let tally = Tally()
    let service = RPCService(
      name: "test.v1.Script",
      methods: [
        .rawClientStreaming("Join") { requests, _ in
          var all: [UInt8] = []
          for try await request in requests { all += request }
          if tally.add("join") < 3 { throw RPCError(.unavailable, "not yet") }
          return all
        }
      ])
    let server = RPCServer(
      group: group, configuration: RPCServerConfiguration(listen: [.ipv4(0x7F00_0001, port: 0)]), services: [service])
    try await server.start()
    let channel = RPCChannel(
      group: group, target: RPCTarget(server.boundAddresses[0]),
      configuration: .with {
        $0.methods[row: "/test.v1.Script/"] = .retrying(Self.policy)
        $0.limits.retryBytesMax = bytesMax
      })
    let error = await failure {
      let joined = try await channel.clientStreaming("/test.v1.Script/Join", soon) { writer in
        for byte in 1...3 as ClosedRange<UInt8> { try await writer.send([byte]) }
      }
      #expect(joined.message == [1, 2, 3])
    }
    #expect(error?.code == (attempts == 3 ? nil : .unavailable))
    #expect(tally["join"] == attempts)
    await channel.close()
    await server.drain(within: .zero)
  }

  @Test("the deadline spans all attempts")
  func deadline() async throws {
    try await Self.run(
      {
        $0.methods[row: Self.path] = .retrying(
          RetryPolicy(attemptsMax: 5, initialBackoff: .seconds(3600), maxBackoff: .seconds(3600)))
        $0.methods[row: Self.path]?.timeout = .milliseconds(50)
      }, answer: { $0.fail(14) },
      test: { channel, _ in
        #expect(await failure { try await channel.unary(Self.path, [], soon) }?.code == .deadlineExceeded)
      })
  }

  @Test("a call above the last id of a GOAWAY, or refused, is sent again unasked, but a refused one only once")
  func unseen() async throws {
    let tally = Tally()
    try await Self.run(
      { _ in },
      answer: { request in
        tally.add("attempts")
        switch request.value("x-way") {
        case "goaway" where request.connection.number == 0:
          // Had the server not seen it, the last id would be below it.
          request.connection.sendGoaway(last: 0)
        case "refuse once" where tally.add("refused") == 1, "refuse":
          request.connection.act { session throws(HTTP2Error) in try session.reset(request.stream, .refusedStream) }
        default: request.succeed([3])
        }
      },
      test: { channel, server in
        var options = soon
        options.metadata.replace("x-way", "goaway")
        let answer2 = try await channel.unary(Self.path, [], options).message
        #expect(answer2 == [3])
        #expect(tally["attempts"] == 2)
        let connections3 = try await server.connectionsSeen
        #expect(connections3 == 2)
        options.metadata.replace("x-way", "refuse once")
        let answer4 = try await channel.unary(Self.path, [], options).message
        #expect(answer4 == [3])
        #expect(tally["attempts"] == 4)
        options.metadata.replace("x-way", "refuse")
        #expect(await failure { try await channel.unary(Self.path, [], options) }?.code == .unavailable)
        #expect(tally["attempts"] == 6)
      })
  }

  @Test("method settings: the most exact row counts, and its limits hold")
  func settings() async throws {
    var table = MethodSettingsTable()
    #expect(table.settings(for: "/a.B/C") == nil)
    var row = MethodSettings()
    for (name, seconds) in [("", 1), ("/a.B/", 2), ("/a.B/C", 3)] {
      row.timeout = .seconds(seconds)
      table[row: name] = row
    }
    #expect(table.settings(for: "/a.B/C")?.timeout == .seconds(3))
    #expect(table.settings(for: "/a.B/D")?.timeout == .seconds(2))
    #expect(table.settings(for: "/b.B/C")?.timeout == .seconds(1))
    var limits = MethodSettings()
    limits.requestBytesMax = 2
    limits.responseBytesMax = 1
    try await Self.run(
      { $0.methods[row: ""] = limits }, answer: { $0.succeed([1, 2]) },
      test: { channel, _ in
        let large = await failure { try await channel.unary(Self.path, [1, 2, 3], soon) }
        #expect(large?.code == .resourceExhausted)
        #expect(large?.message.contains("request") == true)
        #expect(await failure { try await channel.unary(Self.path, [1], soon) }?.code == .resourceExhausted)
      })
  }

  @Test("a policy makes at most five attempts, and waits random parts of growing times")
  func delays() {
    let policy = RetryPolicy(attemptsMax: 9, initialBackoff: .seconds(1), maxBackoff: .seconds(3))
    #expect(policy.attemptsMax == 5)
    #expect(
      (1...4).map { policy.delay(attempts: $0, random: 1) } == [.seconds(1), .seconds(2), .seconds(3), .seconds(3)])
    #expect(policy.delay(attempts: 2, random: 0.5) == .seconds(1))
  }
}

extension MethodSettings {
  static func retrying(_ policy: RetryPolicy) -> MethodSettings {
    var settings = MethodSettings()
    settings.retry = policy
    return settings
  }
}

extension ScriptedConnection {
  /// A GOAWAY with a last id of the test's choice.
  func sendGoaway(last: Int32, _ code: HTTP2ErrorCode = .noError, debug: StaticString = "") {
    act { session throws(HTTP2Error) in
      try session.goaway(code, last: last, debugData: debug)
    }
  }
}
