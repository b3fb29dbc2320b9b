import HandoffAPI
import HandoffTestKit
import ServiceKit
import Testing
import TicketLedger

@testable import Tickets

@Suite("Tokens and keys of Dooray! under a new key", .timeLimit(.minutes(10)))
struct DooraySealTests {
  private func told(_ metrics: Metrics) -> String? {
    metrics.exposition().split(separator: "\n").first { $0.hasPrefix("handoff_tickets_seals_of_old_keys ") }
      .map(String.init)
  }

  @Test("those that nobody uses are sealed anew, too, and what does not open is counted")
  func rotation() async throws {
    let world = try await DoorayWorld()
    try await world.fake.load(
      FakeDooray.World(members: [
        .init(id: "11", email: "tenant@example.com", token: "tenant-token"),
        .init(id: "12", email: "Kim@example.com", token: "kims-key"),
      ]))
    let organization = try await world.organization()
    try await world.setKey("kims-key", of: TicketWorld.kim, in: organization)
    let metrics = Metrics()
    let upkeep = DooraySealUpkeep(
      ledger: world.world.ledger, masking: world.maskingWay,
      log: Logger(service: "tests", level: .error, output: .standardError), metrics: metrics)
    let store = DoorayStore(pool: world.world.ledger.pool)
    let deadline = TestDatabase.deadline

    #expect(told(metrics) == nil, "nobody has counted yet")
    try world.addKey("0002")
    #expect(try await store.oldSeals(butOf: "0002", deadline: deadline).count == 2)
    try await upkeep.run(deadline: deadline)
    #expect(told(metrics) == "handoff_tickets_seals_of_old_keys 0")
    #expect(try await store.oldSeals(butOf: "0002", deadline: deadline).isEmpty)
    try world.removeKey("0001")
    #expect(try await world.verify(organization).works)

    try world.addKey("0003")
    try world.removeKey("0002")
    for _ in 0..<2 {
      try await upkeep.run(deadline: deadline)
      #expect(told(metrics) == "handoff_tickets_seals_of_old_keys 2")
    }
    // The newest key is lost, with which one of the two was sealed meanwhile.
    try await world.setKey("kims-key", of: TicketWorld.kim, in: organization)
    try await upkeep.run(deadline: deadline)
    #expect(told(metrics) == "handoff_tickets_seals_of_old_keys 1")
    try world.addKey("00025")
    try world.removeKey("0003")
    try await upkeep.run(deadline: deadline)
    #expect(told(metrics) == "handoff_tickets_seals_of_old_keys 2")
  }
}
