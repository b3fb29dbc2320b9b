import EventLoop
import Testing

@testable import RPC

@Suite("Connections of servers and channels")
struct ConnectionTests {
  static let script = Fixture.service

  @Test("a channel without a server fails with UNAVAILABLE, and at the deadline when told to wait")
  func noServer() async throws {
    let group = try EventLoopGroup.start(count: 1)
    let fd = try Socket.listen(.ipv4(0x7F00_0001, port: 0))
    let address = try Socket.boundAddress(fd)
    Socket.close(fd)
    let channel = RPCChannel(group: group, target: RPCTarget(address))
    for _ in 0..<3 {
      #expect(await failure { try await channel.unary(Self.script + "Echo", [], soon) }?.code == .unavailable)
    }
    let patient = CallOptions(deadline: .after(.milliseconds(50)), waitForReady: true)
    #expect(await failure { try await channel.unary(Self.script + "Echo", [], patient) }?.code == .deadlineExceeded)
    await channel.close()
    #expect(await failure { try await channel.unary(Self.script + "Echo", [], soon) }?.code == .unavailable)
    group.shutdown()
  }

  @Test("a channel finds a server that came late, by name and through several addresses")
  func lateServer() async throws {
    let address = Fixture.temporarySocket()
    guard case .unix(let path) = address else { return }
    let group = try EventLoopGroup.start(count: 1)
    var configuration = RPCChannelConfiguration()
    configuration.backoff.initial = .milliseconds(5)
    let channel = RPCChannel(
      group: group, target: RPCTarget([.tcp(host: "localhost", port: 1), .unix(path: path)]),
      configuration: configuration)
    let options = CallOptions(deadline: .after(.seconds(60)), waitForReady: true)
    let early = Task { try await channel.unary(Self.script + "Echo", [1], options).message }
    #expect(await failure { try await channel.unary(Self.script + "Echo", [], soon) }?.code == .unavailable)
    try await Fixture.run(address: address) { _ in
      let value1 = try await early.value
      #expect(value1 == [1])
    }
    await channel.close()
    group.shutdown()
  }

  @Test("after a restart of the server, calls go on over a new connection")
  func restart() async throws {
    let address = Fixture.temporarySocket()
    let group = try EventLoopGroup.start(count: 1)
    var configuration = RPCChannelConfiguration()
    configuration.backoff.initial = .milliseconds(5)
    let channel = RPCChannel(group: group, target: RPCTarget(address), configuration: configuration)
    let options = CallOptions(deadline: .after(.seconds(60)), waitForReady: true)
    for round in 0..<3 {
      try await Fixture.run(address: address) { _ in
        let answer = try await channel.unary(Self.script + "Echo", [UInt8(round)], options)
        #expect(answer.message == [UInt8(round)])
      }
    }
    await channel.close()
    group.shutdown()
  }

  @Test("a drain lets running calls end and refuses none that came in time", .timeLimit(.minutes(1)))
  func drain() async throws {
    let fixture = try await Fixture()
    let (turns, nextTurn) = AsyncStream<Int>.makeStream()
    let chat = try await fixture.channel.bidirectional(Self.script + "Chat", soon) { requests in
      for await _ in turns { try await requests.send([9]) }
    }
    var answers = chat.makeAsyncIterator()
    nextTurn.yield(1)
    let value2 = try await answers.next()
    #expect(value2 == [9])
    let drained = Task { await fixture.server.drain(within: .seconds(60)) }
    // While the notice is under way calls either still get in or find no server; none hangs or is lost.
    var refused = false
    while !refused {
      let error = await failure { try await fixture.channel.unary(Self.script + "Echo", [1], soon) }
      refused = error != nil
      if let error { #expect(error.code == .unavailable) }
    }
    nextTurn.yield(2)
    let value3 = try await answers.next()
    #expect(value3 == [9])
    nextTurn.finish()
    let value4 = try await answers.next()
    #expect(value4 == nil)
    await drained.value
    await fixture.close()
  }

  @Test("a drain whose time is over cancels what still runs", .timeLimit(.minutes(1)))
  func drainEnds() async throws {
    let fixture = try await Fixture()
    let call = Task { await failure { try await fixture.channel.unary(Self.script + "Wait", [], soon) } }
    await fixture.script.began.wait()
    await fixture.server.drain(within: .milliseconds(20))
    #expect(await call.value?.code == .unavailable)
    await fixture.script.cancelled.wait()
    await fixture.close()
  }

  @Test("connections over the limit wait until another one closes")
  func connectionLimit() async throws {
    try await Fixture.run(limits: .with { $0.connectionsMax = 1 }) { fixture in
      _ = try await fixture.channel.unary(Self.script + "Echo", [], soon)
      let second = RPCChannel(group: fixture.group, target: fixture.channel.target)
      let waiting = await failure {
        try await second.unary(Self.script + "Echo", [], .timeout(.milliseconds(50)))
      }
      #expect(waiting?.code == .deadlineExceeded)
      await fixture.channel.close()
      let answer = try await second.unary(Self.script + "Echo", [2], soon)
      #expect(answer.message == [2])
      await second.close()
    }
  }

  @Test(
    "targets are read and written alike",
    arguments: ["127.0.0.1:80", "tickets:5001", "[::1]:443", "unix:/run/x.sock", "a:1,unix:/b,c:2"])
  func targets(text: String) { #expect(RPCTarget(parsing: text)?.description == text) }

  @Test("texts that are no target are refused", arguments: ["", "host", "host:", ":80", "::1:80", "a:1,", "unix:"])
  func badTargets(text: String) { #expect(RPCTarget(parsing: text) == nil) }

  @Test("delays between connects grow to a ceiling and vary within their jitter")
  func backoff() {
    var backoff = ConnectBackoff()
    backoff.initial = .seconds(1)
    backoff.max = .seconds(120)
    #expect(backoff.delay(failures: 1, random: 0) == .seconds(1))
    #expect(backoff.delay(failures: 2, random: 0) == .milliseconds(1600))
    #expect(backoff.delay(failures: 1000, random: 0) == .seconds(120))
    #expect(backoff.delay(failures: 1, random: -1) == .milliseconds(800))
    #expect(backoff.delay(failures: 1, random: 1) == .milliseconds(1200))
  }
}
