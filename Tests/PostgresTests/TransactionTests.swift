import EventLoop
import HandoffTestKit
import Postgres
import Synchronization
import Testing

@Suite struct TransactionTests {
  private let deadline = TestDatabase.deadline

  private func database() async throws -> TestDatabase {
    try await TestDatabase.migrated(with: [
      Migration(
        number: 1, owner: "Test", name: "create_account",
        sql: Array(
          """
          CREATE TABLE account (
            id bigint PRIMARY KEY, balance bigint NOT NULL CONSTRAINT balance_is_positive CHECK (balance >= 0),
            name text CONSTRAINT account_name_key UNIQUE,
            parent_id bigint CONSTRAINT account_parent_fkey REFERENCES account DEFERRABLE INITIALLY DEFERRED
          );
          INSERT INTO account (id, balance, name) VALUES (1, 100, 'one'), (2, 100, 'two');
          """.utf8))
    ])
  }

  private func balances(_ pool: PostgresPool) async throws -> [Int64] {
    try await pool.query("SELECT balance FROM account ORDER BY id", deadline: deadline).map { try $0.int64(0) }
  }

  @Test("a transaction commits what its body did, and returns its value")
  func commits() async throws {
    let database = try await database()
    let left = try await database.pool.transaction(deadline: deadline) { transaction in
      try await transaction.execute("UPDATE account SET balance = balance - \(Int64(30)) WHERE id = 1")
      let rows = try await transaction.batch([
        "UPDATE account SET balance = balance + \(Int64(30)) WHERE id = 2", "SELECT balance FROM account WHERE id = 1",
      ])
      #expect(rows[0].affected == 1)
      return try rows[1][0].int64(0)
    }
    #expect(left == 70)
    #expect(try await balances(database.pool) == [70, 130])
  }

  @Test("a body that throws leaves nothing behind, whatever it did before")
  func rollsBack() async throws {
    struct Refusal: Error {}
    let database = try await database()
    await #expect(throws: Refusal.self) {
      try await database.pool.transaction(deadline: deadline) { transaction in
        try await transaction.execute("UPDATE account SET balance = 0")
        throw Refusal()
      }
    }
    await expectError("23514") {
      try await database.pool.transaction(deadline: deadline) { transaction in
        try await transaction.execute("UPDATE account SET balance = 5 WHERE id = 2")
        // The body goes on after a failure; the transaction does not.
        _ = try? await transaction.execute("UPDATE account SET balance = -1 WHERE id = 1")
      }
    }
    #expect(try await balances(database.pool) == [100, 100])
  }

  @Test("a batch takes one round trip and is all or nothing")
  func batch() async throws {
    let database = try await database()
    let rows = try await database.pool.transactionBatch(
      [
        "UPDATE account SET balance = balance - 1 WHERE id = 1 RETURNING balance",
        "UPDATE account SET balance = balance + 1 WHERE id = 2 RETURNING balance",
      ], deadline: deadline)
    #expect(try rows.map { try $0[0].int64(0) } == [99, 101])
    await expectError("23505") {
      try await database.pool.transactionBatch(
        ["UPDATE account SET balance = 0", "UPDATE account SET name = 'same'", "SELECT 1"], deadline: deadline)
    }
    #expect(try await balances(database.pool) == [99, 101])
  }

  @Test("the last statements may travel with COMMIT")
  func commitWith() async throws {
    let database = try await database()
    try await database.pool.transaction(deadline: deadline) { transaction in
      let balance = try await transaction.query("SELECT balance FROM account WHERE id = 1 FOR UPDATE")[0].int64(0)
      let rows = try await transaction.commit(with: ["UPDATE account SET balance = \(balance * 2) WHERE id = 1"])
      #expect(rows[0].affected == 1)
    }
    #expect(try await balances(database.pool) == [200, 100])
  }

  @Test("a transaction that has ended takes no more statements")
  func ended() async throws {
    let database = try await database()
    let escaped = try await database.pool.transaction(deadline: deadline) { transaction in
      try await transaction.query("SELECT 1")
      return transaction
    }
    await expectError("25P01") { try await escaped.query("UPDATE account SET balance = 0") }
    let rolledBack = Mutex<PostgresTransaction?>(nil)
    await expectError("22012") {
      try await database.pool.transaction(deadline: deadline) { transaction in
        rolledBack.withLock { $0 = transaction }
        try await transaction.query("SELECT 1 / 0")
      }
    }
    let other = rolledBack.withLock(\.self)
    await expectError("25P01") { try await other?.query("UPDATE account SET balance = 0") }
    await expectError("25P01") {
      try await database.pool.transaction(deadline: deadline) { transaction in
        try await transaction.commit(with: ["SELECT 1"])
        try await transaction.query("UPDATE account SET balance = 0")
      }
    }
    #expect(try await balances(database.pool) == [100, 100])
  }

  @Test("a constraint that is checked at COMMIT fails the transaction, the batch and the single statement")
  func deferredConstraint() async throws {
    let database = try await database()
    let insert: Query = "INSERT INTO account (id, balance, parent_id) VALUES (9, 0, 77)"
    await expectError("23503", .server) { try await database.pool.query(insert, deadline: deadline) }
    await expectError("23503", .server) { try await database.pool.transactionBatch([insert], deadline: deadline) }
    await expectError("23503", .server) {
      try await database.pool.transaction(deadline: deadline) { try await $0.query(insert) }
    }
    #expect(try await balances(database.pool).count == 2)
  }

  @Test("changes made by many callers at once are all kept or all reported")
  func concurrentChanges() async throws {
    let database = try await database()
    let pool = database.pool
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<100 {
        group.addTask {
          if number % 10 == 3 {
            await expectError("23514") {
              try await pool.query("UPDATE account SET balance = -1 WHERE id = 1", deadline: deadline)
            }
          } else {
            let rows = try await pool.query("UPDATE account SET balance = balance + 1 WHERE id = 1", deadline: deadline)
            #expect(rows.affected == 1)
          }
        }
      }
      try await group.waitForAll()
    }
    #expect(try await balances(pool) == [190, 100])
  }

  @Test("serialization failures run the body again, until it succeeds")
  func conflictRetry() async throws {
    let database = try await database()
    let attempts = Counter()
    let bothRead = Barrier(2)
    @Sendable func add(_ amount: Int64) async throws {
      var isFirst = true
      try await database.pool.transaction(deadline: deadline, isolation: .serializable, retries: 10) { transaction in
        attempts.add()
        let balance = try await transaction.query("SELECT sum(balance)::bigint FROM account")[0].int64(0)
        // Both have read before either writes: one of them must conflict.
        if isFirst {
          isFirst = false
          await bothRead.arrive()
        }
        try await transaction.execute("UPDATE account SET balance = \(balance + amount) WHERE id = \(amount)")
      }
    }
    async let one: Void = add(1)
    async let two: Void = add(2)
    try await one
    try await two
    #expect(attempts.value > 2)
    let sums = try await balances(database.pool)
    #expect(sums == [201, 303] || sums == [303, 202])
    #expect(database.pool.metrics.retries > 0)
  }

  @Test("a deadlock is resolved by running one of the bodies again")
  func deadlockRetry() async throws {
    let database = try await database()
    let bothLocked = Barrier(2)
    @Sendable func change(_ first: Int64, _ second: Int64) async throws {
      var isFirst = true
      try await database.pool.transaction(deadline: deadline) { transaction in
        try await transaction.query("SELECT set_config('deadlock_timeout', '10ms', true)")
        try await transaction.execute("UPDATE account SET balance = balance + 1 WHERE id = \(first)")
        if isFirst {
          isFirst = false
          await bothLocked.arrive()
        }
        try await transaction.execute("UPDATE account SET balance = balance + 1 WHERE id = \(second)")
      }
    }
    async let one: Void = change(1, 2)
    async let two: Void = change(2, 1)
    try await one
    try await two
    #expect(try await balances(database.pool) == [102, 102])
  }

  @Test("errors name SQLSTATE, constraint, table; their description holds no data")
  func errors() async throws {
    let database = try await database()
    let error = await #expect(throws: PostgresError.self) {
      try await database.pool.query(
        "INSERT INTO account (id, balance, name) VALUES (3, 1, \("one"))", deadline: deadline)
    }
    #expect(error?.sqlState == "23505")
    #expect(error?.constraint == "account_name_key")
    #expect(error?.table == "account")
    #expect(error?.violates("account_name_key") == true)
    #expect(error.map { "\($0)" } == "PostgreSQL server 23505 (account_name_key)")
  }

  @Test("every class of error is told by its SQLSTATE")
  func sqlStates() async throws {
    let database = try await database()
    let rows: [(Query, String)] = [
      ("SELECT * FROM nowhere", "42P01"), ("SELECT nothing", "42703"), ("SELEC 1", "42601"),
      ("SELECT 1 / 0", "22012"), ("SELECT 'x'::bigint", "22P02"), ("SELECT 9223372036854775807 + 1", "22003"),
      ("INSERT INTO account (id) VALUES (5)", "23502"), ("UPDATE account SET balance = -5", "23514"),
      ("SELECT 1; SELECT 2", "42601"), ("COMMIT AND CHAIN", "25P01"), ("SELECT \(Int64(1)) = \("1")", "42883"),
    ]
    for (query, state) in rows {
      await expectError(state) { try await database.pool.query(query, deadline: deadline) }
    }
  }

  @Test("a changed table does not break statements prepared before")
  func stalePlans() async throws {
    let database = try await database()
    let query: Query = "SELECT * FROM account WHERE id = \(Int64(1))"
    for column in 4..<8 {
      #expect(try await database.pool.query(query, deadline: deadline)[0].columns == column)
      let inTransaction = try await database.pool.transaction(deadline: deadline) { transaction in
        try await transaction.query(query)[0].columns
      }
      #expect(inTransaction == column)
      _ = try await database.pool.query(
        "ALTER TABLE account ADD COLUMN \(identifier: "extra \(column)") text", deadline: deadline)
    }
  }
}

/// Lets tasks go on when a number of them has arrived.
private actor Barrier {
  private var missing: Int
  private var waiting: [CheckedContinuation<Void, Never>] = []

  init(_ count: Int) { missing = count }

  func arrive() async {
    missing -= 1
    if missing <= 0 {
      for continuation in waiting { continuation.resume() }
      waiting = []
    } else {
      await withCheckedContinuation { waiting.append($0) }
    }
  }
}
