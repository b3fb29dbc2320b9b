import EventLoop
import Postgres

/// Whether a database server keeps customers' words out of its own log, where no mask reaches them.
enum DatabaseLog {
  /// How a server has to be set for that. Daemons cannot set these for their connections: superusers alone may.
  static let withoutValues = [
    // The rest of an error quotes rows: "Key (email)=(…) already exists", "Failing row contains (…)".
    "log_error_verbosity": "terse",
    // Neither a statement that failed, nor the values that were bound to one.
    "log_min_error_statement": "panic",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
  ]

  /// Asks the server how it is set.
  static func settings(_ pool: PostgresPool, deadline: Deadline) async throws -> [String: String] {
    let rows = try await pool.query(
      """
      SELECT name, setting FROM pg_settings WHERE name = ANY(\(Array(withoutValues.keys)))
      """, deadline: deadline)
    return Dictionary(try rows.map { (try $0.string(0), try $0.string(1)) }, uniquingKeysWith: { $1 })
  }

  /// The finding.
  ///
  /// - Parameter settings: what ``settings(_:deadline:)`` answered, without what the server does not have.
  static func finding(_ settings: [String: String]) -> Diagnosis {
    let wrong = withoutValues.filter { settings[$0.key] ?? $0.value != $0.value }.sorted { $0.key < $1.key }
    if wrong.isEmpty { return .ok("The database server writes no values into its log") }
    return .warn(
      "The database server may write customers' words into its log, where masking does not reach them",
      (wrong.map { "ALTER SYSTEM SET \($0.key) = '\($0.value)';" } + ["SELECT pg_reload_conf();"])
        .joined(separator: "\n"))
  }
}
