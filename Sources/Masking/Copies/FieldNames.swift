import EventLoop
import Postgres
import ServiceKit
import TicketLedger

/// What the API calls the fields that a service adds to its tickets (`field.{code}`), and how their values are stored.
struct FieldNames: Sendable {
  /// What stands before the code.
  static let prefix = "field."

  private var rows: [String: (row: String, isText: Bool)] = [:]
  private var codes: [String: String] = [:]

  /// No field.
  init() {}

  init(_ found: Rows) throws(PostgresError) {
    for row in found {
      let (id, code): (String, String) = (try row.value(0), try row.value(1))
      rows[code] = (id, try row.bool(2))
      codes[id] = code
    }
  }

  /// The row key of a field of free text; nil for a code that is none's, and for a field of which spans mean nothing.
  func row(ofText code: String) -> String? { rows[code].flatMap { $0.isText ? $0.row : nil } }

  /// The code of the field whose values stand in rows of this key.
  func code(ofRow row: String) -> String? { codes[row] }

  /// The fields of a service with these codes or row keys, also those that are on no form any more.
  ///
  /// - Parameter all: whether those that only administrators see are among the named ones.
  static func query(of service: ServiceID, codes: [String] = [], all: Bool = true, rows: [String] = []) -> Query {
    """
    SELECT f.id::text, f.code, f.kind IN ('TEXT', 'TEXTAREA') FROM ticket_field AS f
    WHERE f.service_id = \(service) AND (f.id = ANY(\(rows.compactMap { Int64($0) }))
      OR (f.code = ANY(\(codes)) AND (\(all) OR NOT f.is_administrators_only)))
    """
  }
}

extension MaskStore {
  /// The names of the fields in which some of a service's masks stand.
  func fieldNames(of addresses: [TextAddress], in service: ServiceID, deadline: Deadline) async throws -> FieldNames {
    let rows = addresses.filter { $0.copy.field == "field" }.map(\.row)
    guard !rows.isEmpty else { return FieldNames() }
    return try await ServiceError.translating {
      try FieldNames(try await pool.query(FieldNames.query(of: service, rows: rows), deadline: deadline))
    }
  }

  /// The names of the fields that a request's spans name.
  ///
  /// - Parameter all: see ``FieldNames/query(of:codes:all:rows:)``.
  func fieldNames(
    named names: [String], all: Bool, in service: ServiceID, deadline: Deadline
  ) async throws -> FieldNames {
    let codes = names.filter { $0.hasPrefix(FieldNames.prefix) }.map { String($0.dropFirst(FieldNames.prefix.count)) }
    guard !codes.isEmpty else { return FieldNames() }
    return try await ServiceError.translating {
      try FieldNames(try await pool.query(FieldNames.query(of: service, codes: codes, all: all), deadline: deadline))
    }
  }
}
