import Crypto
import EventLoop
import Glibc
import Synchronization
import Testing

@testable import RPC

/// Collects what a server says of peers that it cannot talk to.
final class Refusals: Sendable {
  private let reasons = Mutex<[String]>([])

  func add(_ reason: String) { reasons.withLock { $0.append(reason) } }

  var all: [String] { reasons.withLock { $0 } }

  /// The first reason, which is waited for; nil when none comes.
  func first(_ fixture: Fixture) async throws -> String? {
    let deadline = Deadline.after(.seconds(60))
    while all.isEmpty, !deadline.hasPassed { try await fixture.group.next().sleep(for: .milliseconds(5)) }
    return all.first
  }
}

@Suite("TLS between channels and servers", .timeLimit(.minutes(2)))
struct TLSTests {
  static let script = Fixture.service

  /// Serves with `server` and calls with `client`; the body gets what the server says of refused peers.
  static func run(
    server: TLSSource?, client: TLSSource?, name: String? = nil, limits: RPCServerLimits = RPCServerLimits(),
    _ body: (Fixture, Refusals) async throws -> Void
  ) async throws {
    let refusals = Refusals()
    try await Fixture.run(
      limits: limits,
      channel: .with {
        $0.tls = client.map { RPCChannelTLS($0, serverName: name) }
        $0.backoff.initial = .milliseconds(1)
      },
      server: {
        $0.tls = server
        $0.refusedPeer = { _, reason in refusals.add(reason) }
      },
      { fixture in try await body(fixture, refusals) })
  }

  @Test("calls of all four kinds and of any size pass, and the caller's names reach the handler")
  func calls() async throws {
    let authority = try TestAuthority()
    let own = try authority.identity(["tickets.test", "other.test"])
    try await Self.run(
      server: try authority.server(nil, .required), client: try authority.client(own)
    ) { fixture, refusals in
      let channel = fixture.channel
      let names = try await channel.unary(Self.script + "Names", [], soon).message
      #expect(names == Array("tickets.test other.test".utf8))
      for size in [0, 1, 16_383, 16_384, 16_385, 100_000, 3_000_000] {
        let body = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        let answer = try await channel.unary(Self.script + "Echo", body, soon)
        #expect(answer.message == body)
      }
      let body = [UInt8](repeating: 200, count: 20_000)
      var count = 0
      for try await answer in try await channel.serverStreaming(Self.script + "Repeat", body, soon) {
        #expect(answer == body)
        count += 1
      }
      #expect(count == 200)
      let joined = try await channel.clientStreaming(Self.script + "Join", soon) { requests in
        for _ in 0..<100 { try await requests.send(body) }
      }
      #expect(joined.message.count == 2_000_000)
      let chat = try await channel.bidirectional(Self.script + "Chat", soon) { requests in
        for _ in 0..<10 { try await requests.send([1]) }
      }
      var echoes = 0
      for try await _ in chat { echoes += 1 }
      #expect(echoes == 10)
      #expect(refusals.all == [])
    }
  }

  @Test("a server that asks for no certificate, or gets none, knows nobody")
  func anonymous() async throws {
    let authority = try TestAuthority()
    let own = try authority.identity(["tickets.test"])
    for (clients, identity) in [(TLSContext.ClientCertificates.ignored, own), (.accepted, nil)] {
      try await Self.run(
        server: try authority.server(nil, clients), client: try authority.client(identity)
      ) { fixture, _ in
        let answer = try await fixture.channel.unary(Self.script + "Names", [], soon)
        #expect(answer.message == Array("nobody".utf8))
      }
    }
  }

  @Test("a server is known by the name that is expected of it, wherever it listens")
  func expectedName() async throws {
    let authority = try TestAuthority()
    let identity = try authority.identity(["tickets.test"], addresses: [])
    let server = try authority.server(identity)
    try await Self.run(server: server, client: try authority.client(), name: "tickets.test") { fixture, _ in
      _ = try await fixture.channel.unary(Self.script + "Echo", [], soon)
    }
    try await Self.run(server: server, client: try authority.client(), name: "mail.test") { fixture, refusals in
      let error = await failure { try await fixture.channel.unary(Self.script + "Echo", [], soon) }
      #expect(error?.code == .unavailable)
      let words = "the server's certificate is for tickets.test, not for mail.test"
      #expect(error?.message.hasSuffix(words) == true, "\(error?.message ?? "")")
      let reason = try await refusals.first(fixture)
      #expect(reason == "the client does not accept this side's certificate")
    }
  }

  /// What both sides say when a handshake fails; nil for a side that sees an ordinary end.
  struct Refused: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let make: @Sendable (TestAuthority) throws -> (server: TLSSource?, client: TLSSource?)
    let clientSays: String
    let serverSays: String

    init(
      _ name: String, clientSays: String, serverSays: String,
      _ make: @escaping @Sendable (TestAuthority) throws -> (server: TLSSource?, client: TLSSource?)
    ) {
      testDescription = name
      self.make = make
      self.clientSays = clientSays
      self.serverSays = serverSays
    }
  }

  static let refused = [
    Refused(
      "a server of another authority", clientSays: "the server's certificate was not issued by an authority of the CA",
      serverSays: "the client does not know the authority that issued this side's certificate"
    ) { (try TestAuthority().server(), try $0.client()) },
    Refused(
      "a server whose certificate is for clients only", clientSays: "the server's certificate is not made for a server",
      serverSays: "the client does not accept this side's certificate"
    ) { (try $0.server(try $0.identity(usage: [.client])), try $0.client()) },
    Refused(
      "a server whose certificate is not valid yet", clientSays: "the server's certificate is not valid yet",
      serverSays: "the client does not accept this side's certificate"
    ) { (try $0.server(try $0.identity(days: (1, 2))), try $0.client()) },
    Refused(
      "a client without a certificate", clientSays: "the server demands a certificate, and this side has sent none",
      serverSays: "the client sent no certificate"
    ) { (try $0.server(nil, .required), try $0.client()) },
    Refused(
      "a client of another authority", clientSays: "the server does not know the authority that issued this side's",
      serverSays: "the client's certificate was not issued by an authority of the CA file"
    ) { (try $0.server(nil, .required), try $0.client(try TestAuthority().identity())) },
    Refused(
      "a client whose certificate is for servers only", clientSays: "the server does not accept this side's",
      serverSays: "the client's certificate is not made for a client"
    ) { (try $0.server(nil, .required), try $0.client(try $0.identity(usage: [.server]))) },
    Refused(
      "a client in plain text", clientSays: "the peer speaks TLS, and this side does not",
      serverSays: "the client spoke plain text to a port that has TLS"
    ) { (try $0.server(), nil) },
    Refused(
      "a server in plain text", clientSays: "the server does not speak TLS at this address",
      serverSays: "the peer speaks TLS, and this side does not"
    ) { (nil, try $0.client()) },
  ]

  @Test("a failed handshake is told in words on both sides", arguments: refused)
  func refusal(row: Refused) async throws {
    let (server, client) = try row.make(try TestAuthority())
    try await Self.run(server: server, client: client) { fixture, refusals in
      let error = await failure { try await fixture.channel.unary(Self.script + "Echo", [], soon) }
      #expect(error?.code == .unavailable)
      #expect(error?.message.contains(row.clientSays) == true, "\(error?.message ?? "no error")")
      let reason = try await refusals.first(fixture)
      #expect(reason?.hasPrefix(row.serverSays) == true, "\(reason ?? "nothing")")
    }
  }

  @Test("new connections use new certificates, and the calls under way go on")
  func reload() async throws {
    let old = try TestAuthority()
    let new = try TestAuthority()
    let server = try old.server()
    let both = TLSSource(try TLSContext(clientOf: old.pem + new.pem))
    try await Self.run(server: server, client: both) { fixture, _ in
      let (turns, nextTurn) = AsyncStream<Void>.makeStream()
      let chat = try await fixture.channel.bidirectional(Self.script + "Chat", soon) { requests in
        for await _ in turns { try await requests.send([1]) }
      }
      var answers = chat.makeAsyncIterator()
      nextTurn.yield()
      let answer1 = try await answers.next()
      #expect(answer1 == [1])

      server.current = try new.server().current
      nextTurn.yield()
      let answer2 = try await answers.next()
      #expect(answer2 == [1])
      for (authority, isKnown) in [(new, true), (old, false)] {
        let other = RPCChannel(
          group: fixture.group, target: fixture.channel.target,
          configuration: try .with { $0.tls = try authority.channel() })
        let error = await failure { try await other.unary(Self.script + "Echo", [], soon) }
        #expect((error == nil) == isKnown)
        await other.close()
      }
      nextTurn.yield()
      let answer3 = try await answers.next()
      #expect(answer3 == [1])
      nextTurn.finish()
      let answer4 = try await answers.next()
      #expect(answer4 == nil)
    }
  }

  @Test("a handshake that does not come to its end is cut off, and the others go on")
  func slowHandshake() async throws {
    let authority = try TestAuthority()
    let limits = RPCServerLimits.with { $0.handshakeTimeout = .seconds(1) }
    let (server, client) = (try authority.server(), try authority.client())
    try await Self.run(server: server, client: client, limits: limits) { fixture, refusals in
      let hello = try Self.clientHello(authority)
      for bytes in [[], Array(hello.prefix(hello.count / 2))] { try await Self.send(bytes, to: fixture) }
      #expect(Set(refusals.all) == ["the client did not begin to speak HTTP/2 in time"])
    }
  }

  @Test("what is no handshake is refused at once, also when it has no end")
  func hostileHandshake() async throws {
    let authority = try TestAuthority()
    try await Self.run(server: try authority.server(), client: try authority.client()) { fixture, refusals in
      let hello = try Self.clientHello(authority)
      var broken = hello
      broken[5] = 0xff
      // A record of handshake that promises a message of 16 MB.
      let giant = [22, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff] + [UInt8](repeating: 0, count: 0x4000 - 4)
      let garbage = [UInt8](repeating: 0x80, count: 500)
      for bytes in [garbage, broken, giant] { try await Self.send(bytes, to: fixture) }
      #expect(refusals.all.count == 3)
      #expect(refusals.all.contains("the client sent something that is not TLS"), "\(refusals.all)")
      let broke = refusals.all.filter { $0.hasPrefix("the client broke the rules of TLS") }
      #expect(broke.count == 2, "\(refusals.all)")
    }
  }

  @Test("a server that just ends the connection is told apart from one that takes leave", arguments: [true, false])
  func truncated(saysGoodbye: Bool) async throws {
    let authority = try TestAuthority()
    let server = try authority.server().current
    let peer = try TLSServerPeer()
    let pool = BlockingPool(name: "peer", threads: 1, queueMax: 1)
    let group = try EventLoopGroup.start(count: 1)
    defer {
      pool.shutdown()
      group.shutdown()
    }
    let channel = RPCChannel(
      group: group, target: RPCTarget(peer.address),
      configuration: try .with {
        $0.tls = try authority.channel()
        // The server's side begins when one of the few threads of all tests is free.
        $0.connectTimeout = .seconds(60)
      })
    async let served: Void = pool.run { try peer.serve(server, saysGoodbye: saysGoodbye) }
    let error = await failure { try await channel.unary(Self.script + "Echo", [], soon) }
    #expect(error?.code == .unavailable)
    let words = "the server ended the connection without TLS's close_notify"
    #expect(error?.message.contains(words) == !saysGoodbye, "\(error?.message ?? "no error")")
    try await served
    await channel.close()
  }

  @Test("a peer whose certificate has expired is refused, on either side")
  func expired() async throws {
    let authority = try TestAuthority()
    let old = try await Self.expired(authority)
    let rows: [(server: TLSSource, client: TLSSource, clientSays: String, serverSays: String)] = [
      (
        old.server, try authority.client(), "the server's certificate has expired (on 20",
        "the client says that this side's certificate has expired"
      ),
      (
        try authority.server(nil, .required), old.client, "the server says that this side's certificate has expired",
        "the client's certificate has expired (on 20"
      ),
    ]
    for row in rows {
      try await Self.run(server: row.server, client: row.client) { fixture, refusals in
        let error = await failure { try await fixture.channel.unary(Self.script + "Echo", [], soon) }
        #expect(error?.code == .unavailable)
        #expect(error?.message.contains(row.clientSays) == true, "\(error?.message ?? "no error")")
        let reason = try await refusals.first(fixture)
        #expect(reason?.hasPrefix(row.serverSays) == true, "\(reason ?? "nothing")")
      }
    }
  }

  /// Both sides with a certificate that was good when they were set up and has expired since.
  private static func expired(_ authority: TestAuthority) async throws -> (server: TLSSource, client: TLSSource) {
    for seconds in [2, 20] as [Int64] {
      let identity = try authority.identity(seconds: seconds)
      // On a busy machine the certificate may have expired before it is used.
      guard let server = try? authority.server(identity), let client = try? authority.client(identity),
        let end = server.current.expireTime
      else { continue }
      let loops = try EventLoopGroup.start(count: 1)
      defer { loops.shutdown() }
      while time(nil) <= end { try await loops.loops[0].sleep(for: .milliseconds(100)) }
      return (server, client)
    }
    throw TLSError("no certificate lived long enough to be used")
  }

  @Test("a connection that is cut off fails its calls")
  func cutOff() async throws {
    let authority = try TestAuthority()
    let server = try authority.server()
    let fixture = try await Fixture(
      channel: try .with { $0.tls = try authority.channel() }, server: { $0.tls = server })
    let call = Task { await failure { try await fixture.channel.unary(Self.script + "Wait", [], soon) } }
    await fixture.script.began.wait()
    await fixture.server.drain(within: .zero)
    #expect(await call.value?.code == .unavailable)
    await fixture.close()
  }

  /// The first bytes of a client.
  private static func clientHello(_ authority: TestAuthority) throws -> [UInt8] {
    let bytes = Mutex<[UInt8]>([])
    let session = try TLSSession(try authority.client().current, serverName: "localhost") { sent in
      bytes.withLock { $0 += sent }
    }
    session.start()
    return bytes.withLock { $0 }
  }

  /// Sends bytes on a connection of their own and waits until the server closes it, while calls of others are
  /// answered.
  private static func send(_ bytes: [UInt8], to fixture: Fixture) async throws {
    let address = fixture.server.boundAddresses[0]
    // The raw client blocks its thread.
    let pool = BlockingPool(name: "stranger", threads: 1, queueMax: 1)
    defer { pool.shutdown() }
    async let closed: Void = pool.run {
      let stranger = try RawClient(address)
      stranger.send(bytes)
      try stranger.waitForClose()
    }
    for _ in 0..<10 { _ = try await fixture.channel.unary(script + "Echo", [], soon) }
    try await closed
  }
}
