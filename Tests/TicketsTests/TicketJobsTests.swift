import EventLoop
import HandoffAPI
import HandoffTestKit
import Postgres
import RPC
import ServiceKit
import Testing
import TicketLedger

@testable import Tickets

@Suite struct TicketJobsTests {
  private func jobs(_ ledger: TicketLedger) -> TicketJobs {
    TicketJobs(
      ledger: ledger, log: Logger(service: "tests", level: .error, output: .standardError), metrics: Metrics())
  }

  /// A ticket that was resolved some days ago.
  private func resolved(_ world: TicketWorld, days: Int, _ shape: TicketWorld.Shape = .init(state: .resolved))
    async throws
    -> TicketRecord
  {
    let ticket = try await world.ticket(shape)
    try await world.run(
      """
      UPDATE ticket SET resolve_time = resolve_time - \(days) * interval '1 day' - interval '1 second'
      WHERE id = \(ticket.id)
      """)
    return ticket
  }

  @Test("a resolved ticket completes by itself after its service's days, once, by the system, and without a mail")
  func autoComplete() async throws {
    let world = try await TicketWorld()
    try await world.run("UPDATE service SET auto_complete_days = 0 WHERE code = 'bugs'")
    let due = try await resolved(world, days: 14)
    let early = try await resolved(world, days: 13)
    let spam = try await resolved(world, days: 30, .init(isSpam: true))
    let never = try await resolved(world, days: 30, .init(service: "bugs", state: .resolved))
    let reopened = try await world.ticket()
    let jobs = jobs(world.ledger)
    #expect(try await jobs.completeDueTickets(deadline: TestDatabase.deadline) == 1)
    #expect(try await jobs.completeDueTickets(deadline: TestDatabase.deadline) == 0)
    let after = try await world.client.getTicket(GetTicketRequest(name: world.name(due)), world.by(TicketWorld.kim))
    #expect(after.state == .completed && after.completeTime != nil && after.agent == "agents/1")
    let event = try #require(
      try await world.client.listEvents(ListEventsRequest(parent: after.name), world.by(TicketWorld.kim)).events.last)
    #expect(event.code == "AUTO_COMPLETED" && event.actor?.kind == .system)
    #expect(try await world.outbox(due.id).isEmpty)
    for ticket in [early, spam, never, reopened] {
      let state = try await world.client.getTicket(
        GetTicketRequest(name: world.name(ticket)), world.by(TicketWorld.boss)
      ).state
      #expect(state.rawValue == ticket.state.number)
    }
  }

  @Test("several daemons complete each ticket once")
  func race() async throws {
    let world = try await TicketWorld()
    for _ in 0..<20 { _ = try await resolved(world, days: 14) }
    let ledgers = [world.ledger, try TicketWorld.ledger(world.database, role: "handoff_tickets")]
    let total = try await withThrowingTaskGroup(of: Int.self) { group in
      for ledger in ledgers {
        group.addTask { try await self.jobs(ledger).completeDueTickets(deadline: TestDatabase.deadline) }
      }
      return try await group.reduce(0, +)
    }
    #expect(total == 20)
    #expect(try await world.count("SELECT count(*) FROM ticket_event WHERE code = 'AUTO_COMPLETED'") == 20)
    #expect(try await world.count("SELECT count(*) FROM ticket WHERE state = 'COMPLETED'") == 20)
  }

  @Test("all that is due completes at once, however many rounds that takes")
  func many() async throws {
    let world = try await TicketWorld()
    for _ in 0..<401 { _ = try await world.ticket(.init(state: .resolved)) }
    try await world.run("UPDATE ticket SET resolve_time = resolve_time - interval '15 days'")
    #expect(try await jobs(world.ledger).completeDueTickets(deadline: TestDatabase.deadline) == 401)
    #expect(try await world.count("SELECT count(*) FROM ticket WHERE state = 'COMPLETED'") == 401)
  }

  @Test("what is due is found in the order in which it became due, by an index, however many tickets there are")
  func due() async throws {
    let world = try await TicketWorld()
    // Every second one in another service; of the first, one in ten is due, three of them since the same moment.
    try await world.run(
      """
      INSERT INTO ticket (service_id, id, state, agent_id, priority, channel, language, title, organization_id,
        event_hash, event_seal, create_time, update_time, resolve_time)
      SELECT 1 + n % 2, 100000 + n, 'RESOLVED', 1, 'NORMAL', 'EMAIL', 'ko', 'T', 1, '\\x00', '\\x00', now(), now(),
        now() - CASE WHEN n % 20 = 0 THEN 14 + n / 60 ELSE 1 END * interval '1 day'
      FROM generate_series(1, 3000) AS n
      """)
    try await world.run("UPDATE service SET auto_complete_days = 0 WHERE code = 'bugs'")
    try await world.run("ALTER TABLE ticket SET (autovacuum_enabled = false)")
    try await world.run("ANALYZE ticket")
    try await world.run("UPDATE pg_class SET reltuples = 1000000 WHERE oid = 'ticket'::regclass")
    let plan = try await world.rows("EXPLAIN \(fragment: TicketStore.dueForCompletion(after: nil, limit: 200))")
      .map { try $0.string(0) }.joined(separator: "\n")
    #expect(plan.contains("ticket_resolved_idx") && !plan.contains("Seq Scan on ticket"), "\(plan)")
    let store = TicketStore(pool: world.ledger.pool)
    var found: [TicketID] = []
    var last: DueTicket?
    repeat {
      let page = try await store.dueForCompletion(after: last, limit: 7, deadline: TestDatabase.deadline)
      found += page.map(\.id)
      last = page.last
    } while last != nil
    let all = try await world.rows(
      "SELECT id FROM ticket WHERE service_id = 1 AND id % 20 = 0 ORDER BY resolve_time, id")
    #expect(try found == all.map { try $0.value(0) } && found.count == 150)
  }

  @Test("request ids and work given up go after their time, and not before")
  func retention() async throws {
    let world = try await TicketWorld()
    try await world.run(
      """
      INSERT INTO idempotency_key (caller, method, request_id, request_hash, service_id, ticket_id, create_time)
      SELECT 'agents/1', 'M', 'r' || n, '\\x00', 1, 1, now() - n * interval '1 hour' FROM generate_series(20, 30) AS n
      """)
    let ticket = try await world.ticket()
    try await world.run(
      """
      INSERT INTO outbox (topic, service_id, ticket_id, event_sequence, payload, dead_time, dead_reason)
      SELECT t.topic, 1, \(ticket.id), n, '\\x00', now() - n * interval '1 day', 'test'
      FROM generate_series(25, 35) AS n, (VALUES ('MAIL'), ('TRIGGERS')) AS t (topic)
      """)
    try await jobs(world.ledger).removeOldRows(deadline: TestDatabase.deadline)
    #expect(try await world.count("SELECT count(*) FROM idempotency_key") == 4)
    #expect(try await world.count("SELECT count(*) FROM outbox") == 10)
  }

  @Test("jobs run until they are stopped")
  func lifetime() async throws {
    let world = try await TicketWorld()
    let due = try await resolved(world, days: 14)
    let stop = jobs(world.ledger).start(on: TestLoops.group)
    let deadline = TestDatabase.deadline
    var state = Ticket.State.resolved
    while state != .completed, !deadline.hasPassed {
      state = try await world.client.getTicket(GetTicketRequest(name: world.name(due)), world.by(TicketWorld.kim)).state
    }
    #expect(state == .completed)
    await stop()
  }

  @Test("a ticket that becomes due while the daemon runs completes seconds later, and not before")
  func interval() async throws {
    let world = try await TicketWorld()
    let tickets = [try await resolved(world, days: 14), try await resolved(world, days: 1)]
    var options = world.by(TicketWorld.kim)
    options.deadline = .after(.seconds(600))
    var stream = try await world.client.watchTickets(WatchTicketsRequest(parent: "services/care"), options)
      .makeAsyncIterator()
    func completion() async throws -> String {
      while let response = try await stream.next() {
        guard case .change(let change) = response.update else { continue }
        if change.events.contains(where: { $0.code == "AUTO_COMPLETED" }) { return change.name }
      }
      throw ServiceError(.internal, "the stream ended")
    }
    guard case .heartbeat? = try await stream.next()?.update else { throw ServiceError(.internal, "no heartbeat came") }
    let stop = jobs(world.ledger).start(on: TestLoops.group)
    // The look that found the first one has not found the second.
    #expect(try await completion() == world.name(tickets[0]))
    try await world.run(
      """
      UPDATE ticket SET resolve_time = now() - interval '14 days' + interval '1 second' WHERE id = \(tickets[1].id)
      """)
    #expect(try await completion() == world.name(tickets[1]))
    let late = try await world.rows(
      """
      SELECT extract(epoch FROM complete_time - resolve_time - interval '14 days')::float8
      FROM ticket WHERE id = \(tickets[1].id)
      """)[0].value(0, as: Double.self)
    // Twelve looks of the job, so that a busy machine may miss some.
    #expect((0..<60).contains(late), "\(late) s late")
    await stop()
  }
}
