import EventLoop
import HandoffTestKit
import Postgres
import ServiceKit
import Testing

@testable import TicketLedger

@Suite struct CounterTests {
  /// The numbers counted afresh from the tickets, with the same edges.
  private func recount(_ fixture: Fixture, in zone: String, for agent: AgentID) async throws -> ServiceCounters {
    let board = try await fixture.pool.query(
      """
      SELECT count(*) FILTER (WHERE create_time >= today),
        count(*) FILTER (WHERE create_time >= today AND agent_id IS NULL), count(*) FILTER (WHERE agent_id IS NULL),
        count(*) FILTER (WHERE create_time >= day_ago),
        count(*) FILTER (WHERE create_time >= day_ago AND state IN ('RESOLVED', 'COMPLETED')),
        (SELECT count(*) FROM service_member AS m WHERE m.service_id = 1)
      FROM ticket, (SELECT date_trunc('day', now() AT TIME ZONE \(zone)) AT TIME ZONE \(zone) AS today,
        date_trunc('minute', now()) - interval '1440 minutes' AS day_ago) AS edge
      WHERE service_id = 1 AND NOT is_spam
      """, deadline: fixture.deadline)[0]
    let states = try await fixture.pool.query(
      """
      SELECT state, count(*), count(*) FILTER (WHERE agent_id = \(agent)) FROM ticket
      WHERE service_id = 1 AND NOT is_spam GROUP BY state
      """, deadline: fixture.deadline)
    var counters = ServiceCounters(
      agentCount: try board.int64(5), receivedToday: try board.int64(0), unassignedToday: try board.int64(1),
      unassignedTotal: try board.int64(2), receivedLastDay: try board.int64(3), resolvedLastDay: try board.int64(4),
      byState: [:], mineByState: [:])
    for row in states {
      let state: TicketState = try row.value(0)
      counters.byState[state] = try row.int64(1)
      let mine = try row.int64(2)
      if mine > 0 { counters.mineByState[state] = mine }
    }
    return counters
  }

  @Test("today begins at the first midnight, where clocks are set back then, or when the first hour is left out")
  func startOfDay() async throws {
    let fixture = try await Fixture.make()
    // A moment, a zone, and when its day began there.
    let rows = [
      ("2025-10-26 00:20Z", "Atlantic/Azores", "2025-10-26 00:00Z"),
      ("2025-10-26 12:00Z", "Atlantic/Azores", "2025-10-26 00:00Z"),
      ("2026-11-01 04:30Z", "America/Havana", "2026-11-01 04:00Z"),
      ("2026-11-01 06:00Z", "America/Havana", "2026-11-01 04:00Z"),
      ("2026-03-08 12:00Z", "America/Havana", "2026-03-08 05:00Z"),
      ("2026-11-27 15:00Z", "Asia/Seoul", "2026-11-27 15:00Z"),
      ("2026-11-27 14:59Z", "Asia/Seoul", "2026-11-26 15:00Z"),
      ("2026-03-29 12:00Z", "Europe/Berlin", "2026-03-28 23:00Z"),
      ("2026-10-25 12:00Z", "Europe/Berlin", "2026-10-24 22:00Z"),
      ("2026-11-27 12:00Z", "Asia/Kathmandu", "2026-11-26 18:15Z"),
    ]
    for (moment, zone, start) in rows {
      let row = try await fixture.pool.query(
        """
        SELECT \(fragment: TicketLedger.startOfDay("\(moment)::timestamptz", in: "\(zone)")) = \(start)::timestamptz
        """, deadline: fixture.deadline)[0]
      #expect(try row.bool(0), "\(moment) in \(zone)")
    }
  }

  /// A random act that the rules allow; nil when they refuse it.
  private func change(
    _ ticket: TicketRecord, _ random: inout SeededGenerator
  ) -> TicketChange? {
    let acts: [(LifecycleAct, EventCode)] = [
      (.keep, .kept), (.forward, .forwarded), (.resolve, .resolved), (.hold, .held), (.comment, .commented),
      (.moveToSpam, .spamMoved), (.restoreFromSpam, .spamRestored), (.complete, .completed),
      (.resolveInternally, .resolvedInternally),
    ]
    let (act, code) = acts[Int(random.next() % UInt64(acts.count))]
    let standing = ticket.standing(in: .consultation)
    guard case .success(let outcome) = Lifecycle.outcome(of: act, on: standing, by: .administrator) else { return nil }
    var event = EventDraft(code, by: .agent(Fixture.boss), outcome: outcome, on: ticket)
    if outcome.has(.actorHolds) || outcome.has(.chosenAgentHolds) {
      event.set.agentID = random.next() % 2 == 0 ? Fixture.kim : Fixture.lee
    }
    if act == .resolveInternally { event.set.internalReason = .some(.test) }
    return TicketChange(event)
  }

  @Test("after random acts the counters equal a recount, folded, half folded or not at all")
  func equalsRecount() async throws {
    let fixture = try await Fixture.make()
    let seed = TestScale.seed
    var random = SeededGenerator(seed: seed)
    let folder = CounterFolder(pool: fixture.pool)
    let now = try await fixture.pool.query("SELECT clock_timestamp()", deadline: fixture.deadline)[0].instant(0)
    var tickets: [TicketRecord] = []
    for number in 0..<40 {
      var draft = fixture.draft()
      // Over the last two days, so that both edges have tickets on both sides.
      draft.time = now.advanced(by: .seconds(-Int64(random.next() % 172_800)))
      if number % 5 == 0 {
        draft.state = .processing
        draft.agentID = Fixture.kim
      }
      tickets.append(try await fixture.ledger.create(draft, deadline: fixture.deadline).ticket)
    }
    for await step in TestScale.rounds(usual: 160, all: 5000) {
      let index = Int(random.next() % 40)
      let current = try await fixture.ledger.ticket(tickets[index].id, of: fixture.care.id, deadline: fixture.deadline)
      if let change = change(current, &random) {
        tickets[index] = try await fixture.ledger.write(change, on: current, deadline: fixture.deadline).ticket
      }
      if step % 50 == 49 { _ = try await folder.fold(deadline: fixture.deadline) }
    }
    let unfolded = try await fixture.count("ticket_count_change")
    try await expectRecount(fixture, "seed \(seed), \(unfolded) changes not folded")
    let folded = try await folder.foldAll(deadline: fixture.deadline)
    #expect(folded == unfolded)
    try await expectRecount(fixture, "seed \(seed), folded")
    #expect(try await fixture.count("ticket_count_change") == 0)
    for ticket in tickets {
      let history = try await fixture.ledger.verify(ticket.id, of: fixture.care.id, deadline: fixture.deadline)
      #expect(history.isIntact, "seed \(seed), ticket \(ticket.id)")
    }
  }

  private func expectRecount(_ fixture: Fixture, _ comment: String) async throws {
    // Their days begin at whole hours of UTC, and at others; there is always one whose hour goes on.
    let zones = ["Asia/Seoul", "UTC", "Asia/Kolkata", "Asia/Kathmandu", "America/St_Johns", "Pacific/Kiritimati"]
    for (agent, zone) in zip([Fixture.kim, Fixture.lee] + Array(repeating: Fixture.kim, count: 4), zones) {
      _ = try await fixture.pool.query(
        "UPDATE service SET time_zone = \(zone) WHERE code = 'care'", deadline: fixture.deadline)
      // The service as it was read before: its zone is read with the counters.
      let service = fixture.care
      var counters = try await fixture.ledger.counters(of: service, for: agent, deadline: fixture.deadline)
      var recounted = try await recount(fixture, in: zone, for: agent)
      // The day's edge may have moved over a ticket in between; then both are read again.
      if counters != recounted {
        counters = try await fixture.ledger.counters(of: service, for: agent, deadline: fixture.deadline)
        recounted = try await recount(fixture, in: zone, for: agent)
      }
      #expect(counters == recounted, "\(comment), \(zone)")
    }
  }

  @Test("folders at work at once lose nothing and count nothing twice")
  func concurrentFolders() async throws {
    let fixture = try await Fixture.make()
    for _ in 0..<20 { _ = try await fixture.ticket() }
    let folded = try await withThrowingTaskGroup(of: Int.self) { group in
      for _ in 0..<4 {
        group.addTask { try await CounterFolder(pool: fixture.pool).fold(deadline: fixture.deadline) }
      }
      return try await group.reduce(0, +)
    }
    #expect(folded == 20)
    let counters = try await fixture.ledger.counters(of: fixture.care, for: nil, deadline: fixture.deadline)
    #expect(counters.byState == [.unassigned: 20] && counters.unassignedTotal == 20 && counters.receivedToday >= 0)
    #expect(counters.receivedLastDay == 20 && counters.resolvedPercent == 0)
  }

  @Test(
    "shares are rounded to whole percents", arguments: [(0, 0, 0), (3, 1, 33), (3, 2, 67), (8, 1, 13), (5, 5, 100)])
  func percents(_ received: Int64, _ resolved: Int64, _ percent: Int32) {
    let counters = ServiceCounters(
      agentCount: 0, receivedToday: 0, unassignedToday: 0, unassignedTotal: 0, receivedLastDay: received,
      resolvedLastDay: resolved, byState: [:], mineByState: [:])
    #expect(counters.resolvedPercent == percent)
  }
}
