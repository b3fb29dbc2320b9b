import Glibc

/// `handoff secrets`: makes every secret of a cluster whose programs run in containers, before anything else runs, and
/// hands each program its own in a directory of its own.
enum SecretsCommand {
  /// The role that owns the database, and the name under which its password is handed out.
  static let databaseOwner = "postgres"

  /// Makes what is missing in `--data`, and writes what each program needs into `--out`.
  ///
  /// - Throws: `OperatorError` when an option or the database's URL is missing, or a file cannot be written.
  static func run(_ arguments: Arguments, _ config: OperatorConfig, _ console: Console) throws(OperatorError) {
    guard let out = arguments.texts[.out] else {
      throw .usage("secrets needs --out", advice: "For example: handoff secrets --out /run/handoff")
    }
    guard let url = config.existingDatabaseURL, let role = role(in: url) else {
      throw .usage(
        "HANDOFF_DATABASE_URL does not say how the database will be reached",
        advice: "Set it to a URL with a role and no password, such as postgresql://handoff@postgres:5432/handoff")
    }
    let directory = try DataDirectory.prepare(arguments.data, sudoUser: config.sudoUser)
    let lock = try InstanceLock(directory)
    try ClusterSecrets.prepare(directory)
    let password = try ClusterSecrets.secret(ownerPasswordFile(directory), directory)
    try PrivateFile.write(
      try ClusterDatabase.url(url, role: role, password: password) + "\n", to: ownerURLFile(directory),
      owner: directory.user)
    try PrivateFile.makeDirectory("\(out)/\(databaseOwner)", owner: directory.user)
    try open(password, for: "\(out)/\(databaseOwner)", owner: directory.user)
    for daemon in ClusterPlan.daemons {
      let password = try ClusterSecrets.secret(ClusterDatabase.passwordFile(of: daemon, directory), directory)
      try PrivateFile.write(
        try ClusterDatabase.url(url, role: daemon.role, password: password) + "\n",
        to: ClusterPlan.databaseURLFile(of: daemon, directory), owner: directory.user)
      try handOut(daemon, directory, to: "\(out)/\(daemon.name)")
    }
    _ = consume lock
    console.progress("The secrets of \(ClusterPlan.daemons.count) daemons and the database are in \(out)")
  }

  /// The password of the database's owner.
  static func ownerPasswordFile(_ directory: DataDirectory) -> String { "\(directory.secrets)/postgres-password" }
  /// The owner's URL, for `handoff migrate` and `handoff seed`.
  static func ownerURLFile(_ directory: DataDirectory) -> String { "\(directory.secrets)/owner-database-url" }

  private static func handOut(
    _ daemon: ClusterPlan.Daemon, _ directory: DataDirectory, to place: String
  ) throws(OperatorError) {
    try PrivateFile.makeDirectory(place, owner: directory.user)
    var files = [
      ("database-url", ClusterPlan.databaseURLFile(of: daemon, directory)),
      ("caller-tokens", ClusterPlan.callerTokenFile(of: daemon, directory)),
    ]
    if daemon.writesTickets { files.append(("ledger-key", ClusterPlan.ledgerKeyFile(directory))) }
    for (name, path) in files {
      guard let text = try PrivateFile.read(path) else { throw OperatorError("\(path) is missing") }
      try PrivateFile.write(text, to: "\(place)/\(name)", owner: directory.user)
    }
  }

  /// The database server runs as a user of its own, so that its password can be read by whoever may enter the place:
  /// the container of the database alone.
  private static func open(_ password: String, for place: String, owner: ServiceUser) throws(OperatorError) {
    let file = "\(place)/password"
    try PrivateFile.write(password, to: file, owner: owner)
    guard chmod(place, 0o755) == 0, chmod(file, 0o444) == 0 else {
      throw OperatorError("\(file) could not be opened to the database: \(errorText(errno))")
    }
  }

  /// The role in `postgresql://role@host/…`; nil when there is none, or a password behind it.
  private static func role(in url: String) -> String? {
    guard let start = url.firstRange(of: "://")?.upperBound else { return nil }
    let authority = url[start...].prefix { $0 != "/" && $0 != "?" }
    guard let at = authority.lastIndex(of: "@") else { return nil }
    let role = authority[..<at]
    return role.isEmpty || role.contains(":") ? nil : String(role)
  }
}
