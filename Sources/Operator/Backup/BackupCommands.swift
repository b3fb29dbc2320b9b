import EventLoop
import Glibc
import Postgres

/// `handoff backup` and `handoff restore`: a dump of the database together with the keys, without which the dump has
/// lost the originals under its masks and the proof of its histories.
enum BackupCommands {
  /// What a backup holds.
  private enum Part {
    static let dump = "handoff.dump"
    static let keys = "keys"
    static let signIns = "sign-ins.txt"
  }

  /// Writes a backup of a cluster, which goes on working, into a new directory: whole, or not at all.
  ///
  /// - Throws: `OperatorError` when the directory is there already, the database is out of reach, or a copy fails.
  static func backup(_ arguments: Arguments, _ config: OperatorConfig, _ console: Console) throws(OperatorError) {
    guard let place = arguments.texts[.to] else {
      throw .usage("backup needs --to", advice: "For example: handoff backup --to backup-of-today")
    }
    let target = DataDirectory.absolutePath(place)
    guard access(target, F_OK) != 0 else {
      throw OperatorError("\(target) is there already", advice: "Name a new directory with --to DIR.")
    }
    guard let directory = try DataDirectory.existing(resolved(arguments.data)) else {
      throw OperatorError(
        "there is no installation in \(DataDirectory.absolutePath(arguments.data))", advice: "Name it with --data DIR.")
    }
    let url: String
    if let existing = config.existingDatabaseURL {
      url = existing
    } else {
      _ = try ClusterAddresses.ofRunning(directory)
      url = try PrivatePostgres(directory, path: config.path).operatorURL()
    }
    let unfinished = "\(target).unfinished"
    try remove(unfinished)
    try PrivateFile.makeDirectory(unfinished, owner: .current)
    try DatabaseTools(url: url, path: config.path).dump(to: "\(unfinished)/\(Part.dump)")
    // After the dump: what was sealed before it was sealed with keys that are there now.
    try copy(directory.keys, to: "\(unfinished)/\(Part.keys)")
    if access(directory.signIns, F_OK) == 0 { try copy(directory.signIns, to: "\(unfinished)/\(Part.signIns)") }
    guard chmod("\(unfinished)/\(Part.dump)", 0o600) == 0, rename(unfinished, target) == 0 else {
      throw OperatorError("\(target) could not be made: \(errorText(errno))")
    }
    console.progress("The database and its keys are in \(target); keep it as safe as the installation itself")
  }

  /// Makes a new installation out of a backup; `handoff up` then starts it.
  ///
  /// - Throws: `OperatorError` when the backup is not whole, or `--data` holds an installation already.
  static func restore(
    _ arguments: Arguments, _ config: OperatorConfig, _ signals: StopSignals, _ console: Console
  ) async throws(OperatorError) {
    guard let place = arguments.texts[.from] else {
      throw .usage("restore needs --from", advice: "For example: handoff restore --from backup --data restored")
    }
    let backup = DataDirectory.absolutePath(place)
    for part in [Part.dump, "\(Part.keys)/ledger-key", "\(Part.keys)/masking"] {
      guard access("\(backup)/\(part)", R_OK) == 0 else {
        throw OperatorError(
          "\(backup)/\(part) cannot be read: \(errorText(errno))",
          advice: "Name a directory that `handoff backup` made with --from DIR.")
      }
    }
    var arguments = arguments
    arguments.data = resolved(arguments.data)
    guard try DataDirectory.existing(arguments.data) == nil else {
      throw OperatorError(
        "there is an installation in \(DataDirectory.absolutePath(arguments.data)) already",
        advice: "A restored one needs a directory of its own: --data DIR.")
    }
    try await DatabaseCommands.withDatabase(arguments, config, signals, console) { database, directory in
      try await requireEmpty(database)
      try DatabaseTools(url: database.url, path: config.path).restore(from: "\(backup)/\(Part.dump)")
      try await renumber(database)
      console.progress("The database is restored")
      try copy("\(backup)/\(Part.keys)/.", to: directory.keys)
      if access("\(backup)/\(Part.signIns)", F_OK) == 0 {
        try copy("\(backup)/\(Part.signIns)", to: directory.signIns)
      }
      try give([directory.keys, directory.signIns], to: directory.user)
      console.progress("The keys are restored; start it: handoff up --data \(directory.requested)")
    }
  }

  /// A restore is never a way to lose what an existing server holds.
  private static func requireEmpty(_ database: ClusterDatabase) async throws {
    let pool = database.pool()
    let rows = try? await pool.query("SELECT count(*) FROM organization", deadline: .after(.seconds(30)))
    await pool.close()
    guard try rows?.first?.int64(0) == 0 else {
      throw OperatorError(
        "the database holds an organization already", advice: "Restore into a database of its own, which is empty.")
    }
  }

  /// Begins another numbering of changes: whoever watched the old installation has seen some that are not in the
  /// backup, and is to load everything anew instead of going on behind them.
  private static func renumber(_ database: ClusterDatabase) async throws {
    let pool = database.pool()
    do {
      _ = try await pool.query(
        """
        UPDATE ticket_change_head
        SET epoch = greatest(epoch + 1, (extract(epoch FROM clock_timestamp()) * 1000)::bigint)
        """, deadline: .after(.seconds(30)))
    } catch {
      await pool.close()
      throw error
    }
    await pool.close()
  }

  /// Where a path leads when it is a link; PostgreSQL's socket is looked for there.
  private static func resolved(_ path: String) -> String {
    guard let real = realpath(path, nil) else { return path }
    defer { free(real) }
    return String(cString: real)
  }

  private static func copy(_ source: String, to target: String) throws(OperatorError) {
    try run("/bin/cp", ["-RHp", source, target])
  }

  private static func give(_ paths: [String], to user: ServiceUser) throws(OperatorError) {
    guard user.isAnother else { return }
    for path in paths where access(path, F_OK) == 0 {
      try run("/bin/chown", ["-R", "\(user.uid):\(user.gid)", path])
    }
  }

  private static func remove(_ path: String) throws(OperatorError) {
    try run("/bin/rm", ["-rf", "--one-file-system", path])
  }

  private static func run(_ path: String, _ arguments: [String]) throws(OperatorError) {
    let result = try Program(path, arguments).run(timeout: .seconds(600))
    guard result.succeeded else { throw OperatorError("\(path) \(result.status)", advice: result.output) }
  }
}
