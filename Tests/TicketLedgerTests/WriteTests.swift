import EventLoop
import HandoffAPI
import HandoffTestKit
import Postgres
import ServiceKit
import Testing

@testable import TicketLedger

@Suite struct WriteTests {
  @Test("a new ticket is written whole: row, entry, event, counters and work, and read as it was returned")
  func create() async throws {
    let fixture = try await Fixture.make()
    let written = try await fixture.ledger.create(fixture.draft(), deadline: fixture.deadline)
    #expect(!written.isRepeat && written.eventSequence == 1 && written.entryIDs.count == 1)
    var read = try await fixture.ledger.ticket(
      fixture.name(written.ticket), access: try await fixture.access(Fixture.kim), deadline: fixture.deadline)
    #expect(read.readTime >= written.ticket.createTime)
    read.readTime = written.ticket.readTime
    #expect(read == written.ticket)
    #expect(read.version == 1 && read.eventCount == 1 && read.entryCount == 1)
    for (table, count) in [("ticket_entry", 1), ("ticket_event", 1), ("ticket_count_change", 1), ("outbox", 1)] {
      #expect(try await fixture.count(table) == count, "\(table)")
    }
    let entries = try await fixture.ledger.entries(of: read, limit: 10, deadline: fixture.deadline)
    #expect(entries.map(\.body) == ["Water comes out below."])
    #expect(entries.map(\.id) == written.entryIDs)
  }

  @Test("what several daemons wrote is read in the order in which it was written, in one page or in many")
  func orderOfSeveralDaemons() async throws {
    let first = try await Fixture.make()
    // Another daemon, which takes its ids in blocks of its own.
    let second = try await Fixture(first.database)
    _ = try await second.ticket("Takes the first block of ids")
    let ticket = try await first.ticket()
    for (fixture, text) in [(second, "one"), (first, "two"), (second, "three")] {
      _ = try await fixture.comment(ticket, text)
    }
    let whole = try await first.ledger.entries(of: ticket, limit: 10, deadline: first.deadline)
    #expect(whole.map(\.body) == ["Water comes out below.", "one", "two", "three"])
    #expect(whole.map(\.id) != whole.map(\.id).sorted { $0.rawValue < $1.rawValue }, "the blocks are not mixed")
    var paged: [EntryRecord] = []
    while let next = try await first.ledger.entries(
      of: ticket, after: paged.last?.id, limit: 1, deadline: first.deadline
    ).first { paged.append(next) }
    #expect(paged.map(\.body) == whole.map(\.body))
  }

  @Test("a change sets, records and counts in one statement, and bumps the version once")
  func write() async throws {
    let fixture = try await Fixture.make()
    let ticket = try await fixture.ticket()
    let written = try await fixture.keep(ticket)
    #expect(written.ticket.state == .processing && written.ticket.agentID == Fixture.kim)
    #expect(written.ticket.version == 2 && written.eventSequence == 2)
    let events = try await fixture.ledger.events(of: written.ticket, limit: 10, deadline: fixture.deadline)
    #expect(events.map(\.code) == ["CREATED", "KEPT"])
    #expect(events[1].actor?.displayName == "Kim" && events[1].actor?.name == "agents/1")
    #expect(
      events[1].changes.map { "\($0.field) \($0.before) > \($0.after)" } == [
        "state UNASSIGNED > PROCESSING", "agent  > agents/1", "group  > services/care/groups/1",
      ])
    let read = try await fixture.ledger.ticket(ticket.id, of: fixture.care.id, deadline: fixture.deadline)
    #expect(read.eventHash == written.ticket.eventHash && read.eventSeal == written.ticket.eventSeal)
  }

  @Test("several events of one change follow from one another, and each says only what it set")
  func severalEvents() async throws {
    let fixture = try await Fixture.make()
    let ticket = try await fixture.ticket()
    let trigger = LedgerActor.trigger(TriggerName(service: "care", id: TriggerID(5)))
    var fired = EventDraft(.triggerFired, by: trigger, cause: .sequence(1))
    fired.notes = [CodeChange("trigger_version", "", "3")]
    var assigned = EventDraft(.assigned, by: trigger, cause: .eventOfThisChange(0))
    assigned.set.state = .processing
    assigned.set.agentID = Fixture.lee
    var renamed = EventDraft(.fieldsSaved, by: trigger, cause: .eventOfThisChange(1))
    renamed.set.priority = .high
    renamed.set.title = "Leak"
    let written = try await fixture.ledger.write(
      TicketChange([fired, assigned, renamed]), on: ticket, deadline: fixture.deadline)
    #expect(written.ticket.eventCount == 4 && written.ticket.version == 2)
    let events = try await fixture.ledger.events(of: written.ticket, after: 1, limit: 10, deadline: fixture.deadline)
    #expect(events.map(\.causeSequence) == [1, 2, 3])
    #expect(events[2].changes.map(\.field) == ["priority", "title"])
    #expect(events[2].changes.map(\.before) == ["NORMAL", "The washer leaks"])
    let verification = try await fixture.ledger.verify(ticket.id, of: fixture.care.id, deadline: fixture.deadline)
    #expect(verification.isIntact, "\(verification)")
  }

  @Test("of many who keep a ticket at once, exactly one gets it")
  func concurrentKeepers() async throws {
    let fixture = try await Fixture.make()
    let ticket = try await fixture.ticket()
    let outcomes = await withTaskGroup(of: Result<AgentID, any Error>.self) { group in
      for number in 0..<16 {
        let agent = number % 2 == 0 ? Fixture.kim : Fixture.lee
        group.addTask {
          do {
            _ = try await fixture.keep(ticket, by: agent)
            return .success(agent)
          } catch {
            return .failure(error)
          }
        }
      }
      return await group.reduce(into: []) { $0.append($1) }
    }
    let winners = outcomes.compactMap { try? $0.get() }
    #expect(winners.count == 1)
    for outcome in outcomes {
      if case .failure(let error) = outcome { #expect(error as? LifecycleRefusal == .alreadyHeld) }
    }
    let read = try await fixture.ledger.ticket(ticket.id, of: fixture.care.id, deadline: fixture.deadline)
    #expect(read.agentID == winners.first && read.eventCount == 2)
  }

  @Test("callers without a version who do not exclude each other all get through")
  func concurrentComments() async throws {
    let fixture = try await Fixture.make()
    let ticket = try await fixture.ticket()
    // Every round at least one of those who race gets through, so four always do within the four tries.
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<4 { group.addTask { _ = try await fixture.comment(ticket, "Comment \(number)") } }
      try await group.waitForAll()
    }
    let read = try await fixture.ledger.ticket(ticket.id, of: fixture.care.id, deadline: fixture.deadline)
    #expect(read.entryCount == 5 && read.eventCount == 5 && read.version == 5)
    let verification = try await fixture.ledger.verify(ticket.id, of: fixture.care.id, deadline: fixture.deadline)
    #expect(verification.isIntact, "\(verification)")
  }

  @Test("a caller who saw an older version is told the current one, and nothing is written")
  func staleVersion() async throws {
    let fixture = try await Fixture.make()
    let ticket = try await fixture.ticket()
    _ = try await fixture.comment(ticket)
    let error = await #expect(throws: ServiceError.self) { try await fixture.comment(ticket, version: 1) }
    #expect(error?.reason == .staleVersion && error?.metadata["current_version"] == "2")
    let direct = await #expect(throws: ServiceError.self) {
      try await fixture.ledger.write(
        TicketChange(EventDraft(.commented, by: .system)), on: ticket, deadline: fixture.deadline)
    }
    #expect(direct?.reason == .staleVersion)
    #expect(try await fixture.count("ticket_event") == 2)
  }

  @Test("what happens behind the scenes makes nobody's view stale")
  func silentEvents() async throws {
    let fixture = try await Fixture.make()
    let ticket = try await fixture.ticket()
    var sent = EventDraft(.mailSent, by: .service("mail"), cause: .sequence(1))
    sent.notes = [CodeChange("message_id", "", "<1@example.com>")]
    var change = TicketChange(sent)
    change.isSilent = true
    let after = try await fixture.ledger.write(change, on: ticket, deadline: fixture.deadline).ticket
    #expect(after.version == 1 && after.eventCount == 2 && after.updateTime == ticket.updateTime)
    // The agent's record is behind by one event, and its version is still right.
    let commented = try await fixture.comment(ticket, version: 1)
    #expect(commented.ticket.version == 2 && commented.ticket.eventCount == 3)
    var priority = EventDraft(.fieldsSaved, by: .system)
    priority.set.priority = .urgent
    _ = try await fixture.ledger.write(change, on: commented.ticket, deadline: fixture.deadline)
    let direct = try await fixture.ledger.write(
      TicketChange(priority), on: commented.ticket, deadline: fixture.deadline)
    #expect(direct.ticket.eventCount == 5 && direct.ticket.priority == .urgent)
    let verification = try await fixture.ledger.verify(ticket.id, of: fixture.care.id, deadline: fixture.deadline)
    #expect(verification.isIntact, "\(verification)")
  }

  @Test("a service's own statements are written with the change or not at all")
  func companions() async throws {
    let fixture = try await Fixture.make()
    let ticket = try await fixture.ticket()
    var change = TicketChange(EventDraft(.masked, by: .agent(Fixture.kim)))
    change.companions = ["UPDATE agent SET display_name = 'Changed' WHERE id = 4"]
    func name() async throws -> String {
      try await fixture.pool.query("SELECT display_name FROM agent WHERE id = 4", deadline: fixture.deadline)[0].string(
        0)
    }
    _ = try await fixture.comment(ticket)
    await #expect(throws: ServiceError.self) {
      try await fixture.ledger.write(change, on: ticket, deadline: fixture.deadline)
    }
    #expect(try await name() == "Stranger")
    let current = try await fixture.ledger.ticket(ticket.id, of: fixture.care.id, deadline: fixture.deadline)
    let written = try await fixture.ledger.write(change, on: current, deadline: fixture.deadline)
    #expect(written.ticket.eventCount == 3)
    #expect(try await name() == "Changed")
    change.companions = ["INSERT INTO agent_group (service_id, id, display_name) VALUES (1, 1, 'Twice')"]
    await #expect(throws: ServiceError.self) {
      try await fixture.ledger.write(change, on: written.ticket, deadline: fixture.deadline)
    }
    #expect(try await fixture.count("ticket_event") == 3)
  }

  @Test("in a caller's transaction a change is committed with it, and a lost race ends it")
  func inTransaction() async throws {
    let fixture = try await Fixture.make()
    let ticket = try await fixture.ticket()
    let change = TicketChange(EventDraft(.commented, by: .system))
    let written = try await fixture.pool.transaction(deadline: fixture.deadline) { transaction in
      try await fixture.ledger.write(change, on: ticket, in: transaction, deadline: fixture.deadline)
    }
    #expect(written.ticket.eventCount == 2)
    let error = await #expect(throws: ServiceError.self) {
      try await fixture.pool.transaction(deadline: fixture.deadline) { transaction in
        try await transaction.execute("UPDATE agent SET display_name = 'Changed' WHERE id = 4")
        return try await fixture.ledger.write(change, on: ticket, in: transaction, deadline: fixture.deadline)
      }
    }
    #expect(error?.reason == .staleVersion)
    let names = try await fixture.pool.query(
      "SELECT display_name FROM agent WHERE id = 4", deadline: fixture.deadline)
    #expect(try names[0].string(0) == "Stranger")
  }

  @Test("each daemon's database role can write what its service does, and nothing else")
  func roles() async throws {
    let fixture = try await Fixture.make()
    var ticket = try await fixture.ledger(as: "handoff_tickets").create(fixture.draft(), deadline: fixture.deadline)
      .ticket
    var assign = EventDraft(.assigned, by: .system)
    assign.set.state = .processing
    assign.set.agentID = Fixture.lee
    assign.set.groupID = Fixture.frontGroup
    assign.set.submissionTypeID = SubmissionTypeID(1)
    assign.outbox = [OutboxDraft(.mail, payload: [])]
    let assignment = try fixture.ledger(as: "handoff_assignment")
    ticket = try await assignment.write(TicketChange(assign), on: ticket, deadline: fixture.deadline).ticket
    var sent = TicketChange(EventDraft(.mailSent, by: .service("mail")))
    sent.isSilent = true
    ticket = try await fixture.ledger(as: "handoff_mail").write(sent, on: ticket, deadline: fixture.deadline).ticket
    var masked = EventDraft(.masked, by: .agent(Fixture.lee))
    masked.set.customerName = "****"
    ticket = try await fixture.ledger(as: "handoff_masking")
      .write(TicketChange(masked), on: ticket, deadline: fixture.deadline).ticket
    var rename = EventDraft(.fieldsSaved, by: .system)
    rename.set.title = "Not assignment's to change"
    let refused = await #expect(throws: ServiceError.self) {
      try await assignment.write(TicketChange(rename), on: ticket, deadline: fixture.deadline)
    }
    #expect(refused?.reason == .internal)
    #expect(ticket.eventCount == 4)
  }

  @Test("no daemon may change or remove what histories say, save masking, which hides words in them")
  func appendOnly() async throws {
    let fixture = try await Fixture.make()
    let history: [String] = ["ticket_entry", "ticket_event", "ticket_event_value"]
    func allowed(_ query: Query) async throws -> [String] {
      try await fixture.pool.query(query, deadline: fixture.deadline).map { try $0.string(0) }
    }
    let removing = try await allowed(
      """
      SELECT r.rolname || ' ' || p.privilege || ' ' || t.name FROM pg_roles AS r, unnest(\(history)) AS t (name),
        unnest(ARRAY['DELETE', 'TRUNCATE', 'UPDATE', 'TRIGGER']) AS p (privilege)
      WHERE r.rolname LIKE 'handoff\\_%' AND has_table_privilege(r.oid, t.name::regclass, p.privilege)
      """)
    #expect(removing == [])
    let changing = try await allowed(
      """
      SELECT r.rolname || ' ' || c.relname || '.' || a.attname FROM pg_roles AS r, pg_class AS c
        JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      WHERE r.rolname LIKE 'handoff\\_%' AND c.oid = ANY(\(history)::regclass[])
        AND has_column_privilege(r.oid, c.oid, a.attnum, 'UPDATE') ORDER BY 1
      """)
    #expect(
      changing == [
        "handoff_masking ticket_entry.body", "handoff_masking ticket_event_value.after_text",
        "handoff_masking ticket_event_value.before_text",
      ])
    _ = try await fixture.ticket()
    for role in ["tickets", "assignment", "mail", "masking", "gateway"] {
      let pool = try fixture.ledger(as: "handoff_\(role)").pool
      for statement: Query in [
        "UPDATE ticket_event SET code = 'RESOLVED'", "DELETE FROM ticket_event", "DELETE FROM ticket_entry",
        "DELETE FROM ticket_event_value",
      ] {
        let refused = await #expect(throws: PostgresError.self) {
          try await pool.query(statement, deadline: fixture.deadline)
        }
        #expect(refused?.sqlState == "42501", "\(role)")
      }
    }
  }

  @Test("readers and jobs need no more than their daemon's database role may do")
  func rolesOfJobs() async throws {
    let fixture = try await Fixture.make()
    let tickets = try fixture.ledger(as: "handoff_tickets")
    let ticket = try await tickets.create(
      fixture.draft(claim: try fixture.claim("one")), deadline: fixture.deadline
    ).ticket
    #expect(try await tickets.verify(ticket.id, of: fixture.care.id, deadline: fixture.deadline).isIntact)
    _ = try await tickets.access(.agent(Fixture.kim), serviceCode: "care", deadline: fixture.deadline)
    let read = try await tickets.ticket(ticket.id, of: fixture.care.id, deadline: fixture.deadline)
    _ = try await tickets.message(for: read, deadline: fixture.deadline)
    _ = try await tickets.events(of: read, limit: 5, deadline: fixture.deadline)
    #expect(try await CounterFolder(pool: tickets.pool).foldAll(deadline: fixture.deadline) == 1)
    let counters = try await tickets.counters(of: fixture.care, for: Fixture.kim, deadline: fixture.deadline)
    #expect(counters.byState == [.unassigned: 1] && counters.agentCount == 3)
    #expect(try await tickets.removeOldIdempotencyKeys(deadline: fixture.deadline) == 0)
    #expect(try await tickets.depth(of: .triggers, deadline: fixture.deadline).waiting == 1)
    let assignment = try fixture.ledger(as: "handoff_assignment")
    let outbox = Outbox(topic: .triggers, pool: assignment.pool, holder: "assignment")
    let items = try await outbox.claim(deadline: fixture.deadline)
    try await outbox.settle(items.map { ($0, .done) }, deadline: fixture.deadline)
    #expect(try await assignment.removeOldDeadWork(topic: .triggers, deadline: fixture.deadline) == 0)
    #expect(try await fixture.count("outbox") == 0)
  }

  @Test("creating is one statement after its opening, and an act is one to read and one to write")
  func roundTrips() async throws {
    let fixture = try await Fixture.make()
    let ledger = try fixture.ledger(as: "handoff_tickets")
    var draft = fixture.draft(claim: try fixture.claim("first"))
    draft.event.outbox = []
    // The first one fetches a block of ids.
    _ = try await ledger.create(draft, deadline: fixture.deadline)
    func statements(_ work: () async throws -> Void) async throws -> UInt64 {
      // Hints of what was written before may still be on their way.
      var before = UInt64.max
      while ledger.pool.metrics.queries != before {
        before = ledger.pool.metrics.queries
        _ = try await fixture.pool.query("SELECT pg_sleep(0.02)", deadline: fixture.deadline)
      }
      try await work()
      return ledger.pool.metrics.queries - before
    }
    let ticket = try await fixture.ticket()
    var (creating, acting): (Set<UInt64>, Set<UInt64>) = ([], [])
    // Some need one more: the hint of what is written, or what a ledger asks anew of its services every half second.
    for round in 0..<50 where !creating.contains(1) || !acting.contains(2) {
      let claim = try fixture.claim("creation-\(round)")
      draft.idempotency = claim
      let opening = try await ledger.open(claim, deadline: fixture.deadline)
      let created = draft
      creating.insert(
        try await statements { _ = try await ledger.create(created, opening: opening, deadline: fixture.deadline) })
      let act = try fixture.claim("act-\(round)")
      acting.insert(
        try await statements {
          _ = try await ledger.perform(
            on: ticket.id, of: fixture.care.id, idempotency: act, deadline: fixture.deadline
          ) { _ in
            var event = EventDraft(.commented, by: .agent(Fixture.kim))
            event.entries = [EntryDraft(.comment, .commentAdded, body: "Noted.")]
            return TicketChange(event)
          }
        })
    }
    #expect(creating.min() == 1)
    #expect(acting.min() == 2)
  }

  @Test("what a draft points to and is gone is told by name")
  func danglingReferences() async throws {
    let fixture = try await Fixture.make()
    var draft = fixture.draft()
    draft.groupID = GroupID(99)
    let error = await #expect(throws: ServiceError.self) {
      try await fixture.ledger.create(draft, deadline: fixture.deadline)
    }
    #expect(error?.reason == .groupNotFound)
    #expect(try await fixture.count("ticket") == 0)
  }

  @Test("a ticket of another service does not exist")
  func otherService() async throws {
    let fixture = try await Fixture.make()
    let ticket = try await fixture.ticket()
    let access = try await fixture.ledger.access(
      .agent(Fixture.stranger), serviceCode: "repair", deadline: fixture.deadline)
    for name in [TicketName(service: "repair", id: ticket.id), TicketName(service: "care", id: ticket.id)] {
      let error = await #expect(throws: ServiceError.self) {
        try await fixture.ledger.ticket(name, access: access, deadline: fixture.deadline)
      }
      #expect(error?.reason == .ticketNotFound)
    }
  }
}
