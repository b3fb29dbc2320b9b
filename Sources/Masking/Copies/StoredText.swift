import PersonalData
import Postgres
import ServiceKit
import TicketLedger

/// Where a text is stored: a column of the registry, a ticket, and the row among the ticket's rows.
struct TextAddress: Hashable, Sendable {
  let copy: TextCopy
  let ticket: TicketLink
  /// The values of the registry's row columns, joined by `/`.
  let row: String

  /// The address of a text of a ticket's own.
  ///
  /// - Parameter row: empty for a field of which the ticket has one.
  /// - Returns: nil when the field cannot be masked.
  init?(field: String, row: String, of ticket: TicketLink) {
    guard let copy = TextCopies.original(of: field), copy.rows.isEmpty == row.isEmpty else { return nil }
    self.init(copy: copy, ticket: ticket, row: row)
  }

  init(copy: TextCopy, ticket: TicketLink, row: String) {
    self.copy = copy
    self.ticket = ticket
    self.row = row
  }

  /// The field whose text stands there, or stood there once; nil for words among others.
  var field: String? {
    switch copy.relation {
    case .original, .record: copy.field
    case .snapshot: row.split(separator: "/").last.map(String.init)
    case .quotation: nil
    }
  }

  /// Whether masks of a field reach this text.
  func isReached(byMasksOf masked: String) -> Bool {
    guard copy.relation == .snapshot else { return copy.places.contains(masked) }
    return field.flatMap(TextCopies.original)?.places.contains(masked) ?? true
  }
}

/// A text as it is stored now.
struct StoredText: Sendable {
  let address: TextAddress
  let text: String
  /// Whether it has left Handoff already, as a sent mail has.
  let hasLeft: Bool
}

/// A row of `mask_place`: where asterisks of a mask stand.
struct MaskPlace: Sendable {
  /// The ticket on which the mask was made.
  let owner: TicketLink
  let mask: MaskID
  /// 0 where the span was masked; copies count from 1.
  let number: Int32
  let address: TextAddress
  var span: ScalarSpan
  /// Whether its asterisks stand there still; a mask that was taken off keeps the place where the span was masked.
  let isOn: Bool
  let sealedOriginal: [UInt8]
  let keyID: String
  /// What ``MaskSeals`` made of it; empty for a place that has no seal yet.
  let seal: [UInt8]
  /// Of its mask: who made it, when, and in how many places it stands.
  let maskedBy: AgentID?
  let maskTime: Instant
  let placeCount: Int32
  /// Whether the mask has a time at which it was taken off.
  let isTakenOff: Bool
  /// Whether it lies in a field that is for administrators only (``MaskSight``).
  let isForAdministrators: Bool

  static let columns: Query = """
    p.service_id, p.owner_ticket_id, p.mask_id, p.number, p.text_column, p.ticket_service_id, p.ticket_id, p.row_key, \
    p.span_start, p.span_length, p.is_on, coalesce(p.sealed_original, ''), p.key_id, coalesce(p.seal, ''), \
    p.masked_by, p.mask_time, p.place_count, p.unmask_time IS NOT NULL, \
    \(fragment: MaskSight.isForAdministrators)
    """
  static let columnCount = 19

  /// Reads a row that begins with ``columns``; nil when the registry has lost the column.
  init?(_ row: Row) throws(PostgresError) {
    owner = TicketLink(serviceID: try row.value(0), ticketID: try row.value(1))
    mask = try row.value(2)
    number = try row.value(3)
    guard let copy = TextCopies.named(try row.string(4)) else { return nil }
    address = TextAddress(
      copy: copy, ticket: TicketLink(serviceID: try row.value(5), ticketID: try row.value(6)), row: try row.value(7))
    span = ScalarSpan(start: Int(try row.int32(8)), length: Int(try row.int32(9)))
    isOn = try row.bool(10)
    sealedOriginal = try row.bytes(11)
    keyID = try row.string(12)
    seal = try row.bytes(13)
    maskedBy = try row.optionalInt64(14).map { AgentID($0) }
    maskTime = try row.value(15)
    placeCount = try row.value(16)
    isTakenOff = try row.bool(17)
    isForAdministrators = try row.bool(18)
  }

  /// Whether these are all places of a mask that is on, the span that was masked first.
  static func areWhole(_ places: [MaskPlace], on ticket: TicketLink) -> Bool {
    guard let first = places.first, first.owner == ticket, first.address.ticket == ticket else { return false }
    return places.map(\.number).elementsEqual(0..<max(0, first.placeCount))
      && places.allSatisfy { $0.isOn && !$0.isTakenOff }
  }

  /// The place as its seal covers it.
  var masked: MaskedPlace {
    MaskedPlace(
      owner: owner, mask: mask, maskedBy: maskedBy, maskTime: maskTime, placeCount: placeCount, number: number,
      ticket: address.ticket, copy: address.copy, row: address.row, span: span)
  }

  var vaultPlace: VaultPlace {
    VaultPlace(owner: owner, mask: mask, number: number, address: address, asteriskCount: span.length)
  }
}
