internal import CLibpq

/// Why a statement has no answer.
///
/// `description` names the SQLSTATE and the kind only; the server's words, which may quote data, are in `message` and
/// meant for logs that operators alone read.
package struct PostgresError: Error, Sendable, Equatable, CustomStringConvertible {
  /// Who or what gave up.
  package enum Kind: String, Sendable {
    /// The server refused the statement; `sqlState` is the server's.
    case server
    /// No connection could be made (08001).
    case connectFailed
    /// The connection broke; the statement was not committed or was a read (08006).
    case connectionLost
    /// The connection broke, or time ran out, between sending a change and its answer: it may or may not have been
    /// committed (08007).
    case outcomeUnknown
    /// The caller's deadline passed (57014).
    case deadlineExceeded
    /// More callers wait for a connection than allowed (53300).
    case poolExhausted
    /// The pool was closed (57P01).
    case poolClosed
    /// A column does not hold what the caller asks for (22000).
    case decoding
    /// The statement cannot be sent: too many or too large parameters (54000).
    case limitExceeded
  }

  /// Who or what gave up.
  package var kind: Kind
  /// The five characters of PostgreSQL's appendix A; set for every kind.
  package var sqlState: String
  /// The name of the constraint that was violated, when one was.
  package var constraint: String?
  /// The table the server names, if any.
  package var table: String?
  /// The column the server names, if any.
  package var column: String?
  /// The primary message; it may quote data, so it is for logs only.
  package var message: String
  /// Where in the server the error was raised; tells errors of one SQLSTATE apart.
  var routine: String?
  /// Whether the server ends the connection with this error.
  var isFatal = false

  init(kind: Kind, sqlState: String, message: String) {
    self.kind = kind
    self.sqlState = sqlState
    self.message = message
  }

  /// The kind and SQLSTATE, and the constraint's name: nothing that came from a user.
  package var description: String {
    constraint.map { "PostgreSQL \(kind.rawValue) \(sqlState) (\($0))" } ?? "PostgreSQL \(kind.rawValue) \(sqlState)"
  }

  /// Whether running the whole transaction again may succeed: serialization failure, deadlock, or a plan outdated by
  /// DDL.
  package var isRetryable: Bool { sqlState == "40001" || sqlState == "40P01" || isStalePlan }

  /// Whether the database cannot be used at present (classes 08 and 53, 57P0x): worth a later attempt.
  package var isUnavailable: Bool {
    sqlState.hasPrefix("08") || sqlState.hasPrefix("53") || sqlState.hasPrefix("57P")
  }

  /// Whether the violated constraint is the named one.
  package func violates(_ constraint: StaticString) -> Bool {
    self.constraint.map { $0 == String(describing: constraint) } ?? false
  }

  // RevalidateCachedQuery raises 0A000 when DDL changed a prepared statement's result; 26000: the statement is unknown.
  var isStalePlan: Bool {
    (sqlState == "0A000" && routine == "RevalidateCachedQuery") || (sqlState == "26000" && kind == .server)
  }

  static func connectionLost(_ message: String) -> PostgresError {
    PostgresError(kind: .connectionLost, sqlState: "08006", message: message)
  }

  static let deadlineExceeded = PostgresError(
    kind: .deadlineExceeded, sqlState: "57014", message: "the deadline passed")
  static let poolClosed = PostgresError(kind: .poolClosed, sqlState: "57P01", message: "the pool is closed")
  static let poolExhausted = PostgresError(
    kind: .poolExhausted, sqlState: "53300", message: "too many callers wait for a connection")
  static let transactionEnded = PostgresError(
    kind: .server, sqlState: "25P01", message: "the transaction has ended already")
  static let outcomeUnknown = PostgresError(
    kind: .outcomeUnknown, sqlState: "08007", message: "the change was sent, its answer did not arrive")
}

extension PostgresError {
  /// Reads an error result; nil when libpq made it itself because the connection broke.
  init?(result: OpaquePointer) {
    func field(_ code: Character) -> String? {
      guard let ascii = code.asciiValue, let text = PQresultErrorField(result, Int32(ascii)) else { return nil }
      return String(cString: text)
    }
    // Field codes: protocol documentation, "Error and Notice Message Fields".
    guard let state = field("C") else { return nil }
    self.init(kind: .server, sqlState: state, message: field("M") ?? "")
    constraint = field("n")
    table = field("t")
    column = field("c")
    routine = field("R")
    isFatal = field("V").map { $0 == "FATAL" || $0 == "PANIC" } ?? false
  }

  /// Reads why a connection is broken or was not made.
  init(kind: Kind, sqlState: String, connection: OpaquePointer) {
    var text = PQerrorMessage(connection).map { String(cString: $0) } ?? ""
    while text.last?.isNewline == true { text.removeLast() }
    self.init(kind: kind, sqlState: sqlState, message: text)
  }
}
