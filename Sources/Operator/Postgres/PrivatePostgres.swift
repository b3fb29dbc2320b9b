import Crypto
import EventLoop
import Glibc

/// A PostgreSQL server of this installation's own: it listens on a Unix socket only its user can reach.
struct PrivatePostgres: Sendable {
  /// The installation it belongs to.
  let directory: DataDirectory
  /// The programs that fit its data.
  let binaries: PostgresBinaries
  /// Where its socket lies.
  let socketDirectory: String

  /// The name of the process and its log.
  static let name = "postgres"
  /// The role that owns the schema; a superuser, because the first migration makes roles.
  static let role = "handoff"
  /// The database.
  static let database = "handoff"
  /// Connections the server accepts for itself, operators and tests, beside those of the daemons.
  static let sparesMax = 20
  /// `sun_path` holds 107 bytes and a zero (unix(7)).
  private static let socketPathBytesMax = 107

  /// The server of a data directory, made or not; `path` is `PATH` of the environment.
  init(_ directory: DataDirectory, path: String) throws(OperatorError) {
    let major = try PrivateFile.read("\(directory.postgres)/PG_VERSION").flatMap {
      Int($0.prefix { $0.isNumber })
    }
    self.directory = directory
    binaries = try PostgresBinaries.find(path: path, major: major)
    socketDirectory = Self.socketDirectory(for: directory)
  }

  /// Whether the data was made already.
  var exists: Bool { access("\(directory.postgres)/PG_VERSION", F_OK) == 0 }

  /// The URL by which the operator connects, password included.
  func operatorURL() throws(OperatorError) -> String {
    guard let password = try PrivateFile.read(passwordFile) else {
      throw OperatorError(
        "\(passwordFile) is missing", advice: "Put it back from a backup, or start anew with another --data DIR.")
    }
    return url(role: Self.role, password: String(password.prefix { $0 != "\n" }))
  }

  /// The URL by which `role` connects.
  func url(role: String, password: String) -> String {
    "postgresql://\(role):\(password)@/\(Self.database)?host=\(Self.percentEncoded(socketDirectory))"
  }

  private var passwordFile: String { "\(directory.secrets)/postgres-password" }

  /// Makes the data: a cluster with scram passwords, UTF-8, checksums, and the empty database.
  ///
  /// Half-made data of an earlier attempt is removed first; data that was once complete is never touched.
  func create() throws(OperatorError) {
    let unfinished = "\(directory.path)/postgres.unfinished"
    try removeUnfinished(unfinished)
    try PrivateFile.write("\(Hex.encode(SecureRandom.bytes(24)))\n", to: passwordFile, owner: directory.user)
    try run(
      "initdb",
      [
        "--pgdata=\(unfinished)", "--username=\(Self.role)", "--pwfile=\(passwordFile)", "--auth=scram-sha-256",
        "--encoding=UTF8", "--locale=C.UTF-8", "--data-checksums", "--no-instructions",
      ])
    // In single-user mode: there is no server yet, so nobody can be in between.
    try run(
      "postgres", ["--single", "-D", unfinished, "-c", "log_min_messages=warning", "postgres"],
      input: "CREATE DATABASE \(Self.database)\n")
    guard rename(unfinished, directory.postgres) == 0 else {
      throw OperatorError("\(directory.postgres) could not be made: \(errorText(errno))")
    }
  }

  /// The server as the supervisor runs it.
  ///
  /// - Parameter connectionsMax: what all daemons together may open.
  func program(connectionsMax: Int) throws(OperatorError) -> SupervisedProgram {
    try PrivateFile.makeDirectory(socketDirectory, owner: directory.user)
    let settings = [
      // The local socket is the only way in.
      "listen_addresses": "",
      "unix_socket_directories": socketDirectory,
      "unix_socket_permissions": "0700",
      "max_connections": "\(connectionsMax + Self.sparesMax)",
      "shared_buffers": "128MB",
      "password_encryption": "scram-sha-256",
      "timezone": "UTC",
      "log_timezone": "UTC",
      "log_destination": "stderr",
      "logging_collector": "off",
      "log_line_prefix": "%m [%p] %a ",
      // Queries are short; compiling them costs more than it saves.
      "jit": "off",
      "idle_in_transaction_session_timeout": "60s",
      // After a crash each of more than a thousand files would be flushed by itself, which takes seconds.
      "recovery_init_sync_method": "syncfs",
      "wal_compression": "on",
    ].merging(DatabaseLog.withoutValues) { $1 }
    let arguments = settings.sorted { $0.key < $1.key }.flatMap { ["-c", "\($0.key)=\($0.value)"] }
    let program = Program(
      "\(binaries.directory)/postgres", ["-D", directory.postgres] + arguments, directory: directory.path,
      // Fast shutdown: sessions are ended, data is written out.
      user: directory.user, deathSignal: SIGINT)
    return SupervisedProgram(name: Self.name, program: program, stopSignal: SIGINT, stopWithin: .seconds(60))
  }

  /// Whether the server of this process id accepts connections: what pg_ctl(1) looks at, too.
  func isReady(pid: pid_t) -> Bool {
    guard let text = try? PrivateFile.read("\(directory.postgres)/postmaster.pid") else { return false }
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    guard lines.count >= 8, lines[0] == "\(pid)" else { return false }
    return lines[7].hasPrefix("ready")
  }

  /// Ends a server that an earlier `handoff up` left while it was shutting down; true when there was one.
  ///
  /// The caller holds the installation's lock, so a server on this data belongs to nobody.
  func endLeftover(within limit: Duration) throws(OperatorError) -> Bool {
    let file = "\(directory.postgres)/postmaster.pid"
    guard let text = try PrivateFile.read(file), let line = text.split(separator: "\n").first,
      let pid = pid_t(line), pid > 1, isPostgres(pid)
    else { return false }
    kill(pid, SIGINT)
    let deadline = Deadline.after(limit)
    while kill(pid, 0) == 0, isPostgres(pid) {
      guard !deadline.hasPassed else {
        throw OperatorError(
          "PostgreSQL (process \(pid)) of an earlier run does not stop", advice: "Stop it: kill -QUIT \(pid)")
      }
      usleep(20_000)
    }
    return true
  }

  private func isPostgres(_ pid: pid_t) -> Bool {
    guard let command = try? PrivateFile.read("/proc/\(pid)/cmdline") else { return false }
    return command.contains("postgres") && command.contains(directory.postgres)
  }

  private func run(_ name: String, _ arguments: [String], input: String = "") throws(OperatorError) {
    let program = Program(
      "\(binaries.directory)/\(name)", arguments, directory: directory.path, user: directory.user)
    let result = try program.run(input: input, timeout: .seconds(180))
    guard result.succeeded else {
      throw OperatorError(
        "\(name) \(result.status)",
        advice: result.output.split(separator: "\n").suffix(8).joined(separator: "\n"))
    }
  }

  private func removeUnfinished(_ path: String) throws(OperatorError) {
    guard access(path, F_OK) == 0 else { return }
    let program = Program("/bin/rm", ["-rf", "--one-file-system", path], user: directory.user)
    guard try program.run(timeout: .seconds(60)).succeeded else {
      throw OperatorError("\(path) of an earlier attempt could not be removed", advice: "Remove it: rm -r \(path)")
    }
  }

  /// Inside the data directory when its path is short enough, else a private directory with a short path.
  private static func socketDirectory(for directory: DataDirectory) -> String {
    if "\(directory.run)/.s.PGSQL.5432".utf8.count <= socketPathBytesMax { return directory.run }
    let hash = directory.path.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    // makeDirectory refuses a directory that somebody else made there first.
    return "/tmp/handoff-\(String(hash, radix: 16))"
  }

  private static func percentEncoded(_ text: String) -> String {
    text.utf8.reduce(into: "") { result, byte in
      switch byte {
      case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e, 0x2f, 0x5f, 0x7e:
        result.unicodeScalars.append(Unicode.Scalar(byte))
      default:
        result += "%" + String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
      }
    }
  }
}
