import EventLoop
import RPCProtos
import Synchronization
import Testing

@testable import RPC

@Suite("A round-robin channel", .timeLimit(.minutes(2)))
struct BalancingTests {
  /// Servers that answer with their number.
  final class Backends: Sendable {
    let group: EventLoopGroup
    let servers: [RPCServer]
    let healths: [HealthService]
    let calls = Tally()

    init(_ count: Int, health: Bool = true) async throws {
      group = try EventLoopGroup.start(count: 1)
      var servers: [RPCServer] = []
      var healths: [HealthService] = []
      for index in 0..<count {
        let service = RPCService(
          name: "test.v1.Who",
          methods: [
            .raw("Am") { [calls] _, _ in
              calls.add("\(index)")
              return [UInt8(index)]
            }
          ])
        let watch = HealthService()
        watch.set("", .serving)
        let server = RPCServer(
          group: group, configuration: RPCServerConfiguration(listen: [.ipv4(0x7F00_0001, port: 0)]),
          services: health ? [service, watch.rpcService] : [service])
        try await server.start()
        servers.append(server)
        healths.append(watch)
      }
      self.servers = servers
      self.healths = healths
    }

    var addresses: [SocketAddress] { servers.map { $0.boundAddresses[0] } }

    func channel(_ change: (inout RPCChannelConfiguration) -> Void = { _ in }, name: String? = nil) -> RPCChannel {
      var configuration = RPCChannelConfiguration()
      configuration.balancing = .roundRobin
      configuration.backoff.initial = .milliseconds(5)
      configuration.resolveIntervalMin = .milliseconds(1)
      change(&configuration)
      let target =
        if let name { RPCTarget.tcp(name, 1) } else { RPCTarget(addresses.flatMap { RPCTarget($0).endpoints }) }
      return RPCChannel(group: group, target: target, configuration: configuration)
    }

    func close(_ channel: RPCChannel) async {
      await channel.close()
      for server in servers { await server.drain(within: .zero) }
      group.shutdown()
    }
  }

  static func ask(_ channel: RPCChannel, waits: Bool = false) async throws -> Int {
    let options = CallOptions(deadline: .after(.seconds(60)), waitForReady: waits)
    return try await Int(channel.unary("/test.v1.Who/Am", [], options).message[0])
  }

  /// Calls until one of the servers in `wanted` and no other has answered `times` in a row.
  static func settle(_ channel: RPCChannel, on wanted: Set<Int>, times: Int = 40) async throws {
    var seen: Set<Int> = []
    var run = 0
    while run < times || seen != wanted {
      let who = try await ask(channel, waits: true)
      if wanted.contains(who) {
        run += 1
        seen.insert(who)
      } else {
        run = 0
        seen = []
      }
    }
  }

  @Test("gives each of the servers the same share of calls")
  func shares() async throws {
    let backends = try await Backends(3)
    let channel = backends.channel()
    try await Self.settle(channel, on: [0, 1, 2])
    let before = (0..<3).map { backends.calls["\($0)"] }
    for _ in 0..<300 { _ = try await Self.ask(channel) }
    #expect((0..<3).map { backends.calls["\($0)"] - before[$0] } == [100, 100, 100])
    await backends.close(channel)
  }

  @Test("a server that stops loses no call: the others get its share")
  func drain() async throws {
    let backends = try await Backends(3)
    let channel = backends.channel { $0.healthService = "" }
    try await Self.settle(channel, on: [0, 1, 2])
    let stop = Task {
      backends.healths[1].shutDown()
      await backends.servers[1].drain(within: .seconds(60))
    }
    for _ in 0..<200 { _ = try await Self.ask(channel) }
    await stop.value
    try await Self.settle(channel, on: [0, 2])
    await backends.close(channel)
  }

  @Test("a server that says it does not serve gets no call until it says it does")
  func health() async throws {
    let backends = try await Backends(2)
    let channel = backends.channel { $0.healthService = "" }
    try await Self.settle(channel, on: [0, 1])
    backends.healths[0].set("", .notServing)
    try await Self.settle(channel, on: [1])
    backends.healths[0].set("", .serving)
    try await Self.settle(channel, on: [0, 1])
    for health in backends.healths { health.set("", .notServing) }
    var error: RPCError?
    while error == nil { error = await failure { try await Self.ask(channel) } }
    #expect(error?.code == .unavailable)
    #expect(error?.message.contains("NOT_SERVING") == true)
    await backends.close(channel)
  }

  @Test("a server without a health service counts as serving")
  func noHealth() async throws {
    let backends = try await Backends(2, health: false)
    let channel = backends.channel { $0.healthService = "" }
    try await Self.settle(channel, on: [0, 1])
    await backends.close(channel)
  }

  @Test("a name stands for all of its addresses, and for those it gets and loses later")
  func names() async throws {
    let backends = try await Backends(3)
    let known = Shelf(Array(backends.addresses[..<2]))
    let channel = backends.channel(
      {
        $0.lookUp = { _, _ in known.value }
        $0.resolveInterval = .milliseconds(5)
      }, name: "who.example")
    try await Self.settle(channel, on: [0, 1])
    known.value = backends.addresses
    try await Self.settle(channel, on: [0, 1, 2])
    known.value = [backends.addresses[2]]
    try await Self.settle(channel, on: [2])
    await backends.close(channel)
  }

  @Test("a name that nobody knows fails calls, save those that wait until it is known")
  func unknownName() async throws {
    let backends = try await Backends(1)
    let known = Shelf<[SocketAddress]>([])
    let channel = backends.channel(
      {
        $0.lookUp = { _, _ in
          if known.value.isEmpty { throw SocketError(operation: "getaddrinfo", code: -2) }
          return known.value
        }
      }, name: "who.example")
    let error = await failure { try await Self.ask(channel) }
    #expect(error?.code == .unavailable)
    #expect(error?.message.contains("who.example:1") == true)
    let patient = Task { try await Self.ask(channel, waits: true) }
    known.value = backends.addresses
    let who = try await patient.value
    #expect(who == 0)
    await backends.close(channel)
  }

  @Test("connects to no more addresses than its limit")
  func limit() async throws {
    let backends = try await Backends(4)
    let channel = backends.channel { $0.limits.addressesMax = 2 }
    for _ in 0..<100 { _ = try await Self.ask(channel, waits: true) }
    #expect((0..<4).filter { backends.calls["\($0)"] > 0 }.count <= 2)
    await backends.close(channel)
  }

  @Test("a server that nobody answers at is passed by; when all are gone, calls fail")
  func missing() async throws {
    let backends = try await Backends(2)
    let channel = backends.channel()
    await backends.servers[0].drain(within: .zero)
    try await Self.settle(channel, on: [1])
    await backends.servers[1].drain(within: .zero)
    var error: RPCError?
    while error == nil { error = await failure { try await Self.ask(channel) } }
    #expect(error?.code == .unavailable)
    await backends.close(channel)
  }
}

/// A value that a test changes while others read it.
final class Shelf<Value: Sendable>: Sendable {
  private let held: Mutex<Value>

  init(_ value: Value) { held = Mutex(value) }

  var value: Value {
    get { held.withLock { $0 } }
    set { held.withLock { $0 = newValue } }
  }
}
