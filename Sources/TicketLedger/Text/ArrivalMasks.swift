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

  private static let rowsMax = 4

  /// As arrays, or, what takes PostgreSQL less time, a few row by row: most inquiries have no more to be masked.
  private static func rows(_ masks: [ArrivalMask], _ seals: [[UInt8]]) -> Query {
    guard masks.count <= rowsMax else {
      return """
        unnest(\(masks.map(\.id)), \(masks.map(\.number)), \(masks.map(\.placeCount)), \(masks.map(\.column)),
          \(masks.map(\.row)), \(masks.map { Int32($0.span.start) }), \(masks.map { Int32($0.span.length) }),
          \(masks.map(\.sealedOriginal)), \(masks.map(\.keyID)), \(seals))
        """
    }
    var rows: Query = "(VALUES "
    for (index, (mask, seal)) in zip(masks, seals).enumerated() {
      rows = """
        \(fragment: rows)\(unescaped: index == 0 ? "" : ", ")(\(mask.id), \(mask.number), \(mask.placeCount),
          \(mask.column), \(mask.row), \(Int32(mask.span.start)), \(Int32(mask.span.length)), \(mask.sealedOriginal),
          \(mask.keyID), \(seal))
        """
    }
    return "\(fragment: rows))"
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
      INSERT INTO mask_place (service_id, owner_ticket_id, ticket_service_id, ticket_id, mask_time, mask_id, number,
        place_count, text_column, row_key, span_start, span_length, sealed_original, key_id, seal)
      SELECT c.service_id, c.id, c.service_id, c.id, \(time), v.*
      FROM changed AS c, \(fragment: rows(masks, seals)) AS v
      """,
      """
      INSERT INTO mask_act (service_id, ticket_id, act, mask_ids)
      SELECT c.service_id, c.id, 'MASK_ON_ARRIVAL', \(made.map(\.id.rawValue)) FROM changed AS c
      """,
    ]
  }
}
