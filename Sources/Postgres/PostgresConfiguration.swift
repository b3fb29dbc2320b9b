/// Where the database is and how much of it a process may use.
package struct PostgresConfiguration: Sendable {
  /// A libpq connection URL or key-value string; TLS, passwords and several hosts are whatever it says.
  package var conninfo: String
  /// Shown by the server in `pg_stat_activity`.
  package var applicationName: String
  /// A role to become after sign-in (`SET ROLE`); nil stays the signed-in user.
  package var role: String?
  /// The schema that unqualified names mean, as in `SET search_path`. The migrator wants exactly one name.
  package var searchPath = "handoff"
  /// Connections per event loop; at least 1. From 2 on, one of them stays free for reads. Defaults to 4.
  package var connectionsMax = 4
  /// Callers per event loop that may wait for a connection; more are refused at once. Defaults to 4096.
  package var waitersMax = 4096
  /// Prepared statements kept per connection; the least recently used goes first. Defaults to 256.
  package var statementsMax = 256
  /// Whether a plan may read a whole table that has an index of use. If not, one plan is made for all values of a
  /// statement, too: for a pool whose statements all find their rows by keys. A plan is kept, and one that was made
  /// while a table was nearly empty reads all of it when it has grown. Defaults to true.
  package var mayScanTables = true
  /// How long one connection attempt may take. Defaults to 5 s.
  package var connectTimeout: Duration = .seconds(5)
  /// The server ends a statement that runs longer, whatever its caller's deadline. Defaults to 30 s.
  package var statementTimeout: Duration = .seconds(30)
  /// The server ends a connection whose transaction waits longer for its next statement. Defaults to 60 s.
  package var idleInTransactionTimeout: Duration = .seconds(60)

  /// Makes a configuration with the defaults above.
  package init(conninfo: String, applicationName: String) {
    self.conninfo = conninfo
    self.applicationName = applicationName
  }

  /// The settings sent with the connection request, in the form of the server's command line.
  var serverOptions: String {
    var settings = [
      ("search_path", searchPath),
      // No statement runs so long that compiling it pays.
      ("jit", "off"),
      ("statement_timeout", String(statementTimeout.wholeMilliseconds)),
      ("idle_in_transaction_session_timeout", String(idleInTransactionTimeout.wholeMilliseconds)),
    ]
    if !mayScanTables { settings += [("enable_seqscan", "off"), ("plan_cache_mode", "force_generic_plan")] }
    if let role { settings.append(("role", role)) }
    return settings.map { "-c \($0)=\(Self.escaped(option: $1))" }.joined(separator: " ")
  }

  // pg_split_opts: backslash escapes a space and itself.
  private static func escaped(option value: String) -> String {
    var escaped = ""
    for character in value {
      if character == "\\" || character.isWhitespace { escaped.append("\\") }
      escaped.append(character)
    }
    return escaped
  }
}

extension Duration {
  var wholeMilliseconds: Int64 {
    let (seconds, attoseconds) = components
    return seconds * 1000 + attoseconds / 1_000_000_000_000_000
  }
}

/// What a pool tells its owner's log; it holds no parameter and no row.
package enum PostgresEvent: Sendable {
  /// A connection is ready for use.
  case connected
  /// An attempt to connect failed; the next one waits `retryAfter`.
  case connectFailed(PostgresError, retryAfter: Duration)
  /// A connection broke.
  case connectionLost(PostgresError)
  /// A transaction is run again, for the `attempt`-th time.
  case transactionRetried(PostgresError, attempt: Int)
}

/// How a pool stands and what it has done since its start, over all loops.
package struct PostgresMetrics: Sendable, Equatable {
  /// Connections ready for use.
  package var open = 0
  /// Connections with statements under way or held by a transaction.
  package var inUse = 0
  /// Callers waiting for a connection.
  package var waiting = 0
  /// Statements sent.
  package var queries: UInt64 = 0
  /// Callers that got a connection.
  package var acquired: UInt64 = 0
  /// Nanoseconds that those callers waited, summed.
  package var waitNanoseconds: UInt64 = 0
  /// Connections made.
  package var connects: UInt64 = 0
  /// Connections that broke, and attempts that failed.
  package var failures: UInt64 = 0
  /// Transactions run again after a conflict.
  package var retries: UInt64 = 0
}
