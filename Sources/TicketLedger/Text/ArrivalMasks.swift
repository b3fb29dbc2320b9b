package import PersonalData
package import Postgres

/// A mask that was sealed before its text is stored.
package struct ArrivalMask: Sendable {
  /// Its id, which masking took.
  package let id: MaskID
  /// The text's column (``TextCopy/name``).
  package let column: String
  /// The text's row: an entry's id, or empty.
  package let row: String
  /// Where its asterisks stand.
  package let span: ScalarSpan
  /// What masking made of the original.
  package let sealedOriginal: [UInt8]
  /// The key that seals it.
  package let keyID: String

  /// Describes a mask.
  package init(id: MaskID, column: String, row: String, span: ScalarSpan, sealedOriginal: [UInt8], keyID: String) {
    self.id = id
    self.column = column
    self.row = row
    self.span = span
    self.sealedOriginal = sealedOriginal
    self.keyID = keyID
  }

  /// The statements that store masks with their texts: companions of the ticket's own change.
  package static func insert(_ masks: [ArrivalMask], on ticket: TicketLink) -> [Query] {
    guard !masks.isEmpty else { return [] }
    return [
      """
      INSERT INTO mask (service_id, id, ticket_id) SELECT \(ticket.serviceID), id, \(ticket.ticketID)
      FROM unnest(\(masks.map(\.id))) AS id
      """,
      """
      INSERT INTO mask_place (service_id, mask_id, number, ticket_service_id, ticket_id, text_column, row_key,
        span_start, span_length, sealed_original, key_id)
      SELECT \(ticket.serviceID), v.id, 0, \(ticket.serviceID), \(ticket.ticketID), v.text_column, v.row_key, v.start,
        v.length, v.sealed, v.key_id
      FROM unnest(\(masks.map(\.id)), \(masks.map(\.column)), \(masks.map(\.row)),
        \(masks.map { Int32($0.span.start) }), \(masks.map { Int32($0.span.length) }),
        \(masks.map(\.sealedOriginal)), \(masks.map(\.keyID)))
        AS v (id, text_column, row_key, start, length, sealed, key_id)
      """,
      """
      INSERT INTO mask_act (service_id, ticket_id, act, mask_ids)
      VALUES (\(ticket.serviceID), \(ticket.ticketID), 'MASK_ON_ARRIVAL', \(masks.map(\.id.rawValue)))
      """,
    ]
  }
}
