import Postgres
import ServiceKit
import TicketLedger

/// A row of `mask`: where a span is masked, by whom, and its sealed original.
struct MaskRecord: Sendable {
  let id: MaskID
  /// Nil: the title.
  let entry: EntryID?
  var span: ScalarSpan
  let sealedOriginal: [UInt8]
  let keyID: String
  let maskedBy: AgentID?
  let maskTime: Instant
  let unmaskedBy: AgentID?
  let unmaskTime: Instant?

  static let columns: Query = """
    m.id, m.entry_id, m.span_start, m.span_length, m.sealed_original, m.key_id, m.masked_by, m.mask_time, \
    m.unmasked_by, m.unmask_time
    """

  init(_ row: Row) throws(PostgresError) {
    id = try row.value(0)
    let entryID: EntryID = try row.value(1)
    entry = entryID.rawValue == 0 ? nil : entryID
    span = ScalarSpan(start: Int(try row.int32(2)), length: Int(try row.int32(3)))
    sealedOriginal = try row.bytes(4)
    keyID = try row.string(5)
    maskedBy = try row.optionalInt64(6).map { AgentID($0) }
    maskTime = try row.instant(7)
    unmaskedBy = try row.optionalInt64(8).map { AgentID($0) }
    unmaskTime = try row.optionalInstant(9)
  }

  /// Whether the original has been put back.
  var isTakenOff: Bool { unmaskTime != nil }

  func place(_ service: ServiceID, _ ticket: TicketID) -> VaultPlace {
    VaultPlace(service: service, ticket: ticket, mask: id, entry: entry, asteriskCount: span.length)
  }
}
