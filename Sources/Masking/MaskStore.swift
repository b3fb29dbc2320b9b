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
        SELECT \(fragment: MaskRecord.columns) FROM mask AS m
        JOIN mask_place AS p ON p.service_id = m.service_id AND p.mask_id = m.id AND p.number = 0
        WHERE m.service_id = \(ticket.serviceID) AND m.ticket_id = \(ticket.ticketID) AND m.id = \(id)
        """, deadline: deadline
      ).first.flatMap(MaskRecord.init)
    }
  }

  /// Masks of a ticket after an id, oldest first, those that were taken off too.
  func masks(
    of ticket: TicketLink, after id: MaskID, limit: Int64, deadline: Deadline
  ) async throws -> [MaskRecord] {
    try await ServiceError.translating {
      try await pool.query(
        """
        SELECT \(fragment: MaskRecord.columns) FROM mask AS m
        JOIN mask_place AS p ON p.service_id = m.service_id AND p.mask_id = m.id AND p.number = 0
        WHERE m.service_id = \(ticket.serviceID) AND m.ticket_id = \(ticket.ticketID) AND m.id > \(id)
        ORDER BY m.id LIMIT \(limit)
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
    JOIN mask AS m ON m.service_id = p.service_id AND m.id = p.mask_id
    """
  }

  /// The places of all masks that lie on a ticket's texts.
  static func activePlaces(on ticket: TicketLink) -> Query {
    """
    SELECT \(fragment: MaskPlace.columns) FROM mask_place AS p
    JOIN mask AS m ON m.service_id = p.service_id AND m.id = p.mask_id
    WHERE p.ticket_service_id = \(ticket.serviceID) AND p.ticket_id = \(ticket.ticketID) AND p.is_on
    """
  }

  /// The places of all masks that lie on a ticket's texts, and those of one of its masks wherever they lie; none of it
  /// when it was taken off. Behind the place: the text of the entry in which a place of that mask stands, as most do.
  static func places(of mask: MaskID, on ticket: TicketLink) -> Query {
    """
    SELECT \(fragment: MaskPlace.columns), e.body
    FROM (
      SELECT * FROM mask_place
      WHERE ticket_service_id = \(ticket.serviceID) AND ticket_id = \(ticket.ticketID) AND is_on
      UNION ALL
      SELECT * FROM mask_place
      WHERE service_id = \(ticket.serviceID) AND mask_id = \(mask) AND is_on
        AND (ticket_service_id <> \(ticket.serviceID) OR ticket_id <> \(ticket.ticketID))
    ) AS p
    JOIN mask AS m ON m.service_id = p.service_id AND m.id = p.mask_id
    LEFT JOIN ticket_entry AS e ON e.service_id = \(ticket.serviceID) AND e.ticket_id = p.ticket_id
      AND e.id = CASE WHEN p.service_id = \(ticket.serviceID) AND p.mask_id = \(mask)
        AND p.ticket_service_id = \(ticket.serviceID) AND p.text_column = 'ticket_entry.body'
        THEN p.row_key::bigint END
    ORDER BY p.number
    """
  }

  /// All places of one mask, the span that was masked first; of a mask that was taken off, that one.
  static func places(of mask: MaskID, of service: ServiceID) -> Query {
    """
    SELECT \(fragment: MaskPlace.columns) FROM mask AS m
    JOIN mask_place AS p ON p.service_id = m.service_id AND p.mask_id = m.id
    WHERE m.service_id = \(service) AND m.id = \(mask) ORDER BY p.number
    """
  }

  /// The masks that lie on a ticket's texts in a table, the first in each text before the others.
  func activePlaces(on ticket: TicketLink, in table: String, deadline: Deadline) async throws -> [MaskPlace] {
    try await ServiceError.translating {
      try await pool.query(Self.activePlaces(on: ticket), deadline: deadline).compactMap(MaskPlace.init)
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
        JOIN mask AS m ON m.service_id = p.service_id AND m.id = p.mask_id
        ORDER BY p.mask_id DESC LIMIT \(Self.knownMax)
        """, deadline: deadline
      ).compactMap(MaskPlace.init)
    }
  }

  /// Whether something is left of a mask that has no places, or of places that have no mask.
  func isTorn(_ mask: MaskID, of ticket: TicketLink, deadline: Deadline) async throws -> Bool {
    try await ServiceError.translating {
      try await pool.query(
        """
        SELECT EXISTS (SELECT FROM mask WHERE service_id = \(ticket.serviceID) AND ticket_id = \(ticket.ticketID)
            AND id = \(mask) AND unmask_time IS NULL)
          OR EXISTS (SELECT FROM mask_place WHERE service_id = \(ticket.serviceID) AND mask_id = \(mask)
            AND ticket_id = \(ticket.ticketID) AND is_on)
        """, deadline: deadline)[0].bool(0)
    }
  }

  /// A place to be, with its sealed original.
  struct Sealed: Sendable {
    let place: VaultPlace
    let start: Int
    let original: [UInt8]
    let keyID: String
    /// What ``MaskSeals`` makes of the place.
    let seal: [UInt8]
  }

  /// Adds masks of a ticket and their places: attachments of the ticket's change.
  ///
  /// - Parameter counts: in how many places each mask stands.
  static func insert(
    _ ids: [MaskID], _ counts: [Int32], _ places: [Sealed], at time: Instant, by agent: AgentID?
  ) -> [Query] {
    [
      """
      INSERT INTO mask (service_id, id, ticket_id, masked_by, mask_time, place_count)
      SELECT c.service_id, m.id, c.id, \(agent), \(time), m.count
      FROM changed AS c, unnest(\(ids), \(counts)) AS m (id, count)
      """,
      """
      INSERT INTO mask_place (service_id, mask_id, number, ticket_service_id, ticket_id, text_column, row_key,
        span_start, span_length, sealed_original, key_id, seal)
      SELECT c.service_id, v.* FROM changed AS c, unnest(\(places.map(\.place.mask)), \(places.map(\.place.number)),
        \(places.map(\.place.address.ticket.serviceID)), \(places.map(\.place.address.ticket.ticketID)),
        \(places.map(\.place.address.copy.name)), \(places.map(\.place.address.row)),
        \(places.map { Int32($0.start) }), \(places.map { Int32($0.place.asteriskCount) }),
        \(places.map(\.original)), \(places.map(\.keyID)), \(places.map(\.seal))) AS v
      """,
    ]
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
      UPDATE mask AS m SET unmasked_by = \(agent), unmask_time = now() FROM changed AS c
      WHERE m.service_id = c.service_id AND m.id = \(id)
      """,
      """
      UPDATE mask_place AS p SET is_on = false, sealed_original = NULL FROM changed AS c
      WHERE p.service_id = c.service_id AND p.mask_id = \(id) AND p.number = 0
      """,
    ]
  }
}
