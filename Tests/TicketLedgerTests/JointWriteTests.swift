import HandoffTestKit
import Postgres
import ServiceKit
import Testing

@testable import TicketLedger

@Suite("Many tickets in one transaction") struct JointWriteTests {
  @Test("many tickets are written in one transaction and one round trip, and lost races are told one by one")
  func preparedWrites() async throws {
    let fixture = try await Fixture.make()
    let tickets = [try await fixture.ticket("a"), try await fixture.ticket("b"), try await fixture.ticket("c")]
    _ = try await fixture.comment(tickets[1])
    var prepared: [PreparedWrite] = []
    for ticket in tickets {
      var assign = EventDraft(.assigned, by: .system)
      assign.set.state = .processing
      assign.set.agentID = Fixture.lee
      prepared.append(try await fixture.ledger.prepare(TicketChange(assign), on: ticket, deadline: fixture.deadline))
    }
    let answers = try await fixture.pool.transactionBatch(prepared.map(\.statement), deadline: fixture.deadline)
    let written = zip(prepared, answers).map { $0.written($1) }
    #expect(written.map { $0?.ticket.agentID } == [Fixture.lee, nil, Fixture.lee])
    #expect(try await fixture.count("ticket_event") == 6)
  }

  @Test("assignments of many tickets are written by one statement: each as if alone, or none when one was changed")
  func jointWrites() async throws {
    let fixture = try await Fixture.make()
    var tickets: [TicketRecord] = []
    for title in ["a", "b", "c", "d"] { tickets.append(try await fixture.ticket(title)) }
    let outbox = Outbox(topic: .triggers, pool: fixture.pool, holder: "tests")
    let items = try await outbox.claim(deadline: fixture.deadline)
    func execute(_ query: Query) async throws { _ = try await fixture.pool.query(query, deadline: fixture.deadline) }
    func write(_ renamed: Bool) async throws -> [Query] {
      var prepared: [PreparedWrite] = []
      for (index, ticket) in tickets.enumerated() {
        var fired = EventDraft(.triggerFired, by: .system)
        fired.outbox = index == 1 ? [OutboxDraft(.mail, payload: [7])] : []
        var assign = EventDraft(.assigned, by: .system, cause: .eventOfThisChange(0))
        assign.set.state = .processing
        assign.set.agentID = index == 2 ? Fixture.lee : Fixture.kim
        assign.set.groupID = GroupID(1)
        // A title is no part of an assignment: written by a statement of its own.
        if renamed, index == 3 { assign.set.title = "New" }
        var change = TicketChange([fired, assign])
        change.ends = items.first { $0.ticketID == ticket.id }
        prepared.append(
          try await fixture.ledger.prepare(change, on: ticket, onLostRace: .failure, deadline: fixture.deadline))
      }
      return PreparedWrite.statements(of: prepared)
    }
    let statements = try await write(false)
    #expect(statements.count == 1)
    #expect(try await write(true).count == 2)
    // Somebody else has taken over the last ticket's work.
    try await execute("UPDATE outbox SET lease_holder = 'another' WHERE id = \(items[3].id)")
    let lost = await #expect(throws: PostgresError.self) {
      try await fixture.pool.transactionBatch(statements, deadline: fixture.deadline)
    }
    #expect(lost?.isLostRace == true)
    #expect(try await fixture.count("ticket_event") == 4)
    try await execute("UPDATE outbox SET lease_holder = \(items[3].leaseHolder) WHERE id = \(items[3].id)")
    _ = try await fixture.pool.transactionBatch(statements, deadline: fixture.deadline)
    for (index, ticket) in tickets.enumerated() {
      let read = try await fixture.ledger.ticket(ticket.id, of: fixture.care.id, deadline: fixture.deadline)
      #expect(read.agentID == (index == 2 ? Fixture.lee : Fixture.kim) && read.groupID == GroupID(1))
      #expect(read.version == 2 && read.eventCount == 3)
      let history = try await fixture.ledger.verify(ticket.id, of: fixture.care.id, deadline: fixture.deadline)
      #expect(history.isIntact)
    }
    for (table, count) in [("ticket_event", 12), ("ticket_change", 8), ("ticket_count_change", 12), ("outbox", 1)] {
      #expect(try await fixture.count(table) == count, "\(table)")
    }
  }
}
