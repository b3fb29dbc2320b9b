import HTTP2
import Testing

@testable import EventLoop
@testable import RPC

@Suite("What a channel makes of its servers", .timeLimit(.minutes(2)))
struct ChannelTests {
  static let path = RetryTests.path

  /// The outcome of one call that a scripted server answers.
  static func outcome(_ answer: @escaping @Sendable (ScriptedRequest) -> Void) async throws -> RPCError? {
    let group = try EventLoopGroup.start(count: 1)
    defer { group.shutdown() }
    let server = try await ScriptedServer(group, answer: answer)
    let channel = RPCChannel(group: group, target: RPCTarget(server.address))
    let error = await failure { try await channel.unary(path, [], soon) }
    await channel.close()
    try await server.close()
    let loop = group.loops[0]
    #expect(try await loop.perform { loop.timers.isEmpty }, "a call that is over has left its deadline behind")
    return error
  }

  @Test(
    "an HTTP status without a grpc-status has the meaning that gRPC gives it",
    arguments: [
      (400, StatusCode.internal), (401, .unauthenticated), (403, .permissionDenied), (404, .unimplemented),
      (429, .unavailable), (431, .internal), (502, .unavailable), (503, .unavailable), (504, .unavailable),
      (200, .unknown), (302, .unknown), (500, .unknown), (418, .unknown),
    ])
  func httpStatus(status: Int, code: StatusCode) async throws {
    let whole = try await Self.outcome { $0.respond([(":status", "\(status)"), ("content-type", "text/html")]) }
    #expect(whole?.code == code)
    let withBody = try await Self.outcome { request in
      request.respond([(":status", "\(status)"), ("content-type", "text/html")], body: [60, 104, 62], trailers: [])
    }
    #expect(withBody?.code == code)
  }

  @Test(
    "a reset has the meaning that gRPC gives its code",
    arguments: [
      (HTTP2ErrorCode.noError, StatusCode.internal), (.protocolError, .internal), (.internalError, .internal),
      (.flowControlError, .internal), (.settingsTimeout, .internal), (.frameSizeError, .internal),
      (.refusedStream, .unavailable), (.cancel, .cancelled), (.compressionError, .internal), (.connectError, .internal),
      (.enhanceYourCalm, .resourceExhausted), (.inadequateSecurity, .permissionDenied), (.http11Required, .unknown),
    ])
  func reset(reset: HTTP2ErrorCode, code: StatusCode) async throws {
    let error = try await Self.outcome { request in
      request.connection.act { session throws(HTTP2Error) in try session.reset(request.stream, reset) }
    }
    #expect(error?.code == code)
  }

  @Test("an answer that is none is an error, whatever it is")
  func broken() async throws {
    let ok = ScriptedRequest.ok
    let good = [("grpc-status", "0")]
    let rows: [(StatusCode?, [(String, String)], [UInt8], [(String, String)])] = [
      (nil, ok, [0, 0, 0, 0, 0], good),
      (nil, [(":status", "200"), ("content-type", "application/grpc+proto")], [0, 0, 0, 0, 0], good),
      (.unknown, [(":status", "200"), ("content-type", "text/html")], [0, 0, 0, 0, 0], good),
      (.unknown, [(":status", "200"), ("content-type", "application/grpc-web")], [0, 0, 0, 0, 0], good),
      (.unknown, ok, [0, 0, 0, 0, 0], []),
      (.unknown, ok, [0, 0, 0, 0, 0], [("grpc-status", "99")]),
      (.unknown, ok, [0, 0, 0, 0, 0], [("grpc-status", "zero")]),
      (.unimplemented, ok, [], good),
      (.unimplemented, ok, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0], good),
      (.internal, ok, [0, 0, 0, 0], good),
      (.internal, ok, [0, 0, 0, 0, 9, 1], good),
      (.internal, ok, [2, 0, 0, 0, 0], good),
      (.internal, ok, [1, 0, 0, 0, 0], good),
      (.internal, ok + [("grpc-encoding", "snappy")], [1, 0, 0, 0, 0], good),
      (.internal, ok + [("grpc-encoding", "gzip")], [1, 0, 0, 0, 1, 7], good),
      (.resourceExhausted, ok, [0, 255, 255, 255, 255], good),
      (.notFound, ok, [0, 0, 0, 0, 0], [("grpc-status", "5"), ("grpc-message", "caf%C3%A9 %zz %")]),
    ]
    for (code, head, body, trailers) in rows {
      let error = try await Self.outcome { $0.respond(head, body: body, trailers: trailers) }
      #expect(error?.code == code, "\(head) \(body) \(trailers)")
      if code == .notFound { #expect(error?.message == "café %zz %") }
    }
  }

  @Test("calls over the server's limit of streams wait for their turn")
  func streamLimit() async throws {
    let tally = Tally()
    try await RetryTests.run(
      { _ in }, setup: { $0.limits.concurrentStreamsMax = 2 },
      answer: { request in
        // A stream more than allowed would have been refused by the session, and the second time have failed the call.
        tally.add("requests")
        _ = request.connection.loop.schedule(after: .milliseconds(1)) { request.succeed() }
      },
      test: { channel, server in
        try await withThrowingTaskGroup(of: Void.self) { calls in
          for _ in 0..<40 { calls.addTask { _ = try await channel.unary(Self.path, [], soon) } }
          try await calls.waitForAll()
        }
        #expect(tally["requests"] == 40)
        let connections = try await server.connectionsSeen
        #expect(connections == 1)
      })
  }

  @Test("a connection that has carried its share of calls, or is old enough, is replaced without a failure")
  func replacement() async throws {
    for change in [
      { (configuration: inout RPCChannelConfiguration) in configuration.limits.callsPerConnectionMax = 3 },
      { $0.connectionAgeMax = .milliseconds(5) },
    ] {
      try await RetryTests.run(
        change, answer: { $0.succeed() },
        test: { channel, server in
          var calls = 0
          while try await server.connectionsSeen < 3 {
            _ = try await channel.unary(Self.path, [], soon)
            calls += 1
          }
          #expect(calls >= 3)
        })
    }
  }

  @Test("a quiet connection is pinged while it has calls, and given up when no answer comes")
  func keepalive() async throws {
    let quick = Keepalive(exactly: .milliseconds(5), timeout: .seconds(60), withoutCalls: false)
    let pings = Tally()
    try await RetryTests.run(
      { $0.keepalive = quick },
      answer: { request in
        request.connection.pinged = { pings.add("ping") }
        pings.add("waiting")
      },
      test: { channel, _ in
        let call = Task { await failure { try await channel.unary(Self.path, [], soon) } }
        try await until { pings["ping"] >= 3 }
        call.cancel()
        #expect(await call.value?.code == .cancelled)
      })
    #expect(Keepalive(time: .seconds(1)).time == .seconds(10))
  }

  @Test("a connection whose pings nobody answers is given up")
  func silence() async throws {
    let group = try EventLoopGroup.start(count: 1)
    defer { group.shutdown() }
    let server = try await SilentServer(group)
    let channel = RPCChannel(
      group: group, target: RPCTarget(server.address),
      configuration: .with {
        $0.keepalive = Keepalive(exactly: .milliseconds(5), timeout: .milliseconds(20), withoutCalls: false)
      })
    let error = await failure { try await channel.unary(Self.path, [], soon) }
    #expect(error?.code == .unavailable)
    #expect(error?.message == "the connection was lost")
    await channel.close()
    try await server.close()
  }

  @Test("a server that is pinged too often makes the next connection ping half as often")
  func tooManyPings() async throws {
    let tally = Tally()
    try await RetryTests.run(
      {
        $0.keepalive = Keepalive(exactly: .milliseconds(20), timeout: .seconds(60), withoutCalls: false)
      },
      answer: { request in
        let connection = request.connection
        guard connection.number < 2 else { return request.succeed() }
        connection.pinged = {
          tally.add("pings")
          connection.sendGoaway(last: 0, .enhanceYourCalm, debug: "too_many_pings")
        }
      },
      test: { channel, server in
        // Refused by the GOAWAY's last id, once by each of the two, so the second refusal is final.
        #expect(await failure { try await channel.unary(Self.path, [], soon) }?.code == .unavailable)
        #expect(tally["pings"] == 2)
        _ = try await channel.unary(Self.path, [], soon)
        let connections2 = try await server.connectionsSeen
        #expect(connections2 == 3)
      })
  }
}
