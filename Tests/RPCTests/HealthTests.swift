import EventLoop
import RPCProtos
import Testing

@testable import RPC

@Suite("The health service")
struct HealthTests {
  private static func run(_ body: (HealthService, HealthClient) async throws -> Void) async throws {
    let group = try EventLoopGroup.start(count: 1)
    defer { group.shutdown() }
    let health = HealthService()
    try await body(health, HealthClient(InProcessTransport(group: group, services: [health.rpcService])))
  }

  @Test("tells the status of services it knows, and NOT_FOUND of others")
  func check() async throws {
    try await Self.run { health, client in
      health.set("", .serving)
      health.set("a.B", .notServing)
      let value1 = try await client.check(HealthCheckRequest(), soon).status
      #expect(value1 == .serving)
      let value2 = try await client.check(HealthCheckRequest(service: "a.B"), soon).status
      #expect(value2 == .notServing)
      let error = await failure { try await client.check(HealthCheckRequest(service: "a.C"), soon) }
      #expect(error?.code == .notFound)
      let value3 = try await client.list(HealthListRequest(), soon).statuses.map(\.key)
      #expect(value3 == ["", "a.B"])
      for number in 0..<99 { health.set("s\(number)", .serving) }
      #expect(await failure { try await client.list(HealthListRequest(), soon) }?.code == .resourceExhausted)
    }
  }

  @Test("a request that cannot be read as the message it should be is INTERNAL")
  func unreadableRequest() async throws {
    let group = try EventLoopGroup.start(count: 1)
    defer { group.shutdown() }
    let transport = InProcessTransport(group: group, services: [HealthService().rpcService])
    let error = await failure { try await transport.unary("/grpc.health.v1.Health/Check", [0xff], soon) }
    #expect(error?.code == .internal)
  }

  @Test("tells a watcher at once, after each change, and of the shutdown, for good", .timeLimit(.minutes(1)))
  func watch() async throws {
    try await Self.run { health, client in
      let stream = try await client.watch(HealthCheckRequest(service: "a.B"), soon)
      var statuses = stream.makeAsyncIterator()
      let value4 = try await statuses.next()?.status
      #expect(value4 == .serviceUnknown)
      health.set("a.B", .serving)
      let value5 = try await statuses.next()?.status
      #expect(value5 == .serving)
      health.set("a.B", .serving)
      health.set("other", .serving)
      health.shutDown()
      let value6 = try await statuses.next()?.status
      #expect(value6 == .notServing)
      #expect(await failure { try await statuses.next() }?.code == .unavailable)
      health.set("a.B", .serving)
      let value7 = try await client.check(HealthCheckRequest(service: "a.B"), soon).status
      #expect(value7 == .notServing)
    }
  }
}
