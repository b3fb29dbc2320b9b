import CAssets
package import EventLoop
import Foundation
package import Postgres
import Synchronization

/// A database of its own for a test, dropped when the last reference goes.
package final class TestDatabase: Sendable {
  /// Its name in the cluster.
  package let name: String
  /// A superuser's URL.
  package let url: String
  /// A pool of the superuser's connections on the shared loops.
  package let pool: PostgresPool

  private init(name: String, url: String) {
    self.name = name
    self.url = url
    pool = PostgresPool(Self.configuration(url: url), group: TestLoops.group)
  }

  deinit {
    let pool = pool
    let name = name
    Task {
      await pool.close()
      // The cluster goes with the process; on a server of others, the next run drops what is left.
      _ = try? await Administration.shared().run("DROP DATABASE IF EXISTS \(identifier: name) WITH (FORCE)")
    }
  }

  /// The configuration of the database's pool, for pools with other limits.
  package var configuration: PostgresConfiguration { Self.configuration(url: url) }

  /// A fresh database with the whole schema of the project.
  package static func make() async throws -> TestDatabase { try await migrated(with: Migration.embedded) }

  /// A fresh database without any schema.
  package static func empty() async throws -> TestDatabase { try await create(from: "template0") }

  /// A fresh database to which `migrations` are applied: a copy of a template made once per process.
  package static func migrated(with migrations: [Migration]) async throws -> TestDatabase {
    try await create(from: try await Templates.shared.template(for: migrations))
  }

  /// A deadline generous enough for a machine that is busy with other things: only what hangs passes it.
  package static var deadline: Deadline { .after(.seconds(600)) }

  static func configuration(url: String) -> PostgresConfiguration {
    var configuration = PostgresConfiguration(conninfo: url, applicationName: "handoff-tests")
    // Generous for the same reason as the deadline.
    configuration.connectTimeout = .seconds(120)
    return configuration
  }

  static func create(from template: String) async throws -> TestDatabase {
    let administration = try await Administration.shared()
    let name = administration.newName()
    try await administration.run("CREATE DATABASE \(identifier: name) TEMPLATE \(identifier: template)")
    return TestDatabase(name: name, url: administration.cluster.url(database: name))
  }
}

/// The event loops that all tests of the process share; they live as long as it.
package enum TestLoops {
  /// Two loops.
  package static let group: EventLoopGroup = {
    guard let group = try? EventLoopGroup.start(count: 2) else {
      preconditionFailure("the system gives no threads or descriptors for event loops")
    }
    return group
  }()
}

extension Migration {
  /// All migrations of the project, ascending.
  package static var embedded: [Migration] {
    (0..<handoff_asset_count()).compactMap { index in
      guard let asset = handoff_asset_at(index)?.pointee else { return nil }
      let sql = Array(UnsafeBufferPointer(start: asset.bytes, count: asset.length))
      return Migration(path: String(cString: asset.path), sql: sql)
    }
  }
}

/// Creates and drops databases.
struct Administration: Sendable {
  let cluster: PostgresCluster
  private let pool: PostgresPool
  private static let counter = Atomic<Int>(0)
  private static let instance = Once<Administration>()

  static func shared() async throws -> Administration {
    try await instance.value {
      let cluster = try PostgresCluster.shared()
      var configuration = TestDatabase.configuration(url: cluster.url)
      configuration.statementTimeout = .zero
      let administration = Administration(
        cluster: cluster, pool: PostgresPool(configuration, group: TestLoops.group))
      try await administration.dropLeftovers()
      return administration
    }
  }

  func run(_ query: Query) async throws { _ = try await pool.query(query, deadline: .after(.seconds(120))) }

  /// A name that tells which process made it.
  func newName() -> String {
    "handoff_test_\(getpid())_\(Self.counter.wrappingAdd(1, ordering: .relaxed).newValue)"
  }

  // A process that died on a server of others could not drop its databases.
  private func dropLeftovers() async throws {
    let rows = try await pool.query(
      "SELECT datname FROM pg_database WHERE datname LIKE 'handoff\\_test\\_%'", deadline: TestDatabase.deadline)
    for row in rows {
      let name = try row.string(0)
      guard let pid = name.split(separator: "_").dropFirst(2).first.flatMap({ Int32($0) }), kill(pid, 0) != 0,
        errno == ESRCH
      else { continue }
      try await run("DROP DATABASE IF EXISTS \(identifier: name) WITH (FORCE)")
    }
  }
}

/// Migrated databases to copy, one per history.
actor Templates {
  static let shared = Templates()
  private var templates: [[Int64]: Task<String, any Error>] = [:]

  func template(for migrations: [Migration]) async throws -> String {
    let key = migrations.flatMap { [$0.number, Int64(truncatingIfNeeded: $0.sql.hashValue)] }
    if let known = templates[key] { return try await known.value }
    let made = Task {
      let administration = try await Administration.shared()
      let name = administration.newName()
      try await administration.run("CREATE DATABASE \(identifier: name) TEMPLATE template0")
      let url = administration.cluster.url(database: name)
      _ = try await Migrator(migrations: migrations).migrate(TestDatabase.configuration(url: url))
      return name
    }
    templates[key] = made
    return try await made.value
  }
}

/// A value made by the first caller, for whom the others wait.
final class Once<Value: Sendable>: Sendable {
  private let task = Mutex<Task<Value, any Error>?>(nil)

  func value(_ make: @escaping @Sendable () async throws -> Value) async throws -> Value {
    let task = task.withLock { task in
      if let task { return task }
      let made = Task { try await make() }
      task = made
      return made
    }
    return try await task.value
  }
}
