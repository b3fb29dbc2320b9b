import EventLoop
package import Postgres
import ServiceKit
import TicketLedger

/// The SQL of mail's tables, and the reading of what a mail tells about its ticket.
package struct MailStore: Sendable {
  let pool: PostgresPool
  let inboundWrites: InboundWrites

  /// Reads and writes through a pool.
  package init(pool: PostgresPool) {
    self.pool = pool
    inboundWrites = InboundWrites(pool: pool)
  }

  /// Beside the columns of a statement, makes its transaction's commit not wait for the disk. For what nobody is told
  /// of before something was written that does wait: what is written later never gets to the disk without it.
  static let unhurried: Query = "set_config('synchronous_commit', 'off', true)"

  /// A layout as it was saved once; a later save makes another one.
  struct LayoutVersion: Sendable {
    let id: Int64
    let kind: LayoutKind
    /// ISO 639-1.
    let language: String
    let subject: String
    let body: String

    init(_ row: Row) throws {
      (id, kind, language, subject, body) = try row.decode()
    }

    /// The codes of the fields that it names.
    var fieldCodes: Set<String> { LayoutText(subject).fieldCodes.union(LayoutText(body).fieldCodes) }
  }

  /// The layouts of a service as they are now, by kind and language.
  func layouts(of service: ServiceID, deadline: Deadline) async throws -> [LayoutVersion] {
    let rows = try await query(
      """
      SELECT id, kind, language, subject, body FROM mail_layout
      WHERE service_id = \(service) AND is_current ORDER BY kind, language
      """, deadline: deadline)
    return try rows.map(LayoutVersion.init)
  }

  /// A layout as it was when a mail was prepared.
  static func layout(_ id: Int64?, of service: ServiceID) -> Query {
    "SELECT id, kind, language, subject, body FROM mail_layout WHERE service_id = \(service) AND id = \(id)"
  }

  /// The words that may not leave a service, at most ``bannedWordsMax``.
  func bannedWords(of service: ServiceID, deadline: Deadline) async throws -> [String] {
    let rows = try await query(
      "SELECT word FROM banned_word WHERE service_id = \(service) ORDER BY id LIMIT \(Self.bannedWordsMax)",
      deadline: deadline)
    return try rows.map { try $0.string(0) }
  }

  /// Most banned words of a service.
  static let bannedWordsMax = 20_000

  /// Runs a statement; the database's errors become `ServiceError`s.
  func query(_ query: Query, deadline: Deadline) async throws -> Rows {
    try await ServiceError.translating { try await pool.query(query, deadline: deadline) }
  }
}

// The texts of the CHECK list are the raw values.
extension LayoutKind: PostgresDecodable, PostgresBindable {}
