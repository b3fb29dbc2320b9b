import EventLoop
import HandoffTestKit
import Postgres
import ServiceKit
import Testing

@testable import TicketLedger

@Suite("Many tickets in one transaction") struct JointWriteTests {
  @Test("tickets that come at the same moment are created by few statements, each as if alone")
  func jointCreations() async throws {
    let fixture = try await Fixture.make()
    let ledger = try fixture.ledger(as: "handoff_tickets")
    let opening = try await ledger.open(nil, deadline: fixture.deadline)
    let first = try await ledger.create(fixture.draft("alone"), opening: opening, deadline: fixture.deadline).ticket
    var openings: [CreateOpening] = []
    for _ in 0..<40 { openings.append(try await ledger.open(nil, deadline: fixture.deadline)) }
    let before = ledger.pool.metrics.queries
    let made = try await withThrowingTaskGroup(of: Written.self) { group in
      for (number, opening) in openings.enumerated() {
        var draft = fixture.draft("한글 제목 \(number)", claim: try fixture.claim("joint-\(number)"))
        if number % 2 == 0 {
          (draft.state, draft.agentID, draft.groupID) = (.processing, Fixture.kim, Fixture.frontGroup)
        }
        draft.hasPrivacyConsent = number % 3 == 0
        if number == 7 { draft.event.outbox = [] }
        if number == 9 {
          draft.callBack = CallBackRecord(phone: "+821012345678", time: first.createTime, isActive: true)
        }
        group.addTask(executorPreference: TestLoops.group.loops[0]) { [draft] in
          try await ledger.create(draft, opening: opening, deadline: fixture.deadline)
        }
      }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    let statements = ledger.pool.metrics.queries - before
    #expect(statements < 20, "of 40 tickets; some of them take ids of entries")
    #expect(Set(made.map(\.ticket.id)).count == 40 && made.allSatisfy { !$0.isRepeat && $0.resultIDs.count == 1 })
    for written in made {
      let read = try await fixture.ledger.ticket(written.ticket.id, of: fixture.care.id, deadline: fixture.deadline)
      var same = written.ticket
      same.readTime = read.readTime
      #expect(read == same)
      let history = try await fixture.ledger.verify(read.id, of: fixture.care.id, deadline: fixture.deadline)
      #expect(history.isIntact && history.eventCount == 1)
    }
    for (table, count) in [
      ("ticket_event", 41), ("ticket_entry", 41), ("ticket_change", 41), ("ticket_count_change", 41), ("outbox", 40),
      ("ticket_search", 123), ("idempotency_key", 40),
    ] {
      #expect(try await fixture.count(table) == count, "\(table)")
    }
    for written in made {
      let row = SearchRow(
        .title, written.ticket.title, of: fixture.care.id, receivedAt: written.ticket.createTime)
      let stored = try await fixture.pool.query(
        """
        SELECT tsvector_to_array(tokens) FROM ticket_search WHERE ticket_id = \(written.ticket.id) AND place = 'title'
        """, deadline: fixture.deadline)[0].strings(0)
      #expect(Set(stored) == Set(row.tokens.words) && !stored.isEmpty)
    }
    let again = try await ledger.create(
      fixture.draft("한글 제목 3", claim: try fixture.claim("joint-3")), deadline: fixture.deadline)
    #expect(again.isRepeat)
  }

  @Test("one ticket that cannot be created fails alone")
  func oneFails() async throws {
    let fixture = try await Fixture.make()
    var openings: [CreateOpening] = []
    for _ in 0..<12 { openings.append(try await fixture.ledger.open(nil, deadline: fixture.deadline)) }
    let reasons = await withTaskGroup(of: (Int, Reason?).self) { group in
      for (number, opening) in openings.enumerated() {
        var draft = fixture.draft("ticket \(number)")
        if number == 5 { draft.groupID = GroupID(999) }
        group.addTask(executorPreference: TestLoops.group.loops[0]) { [draft] in
          do {
            _ = try await fixture.ledger.create(draft, opening: opening, deadline: fixture.deadline)
            return (number, nil)
          } catch {
            return (number, (error as? ServiceError)?.reason ?? .internal)
          }
        }
      }
      return await group.reduce(into: [Int: Reason]()) { $0[$1.0] = $1.1 }
    }
    #expect(reasons == [5: .groupNotFound])
    #expect(try await fixture.count("ticket") == 11)
  }

  @Test("values of fields are written with their tickets, and only those of a deleted field fail")
  func jointFieldValues() async throws {
    let fixture = try await Fixture.make()
    let ledger = try fixture.ledger(as: "handoff_tickets")
    // Another service's field of the same id is another field.
    _ = try await fixture.pool.query(
      """
      INSERT INTO ticket_field (service_id, id, code, kind, audience, display_name, delete_time) VALUES
        (1, 1, 'color', 'TEXT', 'AGENT', 'Color', NULL), (1, 2, 'gone', 'TEXT', 'AGENT', 'Gone', now()),
        (2, 1, 'color', 'TEXT', 'AGENT', 'Color', now()), (2, 2, 'gone', 'TEXT', 'AGENT', 'Gone', NULL)
      """, deadline: fixture.deadline)
    func created(_ codes: [String]) async throws -> [Reason?] {
      var openings: [CreateOpening] = []
      for _ in codes { openings.append(try await ledger.open(nil, deadline: fixture.deadline)) }
      return await withTaskGroup(of: Reason?.self) { group in
        for (code, opening) in zip(codes, openings) {
          var draft = fixture.draft("ticket")
          draft.event.fieldValues = [
            FieldValueChange(FieldID(code == "color" ? 1 : 2), code: code, before: nil, after: "red")
          ]
          group.addTask(executorPreference: TestLoops.group.loops[0]) { [draft] in
            do {
              _ = try await ledger.create(draft, opening: opening, deadline: fixture.deadline)
              return nil
            } catch {
              return (error as? ServiceError)?.reason ?? .internal
            }
          }
        }
        return await group.reduce(into: []) { $0.append($1) }
      }
    }
    #expect(try await created(Array(repeating: "color", count: 20)).allSatisfy { $0 == nil })
    let mixed = try await created((0..<12).map { $0 % 4 == 0 ? "gone" : "color" })
    #expect(mixed.count { $0 == .fieldNotFound } == 3 && mixed.count { $0 == nil } == 9)
    for table in ["ticket", "ticket_event", "ticket_field_value"] {
      #expect(try await fixture.count(table) == 29, "\(table)")
    }
  }

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
