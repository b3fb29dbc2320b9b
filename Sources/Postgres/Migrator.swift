package import EventLoop

/// One step of the schema's history: forward only, applied once, never edited afterwards.
package struct Migration: Sendable {
  /// Its place in the history; unique over all owners, ascending.
  package let number: Int64
  /// The target that owns the tables.
  package let owner: String
  /// What it does, as in its file's name.
  package let name: String
  /// The SQL script in UTF-8; several statements, no transaction control.
  package let sql: [UInt8]

  /// Makes a migration from its parts.
  package init(number: Int64, owner: String, name: String, sql: [UInt8]) {
    self.number = number
    self.owner = owner
    self.name = name
    self.sql = sql
  }

  /// Makes a migration from a file named `…/<Owner>/Migrations/<number>_<name>.sql`; nil when the path is another's.
  package init?(path: String, sql: [UInt8]) {
    let parts = path.split(separator: "/")
    guard parts.count >= 3, parts[parts.count - 2] == "Migrations", let file = parts.last, file.hasSuffix(".sql"),
      let underscore = file.firstIndex(of: "_"), let number = Int64(file[..<underscore])
    else { return nil }
    let name = file[file.index(after: underscore)...].dropLast(4)
    self.init(number: number, owner: String(parts[parts.count - 3]), name: String(name), sql: sql)
  }
}

/// Why a database's history does not allow what was asked for.
package enum MigrationError: Error, Equatable, CustomStringConvertible {
  /// The given migrations do not ascend.
  case notAscending(number: Int64)
  /// The file of an applied migration was changed afterwards.
  case edited(number: Int64, name: String)
  /// The database knows a migration that the program does not.
  case unknown(number: Int64, name: String)
  /// The program needs a migration that was applied neither here nor before later ones.
  case skipped(number: Int64, name: String)
  /// The database has not all migrations that the program needs.
  case tooOld(applied: Int64, needed: Int64)
  /// The database is more than one migration newer than the program.
  case tooNew(applied: Int64, known: Int64)
  /// A script failed; its transaction was rolled back.
  case failed(number: Int64, name: String, PostgresError)

  /// What is wrong and what to do, for an operator.
  package var description: String {
    switch self {
    case .notAscending(let number): "migration \(number) does not come after the one before it"
    case .edited(let number, let name):
      "migration \(number)_\(name) was edited after it was applied: restore its file,"
        + " and make the change a new migration"
    case .unknown(let number, let name):
      "the database has migration \(number)_\(name), which this program does not know: use a newer program"
    case .skipped(let number, let name):
      "migration \(number)_\(name) was not applied, although later ones were: give it a number after them"
    case .tooOld(let applied, let needed):
      "the database is at migration \(applied), this program needs \(needed): run `handoff migrate`"
    case .tooNew(let applied, let known):
      "the database is at migration \(applied), this program knows up to \(known) and one more: use a newer program"
    case .failed(let number, let name, let error):
      "migration \(number)_\(name) failed (\(error.sqlState)): \(error.message)"
    }
  }
}

/// Brings a database's schema to the latest migration, and tells daemons whether they can work on it.
package struct Migrator: Sendable {
  /// The whole history that the program knows.
  package let migrations: [Migration]

  /// Takes the history, ascending by number.
  package init(migrations: [Migration]) { self.migrations = migrations }

  /// Applies what is missing, one transaction each, while an advisory lock keeps other migrators waiting.
  ///
  /// Works on a connection and a thread of its own, without a deadline: a migration takes what it takes.
  ///
  /// - Returns: what was applied now, in order; empty when the schema was at the latest migration.
  /// - Throws: ``MigrationError``; ``PostgresError`` when the database cannot be reached or prepared.
  package func migrate(_ configuration: PostgresConfiguration) async throws -> [Migration] {
    var configuration = configuration
    configuration.role = nil
    configuration.statementTimeout = .zero
    configuration.idleInTransactionTimeout = .zero
    return try await Self.threads.run { [configuration] in
      let connection = try BlockingConnection(configuration)
      return try migrate(on: connection, schema: configuration.searchPath)
    }
  }

  /// Checks that a daemon of this program can work on the database: every migration it knows is applied unaltered, and
  /// at most one newer is.
  ///
  /// - Throws: ``MigrationError``; ``PostgresError`` when the database cannot be asked.
  package func check(_ pool: PostgresPool, deadline: Deadline) async throws {
    let applied: [Applied]
    do {
      let rows = try await pool.query(
        "SELECT version, name, checksum FROM schema_migration ORDER BY version", deadline: deadline)
      applied = try rows.map { Applied(number: try $0.int64(0), name: try $0.string(1), checksum: try $0.string(2)) }
    } catch let error as PostgresError where error.sqlState == "42P01" {
      throw MigrationError.tooOld(applied: 0, needed: migrations.last?.number ?? 0)
    }
    let sums = try await pool.query(
      "SELECT encode(sha256(s), 'hex') FROM unnest(\(migrations.map(\.sql))) WITH ORDINALITY AS u(s, n) ORDER BY n",
      deadline: deadline)
    let missing = try missing(applied, checksums: try sums.map { try $0.string(0) }, newerMax: 1)
    guard missing.isEmpty else {
      throw MigrationError.tooOld(applied: applied.last?.number ?? 0, needed: migrations.last?.number ?? 0)
    }
  }

  private static let threads = BlockingPool(name: "migrate", threads: 2, queueMax: 64)

  private struct Applied {
    let number: Int64
    let name: String
    let checksum: String
  }

  /// Compares the histories and returns the migrations not applied yet.
  private func missing(_ applied: [Applied], checksums: [String], newerMax: Int) throws(MigrationError) -> [Migration] {
    for (earlier, later) in zip(migrations, migrations.dropFirst()) where later.number <= earlier.number {
      throw .notAscending(number: later.number)
    }
    let latestApplied = applied.last?.number ?? 0
    let latestKnown = migrations.last?.number ?? 0
    var unmatched = Dictionary(applied.map { ($0.number, $0) }, uniquingKeysWith: { first, _ in first })
    var missing: [Migration] = []
    for (migration, checksum) in zip(migrations, checksums) {
      if let known = unmatched.removeValue(forKey: migration.number) {
        guard known.checksum == checksum else { throw .edited(number: migration.number, name: migration.name) }
      } else if migration.number < latestApplied {
        throw .skipped(number: migration.number, name: migration.name)
      } else {
        missing.append(migration)
      }
    }
    if let unknown = unmatched.values.filter({ $0.number < latestKnown }).min(by: { $0.number < $1.number }) {
      throw .unknown(number: unknown.number, name: unknown.name)
    }
    guard unmatched.count <= newerMax else { throw .tooNew(applied: latestApplied, known: latestKnown) }
    return missing
  }

  // "handoff" in ASCII; any number does, as long as all migrators use the same.
  private static let advisoryLock: Int64 = 0x68_616e_646f_6666

  private func migrate(on connection: BlockingConnection, schema: String) throws -> [Migration] {
    _ = try connection.run("SELECT pg_advisory_lock(\(Self.advisoryLock))")
    // The connection's end would unlock too; this is for the next one waiting.
    defer { _ = try? connection.run("SELECT pg_advisory_unlock(\(Self.advisoryLock))") }
    try prepare(connection, schema)
    let applied = try connection.run("SELECT version, name, checksum FROM schema_migration ORDER BY version").map {
      Applied(number: try $0.int64(0), name: try $0.string(1), checksum: try $0.string(2))
    }
    let checksums = try migrations.map { migration in
      try connection.run("SELECT encode(sha256(\(migration.sql)), 'hex')")[0].string(0)
    }
    let missing = try missing(applied, checksums: checksums, newerMax: 0)
    for migration in missing { try apply(migration, connection) }
    return missing
  }

  private func prepare(_ connection: BlockingConnection, _ schema: String) throws {
    let isThere = try connection.run("SELECT to_regclass('schema_migration') IS NOT NULL")[0].bool(0)
    guard !isThere else { return }
    try connection.runScript(Array("CREATE SCHEMA IF NOT EXISTS \(Query.quoted(identifier: schema))".utf8))
    try connection.runScript(
      Array(
        """
        CREATE TABLE schema_migration (
          version bigint PRIMARY KEY,
          owner text NOT NULL,
          name text NOT NULL,
          checksum text NOT NULL,
          apply_time timestamptz NOT NULL DEFAULT now()
        )
        """.utf8))
  }

  private func apply(_ migration: Migration, _ connection: BlockingConnection) throws {
    do {
      _ = try connection.run("BEGIN")
      try connection.runScript(migration.sql)
      _ = try connection.run(
        """
        INSERT INTO schema_migration (version, owner, name, checksum)
        VALUES (\(migration.number), \(migration.owner), \(migration.name), encode(sha256(\(migration.sql)), 'hex'))
        """)
      _ = try connection.run("COMMIT")
    } catch {
      _ = try? connection.run("ROLLBACK")
      throw MigrationError.failed(number: migration.number, name: migration.name, error)
    }
  }
}
