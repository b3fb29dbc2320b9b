import PersonalData
import Postgres
import ServiceKit
import TicketLedger

/// A mask with its own place: where a span is or was masked, by whom, and its sealed original.
struct MaskRecord: Sendable {
  let place: MaskPlace
  let unmaskedBy: AgentID?
  let unmaskTime: Instant?

  static let columns: Query = """
    \(fragment: MaskPlace.columns), p.unmasked_by, p.unmask_time
    """

  /// Reads a row that begins with ``columns``; nil when the registry has lost the text's column.
  init?(_ row: Row) throws(PostgresError) {
    guard let place = try MaskPlace(row) else { return nil }
    self.place = place
    let next = MaskPlace.columnCount
    unmaskedBy = try row.optionalInt64(next).map { AgentID($0) }
    unmaskTime = try row.optionalInstant(next + 1)
  }
}
