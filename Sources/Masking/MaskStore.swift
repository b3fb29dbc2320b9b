import EventLoop
import PersonalData
import Postgres
import ServiceKit
import TicketLedger

/// SQL of the vault.
struct MaskStore: Sendable {
  let pool: PostgresPool

  /// One mask of a ticket, on or taken off.
  func mask(_ id: MaskID, of ticket: TicketLink, deadline: Deadline) async throws -> MaskRecord? {
    try await ServiceError.translating {
      try await pool.query(
        """
        SELECT \(fragment: MaskRecord.columns) FROM mask_place AS p
        WHERE p.ticket_service_id = \(ticket.serviceID) AND p.ticket_id = \(ticket.ticketID) AND p.mask_id = \(id)
          AND p.number = 0
        """, deadline: deadline
      ).first.flatMap(MaskRecord.init)
    }
  }

  /// Masks of a ticket after an id that a caller knows of, oldest first, those that were taken off too.
  func masks(
    of ticket: TicketLink, seenBy sight: MaskSight, after id: MaskID, limit: Int64, deadline: Deadline
  ) async throws -> [MaskRecord] {
    try await ServiceError.translating {
      try await pool.query(
        """
        SELECT \(fragment: MaskRecord.columns) FROM mask_place AS p
        WHERE p.ticket_service_id = \(ticket.serviceID) AND p.ticket_id = \(ticket.ticketID) AND p.mask_id > \(id)
          AND p.number = 0 AND \(fragment: sight.condition)
        ORDER BY p.mask_id LIMIT \(limit)
        """, deadline: deadline
      ).compactMap(MaskRecord.init)
    }
  }

  /// Texts of entries of a ticket behind an id, oldest first, up to 500.
  func entryTexts(
    of ticket: TicketLink, after id: EntryID, deadline: Deadline
  ) async throws -> [(id: EntryID, text: String)] {
    try await ServiceError.translating {
      try await pool.query(
        """
        SELECT id, body FROM ticket_entry
        WHERE service_id = \(ticket.serviceID) AND ticket_id = \(ticket.ticketID) AND id > \(id)
        ORDER BY id LIMIT 500
        """, deadline: deadline
      ).map { (EntryID(try $0.int64(0)), try $0.string(1)) }
    }
  }

  /// The lines of a ticket's chat and the values of its fields of free text, with their names in the API.
  ///
  /// - Parameter all: whether fields that only administrators see are among them.
  func otherTexts(
    of ticket: TicketLink, all: Bool, deadline: Deadline
  ) async throws -> [(name: String, text: String)] {
    try await ServiceError.translating {
      try await pool.query(
        """
        SELECT 'transcript.' || number, body, 0 AS part, number::bigint AS place FROM transcript_line
        WHERE service_id = \(ticket.serviceID) AND ticket_id = \(ticket.ticketID)
        UNION ALL
        SELECT 'field.' || f.code, v.value, 1, f.id FROM ticket_field_value AS v
        JOIN ticket_field AS f ON f.service_id = v.service_id AND f.id = v.field_id
        WHERE v.service_id = \(ticket.serviceID) AND v.ticket_id = \(ticket.ticketID)
          AND f.kind IN ('TEXT', 'TEXTAREA') AND (\(all) OR NOT f.is_administrators_only)
        ORDER BY part, place
        """, deadline: deadline
      ).map { (try $0.string(0), try $0.string(1)) }
    }
  }

  /// The places of all masks that lie on texts of tickets.
  static func activePlaces(on tickets: [TicketLink]) -> Query {
    """
    SELECT \(fragment: MaskPlace.columns)
    FROM unnest(\(tickets.map(\.serviceID)), \(tickets.map(\.ticketID))) AS t (service_id, id)
    JOIN mask_place AS p ON p.ticket_service_id = t.service_id AND p.ticket_id = t.id AND p.is_on
    """
  }

  /// The places of all masks that lie on a ticket's texts.
  static func activePlaces(on ticket: TicketLink) -> Query {
    """
    SELECT \(fragment: MaskPlace.columns) FROM mask_place AS p
    WHERE p.ticket_service_id = \(ticket.serviceID) AND p.ticket_id = \(ticket.ticketID) AND p.is_on
    """
  }

  /// The places of all masks that lie on a ticket's texts, as ``activePlaces(on:)-(TicketLink)``. Behind the place: the
  /// text of the entry in which a place of one of the masks stands, as most do.
  static func activePlaces(on ticket: TicketLink, withEntriesOf mask: MaskID) -> Query {
    """
    SELECT \(fragment: MaskPlace.columns), e.body FROM mask_place AS p
    LEFT JOIN ticket_entry AS e ON e.service_id = \(ticket.serviceID) AND e.ticket_id = \(ticket.ticketID)
      AND e.id = CASE WHEN p.service_id = \(ticket.serviceID) AND p.mask_id = \(mask)
        AND p.text_column = 'ticket_entry.body' THEN p.row_key::bigint END
    WHERE p.ticket_service_id = \(ticket.serviceID) AND p.ticket_id = \(ticket.ticketID) AND p.is_on
    """
  }

  /// All places of one mask, the span that was masked first; of a mask that was taken off, that one.
  static func places(of mask: MaskID, of service: ServiceID) -> Query {
    """
    SELECT \(fragment: MaskPlace.columns) FROM mask_place AS p
    WHERE p.service_id = \(service) AND p.mask_id = \(mask) ORDER BY p.number
    """
  }

  /// The masks that lie on a ticket's texts in a table, the first in each text before the others; without those that
  /// were made in a field for administrators.
  func openPlaces(on ticket: TicketLink, in table: String, deadline: Deadline) async throws -> [MaskPlace] {
    let places: Query = """
      \(fragment: Self.activePlaces(on: ticket)) AND NOT EXISTS (SELECT FROM mask_place AS o
        WHERE o.service_id = p.service_id AND o.mask_id = p.mask_id AND o.number = 0
          AND \(fragment: TicketLedger.isForAdministrators("o")))
      """
    return try await ServiceError.translating {
      try await pool.query(places, deadline: deadline).compactMap(MaskPlace.init)
        .filter { $0.address.copy.table == table }
        .sorted { ($0.address.copy.name, $0.span.start) < ($1.address.copy.name, $1.span.start) }
    }
  }

  /// Most masks whose words are looked for in a text that comes in; the newest.
  private static let knownMax = 5_000

  /// Where the masks that are on were made, on a ticket and those that belong to it.
  func originals(around ticket: TicketLink, deadline: Deadline) async throws -> [MaskPlace] {
    try await ServiceError.translating {
      try await pool.query(
        """
        WITH RECURSIVE \(fragment: TicketLedger.family(of: ticket.ticketID, ticket.serviceID))
        SELECT \(fragment: MaskPlace.columns) FROM family AS f
        JOIN mask_place AS p ON p.ticket_service_id = f.service_id AND p.ticket_id = f.id AND p.is_on AND p.number = 0
        ORDER BY p.mask_id DESC LIMIT \(Self.knownMax)
        """, deadline: deadline
      ).compactMap(MaskPlace.init)
    }
  }

  /// Whether a ticket's events tell that a mask was made and none that it was taken off. Of many masks that were made
  /// at once an event names the first ones.
  func isNoted(_ mask: MaskID, on ticket: TicketLink, deadline: Deadline) async throws -> Bool {
    func like(_ before: String, _ after: String) -> String {
      "%" + CodeChange.encode([CodeChange("mask", before, after)]).dropFirst().dropLast() + "%"
    }
    return try await ServiceError.translating {
      try await pool.query(
        """
        SELECT coalesce(bool_or(changes LIKE \(like("", mask.description))), false)
          AND NOT coalesce(bool_or(changes LIKE \(like(mask.description, ""))), false)
        FROM ticket_event WHERE service_id = \(ticket.serviceID) AND ticket_id = \(ticket.ticketID)
        """, deadline: deadline)[0].bool(0)
    }
  }

  /// A place to be, with its sealed original.
  struct Sealed: Sendable {
    let place: VaultPlace
    /// In how many places its mask stands.
    let placeCount: Int32
    let start: Int
    let original: [UInt8]
    let keyID: String
    /// What ``MaskSeals`` makes of the place.
    let seal: [UInt8]
  }

  /// Adds masks of a ticket: an attachment of the ticket's change.
  static func insert(_ places: [Sealed], at time: Instant, by agent: AgentID?) -> Query {
    """
    INSERT INTO mask_place (service_id, owner_ticket_id, masked_by, mask_time, mask_id, number, place_count,
      ticket_service_id, ticket_id, text_column, row_key, span_start, span_length, sealed_original, key_id, seal)
    SELECT c.service_id, c.id, \(agent), \(time), v.*
    FROM changed AS c, \(fragment: rows(places)) AS v
    """
  }

  /// As arrays, or, what takes PostgreSQL less time, a single one by itself: most masks have one place.
  private static func rows(_ places: [Sealed]) -> Query {
    if places.count == 1 {
      let (sealed, place) = (places[0], places[0].place)
      return """
        (VALUES (\(place.mask), \(place.number), \(sealed.placeCount), \(place.address.ticket.serviceID),
          \(place.address.ticket.ticketID), \(place.address.copy.name), \(place.address.row), \(Int32(sealed.start)),
          \(Int32(place.asteriskCount)), \(sealed.original), \(sealed.keyID), \(sealed.seal)))
        """
    }
    return """
      unnest(\(places.map(\.place.mask)), \(places.map(\.place.number)), \(places.map(\.placeCount)),
        \(places.map(\.place.address.ticket.serviceID)), \(places.map(\.place.address.ticket.ticketID)),
        \(places.map(\.place.address.copy.name)), \(places.map(\.place.address.row)),
        \(places.map { Int32($0.start) }), \(places.map { Int32($0.place.asteriskCount) }),
        \(places.map(\.original)), \(places.map(\.keyID)), \(places.map(\.seal)))
      """
  }

  /// Moves places along with their texts.
  static func move(_ moved: [MaskingPlan.Moved], _ seals: MaskSeals) -> [Query] {
    guard !moved.isEmpty else { return [] }
    return [
      """
      UPDATE mask_place AS p SET span_start = v.start, seal = nullif(v.seal, '')
      FROM unnest(\(moved.map(\.place.owner.serviceID)), \(moved.map(\.place.mask)), \(moved.map(\.place.number)),
        \(moved.map { Int32($0.start) }), \(moved.map { $0.seal(seals) }))
        AS v (service_id, mask_id, number, start, seal)
      WHERE p.service_id = v.service_id AND p.mask_id = v.mask_id AND p.number = v.number
      """
    ]
  }

  /// Takes a mask off: what remains is where it was, by whom and when. Attachments of the ticket's change.
  ///
  /// - Parameter hasCopies: whether there may be places besides the one that was masked.
  static func takeOff(_ id: MaskID, by agent: AgentID, hasCopies: Bool) -> [Query] {
    let copies: [Query] = [
      """
      DELETE FROM mask_place AS p USING changed AS c
      WHERE p.service_id = c.service_id AND p.mask_id = \(id) AND p.number > 0
      """
    ]
    return (hasCopies ? copies : []) + [
      """
      UPDATE mask_place AS p
      SET is_on = false, sealed_original = NULL, unmasked_by = \(agent), unmask_time = now() FROM changed AS c
      WHERE p.service_id = c.service_id AND p.mask_id = \(id) AND p.number = 0
      """
    ]
  }
}
