import EventLoop
import Postgres
import ServiceKit
import TicketLedger

/// SQL of the vault, and of the texts that masks change.
struct MaskStore: Sendable {
  let pool: PostgresPool

  /// The masks of a ticket that are on, in no particular order.
  func activeMasks(_ service: ServiceID, _ ticket: TicketID, deadline: Deadline) async throws -> [MaskRecord] {
    try await ServiceError.translating {
      try await pool.query(
        """
        SELECT \(fragment: MaskRecord.columns) FROM mask AS m
        WHERE m.service_id = \(service) AND m.ticket_id = \(ticket) AND m.unmask_time IS NULL
        """, deadline: deadline
      ).map(MaskRecord.init)
    }
  }

  /// One mask of a ticket, on or taken off.
  func mask(_ id: MaskID, _ service: ServiceID, _ ticket: TicketID, deadline: Deadline) async throws -> MaskRecord? {
    try await ServiceError.translating {
      try await pool.query(
        """
        SELECT \(fragment: MaskRecord.columns) FROM mask AS m
        WHERE m.service_id = \(service) AND m.ticket_id = \(ticket) AND m.id = \(id)
        """, deadline: deadline
      ).first.map(MaskRecord.init)
    }
  }

  /// Masks of a ticket after an id, oldest first, those that were taken off too.
  func masks(
    _ service: ServiceID, _ ticket: TicketID, after id: MaskID, limit: Int64, deadline: Deadline
  ) async throws -> [MaskRecord] {
    try await ServiceError.translating {
      try await pool.query(
        """
        SELECT \(fragment: MaskRecord.columns) FROM mask AS m
        WHERE m.service_id = \(service) AND m.ticket_id = \(ticket) AND m.id > \(id)
        ORDER BY m.id LIMIT \(limit)
        """, deadline: deadline
      ).map(MaskRecord.init)
    }
  }

  /// Texts of entries of a ticket; an id that is no entry of it is missing in the answer.
  func entryTexts(
    _ ids: [EntryID], _ service: ServiceID, _ ticket: TicketID, deadline: Deadline
  ) async throws -> [EntryID: String] {
    try await ServiceError.translating {
      let rows = try await pool.query(
        """
        SELECT id, body FROM ticket_entry
        WHERE service_id = \(service) AND ticket_id = \(ticket) AND id = ANY(\(ids.map(\.rawValue)))
        """, deadline: deadline)
      var texts: [EntryID: String] = [:]
      for row in rows { texts[EntryID(try row.int64(0))] = try row.string(1) }
      return texts
    }
  }

  /// Texts of all entries of a ticket, oldest first.
  func allEntryTexts(
    _ service: ServiceID, _ ticket: TicketID, deadline: Deadline
  ) async throws -> [(id: EntryID, text: String)] {
    try await ServiceError.translating {
      try await pool.query(
        """
        SELECT id, body FROM ticket_entry WHERE service_id = \(service) AND ticket_id = \(ticket)
        ORDER BY id LIMIT 1000
        """, deadline: deadline
      ).map { (EntryID(try $0.int64(0)), try $0.string(1)) }
    }
  }

  /// Takes ids for masks to be, which their seals must know.
  func newMaskIDs(_ count: Int, deadline: Deadline) async throws -> [MaskID] {
    try await ServiceError.translating {
      try await pool.query(
        "SELECT nextval('mask_id_seq') FROM generate_series(1, \(Int64(count)))", deadline: deadline
      ).map { MaskID(try $0.int64(0)) }
    }
  }

  /// Writes an entry's text.
  static func setEntry(_ id: EntryID, _ text: String, _ service: ServiceID) -> Query {
    "UPDATE ticket_entry SET body = \(text) WHERE service_id = \(service) AND id = \(id)"
  }

  /// Writes a ticket's title, and its copies in the event log's value table.
  static func setTitle(_ old: String, _ new: String, _ service: ServiceID, _ ticket: TicketID) -> [Query] {
    [
      "UPDATE ticket SET title = \(new) WHERE service_id = \(service) AND id = \(ticket)",
      """
      UPDATE ticket_event_value SET
        before_text = CASE WHEN before_text = \(old) THEN \(new) ELSE before_text END,
        after_text = CASE WHEN after_text = \(old) THEN \(new) ELSE after_text END
      WHERE service_id = \(service) AND ticket_id = \(ticket) AND field = 'title'
        AND (before_text = \(old) OR after_text = \(old))
      """,
    ]
  }

  /// Adds a mask.
  static func insert(
    _ place: VaultPlace, start: Int, sealed: [UInt8], keyID: String, by agent: AgentID
  ) -> Query {
    """
    INSERT INTO mask (service_id, id, ticket_id, place, entry_id, span_start, span_length, sealed_original, key_id,
      masked_by)
    VALUES (\(place.service), \(place.mask), \(place.ticket), \(place.entry == nil ? "TITLE" : "ENTRY"),
      \(place.entry?.rawValue ?? 0), \(Int32(start)), \(Int32(place.asteriskCount)), \(sealed), \(keyID),
      \(agent.rawValue))
    """
  }

  /// Moves a mask whose text changed before it.
  static func move(_ id: MaskID, to start: Int, _ service: ServiceID) -> Query {
    "UPDATE mask SET span_start = \(Int32(start)) WHERE service_id = \(service) AND id = \(id)"
  }

  /// Notes that a mask was taken off; its sealed original stays as a record of what was hidden.
  static func takeOff(_ id: MaskID, _ service: ServiceID, by agent: AgentID) -> Query {
    """
    UPDATE mask SET unmasked_by = \(agent.rawValue), unmask_time = now()
    WHERE service_id = \(service) AND id = \(id)
    """
  }
}
