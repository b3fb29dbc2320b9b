import EventLoop
package import Postgres
package import ServiceKit

extension ServiceProcess {
  /// Opens the database that the daemon's configuration names: waits until it is there, checks that its schema fits,
  /// makes readiness depend on it, counts what the pool does, and closes it when the process ends.
  ///
  /// The daemon's key table must hold `CommonKeys.database`, and its rules `CommonKeys.databaseRule`.
  ///
  /// - Parameter mayScanTables: whether plans may read whole tables that have an index of use; for a daemon that finds
  ///   all of its rows by keys it does harm only.
  /// - Throws: `StartupError` when the database stays out of reach, or its schema is older than the program or altered.
  package func openDatabase(mayScanTables: Bool = true) async throws -> PostgresPool {
    let loopMax = max(1, config[CommonKeys.databaseConnectionsMax] / group.loops.count)
    let label = PoolLabel(
      "handoff-\(name)", connectionsMax: loopMax * group.loops.count + PostgresPool.listenersMax,
      copy: .random(in: .min ... .max))
    var configuration = PostgresConfiguration(conninfo: config.databaseURL.text, applicationName: label.text)
    configuration.connectionsMax = loopMax
    configuration.mayScanTables = mayScanTables
    let log = log
    let pool = PostgresPool(configuration, group: group) { event in log.note(event) }
    onShutdown("database") { await pool.close() }
    let migrator = Migrator(migrations: Self.migrations)
    try await wait(for: "the database") { deadline in
      do {
        try await migrator.check(pool, deadline: deadline)
      } catch let error as MigrationError {
        throw StartupError(.config, error.description)
      }
    }
    readyWhen("database") { pool.metrics.open > 0 ? nil : "no connection to the database" }
    declare(pool)
    return pool
  }

  /// Every migration that this program knows.
  package static var migrations: [Migration] {
    Assets.migrations.map { asset in
      Migration(number: Int64(asset.number), owner: asset.owner, name: asset.name, sql: asset.bytes)
    }
  }

  private func declare(_ pool: PostgresPool) {
    metrics.observed("handoff_database_connections_open", "Connections to PostgreSQL.") {
      Double(pool.metrics.open)
    }
    metrics.observed("handoff_database_connections_in_use", "Connections with a statement under way.") {
      Double(pool.metrics.inUse)
    }
    metrics.observed("handoff_database_callers_waiting", "Callers that wait for a connection.") {
      Double(pool.metrics.waiting)
    }
    metrics.observed("handoff_database_queries_total", "Statements sent.", type: .counter) {
      Double(pool.metrics.queries)
    }
    metrics.observed(
      "handoff_database_wait_seconds_total", "Time that callers waited for a connection.", type: .counter
    ) { Double(pool.metrics.waitNanoseconds) / 1e9 }
    metrics.observed(
      "handoff_database_failures_total", "Connections that failed or broke.", type: .counter
    ) { Double(pool.metrics.failures) }
  }
}

extension Logger {
  /// Writes down what a pool tells.
  fileprivate func note(_ event: PostgresEvent) {
    switch event {
    case .connected:
      debug("database.connected")
    case .connectFailed(let error, let retryAfter):
      warning(
        "database.connect_failed",
        ["cause": .string(String(describing: error)), "retry_after": .string(String(describing: retryAfter))])
    case .connectionLost(let error):
      warning("database.connection_lost", ["cause": .string(String(describing: error))])
    case .transactionRetried(let error, let attempt):
      info(
        "database.transaction_retried",
        ["cause": .string(String(describing: error)), "attempt": .integer(Int64(attempt))])
    }
  }
}
