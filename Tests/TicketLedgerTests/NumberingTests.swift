import HandoffTestKit
import Postgres
import Testing
import TicketLedger

/// Ids of tickets are the order of lists.
@Suite struct NumberingTests {
  @Test("a later ticket has the greater id, whichever of several daemons creates it, and however")
  func orderOfSeveralDaemons() async throws {
    let first = try await Fixture.make()
    let second = try await Fixture(first.database)
    var ids: [TicketID] = []
    for round in 1...3 {
      ids.append(try await first.ticket("first \(round)").id)
      ids.append(try await second.ticket("second \(round)").id)
      ids.append(try await first.ledger.newTicketID(deadline: first.deadline))
      let claim = try second.claim("request-\(round)")
      let draft = second.draft(claim: claim)
      ids.append(try await second.ledger.create(draft, deadline: second.deadline).ticket.id)
      // A repeated request takes nothing away from the first one.
      #expect(try await first.ledger.create(draft, deadline: first.deadline).ticket.id == ids.last)
    }
    #expect(ids.map(\.rawValue) == ids.map(\.rawValue).sorted() && Set(ids).count == 12, "\(ids)")
    #expect(ids[0] == TicketID(1000), "a new installation begins with 1000")
  }

  @Test("an upgrade leaves the daemons of the version before room for the blocks of ids that they still take")
  func upgrade() async throws {
    let all = Migration.embedded
    let before = Array(all.prefix { $0.name != "number_tickets_in_order" })
    #expect(before.count < all.count)
    let database = try await TestDatabase.migrated(with: before)
    func next(_ sequence: String) async throws -> Int64 {
      let rows = try await database.pool.query(
        "SELECT nextval(\(sequence)::regclass)", deadline: TestDatabase.deadline)
      return try rows[0].int64(0)
    }
    var lastBlock: Int64 = 0
    for _ in 1...3 { lastBlock = try await next("ticket_id_seq") }
    _ = try await Migrator(migrations: all).migrate(database.configuration)
    let first = try await next("ticket_next_id_seq")
    #expect(first == lastBlock + 64 * 1024)
    #expect(try await next("ticket_next_id_seq") == first + 1)
    #expect(try await next("ticket_id_seq") == lastBlock + 64, "the daemons of the version before go on")
  }
}
