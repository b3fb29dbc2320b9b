import Glibc

/// `handoff secrets`: makes every secret of a cluster whose programs run in containers, before anything else runs, and
/// hands each program its own in a directory of its own.
enum SecretsCommand {
  /// The role that owns the database, and the name under which its password is handed out.
  static let databaseOwner = "postgres"

  /// Makes what is missing in `--data`, certificates among it, and writes what each program needs into `--out`.
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
    let hosts: [String] = if let text = arguments.texts[.host] { try ClusterCertificates.hosts(text) } else { [] }
    let directory = try DataDirectory.prepare(arguments.data, sudoUser: config.sudoUser)
    let lock = try InstanceLock(directory)
    try ClusterSecrets.prepare(directory)
    let renewed = try directory.certificates.prepare(hosts: hosts, guests: [FakeDooray.certificate])
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
      var files = [("database-url", ClusterPlan.databaseURLFile(of: daemon, directory))]
      if daemon.writesTickets { files.append(("ledger-key", ClusterPlan.ledgerKeyFile(directory))) }
      try handOut(files, to: daemon.name, directory, out)
    }
    try handOut([], to: ClusterPlan.edgeName, directory, out)
    try handOut([], to: FakeDooray.name, directory, out)
    _ = consume lock
    if !renewed.isEmpty { console.progress("New certificates: \(renewed.joined(separator: ", "))") }
    console.progress(
      "The secrets of \(ClusterPlan.daemons.count) daemons, the edge and the database are in \(out)")
  }

  /// The password of the database's owner.
  static func ownerPasswordFile(_ directory: DataDirectory) -> String { "\(directory.secrets)/postgres-password" }
  /// The owner's URL, for `handoff migrate` and `handoff seed`.
  static func ownerURLFile(_ directory: DataDirectory) -> String { "\(directory.secrets)/owner-database-url" }

  /// Copies files for a program, its certificate and key and the authority's certificate among them. What is there
  /// already is not written again: running programs read again what is new.
  private static func handOut(
    _ files: [(name: String, path: String)], to program: String, _ directory: DataDirectory, _ out: String
  ) throws(OperatorError) {
    let place = "\(out)/\(program)"
    try PrivateFile.makeDirectory(place, owner: directory.user)
    let own = ClusterCertificates(directory: place, owner: directory.user)
    let all = directory.certificates
    let certificates = [
      (all.keyFile(of: program), own.keyFile(of: program)),
      (all.certificateFile(of: program), own.certificateFile(of: program)), (all.authorityFile, own.authorityFile),
    ]
    for (path, copy) in files.map({ ($0.path, "\(place)/\($0.name)") }) + certificates {
      guard let text = try PrivateFile.read(path) else { throw OperatorError("\(path) is missing") }
      guard try PrivateFile.read(copy) != text else { continue }
      try PrivateFile.write(text, to: copy, owner: directory.user)
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
