package import EventLoop
package import HandoffAPI
import PersonalData
package import Postgres
import ServiceKit

/// Where asterisks of a mask stand in a stored text.
package struct StoredMask: Sendable, Hashable {
  /// The mask.
  package let id: MaskID
  /// The ticket on which it was made; a copy of its words may stand in another one.
  package let owner: TicketLink
  /// The ticket of the text.
  package let ticket: TicketLink
  /// The text's column (``TextCopy/name``).
  package let column: String
  /// The text's row, as the registry joins it.
  package let row: String
  /// First asterisk, by scalars of the text.
  package let start: Int32
  /// Number of asterisks.
  package let length: Int32
  let maskedBy: AgentID?
  let maskTime: Instant
  let placeCount: Int32
  let number: Int32
  /// What ``MaskSeals`` made of it; empty for a place that has no seal yet.
  let seal: [UInt8]

  init(_ row: Row) throws(PostgresError) {
    id = try row.value(0)
    owner = TicketLink(serviceID: try row.value(1), ticketID: try row.value(2))
    ticket = TicketLink(serviceID: try row.value(3), ticketID: try row.value(4))
    column = try row.value(5)
    self.row = try row.value(6)
    start = try row.value(7)
    length = try row.value(8)
    maskedBy = try row.optionalInt64(9).map { AgentID($0) }
    maskTime = try row.value(10)
    placeCount = try row.value(11)
    number = try row.value(12)
    seal = try row.optionalBytes(13) ?? []
  }

  /// The place as its seal covers it; nil when the registry does not know its column.
  var place: MaskedPlace? {
    TextCopies.named(column).map { copy in
      MaskedPlace(
        owner: owner, mask: id, maskedBy: maskedBy, maskTime: maskTime, placeCount: placeCount, number: number,
        ticket: ticket, copy: copy, row: row, span: ScalarSpan(start: Int(start), length: Int(length)))
    }
  }
}

extension TicketLedger {
  /// The masks that lie on the tickets' texts now, in the order of the texts.
  ///
  /// - Parameter columns: of which columns (``TextCopy/name``).
  /// - Throws: the database's errors as ``ServiceError``.
  package func storedMasks(
    on tickets: [TicketLink], in columns: [String], deadline: Deadline
  ) async throws -> [StoredMask] {
    guard !tickets.isEmpty else { return [] }
    return try await ServiceError.translating {
      try await pool.query(Self.storedMasks(tickets, columns), deadline: deadline).map { try StoredMask($0) }
    }
  }

  /// The masks on a ticket's texts in a column, by the texts' rows.
  ///
  /// - Parameter texts: those texts, as they are shown: without an asterisk in one, nothing is asked.
  /// - Throws: the database's errors as ``ServiceError``.
  package func textMasks(
    on ticket: TicketRecord, in column: String, of texts: some Sequence<String>, deadline: Deadline
  ) async throws -> [String: [TextMask]] {
    guard texts.contains(where: { $0.utf8.contains(UInt8(ascii: "*")) }) else { return [:] }
    let masks = try await storedMasks(on: [ticket.link], in: [column], deadline: deadline)
    return Dictionary(grouping: try await messages(for: masks, deadline), by: \.mask.row).mapValues {
      $0.map(\.message)
    }
  }

  /// SQL: whether a place of a mask lies in a field that is for administrators only. What the field is now counts, and
  /// one that was deleted stays what it was. A field that is not there is theirs: of what nobody knows whose it was,
  /// nothing is shown.
  ///
  /// - Parameter place: the alias of `mask_place`.
  package static func isForAdministrators(_ place: Query) -> Query {
    """
    (\(fragment: place).text_column = 'ticket_field_value.value' AND NOT EXISTS (SELECT FROM ticket_field AS f
      WHERE f.service_id = \(fragment: place).ticket_service_id AND f.id::text = \(fragment: place).row_key
        AND NOT f.is_administrators_only))
    """
  }

  /// The masks of a ticket, those that were taken off too, that agents do not know of, because they were made in a
  /// field for administrators.
  ///
  /// - Throws: the database's errors as ``ServiceError``.
  package func masksForAdministrators(on ticket: TicketLink, deadline: Deadline) async throws -> Set<MaskID> {
    try await ServiceError.translating {
      let rows = try await pool.query(
        """
        SELECT p.mask_id FROM mask_place AS p
        WHERE p.ticket_service_id = \(ticket.serviceID) AND p.ticket_id = \(ticket.ticketID) AND p.number = 0
          AND \(fragment: Self.isForAdministrators("p"))
        """, deadline: deadline)
      return Set(try rows.map { try $0.value(0) })
    }
  }

  static func storedMasks(_ tickets: [TicketLink], _ columns: [String]) -> Query {
    """
    SELECT p.mask_id, p.service_id, p.owner_ticket_id, p.ticket_service_id, p.ticket_id, p.text_column, p.row_key,
      p.span_start, p.span_length, p.masked_by, p.mask_time, p.place_count, p.number, p.seal
    FROM unnest(\(tickets.map(\.serviceID)), \(tickets.map(\.ticketID))) AS t (service_id, id)
    JOIN mask_place AS p ON p.ticket_service_id = t.service_id AND p.ticket_id = t.id AND p.is_on
    WHERE p.text_column = ANY(\(columns)) ORDER BY p.text_column, p.row_key, p.span_start
    """
  }

  /// The API's messages of masks, by their texts' rows.
  func messages(for masks: [StoredMask], _ deadline: Deadline) async throws -> [(mask: StoredMask, message: TextMask)] {
    var messages: [(StoredMask, TextMask)] = []
    messages.reserveCapacity(masks.count)
    for mask in masks {
      let service = try await directory.service(id: mask.owner.serviceID, deadline: deadline)
      let name = MaskName(ticket: TicketName(service: service.code, id: mask.owner.ticketID), id: mask.id)
      messages.append(
        (
          mask,
          TextMask(
            name: name.description, start: mask.start, length: mask.length,
            field: TextCopies.named(mask.column).flatMap { $0.relation == .original ? $0.field : nil } ?? "")
        ))
    }
    return messages
  }
}
