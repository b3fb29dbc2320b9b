import HandoffTestKit
import Postgres
import Testing

@Suite struct MigratorTests {
  private let deadline = TestDatabase.deadline

  private func migration(_ number: Int64, _ sql: String) -> Migration {
    Migration(number: number, owner: "Test", name: "step_\(number)", sql: Array(sql.utf8))
  }

  private var history: [Migration] {
    [
      migration(1, "CREATE TABLE one (id bigint); INSERT INTO one VALUES (1);"),
      migration(2, "-- 한글\nCREATE TABLE two (id bigint);"),
      migration(5, "CREATE FUNCTION five() RETURNS int LANGUAGE sql AS $$ SELECT 5; $$;"),
    ]
  }

  private func expect(_ wanted: MigrationError, _ body: () async throws -> Void) async {
    await #expect(throws: wanted) { try await body() }
  }

  @Test("an empty database gets the whole history once; a second run does nothing")
  func emptyToLatest() async throws {
    let database = try await TestDatabase.empty()
    let migrator = Migrator(migrations: history)
    await expect(.tooOld(applied: 0, needed: 5)) { try await migrator.check(database.pool, deadline: deadline) }
    #expect(try await migrator.migrate(database.configuration).map(\.number) == [1, 2, 5])
    #expect(try await migrator.migrate(database.configuration).isEmpty)
    try await migrator.check(database.pool, deadline: deadline)
    let rows = try await database.pool.query(
      "SELECT version, owner, name, length(checksum), apply_time <= now() FROM schema_migration ORDER BY version",
      deadline: deadline)
    let versions = try rows.map { try $0.int64(0) }
    #expect(versions == [1, 2, 5])
    #expect(try rows[1].string(1) == "Test")
    #expect(try rows[1].string(2) == "step_2")
    for row in rows {
      #expect(try row.int64(3) == 64)
      #expect(try row.bool(4))
    }
    #expect(try await database.pool.query("SELECT five() FROM one", deadline: deadline)[0].int64(0) == 5)
  }

  @Test("every prefix of the project's own history upgrades to the latest")
  func prefixes() async throws {
    let all = Migration.embedded
    #expect(!all.isEmpty)
    for length in 0..<all.count {
      let database = try await TestDatabase.empty()
      let before = Migrator(migrations: Array(all[..<length]))
      #expect(try await before.migrate(database.configuration).count == length)
      #expect(try await Migrator(migrations: all).migrate(database.configuration).count == all.count - length)
    }
  }

  @Test("an edited, skipped, unknown or unordered migration is refused by name")
  func refusals() async throws {
    let database = try await TestDatabase.migrated(with: history)
    let edited = [history[0], migration(2, "CREATE TABLE two (id text);"), history[2]]
    let skipped = history + [migration(6, "SELECT 1")]
    let rows: [([Migration], MigrationError)] = [
      (edited, .edited(number: 2, name: "step_2")),
      ([history[0], history[2]], .unknown(number: 2, name: "step_2")),
      (Array(history[..<2]) + [migration(3, "SELECT 1"), history[2]], .skipped(number: 3, name: "step_3")),
      ([history[1], history[0]], .notAscending(number: 1)),
      ([history[0]], .tooNew(applied: 5, known: 1)),
    ]
    for (migrations, error) in rows {
      let migrator = Migrator(migrations: migrations)
      await expect(error) { _ = try await migrator.migrate(database.configuration) }
      await expect(error) { try await migrator.check(database.pool, deadline: deadline) }
    }
    await expect(.tooOld(applied: 5, needed: 6)) {
      try await Migrator(migrations: skipped).check(database.pool, deadline: deadline)
    }
    let refusal = MigrationError.edited(number: 2, name: "step_2")
    #expect("\(refusal)".contains("2_step_2 was edited after it was applied"))
  }

  @Test("a daemon works on a schema one version newer, but not two; a migrator knows all")
  func oneVersionNewer() async throws {
    let database = try await TestDatabase.migrated(with: history)
    let older = Migrator(migrations: Array(history[..<2]))
    try await older.check(database.pool, deadline: deadline)
    await expect(.tooNew(applied: 5, known: 2)) { _ = try await older.migrate(database.configuration) }
    await expect(.tooNew(applied: 5, known: 1)) {
      try await Migrator(migrations: [history[0]]).check(database.pool, deadline: deadline)
    }
  }

  @Test("a migration that fails leaves nothing of itself, and what came before stays")
  func failure() async throws {
    let database = try await TestDatabase.empty()
    let broken = [history[0], migration(2, "CREATE TABLE two (id bigint); SELECT nonsense;")]
    let error = await #expect(throws: MigrationError.self) {
      try await Migrator(migrations: broken).migrate(database.configuration)
    }
    guard case .failed(number: 2, name: "step_2", let cause) = error else {
      Issue.record("not a failure of step 2: \(String(describing: error))")
      return
    }
    #expect(cause.sqlState == "42703")
    #expect(try await Migrator(migrations: history).migrate(database.configuration).map(\.number) == [2, 5])
  }

  @Test("migrators started at once apply each migration once")
  func concurrentMigrators() async throws {
    let database = try await TestDatabase.empty()
    let applied = try await withThrowingTaskGroup(of: [Int64].self) { group in
      for _ in 0..<8 {
        group.addTask {
          try await Migrator(migrations: history).migrate(database.configuration).map(\.number)
        }
      }
      return try await group.reduce(into: []) { $0 += $1 }
    }
    #expect(applied == [1, 2, 5])
  }

  @Test("a migration is named by its file's path")
  func paths() {
    let migration = Migration(path: "../Tickets/Migrations/0012_create_ticket.sql", sql: [])
    #expect(migration?.number == 12)
    #expect(migration?.owner == "Tickets")
    #expect(migration?.name == "create_ticket")
    #expect(Migration(path: "../Gateway/console.html", sql: []) == nil)
    #expect(Migration(path: "../Tickets/Migrations/create.sql", sql: []) == nil)
  }
}
