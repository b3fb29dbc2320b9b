import Crypto
import HandoffTestKit
import Postgres
import ServiceKit
import Testing
import TicketLedger

@testable import Operator

@Suite("many generated tickets") struct BulkSeedTests {
  private func events(_ database: TestDatabase) async throws -> DemoEvents {
    let people = try await DemoDirectory.write(
      DemoGenerator(seed: 2024, ticketsBy: ()).customers,
      passwords: DemoOrganization.people.map { _ in "a-password-of-tests" }, to: database.pool)
    let directory = Directory(pool: database.pool)
    var services: [String: ServiceRecord] = [:]
    for service in DemoOrganization.services {
      services[service.code] = try await directory.service(code: service.code, deadline: TestDatabase.deadline)
    }
    return DemoEvents(people: people, services: services)
  }

  @Test("their histories are whole, their counters right, their words found, and the same seed makes the same ones")
  func consistency() async throws {
    let database = try await TestDatabase.make()
    let key = try #require(LedgerKey(SecretBytes([UInt8](repeating: 7, count: LedgerKey.byteCount))))
    let events = try await events(database)
    let now = try await database.pool.query("SELECT now()", deadline: TestDatabase.deadline)[0].instant(0)
    func generator(_ seed: UInt64) -> BulkGenerator {
      var order = BulkOrder(count: 300)
      order.seed = seed
      return BulkGenerator(order, firstTicket: 1_000, firstEntry: 1_000)
    }
    var (one, same, other) = (generator(1), generator(1), generator(2))
    let tickets = (0..<100).map { _ in one.next() }
    #expect(tickets == (0..<100).map { _ in same.next() })
    #expect(tickets != (0..<100).map { _ in other.next() })

    var bulk = generator(1)
    let rounds = [bulk.round(200), bulk.round(200), bulk.round(1)].compactMap { $0 }
    #expect(bulk.made == 300 && rounds.count == 2)
    // In any order: a round has its own ids.
    let tables = try rounds.reversed().flatMap { try $0.rows(events, key, now: now) }
    let connection = try await BulkConnection.open(database.configuration)
    try await connection.transaction {
      try await connection.query("SET LOCAL session_replication_role = replica")
      try await connection.copy(tables)
      for statement in TicketImport.countingStatements(from: TicketID(1_000)) { try await connection.query(statement) }
    }
    let ledger = TicketLedger(pool: database.pool, directory: Directory(pool: database.pool), key: key)
    let rows = try await database.pool.query(
      "SELECT service_id, id FROM ticket ORDER BY id", deadline: TestDatabase.deadline)
    #expect(rows.count == 300)
    for row in rows {
      let history = try await ledger.verify(try row.value(1), of: try row.value(0), deadline: TestDatabase.deadline)
      #expect(history.isIntact, "\(history.finding)")
    }
    let wrong = try await database.pool.query(
      """
      WITH recount AS (
        SELECT service_id, coalesce(agent_id, 0) AS agent_id, state, count(*) AS count
        FROM ticket WHERE NOT is_spam GROUP BY 1, 2, 3
      ), minutes AS (
        SELECT service_id, date_trunc('minute', create_time) AS minute, count(*) AS received,
          count(*) FILTER (WHERE agent_id IS NULL) AS unassigned,
          count(*) FILTER (WHERE state IN ('RESOLVED', 'COMPLETED')) AS resolved
        FROM ticket WHERE NOT is_spam GROUP BY 1, 2
      )
      SELECT
        (SELECT count(*) FROM recount FULL JOIN ticket_holder_count AS h USING (service_id, agent_id, state)
          WHERE recount.count IS DISTINCT FROM h.count),
        (SELECT count(*) FROM minutes FULL JOIN ticket_minute_count AS m USING (service_id, minute)
          WHERE (minutes.received, minutes.unassigned, minutes.resolved)
            IS DISTINCT FROM (m.received, m.unassigned, m.resolved)),
        (SELECT count(*) FROM (
            SELECT service_id, date_trunc('hour', minute, 'UTC') AS hour, sum(received) AS received,
              sum(unassigned) AS unassigned, sum(resolved) AS resolved
            FROM ticket_minute_count GROUP BY 1, 2) AS m FULL JOIN ticket_hour_count AS o USING (service_id, hour)
          WHERE (m.received, m.unassigned, m.resolved) IS DISTINCT FROM (o.received, o.unassigned, o.resolved)),
        (SELECT count(*) FROM ticket AS t JOIN ticket_entry AS e ON e.ticket_id = t.id LEFT JOIN ticket_search AS x
          ON x.ticket_id = t.id AND x.place = 'entry/' || e.id AND x.create_time = t.create_time
          WHERE x.tokens IS NULL)
      """, deadline: TestDatabase.deadline)[0]
    #expect(try (0...3).map { try wrong.int64($0) } == [0, 0, 0, 0])
    let states = try await database.pool.query(
      "SELECT count(DISTINCT state) FROM ticket", deadline: TestDatabase.deadline)[0].int64(0)
    #expect(states >= 5)
    try await expectEscalations(database)
  }

  /// Every escalated ticket has the issue ticket that answers it, and waits as long as that one is not done.
  private func expectEscalations(_ database: TestDatabase) async throws {
    let row = try await database.pool.query(
      """
      SELECT count(*) FILTER (WHERE t.escalated_to = 'ISSUE'), count(i.id), count(DISTINCT i.id),
        count(*) FILTER (WHERE t.state = 'ESCALATING' AND i.state IN ('RESOLVED', 'COMPLETED')),
        count(*) FILTER (WHERE t.state = 'ESCALATION_ANSWERED' AND i.state NOT IN ('RESOLVED', 'COMPLETED')),
        (SELECT count(*) FROM ticket AS x WHERE x.source_ticket_id IS NOT NULL)
      FROM ticket AS t LEFT JOIN ticket AS i ON i.service_id = t.target_service_id AND i.id = t.target_ticket_id
        AND i.source_service_id = t.service_id AND i.source_ticket_id = t.id AND i.customer_id = t.customer_id
        AND i.create_time > t.create_time AND i.service_id <> t.service_id
      """, deadline: TestDatabase.deadline)[0]
    let counts = try (0...5).map { try row.int64($0) }
    #expect(counts[0] > 5, "\(counts)")
    #expect(counts == [counts[0], counts[0], counts[0], 0, 0, counts[0]])
  }

  @Test("once they are written, every index and key is what it was, beside tickets that were there and on none")
  func indexes() async throws {
    let database = try await TestDatabase.make()
    let key = try #require(LedgerKey(SecretBytes([UInt8](repeating: 7, count: LedgerKey.byteCount))))
    let seed = BulkSeed(try await events(database), key, Console())
    func schema() async throws -> [String] {
      try await database.pool.query(
        """
        SELECT format('%s: %s', i.tablename, i.indexdef) FROM pg_indexes AS i WHERE i.tablename LIKE 'ticket%'
        UNION ALL SELECT format('%s: %s %s %s', k.conrelid::regclass, k.conname, pg_get_constraintdef(k.oid),
          k.convalidated) FROM pg_constraint AS k WHERE k.conrelid::regclass::text LIKE '%ticket%'
        ORDER BY 1
        """, deadline: TestDatabase.deadline
      ).map { try $0.string(0) }
    }
    let before = try await schema()
    #expect(before.contains { $0.contains("ticket_search_pkey PRIMARY KEY") })
    let connection = try await BulkConnection.open(database.configuration)
    for round in 1...2 {
      try await connection.transaction { try await seed.fill(BulkOrder(count: 300), connection) }
      #expect(try await schema() == before)
      let count = try await database.pool.query("SELECT count(*) FROM ticket", deadline: TestDatabase.deadline)[0]
      #expect(try count.int(0) == round * 300)
    }
  }

  @Test("none of them is left to complete at once, so that a measurement finds the daemons idle")
  func nothingDue() {
    var generator = DemoGenerator(seed: 5, ticketsBy: ())
    let day = 86_400
    for number in 1...5_000 {
      let ticket = generator.next(age: number * 30 * day / 5_000, escalates: true)
      for ticket in [ticket] + ticket.steps.compactMap(\.act.issue) {
        guard let last = ticket.steps.last, last.act.leavesResolved else { continue }
        #expect(ticket.age - last.time < 14 * day, "\(ticket)")
      }
    }
  }

  @Test("--tickets takes a number, and the others only make sense with it")
  func orders() throws {
    let order = try BulkOrder(try Arguments(["seed", "--tickets", "1000", "--days", "30", "--seed", "7"]))
    var expected = BulkOrder(count: 1_000)
    (expected.days, expected.seed) = (30, 7)
    #expect(order == expected)
    #expect(try BulkOrder(try Arguments(["seed"])) == nil)
    for words in [["--tickets", "0"], ["--tickets", "many"], ["--days", "3"], ["--tickets", "5", "--days", "0"]] {
      #expect(throws: OperatorError.self) { try BulkOrder(try Arguments(["seed"] + words)) }
    }
  }
}
