import EventLoop
import Glibc
import HTTP2
import Testing

@testable import RPC

@Suite("What a server allows its clients", .timeLimit(.minutes(2)))
struct ServerLimitTests {
  static let call = request("POST", Fixture.service + "Echo", "application/grpc")
  static let wait = request("POST", Fixture.service + "Wait", "application/grpc")
  static let empty: [UInt8] = [0, 0, 0, 0, 0]

  @Test("a client that pings too often is told so and left; answers clear its strikes")
  func pings() async throws {
    try await Fixture.run { fixture in
      let client = try RawClient(fixture.server.boundAddresses[0])
      // The first is free, two are forgiven; then an answer clears all.
      for _ in 0..<5 {
        for payload in 0..<3 as Range<UInt64> {
          try client.session.ping(payload)
          try client.turn()
        }
        #expect(try client.exchange(Self.call, body: Self.empty).value("grpc-status") == "0")
      }
      for payload in 0..<4 as Range<UInt64> { try client.session.ping(payload) }
      try client.waitForEnd()
      #expect(client.goawayCode == .enhanceYourCalm)
      #expect(client.goawayText == "too_many_pings")
    }
  }

  @Test("a quiet client is pinged, and kept while it answers")
  func keepalive() async throws {
    let limits = RPCServerLimits.with {
      $0.keepaliveTime = .milliseconds(5)
      $0.keepaliveTimeout = .seconds(60)
    }
    try await Fixture.run(limits: limits) { fixture in
      let client = try RawClient(fixture.server.boundAddresses[0])
      while client.pings < 3 { try client.turn() }
      #expect(try client.exchange(Self.call, body: Self.empty).value("grpc-status") == "0")
    }
  }

  @Test("a quiet client that does not answer is left")
  func silence() async throws {
    let limits = RPCServerLimits.with {
      $0.keepaliveTime = .milliseconds(5)
      $0.keepaliveTimeout = .milliseconds(20)
    }
    try await Fixture.run(limits: limits) { fixture in
      let client = try RawClient(fixture.server.boundAddresses[0])
      let stream = try client.open(Self.wait, body: Self.empty, endStream: true)
      try client.turn()
      // Reads nothing, so it answers no PING; its handler is cancelled when the server gives it up.
      await fixture.script.cancelled.wait()
      withExtendedLifetime((client, stream)) {}
    }
  }

  @Test("a connection that is too old is drained, and cut off when its calls go on for too long; both are told why")
  func age() async throws {
    let limits = RPCServerLimits.with {
      $0.connectionAgeMax = .milliseconds(20)
      $0.connectionAgeGrace = .milliseconds(20)
      $0.keepaliveTimeout = .milliseconds(20)
    }
    try await Fixture.run(limits: limits) { fixture in
      try Self.expectFarewell("max_age", of: fixture)
      // A client may be cut off before its call has come.
      var reasons: Set<String> = []
      while !fixture.script.cancelled.isRaised {
        let busy = try RawClient(fixture.server.boundAddresses[0])
        _ = try busy.open(Self.wait, body: Self.empty, endStream: true)
        try busy.waitForEnd()
        reasons.insert(busy.goawayText)
      }
      #expect(reasons.contains("max_age"))
    }
  }

  @Test("a connection without calls is drained in time, and told why")
  func idle() async throws {
    let limits = RPCServerLimits.with {
      $0.idleTimeout = .milliseconds(20)
      $0.keepaliveTimeout = .milliseconds(20)
    }
    try await Fixture.run(limits: limits) { fixture in
      try Self.expectFarewell("max_idle", of: fixture)
    }
  }

  /// Connects until the server takes leave with GOAWAY: one that has not greeted in time is closed without. The client
  /// does not answer the PING in between.
  private static func expectFarewell(_ reason: String, of fixture: Fixture) throws {
    while true {
      let client = try RawClient(fixture.server.boundAddresses[0])
      try client.waitForEnd()
      guard let code = client.goawayCode else { continue }
      #expect(code == .noError)
      let frame = [0, 0, UInt8(8 + reason.utf8.count), 7] + [UInt8](repeating: 0, count: 13) + Array(reason.utf8)
      #expect(client.lastRead.suffix(frame.count) == frame[...])
      return
    }
  }

  @Test("an answer for which the client opens no window is given up in time, and only that")
  func stall() async throws {
    try await Fixture.run(limits: .with { $0.stallTimeout = .milliseconds(20) }) { fixture in
      let client = try RawClient(fixture.server.boundAddresses[0])
      client.consumes = false
      let flood = request("POST", Fixture.service + "Flood", "application/grpc")
      #expect(try client.exchange(flood, body: Self.empty).resetCode == .cancel)
      client.consumes = true
      #expect(try client.exchange(Self.call, body: Self.empty).value("grpc-status") == "0")
      await fixture.script.cancelled.wait()
    }
  }

  @Test("over the limits of running handlers and of held bytes, calls fail with RESOURCE_EXHAUSTED")
  func overload() async throws {
    for change in [
      { (limits: inout RPCServerLimits) in limits.handlersPerLoopMax = 2 }, { $0.handlersPerConnectionMax = 2 },
    ] {
      try await Fixture.run(limits: .with(change)) { fixture in
        let client = try RawClient(fixture.server.boundAddresses[0])
        for _ in 0..<2 { _ = try client.open(Self.wait, body: Self.empty, endStream: true) }
        // The two are running once the third is refused.
        var status = "0"
        while status == "0" {
          status = try client.exchange(Self.call, body: Self.empty).value("grpc-status") ?? "none"
        }
        #expect(status == "8")
        let plain = try client.exchange(request("GET", "/"))
        #expect(plain.value(":status") == "503")
      }
    }
    try await Fixture.run(limits: .with { $0.heldBytesPerLoopMax = 1000 }) { fixture in
      let client = try RawClient(fixture.server.boundAddresses[0])
      let large: [UInt8] = [0, 0, 1, 0, 0] + [UInt8](repeating: 1, count: 2000)
      let held = try client.open(Self.call, body: large, endStream: false)
      var status = "0"
      while status == "0" {
        status = try client.exchange(Self.call, body: Self.empty).value("grpc-status") ?? "none"
      }
      #expect(status == "8")
      try client.session.reset(held, .cancel)
      while status == "8" {
        status = try client.exchange(Self.call, body: Self.empty).value("grpc-status") ?? "none"
      }
      #expect(status == "0")
    }
  }

  @Test("more large requests at once than may be held come one after the other, and all are answered")
  func largeRequests() async throws {
    let limits = RPCServerLimits.with { $0.inboundBytesPerConnectionMax = 300_000 }
    try await Fixture.run(limits: limits) { fixture in
      // As many as there may be streams, each a little larger than its window: none may use up the connection's.
      for (count, bytes) in [(20, 1_000_000), (200, 300_000)] {
        let body = [UInt8](repeating: 9, count: bytes)
        let answers = try await withThrowingTaskGroup(of: Bool.self) { group in
          for _ in 0..<count {
            group.addTask { try await fixture.channel.unary(Fixture.service + "Echo", body, soon).message == body }
          }
          return try await group.reduce(into: [Bool]()) { $0.append($1) }
        }
        #expect(answers == [Bool](repeating: true, count: count))
      }
    }
  }

  @Test("a large request that stays incomplete holds up other large ones only, and those until it is over")
  func largeStalls() async throws {
    let limits = RPCServerLimits.with { $0.inboundBytesPerConnectionMax = 100_000 }
    try await Fixture.run(limits: limits) { fixture in
      let client = try RawClient(fixture.server.boundAddresses[0])
      let large: [UInt8] = [0, 0, 0x0f, 0x42, 0x40] + [UInt8](repeating: 1, count: 1_000_000)
      let stalled = try client.open(Self.call, body: Array(large.prefix(200_000)), endStream: false)
      let waiting = try client.open(Self.call, body: large, endStream: true)
      // What a stream may send from the beginning has gone, and nothing more is asked for.
      while waiting.outboundBytes > large.count - (256 << 10) { try client.turn() }
      for _ in 0..<5 { #expect(try client.exchange(Self.call, body: Self.empty).value("grpc-status") == "0") }
      #expect(waiting.outboundBytes == large.count - (256 << 10))
      try client.session.reset(stalled, .cancel)
      while client.bodyBytes(waiting) < large.count { try client.turn() }
    }
  }

  @Test("a request for several hosts is refused")
  func hosts() async throws {
    try await Fixture.run { fixture in
      let client = try RawClient(fixture.server.boundAddresses[0])
      let twice = try client.exchange(Self.call + [("host", "a.example"), ("host", "b.example")], body: Self.empty)
      #expect(twice.resetCode == .protocolError)
      let once = try client.exchange(Self.call + [("host", "a.example")], body: Self.empty)
      #expect(once.value("grpc-status") == "0")
    }
  }
}
