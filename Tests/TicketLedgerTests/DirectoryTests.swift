import EventLoop
import HandoffTestKit
import Postgres
import ServiceKit
import Synchronization
import Testing

@testable import TicketLedger

/// A number that many tasks count up.
private final class Counter: Sendable {
  let count = Mutex(0)
}

@Suite struct DirectoryTests {
  @Test("a right that was taken away is gone within a second, and believed until then")
  func revokedRight() async throws {
    let fixture = try await Fixture.make()
    let clock = ManualClock()
    let directory = Directory(pool: fixture.pool, clock: { clock.now })
    func member() async throws -> MemberRecord? {
      try await directory.member(Fixture.kim, of: fixture.care, deadline: fixture.deadline)
    }
    #expect(try await member()?.hasTicketRight == true)
    _ = try await fixture.pool.query(
      "UPDATE service_member SET has_ticket_right = false WHERE agent_id = 1", deadline: fixture.deadline)
    clock.advance(by: .milliseconds(499))
    #expect(try await member()?.hasTicketRight == true)
    clock.advance(by: .milliseconds(1))
    #expect(try await member()?.hasTicketRight == false)
    #expect(Directory.lifetime <= .seconds(1))
  }

  @Test("who is no member of a service does not learn that it exists")
  func strangers() async throws {
    let fixture = try await Fixture.make()
    for (agent, code) in [
      (Fixture.stranger, "care"), (Fixture.kim, "repair"), (Fixture.kim, "nowhere"), (AgentID(99), "care"),
    ] {
      let error = await #expect(throws: ServiceError.self) {
        try await fixture.ledger.access(.agent(agent), serviceCode: code, deadline: fixture.deadline)
      }
      #expect(error?.reason == .serviceNotFound)
    }
    _ = try await fixture.pool.query("UPDATE agent SET is_active = false WHERE id = 2", deadline: fixture.deadline)
    await #expect(throws: ServiceError.self) { try await fixture.access(Fixture.lee) }
    let daemon = try await fixture.ledger.access(.service("mail"), serviceCode: "care", deadline: fixture.deadline)
    #expect(daemon.member == nil && daemon.ledgerActor == .service("mail"))
  }

  @Test("rights are what the membership says; administrators may forward and complete")
  func rights() async throws {
    let fixture = try await Fixture.make()
    let kim = try await fixture.access(Fixture.kim)
    let lee = try await fixture.access(Fixture.lee)
    let boss = try await fixture.access(Fixture.boss)
    let mail = try await fixture.ledger.access(.service("mail"), serviceCode: "care", deadline: fixture.deadline)
    #expect([kim, lee, boss, mail].map(\.lifecycleRole) == [.agent, .forwarder, .administrator, .system])
    func granted(_ right: Access.Right) -> [Bool] {
      [kim, lee, boss, mail].map { access in (try? access.require(right)) != nil }
    }
    #expect(granted(.ticket) == [true, true, true, true])
    #expect(granted(.forward) == [false, true, true, false])
    #expect(granted(.unmask) == [true, true, true, false])
    #expect(granted(.administrator) == [false, false, true, false])
    #expect(kim.member?.groups == [GroupID(1)] && lee.member?.groups == [GroupID(1), GroupID(2)])
  }

  @Test("the same question asked by many at once is asked once")
  func singleFlight() async throws {
    let clock = ManualClock()
    let cache = ExpiringCache<Int, Int>(lifetime: .seconds(1), entriesMax: 10, clock: { clock.now })
    let loads = Counter()
    let (gate, opener) = AsyncStream.makeStream(of: Void.self)
    let values = try await withThrowingTaskGroup(of: Int.self) { group in
      for _ in 0..<10 {
        group.addTask {
          try await cache.value(1) {
            loads.count.withLock { $0 += 1 }
            for await _ in gate {}
            return 42
          }
        }
      }
      opener.finish()
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(values == [Int](repeating: 42, count: 10))
    #expect(loads.count.withLock { $0 } == 1)
  }

  @Test("what is forgotten while it is loaded is loaded anew for whoever asks afterwards, and then not kept")
  func forgottenLoad() async throws {
    let clock = ManualClock()
    let cache = ExpiringCache<Int, String>(lifetime: .seconds(1), entriesMax: 10, clock: { clock.now })
    let (began, begin) = AsyncStream.makeStream(of: Void.self)
    let (gate, opener) = AsyncStream.makeStream(of: Void.self)
    let early = Task {
      try await cache.value(1) {
        begin.finish()
        for await _ in gate {}
        return "before"
      }
    }
    for await _ in began {}
    // What is loaded has changed.
    cache.forget(1)
    #expect(try await cache.value(1) { "after" } == "after")
    opener.finish()
    #expect(try await early.value == "before")
    #expect(try await cache.value(1) { "again" } == "after")
  }

  @Test("when a load fails, its caller is told and the next one tries again")
  func failedLoad() async throws {
    let clock = ManualClock()
    let cache = ExpiringCache<Int, Int>(lifetime: .seconds(1), entriesMax: 2, clock: { clock.now })
    await #expect(throws: Fixture.Failure.self) { try await cache.value(1) { throw Fixture.Failure() } }
    #expect(try await cache.value(1) { 7 } == 7)
    // More keys than fit: old ones go, the answers stay right.
    for key in 2..<20 { #expect(try await cache.value(key) { key } == key) }
    clock.advance(by: .seconds(1))
    #expect(try await cache.value(19) { 20 } == 20)
  }
}
