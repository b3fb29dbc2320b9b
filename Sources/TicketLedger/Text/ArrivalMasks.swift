package import PersonalData
package import Postgres

/// A place of a mask that was sealed before its text is stored.
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
  /// In how many places the mask stands.
  package var placeCount: Int32 = 1
  /// 0 for the text itself, 1 for the event that holds it, too.
  package var number: Int32 = 0

  /// Describes a mask in one place.
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
    let masks = masks.filter { $0.number == 0 }
    var notes = masks.prefix(notedMax).map { CodeChange("mask", "", $0.id.description) }
    if masks.count > notedMax { notes.append(CodeChange("mask_more", "", String(masks.count - notedMax))) }
    return notes
  }

  private func place(on ticket: TicketLink, at time: Instant) -> MaskedPlace? {
    TextCopies.named(column).map { copy in
      MaskedPlace(
        owner: ticket, mask: id, maskedBy: nil, maskTime: time, placeCount: placeCount, number: number, ticket: ticket,
        copy: copy, row: row, span: span)
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
    let made = masks.filter { $0.number == 0 }
    return [
      """
      INSERT INTO mask (service_id, id, ticket_id, mask_time, place_count)
      SELECT c.service_id, m.id, c.id, \(time), m.count
      FROM changed AS c, unnest(\(made.map(\.id)), \(made.map(\.placeCount))) AS m (id, count)
      """,
      """
      INSERT INTO mask_place (service_id, mask_id, number, ticket_service_id, ticket_id, text_column, row_key,
        span_start, span_length, sealed_original, key_id, seal)
      SELECT c.service_id, v.id, v.number, c.service_id, c.id, v.text_column, v.row_key, v.start, v.length, v.sealed,
        v.key_id, v.seal
      FROM changed AS c, unnest(\(masks.map(\.id)), \(masks.map(\.number)), \(masks.map(\.column)), \(masks.map(\.row)),
        \(masks.map { Int32($0.span.start) }), \(masks.map { Int32($0.span.length) }),
        \(masks.map(\.sealedOriginal)), \(masks.map(\.keyID)), \(seals))
        AS v (id, number, text_column, row_key, start, length, sealed, key_id, seal)
      """,
      """
      INSERT INTO mask_act (service_id, ticket_id, act, mask_ids)
      SELECT c.service_id, c.id, 'MASK_ON_ARRIVAL', \(made.map(\.id.rawValue)) FROM changed AS c
      """,
    ]
  }
}
