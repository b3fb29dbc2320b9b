import EventLoop
import HTTP2
import RPCProtos
import Synchronization
import Testing

@testable import RPC

@Suite("What a channel puts on the wire", .timeLimit(.minutes(2)))
struct CallWireTests {
  static let path = RetryTests.path

  /// Runs a body with a channel to a server that answers as it is told.
  static func run(
    channel configuration: RPCChannelConfiguration = RPCChannelConfiguration(),
    answer: @escaping @Sendable (ScriptedRequest) -> Void, call: (RPCChannel, ScriptedServer) async throws -> Void
  ) async throws {
    let group = try EventLoopGroup.start(count: 1)
    defer { group.shutdown() }
    let server = try await ScriptedServer(group, answer: answer)
    let channel = RPCChannel(group: group, target: RPCTarget(server.address), configuration: configuration)
    try await call(channel, server)
    await channel.close()
    try await server.close()
  }

  @Test("a call begins with what HTTP wants, its timeout and its own fields; what the caller adds comes last")
  func headers() async throws {
    let seen = Mutex<[(name: String, value: String)]>([])
    try await Self.run(
      answer: { request in
        seen.withLock { $0 = request.headers }
        request.succeed()
      },
      call: { channel, server in
        var options = CallOptions.timeout(.seconds(3600))
        options.compresses = true
        options.metadata.add("x-one", "1")
        options.metadata.add("x-two-bin", binary: [0xfb, 0xff])
        _ = try await channel.unary(Self.path, [1], options)
        let fields = seen.withLock { $0 }
        #expect(
          fields.map(\.name) == [
            ":method", ":scheme", ":path", ":authority", "grpc-timeout", "content-type", "te", "grpc-encoding",
            "grpc-accept-encoding", "user-agent", "x-one", "x-two-bin",
          ])
        let values = Dictionary(uniqueKeysWithValues: fields.map { ($0.name, $0.value) })
        #expect(values[":method"] == "POST" && values[":scheme"] == "http" && values[":path"] == Self.path)
        #expect(values[":authority"] == "\(server.address)" && values["te"] == "trailers")
        #expect(values["content-type"] == "application/grpc" && values["user-agent"]?.hasPrefix("grpc-swift") == true)
        #expect(values["grpc-encoding"] == "gzip" && values["grpc-accept-encoding"] == "identity,gzip")
        // Without padding.
        #expect(values["x-one"] == "1" && values["x-two-bin"] == "+/8")
        _ = try await channel.unary(Self.path, [1], CallOptions(deadline: .never))
        #expect(!seen.withLock { $0 }.contains { $0.name == "grpc-timeout" || $0.name == "grpc-encoding" })
      })
  }

  @Test("a call that is cancelled, or whose deadline has passed, is reset with CANCEL", arguments: [true, false])
  func cancels(byDeadline: Bool) async throws {
    let (begun, begin) = AsyncStream.makeStream(of: Void.self)
    let (codes, closed) = AsyncStream.makeStream(of: HTTP2ErrorCode.self)
    let seen = Tally()
    try await Self.run(
      answer: { request in
        request.connection.streamEndedWith = { closed.yield($0) }
        seen.add("request")
        begin.yield()
      },
      call: { channel, _ in
        let options = CallOptions.timeout(byDeadline ? .milliseconds(200) : .seconds(60))
        let call = Task { await failure { try await channel.unary(Self.path, [], options) } }
        if !byDeadline {
          for await _ in begun { break }
          call.cancel()
        }
        #expect(await call.value?.code == (byDeadline ? .deadlineExceeded : .cancelled))
        // On a machine that is slow enough the deadline passes before the request has left.
        guard seen["request"] > 0 else { return }
        for await code in codes {
          #expect(code == .cancel)
          break
        }
      })
  }

  @Test("a server that answers before the last request is told by NO_ERROR to expect no more of them")
  func answeredEarly() async throws {
    let (codes, closed) = AsyncStream.makeStream(of: HTTP2ErrorCode.self)
    let (never, _) = AsyncStream.makeStream(of: Void.self)
    try await Self.run(
      answer: { request in
        request.connection.streamEndedWith = { closed.yield($0) }
        request.respond(ScriptedRequest.ok, body: [0, 0, 0, 0, 1, 7], trailers: [("grpc-status", "0")])
      },
      call: { channel, _ in
        let answer = try await channel.clientStreaming(Self.path, soon) { writer in
          try await writer.send([1])
          for await _ in never {}
        }
        #expect(answer.message == [7])
        // The client's half had not ended, so only a reset can have closed the stream.
        for await code in codes {
          #expect(code == .noError)
          break
        }
      })
  }

  @Test("a second message where one is wanted ends the call for good")
  func secondMessage() async throws {
    let (codes, closed) = AsyncStream.makeStream(of: HTTP2ErrorCode.self)
    try await Self.run(
      answer: { request in
        request.connection.streamEndedWith = { closed.yield($0) }
        request.respond(ScriptedRequest.ok, body: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
      },
      call: { channel, _ in
        let options = CallOptions.timeout(.seconds(5))
        #expect(await failure { try await channel.unary(Self.path, [], options) }?.code == .unimplemented)
        for await code in codes {
          #expect(code == .cancel)
          break
        }
      })
  }

  @Test("an answer whose fields are over the limit ends the call, and the next one is answered")
  func largeFields() async throws {
    let configuration = RPCChannelConfiguration.with { $0.limits.headerListBytesMax = 1000 }
    try await Self.run(
      channel: configuration,
      answer: { request in
        let value = String(repeating: "v", count: request.value("x-size").flatMap { Int($0) } ?? 0)
        request.respond(ScriptedRequest.ok + [("x", value)], body: [0, 0, 0, 0, 0], trailers: [("grpc-status", "0")])
      },
      call: { channel, _ in
        var options = soon
        options.metadata.add("x-size", "2000")
        #expect(await failure { try await channel.unary(Self.path, [], options) }?.code == .unavailable)
        options.metadata.replace("x-size", "100")
        let answer = try await channel.unary(Self.path, [], options)
        #expect(answer.initialMetadata["x"]?.utf8.count == 100)
      })
  }

  @Test("an answer that cannot be read as the message it should be is INTERNAL")
  func unreadableAnswer() async throws {
    try await Self.run(
      answer: { $0.succeed([0xff]) },
      call: { channel, _ in
        let client = HealthClient(channel)
        #expect(await failure { try await client.check(HealthCheckRequest(), soon) }?.code == .internal)
      })
  }

  @Test("a server that takes connections and ends them is tried ever more rarely")
  func backoff() async throws {
    let group = try EventLoopGroup.start(count: 1)
    defer { group.shutdown() }
    let loop = group.loops[0]
    let accepted = Tally()
    let listener = try await loop.perform {
      LoopBound(
        try Listener(try Socket.listen(.ipv4(0x7F00_0001, port: 0)), on: loop) { fd, _ in
          accepted.add("connection")
          Socket.close(fd)
        }, loop)
    }
    let address = try await loop.perform { listener.value.address }
    let configuration = RPCChannelConfiguration.with {
      $0.backoff.initial = .milliseconds(1)
      $0.backoff.multiplier = 1000
    }
    let channel = RPCChannel(group: group, target: RPCTarget(address), configuration: configuration)
    var options = CallOptions.timeout(.milliseconds(500))
    options.waitForReady = true
    #expect(await failure { try await channel.unary(Self.path, [], options) }?.code == .deadlineExceeded)
    // At once, after a millisecond, then not for a second: that a socket was connected must not count as success.
    #expect((1...3).contains(accepted["connection"]))
    await channel.close()
    try await loop.perform { listener.value.close() }
  }

  @Test("nobody is pinged more often than every ten seconds")
  func keepaliveFloor() {
    #expect(Keepalive(time: .seconds(1)).time == .seconds(10))
    #expect(Keepalive(time: .seconds(11)).time == .seconds(11))
  }
}
