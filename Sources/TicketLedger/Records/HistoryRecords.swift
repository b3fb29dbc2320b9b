package import Postgres

/// A row of `ticket_entry`: one piece of the history, as people read it.
package struct EntryRecord: Sendable, Equatable {
  /// Its id.
  package var id: EntryID
  /// The ticket it belongs to.
  package var ticketID: TicketID
  /// What kind of text it is.
  package var kind: EntryKind
  /// The act it was made with.
  package var act: EntryAct
  /// Who wrote it.
  package var actor: LedgerActor
  /// Canonical text; masked spans are asterisks.
  package var body: String
  /// Salt of ``bodyHash``.
  package var bodySalt: [UInt8]
  /// Hash of the text as it was written.
  package var bodyHash: [UInt8]
  /// When it was written.
  package var createTime: Instant
}

extension EntryRecord {
  /// The columns, for `SELECT \(fragment: EntryRecord.columns) FROM ticket_entry AS e`; read by ``init(_:)``.
  package static let columns: Query = """
    e.id, e.ticket_id, e.kind, e.act, e.actor_kind, e.actor_name, e.body, e.body_salt, e.body_hash, e.create_time
    """

  /// Reads a row that begins with ``columns``.
  ///
  /// - Throws: ``PostgresError`` of kind `decoding`.
  package init(_ row: Row) throws(PostgresError) {
    id = try row.value(0)
    ticketID = try row.value(1)
    kind = try row.value(2)
    act = try row.value(3)
    actor = LedgerActor(kind: try row.value(4), name: try row.value(5))
    body = try row.value(6)
    bodySalt = try row.value(7)
    bodyHash = try row.value(8)
    createTime = try row.value(9)
  }
}

/// A row of `ticket_event`: something that happened.
package struct EventRecord: Sendable, Equatable {
  /// Position in the ticket's history, from 1.
  package var sequence: Int32
  /// What happened; a word that this build may not know.
  package var code: String
  /// Who did it.
  package var actor: LedgerActor
  /// Sequence of the event that caused it; 0: none.
  package var causeSequence: Int32
  /// Codes and ids before and after; the very text that is hashed.
  package var changes: String
  /// When it happened.
  package var createTime: Instant
  /// Its hash in the chain.
  package var hash: [UInt8]
  /// What the ticket's own texts were, of its first event (``FirstTexts``); nil: another event, or an older ticket.
  package var firstTexts: [UInt8]?
}

extension EventRecord {
  /// How many columns ``columns`` has.
  package static let columnCount = 9
  /// The columns, for `SELECT \(fragment: EventRecord.columns) FROM ticket_event AS v`; read by ``init(_:)``.
  package static let columns: Query = """
    v.sequence, v.code, v.actor_kind, v.actor_name, v.cause_sequence, v.changes, v.create_time, v.hash, \
    v.first_texts
    """

  /// Reads a row that begins with ``columns``.
  ///
  /// - Throws: ``PostgresError`` of kind `decoding`.
  package init(_ row: Row) throws(PostgresError) {
    sequence = try row.value(0)
    code = try row.value(1)
    actor = LedgerActor(kind: try row.value(2), name: try row.value(3))
    causeSequence = try row.value(4)
    changes = try row.value(5)
    createTime = try row.value(6)
    hash = try row.value(7)
    firstTexts = try row.value(8)
  }
}

/// A row of `ticket_event_value`: a field that can hold a customer's words, before and after an event.
package struct EventValueRecord: Sendable, Equatable {
  /// The event.
  package var sequence: Int32
  /// The field's name, as in the API: `title`, `customer.email`.
  package var field: String
  /// Text before; masked spans are asterisks.
  package var before: String?
  /// Text after; masked spans are asterisks.
  package var after: String?
  /// Salt of the hashes.
  package var salt: [UInt8]
  /// Hash of the text before as it was written.
  package var beforeHash: [UInt8]?
  /// Hash of the text after as it was written.
  package var afterHash: [UInt8]?
}

extension EventValueRecord {
  static let columns: Query =
    "w.sequence, w.field, w.before_text, w.after_text, w.salt, w.before_hash, w.after_hash"

  init(_ row: Row) throws(PostgresError) {
    sequence = try row.value(0)
    field = try row.value(1)
    before = try row.value(2)
    after = try row.value(3)
    salt = try row.value(4)
    beforeHash = try row.value(5)
    afterHash = try row.value(6)
  }
}
