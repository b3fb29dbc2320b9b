import Postgres
import ServiceKit

/// One examination under way.
struct HistoryExamination {
  enum Found: Error {
    case fault(HistoryVerification)
    case error(any Error)
  }

  private static let portion: Int64 = 500

  private let ticket: TicketRecord
  private let key: LedgerKey
  private let maskSeals: MaskSeals
  private var last: Int32 = 0
  private var hash = EventChain.genesis
  private var codes: [String: String] = [:]
  private var escalatedTo: EscalatedTo?
  private var entryCount = 0
  private var masks = ActiveMasks()
  /// Whether the ticket was made since first events tell what no entry holds.
  private var hasFirstTexts = false
  /// What was last said of the ticket's own texts and of its fields, by name.
  private var texts: [String: SaidText] = [:]
  /// The files that events put on the ticket.
  private var files: [AttachmentID: NotedFile] = [:]
  private var lastFile: AttachmentID?
  private var standing = SaidStanding()

  init(ticket: TicketRecord, key: LedgerKey, maskSeals: MaskSeals) {
    self.ticket = ticket
    self.key = key
    self.maskSeals = maskSeals
  }

  mutating func run(_ transaction: PostgresTransaction) async throws(Found) {
    do {
      masks = try await ActiveMasks(ticket, transaction)
      while try await examinePortion(transaction) {}
      try examineHead()
      let entries = try await transaction.query(
        "SELECT count(*) FROM ticket_entry WHERE service_id = \(ticket.serviceID) AND ticket_id = \(ticket.id)")
      guard try entries[0].int(0) == entryCount, entryCount == Int(ticket.entryCount) else {
        throw fault(ticket.eventCount, "the ticket has other entries than its events made")
      }
      try await examineFiles(transaction)
      try await examineFields(transaction)
      try await examineConversation(transaction)
    } catch let found as Found {
      throw found
    } catch {
      throw .error(error)
    }
  }

  private func fault(_ sequence: Int32, _ finding: String) -> Found {
    .fault(HistoryVerification(eventCount: last, firstBadSequence: max(sequence, 1), finding: finding))
  }

  private mutating func examinePortion(_ transaction: PostgresTransaction) async throws -> Bool {
    let answers = try await transaction.batch([
      """
      SELECT \(fragment: EventRecord.columns) FROM ticket_event AS v
      WHERE v.service_id = \(ticket.serviceID) AND v.ticket_id = \(ticket.id) AND v.sequence > \(last)
      ORDER BY v.sequence LIMIT \(Self.portion)
      """,
      """
      SELECT \(fragment: EventValueRecord.columns) FROM ticket_event_value AS w
      WHERE w.service_id = \(ticket.serviceID) AND w.ticket_id = \(ticket.id) AND w.sequence > \(last)
        AND w.sequence <= \(last)::integer + \(Self.portion) ORDER BY w.sequence, w.field COLLATE "C"
      """,
    ])
    let events = try answers[0].map { try EventRecord($0) }
    let values = Dictionary(grouping: try answers[1].map { try EventValueRecord($0) }, by: \.sequence)
    let changes = events.map { CodeChange.decode($0.changes) ?? [] }
    let entries = try await entries(of: changes, transaction)
    for (event, changes) in zip(events, changes) {
      try examine(event, changes, values[event.sequence] ?? [], entries)
    }
    return events.count == Int(Self.portion)
  }

  private func entries(
    of changes: [[CodeChange]], _ transaction: PostgresTransaction
  ) async throws -> [EntryID: EntryRecord] {
    let ids = changes.joined().filter { $0.field == "entry" }.compactMap { Int64($0.after) }
    guard !ids.isEmpty else { return [:] }
    let rows = try await transaction.query(
      """
      SELECT \(fragment: EntryRecord.columns) FROM ticket_entry AS e
      WHERE e.service_id = \(ticket.serviceID) AND e.ticket_id = \(ticket.id) AND e.id = ANY(\(ids))
      """)
    return Dictionary(try rows.map { try EntryRecord($0) }.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
  }

  private func isTrue(_ value: EventValueRecord) -> Bool {
    isTrue(value.before, value.beforeHash, value.salt, at: ActiveMasks.place("before_text", of: value))
      && isTrue(value.after, value.afterHash, value.salt, at: ActiveMasks.place("after_text", of: value))
  }

  /// Whether a text is as it was written; one that is masked now is other than it was, and its masks' seals say how.
  private func isTrue(_ text: String?, _ hash: [UInt8]?, _ salt: [UInt8], at place: String) -> Bool {
    guard let text, let masks = masks[place] else { return key.isTrue(text, hash, salt) }
    return masks.allSatisfy { mask in mask.place.map { maskSeals.isValid(mask.seal, of: $0, in: text) } ?? false }
  }

  private mutating func examine(
    _ event: EventRecord, _ changes: [CodeChange], _ values: [EventValueRecord], _ known: [EntryID: EntryRecord]
  ) throws(Found) {
    let expected = last + 1
    guard event.sequence == expected else { throw fault(expected, "event \(expected) is missing") }
    guard expected <= ticket.eventCount else {
      throw fault(expected, "event \(expected) stands behind the last event that was written")
    }
    var made: [EntryRecord] = []
    for change in changes where change.field == "entry" {
      guard let id = Int64(change.after), let entry = known[EntryID(id)] else {
        throw fault(expected, "entry \(change.after), made by event \(expected), is missing")
      }
      made.append(entry)
    }
    hash = EventChain.hash(event, values: values, entries: made, of: (ticket.serviceID, ticket.id), after: hash)
    guard event.hash == hash else {
      throw fault(expected, "event \(expected), or what it made, is not as it was written")
    }
    for value in values where !isTrue(value) {
      throw fault(expected, "the value of \(value.field) at event \(expected) is not as it was written")
    }
    for entry in made
    where !isTrue(entry.body, entry.bodyHash, entry.bodySalt, at: ActiveMasks.place(of: entry.id)) {
      throw fault(expected, "the text of entry \(entry.id), made by event \(expected), is not as it was written")
    }
    let entryIDs = made.map(\.id)
    for change in changes {
      note(change)
      noteFile(change, at: expected, with: entryIDs)
    }
    standing.note(event, changes)
    note(event, values)
    entryCount += made.count
    last = expected
  }

  private mutating func note(_ change: CodeChange) {
    codes[change.field] = change.after
    if change.field == "target_ticket", !change.after.isEmpty { escalatedTo = .adding(.issue, to: escalatedTo) }
    if change.field == "state", TicketState(rawValue: change.after)?.isAtDooray == true {
      escalatedTo = .adding(.dooray, to: escalatedTo)
    }
  }

  private mutating func noteFile(_ change: CodeChange, at sequence: Int32, with entries: [EntryID]) {
    if change.field == StoredFile.idField, let id = Int64(change.after) {
      lastFile = AttachmentID(id)
      // Later events may name it again, such as one that tells that it did not reach Dooray!.
      if files[AttachmentID(id)] == nil {
        files[AttachmentID(id)] = NotedFile(sequence: sequence, entries: entries)
      }
    } else if change.field == StoredFile.hashField, let lastFile {
      files[lastFile]?.hash = change.after
    }
  }

  private mutating func note(_ event: EventRecord, _ values: [EventValueRecord]) {
    if let first = event.firstTexts {
      hasFirstTexts = true
      for text in TicketText.allCases { texts[text.rawValue] = .first(FirstTexts(bytes: first), text) }
    }
    for value in values { texts[value.field] = .value(value) }
  }

  private func examineHead() throws(Found) {
    guard last == ticket.eventCount else { throw fault(last + 1, "event \(last + 1) is missing") }
    guard ticket.eventHash == hash,
      key.isValid(ticket.eventSeal, ticket.serviceID, ticket.id, eventCount: ticket.eventCount, hash: hash)
    else { throw fault(last, "the seal of the last event does not fit: the history was written anew") }
    for (field, code) in ticket.codes where codes[field] ?? "" != code {
      throw fault(last, "the ticket's \(field) is not what its events say")
    }
    guard ticket.escalatedTo == escalatedTo else {
      throw fault(last, "where the ticket was escalated to is not what its events say")
    }
    if let column = standing.difference(from: ticket) {
      throw fault(last, "the ticket's \(column) is not what its events say")
    }
    for text in TicketText.allCases where !isSaid(ticket[text], text.rawValue, at: text.place) {
      throw fault(last, "the ticket's \(text.rawValue) is not what its events say")
    }
  }

  /// Whether a text that is stored now is what the events say of it; true of a ticket's own that is older than
  /// ``FirstTexts`` and was not changed since.
  private func isSaid(_ text: String, _ field: String, at place: String) -> Bool {
    switch texts[field] {
    case .first(let first, let own):
      if masks[place] == nil { return first.isFirst(text, own, of: ticket.link, key: key) }
      return isTrue(text, nil, [], at: place)
    case .value(let value):
      return isTrue(text.isEmpty && value.afterHash == nil ? nil : text, value.afterHash, value.salt, at: place)
    case nil: return true
    }
  }

  /// Whether words that were written once are what they were then; of masked ones their masks' seals say so.
  private func isFirst(_ words: String, _ hash: ArraySlice<UInt8>, at place: String) -> Bool {
    if masks[place] == nil { return Array(hash) == key.hash(of: words, at: place, of: ticket.link) }
    return isTrue(words, nil, [], at: place)
  }

  private func examineConversation(_ transaction: PostgresTransaction) async throws {
    guard hasFirstTexts else { return }
    let answers = try await transaction.batch([
      """
      SELECT l.number, l.speaker, l.line_time, l.hashes, l.speaker_name, l.body FROM transcript_line AS l
      WHERE l.service_id = \(ticket.serviceID) AND l.ticket_id = \(ticket.id) ORDER BY l.number
      """,
      """
      SELECT r.direction, r.start_time, r.duration_seconds, r.hash, r.phone FROM call_record AS r
      WHERE r.service_id = \(ticket.serviceID) AND r.ticket_id = \(ticket.id)
      """,
    ])
    let half = LedgerKey.placeHashByteCount
    var chat = ConversationDigest()
    for row in answers[0] {
      let (number, hashes) = (try row.int(0), (try row.value(3) as [UInt8]?) ?? [])
      guard isFirst(try row.string(4), hashes.prefix(half), at: ConversationDigest.nameOfSpeaker(inLine: number)),
        isFirst(try row.string(5), hashes.dropFirst(half), at: ConversationDigest.textOfLine(number))
      else { throw fault(1, "line \(number) of the chat is not as it was written") }
      chat.add(try row.string(1), try row.value(2), hashes)
    }
    guard codes[ConversationDigest.transcriptField] == (answers[0].isEmpty ? nil : chat.text) else {
      throw fault(1, "the chat is not as it was written")
    }
    var call: String?
    for row in answers[1] {
      let hash = (try row.value(3) as [UInt8]?) ?? []
      guard isFirst(try row.string(4), hash[...], at: ConversationDigest.phoneOfCall) else {
        throw fault(1, "the number of the call is not as it was written")
      }
      var digest = ConversationDigest()
      digest.add(try row.string(0), try row.value(1), hash, durationSeconds: try row.value(2))
      call = digest.text
    }
    guard codes[ConversationDigest.callField] == call else {
      throw fault(1, "the record of the call is not as it was written")
    }
  }

  private func examineFiles(_ transaction: PostgresTransaction) async throws {
    let rows = try await transaction.query(
      """
      SELECT f.id, f.content_id, f.entry_id FROM attachment AS f
      WHERE f.service_id = \(ticket.serviceID) AND f.ticket_id = \(ticket.id) ORDER BY f.id
      """)
    let ids: [AttachmentID] = try rows.map { try $0.value(0) }
    guard Set(ids) == Set(files.keys) else { throw fault(last, "the ticket has other files than its events put on it") }
    // What is in a file is hashed by the database, one file at a time: they have up to 10 MB each.
    for (id, row) in zip(ids, rows) {
      guard let file = files[id] else { continue }
      let entry: EntryID? = try row.value(2)
      guard file.entries.isEmpty || entry.map({ file.entries.contains($0) }) == true else {
        throw fault(file.sequence, "file \(id) is on another entry than event \(file.sequence) put it on")
      }
      guard let hash = file.hash else { continue }
      let found = try await transaction.query(
        """
        SELECT encode(sha256(coalesce(string_agg(h.bytes, ''::bytea ORDER BY h.number), '')), 'hex')
        FROM attachment_chunk AS h WHERE h.service_id = \(ticket.serviceID) AND h.content_id = \(try row.int64(1))
        """)
      guard try found[0].string(0) == hash else {
        throw fault(file.sequence, "file \(id) is not as event \(file.sequence) put it on the ticket")
      }
    }
  }

  private func examineFields(_ transaction: PostgresTransaction) async throws {
    let rows = try await transaction.query(
      """
      SELECT f.code, v.field_id, v.value FROM ticket_field_value AS v
        JOIN ticket_field AS f ON f.service_id = v.service_id AND f.id = v.field_id
      WHERE v.service_id = \(ticket.serviceID) AND v.ticket_id = \(ticket.id)
      """)
    var names: Set<String> = []
    for row in rows {
      let (name, id): (String, FieldID) = ("field.\(try row.string(0))", try row.value(1))
      guard texts[name] != nil, isSaid(try row.string(2), name, at: "ticket_field_value.value/\(id)") else {
        throw fault(last, "the ticket's \(name) is not what its events say")
      }
      names.insert(name)
    }
    for (name, text) in texts where name.hasPrefix("field.") && text.isSet && !names.contains(name) {
      throw fault(last, "the ticket's \(name) is not what its events say")
    }
  }
}

/// A file that an event put on the ticket.
private struct NotedFile {
  let sequence: Int32
  /// The entries that the event made: the file is on one of them.
  let entries: [EntryID]
  /// SHA-256 in hexadecimal digits; nil: events did not say it yet.
  var hash: String?
}

/// What the events say of columns that are no codes of their own: when the ticket came, was resolved, completed and
/// deleted, and where it stood before the spam box.
private struct SaidStanding {
  private var createTime: Instant?
  private var resolveTime: Instant?
  private var completeTime: Instant?
  private var deleteTime: Instant?
  private var stateBeforeSpam: String?
  /// Where the ticket stood before its state changed last.
  private var stateBefore: String?

  init() {}

  mutating func note(_ event: EventRecord, _ changes: [CodeChange]) {
    if event.sequence == 1 { createTime = event.createTime }
    for change in changes {
      switch change.field {
      case "state":
        stateBefore = change.before
        // When it was resolved last stays with a ticket that is opened again.
        if change.after == TicketState.resolved.rawValue { resolveTime = event.createTime }
        completeTime = change.after == TicketState.completed.rawValue ? event.createTime : nil
      case "spam":
        // What moves a ticket to the spam box resolves it, with the same event or the one before.
        stateBeforeSpam = change.after.isEmpty ? nil : stateBefore
      case "deleted": deleteTime = change.after.isEmpty ? nil : event.createTime
      default: break
      }
    }
  }

  /// The first of them in which a ticket is not as the events say; nil: there is none.
  func difference(from ticket: TicketRecord) -> String? {
    if ticket.createTime != createTime { return "create_time" }
    if ticket.resolveTime != resolveTime { return "resolve_time" }
    if ticket.completeTime != completeTime { return "complete_time" }
    if ticket.deleteTime != deleteTime { return "delete_time" }
    return ticket.stateBeforeSpam?.rawValue == stateBeforeSpam ? nil : "state before the spam box"
  }
}

/// What the last event that says something of a text says.
private enum SaidText {
  case first(FirstTexts, TicketText)
  case value(EventValueRecord)

  /// Whether there is to be one.
  var isSet: Bool {
    if case .value(let value) = self { return value.afterHash != nil }
    return true
  }
}

/// The masks that lie on a ticket's texts now: there a text differs from what was hashed, rightly.
private struct ActiveMasks {
  private var masks: [String: [StoredMask]] = [:]

  init() {}

  init(_ ticket: TicketRecord, _ transaction: PostgresTransaction) async throws {
    let columns =
      ["ticket_entry.body", "ticket_event_value.before_text", "ticket_event_value.after_text"]
      + ["ticket_field_value.value", "transcript_line.body", "transcript_line.speaker_name", "call_record.phone"]
      + TicketText.allCases.map(\.column)
    let rows = try await transaction.query(TicketLedger.storedMasks([ticket.link], columns))
    masks = Dictionary(grouping: try rows.map { try StoredMask($0) }) { "\($0.column)/\($0.row)" }
  }

  /// The masks of a text; nil when there is none.
  subscript(_ place: String) -> [StoredMask]? { masks[place] }

  static func place(of entry: EntryID) -> String { "ticket_entry.body/\(entry)" }

  static func place(_ column: String, of value: EventValueRecord) -> String {
    "ticket_event_value.\(column)/\(value.sequence)/\(value.field)"
  }
}
