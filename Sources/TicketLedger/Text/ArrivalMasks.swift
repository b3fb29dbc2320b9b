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
  /// The text as it is to be stored.
  package let text: String
  /// Where its asterisks stand.
  package let span: ScalarSpan
  /// What masking made of the original.
  package let sealedOriginal: [UInt8]
  /// The key that seals it.
  package let keyID: String

  /// Describes a mask.
  package init(
    id: MaskID, column: String, row: String, text: String, span: ScalarSpan, sealedOriginal: [UInt8], keyID: String
  ) {
    self.id = id
    self.column = column
    self.row = row
    self.text = text
    self.span = span
    self.sealedOriginal = sealedOriginal
    self.keyID = keyID
  }

  /// Masks that an event names one by one: there may be thousands, and an event is bounded.
  private static let notedMax = 50

  /// For the event of the text: which masks were made, and of the last ones only how many.
  package static func notes(_ masks: [ArrivalMask]) -> [CodeChange] {
    var notes = masks.prefix(notedMax).map { CodeChange("mask", "", $0.id.description) }
    if masks.count > notedMax { notes.append(CodeChange("mask_more", "", String(masks.count - notedMax))) }
    return notes
  }

  private func place(on ticket: TicketLink, at time: Instant) -> MaskedPlace? {
    TextCopies.named(column).map { copy in
      MaskedPlace(
        owner: ticket, mask: id, maskedBy: nil, maskTime: time, placeCount: 1, number: 0, ticket: ticket, copy: copy,
        row: row, span: span)
    }
  }

  /// The statements that store masks with their texts: attachments of the change or the creation of the texts' ticket.
  ///
  /// - Parameter time: when the masks are made.
  package static func insert(
    _ masks: [ArrivalMask], on ticket: TicketLink, at time: Instant, _ maskSeals: MaskSeals
  ) -> [Query] {
    guard !masks.isEmpty else { return [] }
    let seals = masks.map { mask in mask.place(on: ticket, at: time).map { maskSeals.seal($0, in: mask.text) } ?? [] }
    return [
      """
      INSERT INTO mask (service_id, id, ticket_id, mask_time)
      SELECT c.service_id, m.id, c.id, \(time) FROM changed AS c, unnest(\(masks.map(\.id))) AS m (id)
      """,
      """
      INSERT INTO mask_place (service_id, mask_id, number, ticket_service_id, ticket_id, text_column, row_key,
        span_start, span_length, sealed_original, key_id, seal)
      SELECT c.service_id, v.id, 0, c.service_id, c.id, v.text_column, v.row_key, v.start, v.length, v.sealed, v.key_id,
        v.seal
      FROM changed AS c, unnest(\(masks.map(\.id)), \(masks.map(\.column)), \(masks.map(\.row)),
        \(masks.map { Int32($0.span.start) }), \(masks.map { Int32($0.span.length) }),
        \(masks.map(\.sealedOriginal)), \(masks.map(\.keyID)), \(seals))
        AS v (id, text_column, row_key, start, length, sealed, key_id, seal)
      """,
      """
      INSERT INTO mask_act (service_id, ticket_id, act, mask_ids)
      SELECT c.service_id, c.id, 'MASK_ON_ARRIVAL', \(masks.map(\.id.rawValue)) FROM changed AS c
      """,
    ]
  }
}
