import EventLoop
import HandoffTestKit
import Postgres
import Testing

/// What happens when connections break.
@Suite struct RecoveryTests {
  private let deadline = TestDatabase.deadline

  private func database() async throws -> TestDatabase {
    try await TestDatabase.migrated(with: [
      Migration(
        number: 1, owner: "Test", name: "create_counter",
        sql: Array(
          """
          CREATE TABLE counter (id bigint PRIMARY KEY, value bigint NOT NULL);
          INSERT INTO counter SELECT n, 0 FROM generate_series(1, 8) AS n;
          CREATE TABLE slow (id bigint);
          CREATE FUNCTION wait_at_commit() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN PERFORM pg_sleep(600); RETURN NULL; END $$;
          CREATE CONSTRAINT TRIGGER slow_commit AFTER INSERT ON slow
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait_at_commit();
          """.utf8))
    ])
  }

  /// Ends all connections to the database but the asking one's, which belongs to another database.
  @discardableResult
  private func terminate(_ database: TestDatabase, _ condition: Query = "true") async throws -> Int {
    try await SharedDatabase.pool().query(
      """
      SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = \(database.name) AND (\(fragment: condition))
      """, deadline: deadline
    ).count
  }

  @Test("while connections break, callers get an answer or a clear error; then all is well", .timeLimit(.minutes(1)))
  func recovery() async throws {
    let database = try await database()
    let pool = database.pool
    let certain = Counter()
    let unknown = Counter()
    let done = Counter()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for id in Int64(1)...8 {
        group.addTask {
          for round in 0..<30 {
            do {
              switch round % 3 {
              case 0:
                _ = try await pool.query("UPDATE counter SET value = value + 1 WHERE id = \(id)", deadline: deadline)
              case 1:
                try await pool.transaction(deadline: deadline) { transaction in
                  let value = try await transaction.query("SELECT value FROM counter WHERE id = \(id)")[0].int64(0)
                  try await transaction.execute("UPDATE counter SET value = \(value + 1) WHERE id = \(id)")
                }
              default:
                _ = try await pool.query("SELECT value FROM counter WHERE id = \(id)", deadline: deadline)
                continue
              }
              certain.add()
            } catch let error as PostgresError where error.kind == .outcomeUnknown {
              unknown.add()
            } catch let error as PostgresError {
              #expect(error.isUnavailable, "\(error): \(error.message)")
            }
          }
          done.add()
        }
      }
      group.addTask {
        while done.value < 8 { try await terminate(database) }
      }
      try await group.waitForAll()
    }
    let sum = try await pool.query("SELECT sum(value)::bigint FROM counter", deadline: deadline)[0].int64(0)
    #expect(sum >= Int64(certain.value))
    #expect(sum <= Int64(certain.value + unknown.value))
    // The last answer is delivered a moment before its connection counts as free.
    while pool.metrics.inUse > 0 { await Task.yield() }
  }

  @Test("an idle connection that the server closed is not used again", .timeLimit(.minutes(1)))
  func idleTermination() async throws {
    let database = try await database()
    for _ in 0..<20 {
      #expect(try await database.pool.query("SELECT 1", deadline: deadline).count == 1)
      try await terminate(database)
      // A change is not sent again by the pool: it works only when the broken connection is known.
      while database.pool.metrics.open > 0 { await Task.yield() }
      let rows = try await database.pool.query("UPDATE counter SET value = 1 WHERE id = 1", deadline: deadline)
      #expect(rows.affected == 1)
    }
  }

  @Test("a change whose answer is lost at COMMIT has an unknown outcome", .timeLimit(.minutes(1)))
  func unknownOutcome() async throws {
    let database = try await database()
    let insert: Query = "INSERT INTO slow VALUES (1)"
    let changes: [@Sendable () async throws -> Void] = [
      { _ = try await database.pool.query(insert, deadline: deadline) },
      { _ = try await database.pool.transactionBatch([insert], deadline: deadline) },
      { try await database.pool.transaction(deadline: deadline) { _ = try await $0.query(insert) } },
      { try await database.pool.transaction(deadline: deadline) { _ = try await $0.commit(with: [insert]) } },
    ]
    for change in changes {
      let task = Task { try await change() }
      while try await terminate(database, "wait_event = 'PgSleep'") == 0 { await Task.yield() }
      await expectError("08007", .outcomeUnknown) { try await task.value }
    }
    let isKnown = Task {
      try await database.pool.transaction(deadline: deadline) { transaction in
        try await transaction.query("SELECT pg_sleep(600)")
      }
    }
    while try await terminate(database, "wait_event = 'PgSleep'") == 0 { await Task.yield() }
    await expectError("57P01", .server) { try await isKnown.value }
  }

  @Test("a deadline that passes during COMMIT still brings the outcome", .timeLimit(.minutes(1)))
  func deadlineAtCommit() async throws {
    let database = try await database()
    await expectError("57014", .deadlineExceeded) {
      try await database.pool.query("INSERT INTO slow VALUES (1)", deadline: .after(.milliseconds(50)))
    }
    await expectError("57014", .deadlineExceeded) {
      try await database.pool.transactionBatch(["INSERT INTO slow VALUES (1)"], deadline: .after(.milliseconds(50)))
    }
    #expect(try await database.pool.query("SELECT 1 FROM slow", deadline: deadline).isEmpty)
  }

  @Test("notifications arrive, and listening begins again after the connection broke", .timeLimit(.minutes(1)))
  func listening() async throws {
    let database = try await database()
    var tickets = database.pool.listen(channel: "ticket \"changed\"").makeAsyncIterator()
    var others = database.pool.listen(channel: "other").makeAsyncIterator()
    #expect(await tickets.next() == "")
    #expect(await others.next() == "")
    for round in 0..<5 {
      _ = try await database.pool.query(
        "SELECT pg_notify('ticket \"changed\"', \("한글 \(round)"))", deadline: deadline)
      #expect(await tickets.next() == "한글 \(round)")
      while try await terminate(database, "query LIKE 'LISTEN%'") == 0 { await Task.yield() }
      #expect(await tickets.next() == "")
    }
    _ = try await database.pool.query("NOTIFY other, 'x'", deadline: deadline)
    var last = await others.next()
    while last == "" { last = await others.next() }
    #expect(last == "x")
    await database.pool.close()
    while last != nil { last = await others.next() }
  }
}
