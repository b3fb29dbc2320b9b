import EventLoop
import Glibc

/// `handoff migrate` and `handoff seed`: the database without the daemons.
enum DatabaseCommands {
  /// Brings the schema up to date.
  static func migrate(
    _ arguments: Arguments, _ config: OperatorConfig, _ signals: StopSignals, _ console: Console
  ) async throws(OperatorError) {
    try await withDatabase(arguments, config, signals, console) { database, directory in
      try await database.prepareRoles(directory)
    }
  }

  /// Fills an empty database with the demo organization, and with many tickets when that was asked for.
  static func seed(
    _ arguments: Arguments, _ config: OperatorConfig, _ signals: StopSignals, _ console: Console
  ) async throws(OperatorError) {
    let bulk = try BulkOrder(arguments)
    try await withDatabase(arguments, config, signals, console) { database, directory in
      try ClusterSecrets.prepare(directory)
      try await database.prepareRoles(directory)
      if try await Seed(database, directory, console).runIfEmpty(bulk) {
        console.progress("The sign-ins are in \(directory.requested)/sign-ins.txt")
      } else {
        console.progress("There is an organization already; nothing was changed")
      }
    }
  }

  /// Works on a database with an up-to-date schema, and stops what was started for that.
  static func withDatabase(
    _ arguments: Arguments, _ config: OperatorConfig, _ signals: StopSignals, _ console: Console,
    _ work: @escaping @Sendable (ClusterDatabase, DataDirectory) async throws -> Void
  ) async throws(OperatorError) {
    let directory = try DataDirectory.prepare(arguments.data, sudoUser: config.sudoUser)
    // `handoff up` has brought the schema up to date; a second server on its data could not run.
    let lock = try InstanceLock(directory)
    let cluster = try Cluster(config, directory, console)
    let task = Task { try await work(try await cluster.startDatabase(), directory) }
    signals.deliver(on: cluster.supervision.next()) { count in
      task.cancel()
      if count > 1 { cluster.supervisor.killAll() }
    }
    let result = await task.result
    await cluster.stop()
    _ = consume lock
    switch result {
    case .success: return
    case .failure(let error as OperatorError): throw error
    case .failure(is CancellationError): throw OperatorError("stopped before it was done")
    case .failure(let error): throw OperatorError("it did not work: \(error)")
    }
  }
}
