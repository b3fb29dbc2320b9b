import EventLoop
import Postgres

/// Whether a database server has room for all connections that the copies of all daemons may open.
struct ConnectionBudget: Sendable, Equatable {
  /// The copies of a program, and what they may open together.
  struct Share: Sendable, Equatable {
    let program: String
    let copies: Int
    let connectionsMax: Int
  }

  /// What the server gives to others than superusers.
  let serverMax: Int
  /// Open now, those of other programs included.
  let opened: Int
  /// Open now and no copy's.
  let others: Int
  /// Of the copies that are connected now, by program.
  let shares: [Share]

  /// From what the server says.
  ///
  /// - Parameter labels: `application_name` of every connection, nil for one that has none.
  init(serverMax: Int, labels: [String?]) {
    self.serverMax = serverMax
    opened = labels.count
    let known = labels.compactMap { $0.flatMap { PoolLabel($0) } }
    others = labels.count - known.count
    let copies = Dictionary(known.map { ($0.copy, $0) }, uniquingKeysWith: { first, _ in first })
    shares = Dictionary(grouping: copies.values, by: \.program)
      .map { Share(program: $0, copies: $1.count, connectionsMax: $1.reduce(0) { $0 + $1.connectionsMax }) }
      .sorted { $0.program < $1.program }
  }

  /// Asks the server; sees the labels of all roles when asked as the owner of the database.
  static func read(_ pool: PostgresPool, deadline: Deadline) async throws -> (budget: Self, version: String) {
    let server = try await pool.query(
      """
      SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,
        current_setting('server_version')
      """, deadline: deadline)[0]
    let labels = try await pool.query(
      "SELECT nullif(application_name, '') FROM pg_stat_activity WHERE backend_type = 'client backend'",
      deadline: deadline)
    let budget = Self(serverMax: Int(try server.int32(0)), labels: try labels.map { try $0.optionalString(0) })
    return (budget, try server.string(1))
  }

  /// What the connected copies may open together.
  var connectionsMax: Int { shares.reduce(0) { $0 + $1.connectionsMax } }

  /// The finding.
  ///
  /// - Parameter planned: what the daemons of a local cluster may open, connected or not.
  func finding(planned: Int) -> Diagnosis {
    let needed = max(planned, connectionsMax)
    let list = shares.map { "\($0.copies) × \($0.program) \($0.connectionsMax)" }.joined(separator: ", ")
    let text =
      "The daemons together may open \(needed) of \(serverMax) database connections"
      + (list.isEmpty ? "" : " (\(list))") + "; \(opened) are open, \(others) of them by other programs"
    if needed + others < serverMax { return .ok(text) }
    return .bad(
      text,
      "Raise max_connections of the server by at least \(needed + others - serverMax + 10), or run fewer copies."
        + " Daemons that handoff up does not start can also get a lower HANDOFF_DATABASE_CONNECTIONS_MAX.")
  }
}
