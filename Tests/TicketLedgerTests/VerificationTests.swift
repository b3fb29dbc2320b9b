import Crypto
import EventLoop
import HandoffAPI
import HandoffTestKit
import Postgres
import ServiceKit
import Testing

@testable import TicketLedger

@Suite struct VerificationTests {
  struct Tampering: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let statements: [Query]
    /// The first event that is told to be wrong.
    let sequence: Int32

    init(_ description: String, _ sequence: Int32, _ statements: Query...) {
      testDescription = description
      self.statements = statements
      self.sequence = sequence
    }
  }

  // The story has seven events: created, kept, commented, fields saved, held (with a file), mail sent, resolved.
  static let tamperings: [Tampering] = [
    Tampering("an event's code", 2, "UPDATE ticket_event SET code = 'FORWARDED' WHERE sequence = 2"),
    Tampering("an event's actor", 3, "UPDATE ticket_event SET actor_name = 'agents/2' WHERE sequence = 3"),
    Tampering("an event's kind of actor", 3, "UPDATE ticket_event SET actor_kind = 'SYSTEM' WHERE sequence = 3"),
    Tampering("an event's cause", 6, "UPDATE ticket_event SET cause_sequence = 4 WHERE sequence = 6"),
    Tampering(
      "an event's time", 5,
      "UPDATE ticket_event SET create_time = create_time + interval '1 microsecond' WHERE sequence = 5"),
    Tampering(
      "an event's changes", 2,
      "UPDATE ticket_event SET changes = replace(changes, 'PROCESSING', 'PENDING') WHERE sequence = 2"),
    Tampering("an event's hash", 4, "UPDATE ticket_event SET hash = sha256('x') WHERE sequence = 4"),
    Tampering(
      "the first event removed", 1,
      "DELETE FROM ticket_event WHERE sequence = 1"),
    Tampering("an event in the middle removed", 3, "DELETE FROM ticket_event WHERE sequence = 3"),
    Tampering(
      "an event removed and the rest moved up", 3,
      "DELETE FROM ticket_event WHERE sequence = 3",
      "DELETE FROM ticket_event_value",
      "UPDATE ticket_event SET sequence = 3 WHERE sequence = 4",
      "UPDATE ticket_event SET sequence = 4 WHERE sequence = 5",
      "UPDATE ticket_event SET sequence = 5 WHERE sequence = 6",
      "UPDATE ticket_event SET sequence = 6 WHERE sequence = 7",
      "UPDATE ticket SET event_count = 6"),
    Tampering("the last event removed", 7, "DELETE FROM ticket_event WHERE sequence = 7"),
    Tampering(
      "the last event removed, and the head set back to the one before", 6,
      "DELETE FROM ticket_event WHERE sequence = 7",
      "UPDATE ticket SET event_count = 6, event_hash = (SELECT hash FROM ticket_event WHERE sequence = 6)"),
    Tampering(
      "two events exchanged", 2,
      "UPDATE ticket_event SET sequence = 100 WHERE sequence = 2",
      "UPDATE ticket_event SET sequence = 2 WHERE sequence = 3",
      "UPDATE ticket_event SET sequence = 3 WHERE sequence = 100"),
    Tampering(
      "an event added behind", 8,
      """
      INSERT INTO ticket_event (service_id, ticket_id, sequence, code, actor_kind, changes, create_time, hash)
      SELECT service_id, ticket_id, 8, code, actor_kind, changes, create_time, hash FROM ticket_event WHERE sequence = 7
      """),
    Tampering(
      "an event added behind, with its head", 8,
      """
      INSERT INTO ticket_event (service_id, ticket_id, sequence, code, actor_kind, changes, create_time, hash)
      SELECT service_id, ticket_id, 8, code, actor_kind, '[]', create_time, hash FROM ticket_event WHERE sequence = 7
      """,
      "UPDATE ticket SET event_count = 8"),
    Tampering("the seal", 7, "UPDATE ticket SET event_seal = sha256('x')"),
    Tampering("a value's text", 4, "UPDATE ticket_event_value SET after_text = 'Other' WHERE field = 'title'"),
    Tampering("a value's text before", 4, "UPDATE ticket_event_value SET before_text = 'Other' WHERE field = 'title'"),
    Tampering("a value with its hash", 4, "UPDATE ticket_event_value SET after_hash = sha256('x')"),
    Tampering("a value's salt", 4, "UPDATE ticket_event_value SET salt = '\\x00'"),
    Tampering("a value's field", 4, "UPDATE ticket_event_value SET field = 'name'"),
    Tampering("a value removed", 4, "DELETE FROM ticket_event_value"),
    Tampering(
      "a value added", 2,
      """
      INSERT INTO ticket_event_value (service_id, ticket_id, sequence, field, salt)
      SELECT 1, id, 2, 'x', '' FROM ticket
      """
    ),
    Tampering("an entry's text", 3, "UPDATE ticket_entry SET body = 'Never called.' WHERE kind = 'COMMENT'"),
    Tampering(
      "an entry's text with its hash", 3,
      "UPDATE ticket_entry SET body = 'x', body_hash = sha256('x') WHERE kind = 'COMMENT'"),
    Tampering("an entry's author", 5, "UPDATE ticket_entry SET actor_name = 'agents/2' WHERE act = 'HOLD'"),
    Tampering("an entry's kind", 1, "UPDATE ticket_entry SET kind = 'COMMENT' WHERE kind = 'INQUIRY'"),
    Tampering(
      "an entry's time", 5,
      "UPDATE ticket_entry SET create_time = create_time - interval '1 day' WHERE act = 'HOLD'"),
    Tampering("an entry removed", 3, "DELETE FROM ticket_entry WHERE kind = 'COMMENT'"),
    Tampering(
      "an entry added", 7,
      """
      INSERT INTO ticket_entry SELECT service_id, 5, ticket_id, kind, act, actor_kind, actor_name, body, body_salt,
        body_hash, create_time FROM ticket_entry WHERE kind = 'COMMENT'
      """),
    Tampering("the ticket's state", 7, "UPDATE ticket SET state = 'PENDING'"),
    Tampering("the ticket's holder", 7, "UPDATE ticket SET agent_id = 2"),
    Tampering("the ticket's priority", 7, "UPDATE ticket SET priority = 'LOW'"),
    Tampering("the ticket's creator", 7, "UPDATE ticket SET creator_agent_id = 2"),
    Tampering("the ticket's title, which an event set", 7, "UPDATE ticket SET title = 'Other'"),
    Tampering("the ticket's customer as at first", 7, "UPDATE ticket SET customer_email = 'other@example.com'"),
    Tampering("a customer's number that was never there", 7, "UPDATE ticket SET customer_phone = '01000000000'"),
    Tampering("what the texts were at first", 1, "UPDATE ticket_event SET first_texts = NULL WHERE sequence = 1"),
    Tampering("where the ticket was escalated to", 7, "UPDATE ticket SET escalated_to = 'DOORAY'"),
    Tampering(
      "when the ticket came", 7, "UPDATE ticket SET create_time = create_time - interval '1 microsecond'"),
    Tampering(
      "when the ticket was resolved", 7, "UPDATE ticket SET resolve_time = resolve_time + interval '1 microsecond'"),
    Tampering(
      "a place before the spam box of a ticket that was never there", 7,
      "UPDATE ticket SET state_before_spam = 'PENDING'"),
    Tampering(
      "a file moved to another entry", 5, "UPDATE attachment SET entry_id = (SELECT min(id) FROM ticket_entry)"),
    Tampering("a file taken off", 7, "UPDATE attachment SET ticket_id = NULL, entry_id = NULL"),
    Tampering(
      "all events away", 1,
      "DELETE FROM ticket_event_value", "DELETE FROM ticket_event"),
  ]

  /// A ticket with a history of seven events.
  private func story(_ fixture: Fixture) async throws -> TicketRecord {
    var ticket = try await fixture.ticket()
    ticket = try await fixture.keep(ticket).ticket
    ticket = try await fixture.comment(ticket).ticket
    var saved = EventDraft(.fieldsSaved, by: .agent(Fixture.kim))
    saved.set.title = "The washer leaks a lot"
    ticket = try await fixture.ledger.write(TicketChange(saved), on: ticket, deadline: fixture.deadline).ticket
    var held = EventDraft(.held, by: .agent(Fixture.kim))
    held.set.state = .pending
    let answer = try await fixture.ledger.newEntryID(deadline: fixture.deadline)
    held.entries = [EntryDraft(.reply, .hold, body: "We look into it.", id: answer)]
    let picture = Array("a picture of the hose".utf8)
    held.notes = [StoredFile(id: AttachmentID(1), hash: SHA256.hash(picture))].notes
    var holding = TicketChange(held)
    holding.companions = Self.storing(picture, on: answer, of: ticket.id)
    ticket = try await fixture.ledger.write(holding, on: ticket, deadline: fixture.deadline).ticket
    var sent = TicketChange(EventDraft(.mailSent, by: .service("mail"), cause: .sequence(5)))
    sent.isSilent = true
    ticket = try await fixture.ledger.write(sent, on: ticket, deadline: fixture.deadline).ticket
    var resolved = EventDraft(.resolved, by: .agent(Fixture.kim))
    resolved.set.state = .resolved
    resolved.entries = [EntryDraft(.reply, .resolve, body: "Tighten the hose.")]
    return try await fixture.ledger.write(TicketChange(resolved), on: ticket, deadline: fixture.deadline).ticket
  }

  /// What puts file 1 on an entry.
  private static func storing(_ bytes: [UInt8], on entry: EntryID, of ticket: TicketID) -> [Query] {
    [
      """
      INSERT INTO attachment_content (service_id, id, hash, size_bytes)
      VALUES (1, 1, \(SHA256.hash(bytes)), \(Int64(bytes.count)))
      """,
      "INSERT INTO attachment_chunk (service_id, content_id, number, bytes) VALUES (1, 1, 1, \(bytes))",
      """
      INSERT INTO attachment (service_id, id, content_id, file_name, content_type, uploader, ticket_id, entry_id)
      VALUES (1, 1, 1, 'hose.png', 'image/png', 'agents/1', \(ticket), \(entry))
      """,
    ]
  }

  @Test("an untouched history is intact, and every tampering is found where it begins")
  func findsEachTampering() async throws {
    let fixture = try await Fixture.make()
    let ticket = try await story(fixture)
    let intact = try await fixture.ledger.verify(ticket.id, of: fixture.care.id, deadline: fixture.deadline)
    #expect(intact == HistoryVerification(eventCount: 7, firstBadSequence: 0, finding: ""))
    for tampering in Self.tamperings {
      let found = try await whileTampered(fixture, tampering.statements) {
        try await fixture.ledger.verify(ticket.id, of: fixture.care.id, deadline: fixture.deadline)
      }
      #expect(found.firstBadSequence == tampering.sequence, "\(tampering.testDescription): \(found)")
      #expect(!found.finding.isEmpty)
    }
    let after = try await fixture.ledger.verify(ticket.id, of: fixture.care.id, deadline: fixture.deadline)
    #expect(after.isIntact, "the tampering was not undone: \(after)")
  }

  /// Edits the tables as a superuser past every rule, and puts them back afterwards.
  private func whileTampered(
    _ fixture: Fixture, _ statements: [Query], _ body: () async throws -> HistoryVerification
  ) async throws -> HistoryVerification {
    let tables = ["ticket", "ticket_event", "ticket_event_value", "ticket_entry", "attachment"]
    let noTriggers: Query = "SET LOCAL session_replication_role = 'replica'"
    _ = try await fixture.pool.transactionBatch(
      [noTriggers] + tables.map { "CREATE TABLE \(identifier: "kept_" + $0) AS SELECT * FROM \(identifier: $0)" }
        + statements, deadline: fixture.deadline)
    let found = try await body()
    _ = try await fixture.pool.transactionBatch(
      [noTriggers]
        + tables.flatMap { table -> [Query] in
          [
            "DELETE FROM \(identifier: table)",
            "INSERT INTO \(identifier: table) SELECT * FROM \(identifier: "kept_" + table)",
            "DROP TABLE \(identifier: "kept_" + table)",
          ]
        }, deadline: fixture.deadline)
    return found
  }

  @Test("where a ticket stood before the spam box and when it was completed follow from its events")
  func standing() async throws {
    let fixture = try await Fixture.make()
    var ticket = try await fixture.keep(try await fixture.ticket()).ticket
    func write(
      _ code: EventCode, _ act: LifecycleAct, by role: LifecycleRole, on ticket: TicketRecord
    ) async throws -> TicketRecord {
      let outcome = try Lifecycle.outcome(of: act, on: ticket.standing(in: .consultation), by: role).get()
      let event = EventDraft(code, by: .agent(Fixture.boss), outcome: outcome, on: ticket)
      return try await fixture.ledger.write(TicketChange(event), on: ticket, deadline: fixture.deadline).ticket
    }
    let id = ticket.id
    func finding(_ tampering: Query...) async throws -> String {
      try await whileTampered(fixture, tampering) {
        try await fixture.ledger.verify(id, of: fixture.care.id, deadline: fixture.deadline)
      }.finding
    }
    ticket = try await write(.spamMoved, .moveToSpam, by: .agent, on: ticket)
    #expect(ticket.stateBeforeSpam == .processing)
    #expect(try await finding() == "")
    for state in ["'PENDING'", "NULL"] {
      let found = try await finding("UPDATE ticket SET state_before_spam = \(unescaped: state)")
      #expect(found == "the ticket's state before the spam box is not what its events say")
    }
    ticket = try await write(.spamRestored, .restoreFromSpam, by: .administrator, on: ticket)
    #expect(ticket.state == .processing && ticket.resolveTime != nil)
    #expect(try await finding() == "")
    #expect(
      try await finding("UPDATE ticket SET resolve_time = NULL")
        == "the ticket's resolve_time is not what its events say")
    ticket = try await write(.resolved, .resolve, by: .agent, on: ticket)
    ticket = try await write(.completed, .complete, by: .administrator, on: ticket)
    #expect(try await finding() == "")
    #expect(
      try await finding("UPDATE ticket SET complete_time = complete_time - interval '1 day'")
        == "the ticket's complete_time is not what its events say")
  }

  @Test("a history rewritten whole, hashes and all, is found: whoever edits the database has not the key")
  func foreignSeal() async throws {
    let fixture = try await Fixture.make()
    let ticket = try await story(fixture)
    guard let other = LedgerKey(hex: String(repeating: "ab", count: 32)) else { throw Fixture.Failure() }
    let reader = TicketLedger(pool: fixture.pool, directory: fixture.directory, key: other)
    let found = try await reader.verify(ticket.id, of: fixture.care.id, deadline: fixture.deadline)
    #expect(!found.isIntact)
    #expect(LedgerKey(hex: "abc") == nil)
  }

  private static let changesUnderMasks: [(Query, Query)] = [
    (
      "UPDATE ticket_entry SET body = replace(body, 'below', 'above') WHERE body LIKE '*%'",
      "UPDATE ticket_entry SET body = replace(body, 'above', 'below') WHERE body LIKE '*%'"
    ),
    (
      "UPDATE ticket_event_value SET after_text = after_text || '!' WHERE field = 'title'",
      "UPDATE ticket_event_value SET after_text = rtrim(after_text, '!') WHERE field = 'title'"
    ),
    (
      "UPDATE mask_place SET span_start = span_start + 1 WHERE text_column = 'ticket_entry.body'",
      "UPDATE mask_place SET span_start = span_start - 1 WHERE text_column = 'ticket_entry.body'"
    ),
    ("UPDATE mask_place SET masked_by = 2", "UPDATE mask_place SET masked_by = NULL"),
    ("UPDATE ticket SET title = title || '!'", "UPDATE ticket SET title = rtrim(title, '!')"),
  ]

  /// Gives the places of a ticket's masks their seals, as masking does.
  private func seal(_ ticket: TicketRecord, in fixture: Fixture) async throws {
    let columns = [
      "ticket_entry.body", "ticket_event_value.before_text", "ticket_event_value.after_text", "ticket.title",
    ]
    for mask in try await fixture.ledger.storedMasks(on: [ticket.link], in: columns, deadline: fixture.deadline) {
      let column = mask.column.split(separator: ".")
      let keys = ["ticket": "''", "ticket_entry": "id::text"]
      let key = keys[String(column[0])] ?? "sequence || '/' || field"
      let text = try await fixture.pool.query(
        """
        SELECT \(unescaped: String(column[1])) FROM \(unescaped: String(column[0]))
        WHERE \(unescaped: key) = \(mask.row)
        """, deadline: fixture.deadline)[0].string(0)
      let place = try #require(mask.place)
      _ = try await fixture.pool.query(
        """
        UPDATE mask_place SET seal = \(fixture.ledger.maskSeals.seal(place, in: text))
        WHERE mask_id = \(mask.id) AND number = \(mask.number)
        """, deadline: fixture.deadline)
    }
  }

  @Test("masked texts leave the history intact, as long as nobody changes them under their masks")
  func masked() async throws {
    let fixture = try await Fixture.make()
    let ticket = try await story(fixture)
    let entry = try await fixture.ledger.entries(of: ticket, limit: 1, deadline: fixture.deadline)[0]
    var change = TicketChange(EventDraft(.masked, by: .agent(Fixture.kim)))
    change.companions = [
      """
      INSERT INTO mask_place (service_id, mask_id, number, owner_ticket_id, ticket_service_id, ticket_id, text_column,
        row_key, span_start, span_length, sealed_original, key_id)
      VALUES (1, 1, 0, \(ticket.id), 1, \(ticket.id), 'ticket_entry.body', \(entry.id.description), 0, 5, '', 'k1'),
        (1, 2, 0, \(ticket.id), 1, \(ticket.id), 'ticket.title', '', 4, 6, '', 'k1')
      """,
      """
      INSERT INTO mask_place (service_id, mask_id, number, owner_ticket_id, ticket_service_id, ticket_id, text_column,
        row_key, span_start, span_length, sealed_original, key_id)
      SELECT service_id, 2, (row_number() OVER ())::integer, ticket_id, service_id, ticket_id,
        'ticket_event_value.' || c, sequence || '/' || field, 4, 6, '', 'k1'
      FROM ticket_event_value, unnest(ARRAY['before_text', 'after_text']) AS c WHERE field = 'title'
      """,
      "UPDATE ticket_entry SET body = '*****' || substr(body, 6) WHERE id = \(entry.id)",
      "UPDATE ticket SET title = replace(title, 'washer', '******') WHERE id = \(ticket.id)",
      """
      UPDATE ticket_event_value SET before_text = replace(before_text, 'washer', '******'),
        after_text = replace(after_text, 'washer', '******') WHERE field = 'title'
      """,
    ]
    let written = try await fixture.ledger.write(change, on: ticket, deadline: fixture.deadline)
    func verify() async throws -> HistoryVerification {
      try await fixture.ledger.verify(ticket.id, of: fixture.care.id, deadline: fixture.deadline)
    }
    #expect(try await verify().firstBadSequence == 1, "a mask that was written by hand hides no text")
    try await seal(ticket, in: fixture)
    #expect(try await verify().isIntact)
    for (change, undoing) in Self.changesUnderMasks {
      _ = try await fixture.pool.query(change, deadline: fixture.deadline)
      #expect(try await !verify().isIntact, "\(change)")
      _ = try await fixture.pool.query(undoing, deadline: fixture.deadline)
      #expect(try await verify().isIntact, "\(undoing)")
    }
    let read = try await fixture.ledger.ticket(ticket.id, of: fixture.care.id, deadline: fixture.deadline)
    let message = try await fixture.ledger.message(for: read, deadline: fixture.deadline)
    #expect(message.title == "The ****** leaks a lot")
    #expect(message.titleMasks.map(\.start) == [4])
    let entries = try await fixture.ledger.messages(
      for: try await fixture.ledger.entries(of: read, limit: 9, deadline: fixture.deadline), of: read,
      deadline: fixture.deadline)
    #expect(entries[0].text == "***** comes out below." && entries[0].masks.map(\.length) == [5])
    #expect(entries[0].masks[0].name.hasPrefix("services/care/tickets/\(ticket.id)/masks/"))
    #expect(written.ticket.version == read.version)
  }
}
