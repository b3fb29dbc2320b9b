internal import CLibpq

/// A plain blocking connection, for scripts and for rows by the million; used by one thread that may wait.
final class BlockingConnection {
  private let connection: OpaquePointer

  init(_ configuration: PostgresConfiguration) throws {
    let parameters = try ConnectionInfo(configuration.conninfo).parameters(configuration, nil)
    let made = parameters.withCStrings { keywords, values in PQconnectdbParams(keywords, values, 1) }
    guard let made else {
      throw PostgresError(kind: .connectFailed, sqlState: "53200", message: "libpq is out of memory")
    }
    connection = made
    PQsetNoticeReceiver(connection, { _, _ in }, nil)
    guard PQstatus(connection) == CONNECTION_OK else {
      throw PostgresError(kind: .connectFailed, sqlState: "08001", connection: connection)
    }
  }

  deinit { PQfinish(connection) }

  /// Runs one statement with its parameters.
  func run(_ query: Query) throws(PostgresError) -> Rows {
    let statement = Statement(query.shape)
    var scratch = ParameterScratch()
    let result = scratch.withArguments(query.parameters) { count, values, lengths, formats in
      PQexecParams(connection, statement.text, count, statement.parameterTypes, values, lengths, formats, 1)
    }
    return Rows(try checked(result))
  }

  /// Runs a script of several statements.
  func runScript(_ sql: [UInt8]) throws(PostgresError) {
    let text = sql.map { CChar(bitPattern: $0) } + [0]
    _ = try checked(PQexec(connection, text))
  }

  /// Writes rows into their table (libpq, "Functions Associated with the COPY Command"): all of them or, with an error,
  /// none.
  func copy(_ rows: CopyRows) throws(PostgresError) {
    let answer = PQexec(connection, rows.statement)
    guard PQresultStatus(answer) == PGRES_COPY_IN else {
      _ = try checked(answer)
      throw .connectionLost("the server did not ask for rows")
    }
    PQclear(answer)
    let isSent = rows.withPieces { PQputCopyData(connection, $0.baseAddress, Int32($0.count)) == 1 }
    guard isSent, PQputCopyEnd(connection, nil) == 1 else {
      throw PostgresError(kind: .connectionLost, sqlState: "08006", connection: connection)
    }
    let outcome = PQgetResult(connection)
    // The connection takes the next statement once the end of the answer was read.
    while let rest = PQgetResult(connection) { PQclear(rest) }
    _ = try checked(outcome)
  }

  private func checked(_ result: OpaquePointer?) throws(PostgresError) -> ResultHandle {
    guard let result else { throw PostgresError(kind: .connectionLost, sqlState: "08006", connection: connection) }
    let handle = ResultHandle(result)
    switch PQresultStatus(result) {
    case PGRES_TUPLES_OK, PGRES_COMMAND_OK, PGRES_EMPTY_QUERY: return handle
    default:
      throw PostgresError(result: result)
        ?? PostgresError(kind: .connectionLost, sqlState: "08006", connection: connection)
    }
  }
}
