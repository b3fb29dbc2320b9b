import HandoffTestKit
import LedgerTestKit
import Postgres
import Testing
import TicketLedger

/// Looks at a whole database from outside: as a reader who knows neither the registry nor the vault.
struct CopyScan {
  let desk: Desk

  /// Tables of which a row, written as text, holds a word in clear or as hexadecimal bytes; schemas of the system left
  /// out.
  func tables(holding word: String) async throws -> [String] {
    let hex = word.utf8.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    var found: [String] = []
    for table in try await rows(
      "SELECT table_schema || '.' || table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE'"
        + " AND table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1")
    {
      let count = try await desk.number(
        """
        SELECT count(*) FROM \(unescaped: table) AS r
        WHERE strpos(lower(r::text), lower(\(word))) > 0 OR strpos(r::text, \(hex)) > 0
        """)
      if count > 0 { found.append(table) }
    }
    return found
  }

  /// Every text of every column of the registry, to be compared before and after.
  func texts() async throws -> [String: [String]] {
    var texts: [String: [String]] = [:]
    for copy in TextCopies.all {
      let keys = (copy.keys + copy.rows).map { "\($0)::text" }.joined(separator: " || '/' || ")
      texts[copy.name] = try await rows(
        "SELECT \(keys) || ' ' || coalesce(\(copy.column), '-') FROM \(copy.table) ORDER BY 1")
    }
    return texts
  }

  private func rows(_ sql: String) async throws -> [String] {
    try await desk.database.pool.query(Query(unescaped: sql), deadline: desk.deadline).map { try $0.string(0) }
  }
}
