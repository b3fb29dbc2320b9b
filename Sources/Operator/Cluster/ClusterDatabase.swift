import EventLoop
import Postgres
import ServiceKit

/// The database of a cluster, as its owner sees it.
struct ClusterDatabase: Sendable {
  /// The owner's URL, password included.
  let url: String
  /// Whether the server is this installation's own.
  private let isPrivate: Bool
  let group: EventLoopGroup

  /// The database that the operator named, or the private one, which must run.
  init(
    _ config: OperatorConfig, _ postgres: PrivatePostgres?, group: EventLoopGroup
  ) throws(OperatorError) {
    self.group = group
    if let existing = config.existingDatabaseURL {
      url = existing
      isPrivate = false
    } else if let postgres {
      url = try postgres.operatorURL()
      isPrivate = true
    } else {
      throw OperatorError("there is no database")
    }
  }

  /// The URL by which `role` reaches the same database.
  static func url(_ url: String, role: String, password: String) throws(OperatorError) -> String {
    guard let start = url.firstRange(of: "://")?.upperBound else {
      throw OperatorError(
        "the database's URL is not understood", advice: "Write it as postgresql://user@host:5432/database")
    }
    let authority = url[start...].prefix { $0 != "/" && $0 != "?" }
    let host = authority.lastIndex(of: "@").map { authority[authority.index(after: $0)...] } ?? authority
    return "\(url[..<start])\(role):\(password)@\(host)\(url[authority.endIndex...])"
  }

  /// Where a daemon's password is kept.
  static func passwordFile(of daemon: ClusterPlan.Daemon, _ directory: DataDirectory) -> String {
    "\(directory.secrets)/\(daemon.name)-database-password"
  }

  /// Brings the schema up to date; returns what was applied.
  func migrate() async throws(OperatorError) -> [Migration] {
    do {
      return try await Migrator(migrations: Self.migrations).migrate(configuration)
    } catch let error as MigrationError {
      throw OperatorError("the schema could not be brought up to date", advice: error.description)
    } catch {
      throw Self.unreachable(error)
    }
  }

  /// Lets every daemon sign in with a password of its own, and writes each daemon's URL into its private file.
  func prepareRoles(_ directory: DataDirectory) async throws(OperatorError) {
    let pool = self.pool()
    let failure: OperatorError?
    do {
      for daemon in ClusterPlan.daemons { try await prepareRole(of: daemon, directory, pool) }
      failure = nil
    } catch {
      failure = error as? OperatorError ?? Self.unreachable(error)
    }
    await pool.close()
    if let failure { throw failure }
  }

  private func prepareRole(
    of daemon: ClusterPlan.Daemon, _ directory: DataDirectory, _ pool: PostgresPool
  ) async throws {
    let deadline = Deadline.after(.seconds(30))
    let file = Self.passwordFile(of: daemon, directory)
    if try PrivateFile.read(file) == nil, !isPrivate {
      // Roles belong to the whole server: a new password would lock another installation's daemon out.
      let rows = try await pool.query(
        "SELECT rolcanlogin FROM pg_catalog.pg_roles WHERE rolname = \(daemon.role)", deadline: deadline)
      guard try rows.first?.bool(0) != true else {
        throw OperatorError(
          "role \(daemon.role) of this server can sign in already, and \(directory.secrets) does not know its password",
          advice: """
            If another installation of Handoff uses the server, give this one a server of its own.
            If not: ALTER ROLE \(daemon.role) NOLOGIN, and start again.
            """)
      }
    }
    let password = try ClusterSecrets.secret(file, directory)
    guard password.utf8.allSatisfy(Self.isHexDigit) else {
      throw OperatorError(
        "\(file) is not a password that handoff made", advice: "Remove the file; a new one is made at the next start.")
    }
    // Role and password are words of our own making; a role's password cannot be bound.
    _ = try await pool.query(
      "ALTER ROLE \(identifier: daemon.role) LOGIN PASSWORD '\(unescaped: password)'", deadline: deadline)
    try PrivateFile.write(
      try Self.url(url, role: daemon.role, password: password) + "\n",
      to: ClusterPlan.databaseURLFile(of: daemon, directory), owner: directory.user)
  }

  /// A pool of the owner's; the caller closes it.
  func pool(connectionsMax: Int = 2) -> PostgresPool {
    var configuration = self.configuration
    configuration.connectionsMax = connectionsMax
    return PostgresPool(configuration, group: group)
  }

  /// A connection for writing very much, whose statements may take hours.
  func bulkConnection() async throws -> BulkConnection {
    var configuration = self.configuration
    configuration.statementTimeout = .seconds(6 * 3600)
    configuration.idleInTransactionTimeout = .seconds(600)
    return try await BulkConnection.open(configuration)
  }

  private var configuration: PostgresConfiguration {
    PostgresConfiguration(conninfo: url, applicationName: "handoff")
  }

  /// Every migration that travels inside the executable.
  private static let migrations = Assets.migrations.map {
    Migration(number: Int64($0.number), owner: $0.owner, name: $0.name, sql: $0.bytes)
  }

  private static func isHexDigit(_ byte: UInt8) -> Bool {
    (0x30...0x39).contains(byte) || (0x61...0x66).contains(byte)
  }

  static func unreachable(_ error: any Error) -> OperatorError {
    OperatorError(
      "the database could not be used: \((error as? PostgresError).map(\.message) ?? "\(error)")",
      advice: "Check that the server runs and that the URL is right; `handoff doctor` helps.")
  }
}
