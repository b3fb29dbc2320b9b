package import EventLoop
package import HandoffAPI
import Postgres
import RPCProtos
import ServiceKit

extension TicketLedger {
  /// A page of a ticket's history, oldest first: by time, because daemons take ids in blocks of their own.
  ///
  /// - Parameters:
  ///   - after: the last entry of the page before; nil: from the first.
  ///   - limit: most entries of the page.
  /// - Throws: the database's errors as ``ServiceError``.
  package func entries(
    of ticket: TicketRecord, after: EntryID? = nil, limit: Int, deadline: Deadline
  ) async throws -> [EntryRecord] {
    try await ServiceError.translating {
      let rows = try await pool.query(
        """
        SELECT \(fragment: EntryRecord.columns) FROM ticket_entry AS e
        WHERE e.service_id = \(ticket.serviceID) AND e.ticket_id = \(ticket.id)
          AND (\(after ?? EntryID(0)) = 0 OR (e.create_time, e.id) > (
            SELECT b.create_time, b.id FROM ticket_entry AS b
            WHERE b.service_id = \(ticket.serviceID) AND b.id = \(after ?? EntryID(0))))
        ORDER BY e.create_time, e.id LIMIT \(limit)
        """, deadline: deadline)
      return try rows.map { try EntryRecord($0) }
    }
  }

  /// One entry of a ticket.
  ///
  /// - Throws: ENTRY_NOT_FOUND.
  package func entry(_ id: EntryID, of ticket: TicketRecord, deadline: Deadline) async throws -> EntryRecord {
    try await ServiceError.translating {
      let rows = try await pool.query(
        """
        SELECT \(fragment: EntryRecord.columns) FROM ticket_entry AS e
        WHERE e.service_id = \(ticket.serviceID) AND e.ticket_id = \(ticket.id) AND e.id = \(id)
        """, deadline: deadline)
      guard let row = rows.first else { throw ServiceError(.entryNotFound) }
      return try EntryRecord(row)
    }
  }

  /// The API's messages of a ticket's entries, with the masks on their texts and their authors' names.
  ///
  /// - Throws: the database's errors as ``ServiceError``.
  package func messages(
    for entries: [EntryRecord], of ticket: TicketRecord, deadline: Deadline
  ) async throws -> [Entry] {
    let service = try await directory.service(id: ticket.serviceID, deadline: deadline)
    let ticketName = TicketName(service: service.code, id: ticket.id)
    let masks = try await masks(of: entries, ticket, deadline)
    var messages: [Entry] = []
    messages.reserveCapacity(entries.count)
    for entry in entries {
      messages.append(
        Entry(
          name: EntryName(ticket: ticketName, id: entry.id).description,
          kind: Entry.Kind(rawValue: entry.kind.number), act: Entry.Act(rawValue: entry.act.number),
          author: try await message(for: entry.actor, deadline), text: entry.body,
          masks: masks[entry.id] ?? [], createTime: Timestamp(entry.createTime),
          foldStartScalars: entry.kind == .inquiry ? Int32(QuoteFold.start(in: entry.body) ?? 0) : 0))
    }
    return messages
  }

  /// A page of what happened to a ticket as the API's messages, oldest first, with what was in fields that are for
  /// administrators only: to leave that out for others is up to who answers them.
  ///
  /// - Parameters:
  ///   - after: sequence of the last event of the page before; 0: from the first.
  ///   - limit: most events of the page.
  /// - Throws: the database's errors as ``ServiceError``.
  package func events(
    of ticket: TicketRecord, after: Int32 = 0, limit: Int, deadline: Deadline
  ) async throws -> [Event] {
    let service = try await directory.service(id: ticket.serviceID, deadline: deadline)
    let (events, values) = try await eventRecords(of: ticket, after: after, limit: limit, deadline)
    var messages: [Event] = []
    messages.reserveCapacity(events.count)
    for event in events {
      var texts = (values[event.sequence] ?? []).map { TextChange($0) }
      if event.sequence == 1 { texts += try await firstTexts(of: ticket, deadline) }
      messages.append(try await message(for: event, texts: texts, ofTicket: ticket.id, service, deadline))
    }
    return messages
  }

  /// A text that an event sets, as the API tells it.
  struct TextChange {
    var field: String
    var before = ""
    var after = ""

    init(_ field: String, after: String) { (self.field, self.after) = (field, after) }

    init(_ value: EventValueRecord) {
      (field, before, after) = (value.field, value.before ?? "", value.after ?? "")
    }
  }

  /// What a ticket's own texts were when it was made: what the first event that changed one says was there before, or
  /// what the ticket still has. Empty ones are left out.
  private func firstTexts(of ticket: TicketRecord, _ deadline: Deadline) async throws -> [TextChange] {
    let changed = try await ServiceError.translating {
      try await pool.query(
        """
        SELECT DISTINCT ON (w.field) w.field, w.before_text FROM ticket_event_value AS w
        WHERE w.service_id = \(ticket.serviceID) AND w.ticket_id = \(ticket.id) AND w.sequence > 1
          AND w.field = ANY (\(TicketText.allCases.map(\.rawValue)))
        ORDER BY w.field, w.sequence
        """, deadline: deadline
      ).map { (field: try $0.string(0), text: try $0.value(1) as String?) }
    }
    return TicketText.allCases.compactMap { text in
      let change = changed.first { $0.field == text.rawValue }
      let first = change.map { $0.text ?? "" } ?? ticket[text]
      return first.isEmpty ? nil : TextChange(text.rawValue, after: first)
    }
  }

  /// The API's message of an event: what changed in codes and ids, then the texts by their fields' names.
  func message(
    for event: EventRecord, texts: [TextChange], ofTicket ticket: TicketID, _ service: ServiceRecord,
    _ deadline: Deadline
  ) async throws -> Event {
    var changes: [FieldChange] = []
    for change in CodeChange.decode(event.changes) ?? [] {
      changes.append(try await message(for: change, of: ticket, service, deadline))
    }
    changes += texts.sorted { $0.field < $1.field }.map {
      FieldChange(field: $0.field, before: $0.before, after: $0.after)
    }
    return Event(
      sequence: event.sequence, code: event.code, actor: try await message(for: event.actor, deadline),
      causeSequence: event.causeSequence, changes: changes, createTime: Timestamp(event.createTime))
  }

  private func eventRecords(
    of ticket: TicketRecord, after: Int32, limit: Int, _ deadline: Deadline
  ) async throws -> ([EventRecord], [Int32: [EventValueRecord]]) {
    try await ServiceError.translating {
      let rows = try await pool.query(
        """
        SELECT \(fragment: EventRecord.columns) FROM ticket_event AS v
        WHERE v.service_id = \(ticket.serviceID) AND v.ticket_id = \(ticket.id) AND v.sequence > \(after)
        ORDER BY v.sequence LIMIT \(limit)
        """, deadline: deadline)
      let events = try rows.map { try EventRecord($0) }
      guard let last = events.last else { return ([], [:]) }
      let values = try await pool.query(
        """
        SELECT \(fragment: EventValueRecord.columns) FROM ticket_event_value AS w
        WHERE w.service_id = \(ticket.serviceID) AND w.ticket_id = \(ticket.id) AND w.sequence > \(after)
          AND w.sequence <= \(last.sequence) ORDER BY w.sequence, w.field
        """, deadline: deadline)
      return (events, Dictionary(grouping: try values.map { try EventValueRecord($0) }, by: \.sequence))
    }
  }

  private func message(for actor: LedgerActor, _ deadline: Deadline) async throws -> Actor {
    Actor(
      kind: Actor.Kind(rawValue: actor.kind.number), name: actor.name,
      displayName: try await name(of: actor.agentID, deadline))
  }

  /// Ids become the API's resource names.
  private func message(
    for change: CodeChange, of ticket: TicketID, _ service: ServiceRecord, _ deadline: Deadline
  ) async throws -> FieldChange {
    func named(_ code: String) async throws -> String {
      guard let id = Int64(code.split(separator: "/").last ?? "") else { return code }
      switch change.field {
      case "agent", "creator": return AgentName(id: AgentID(id)).description
      case "group": return GroupName(service: service.code, id: GroupID(id)).description
      case "submission_type":
        return SubmissionTypeName(service: service.code, id: SubmissionTypeID(id)).description
      case "processing_type":
        return ProcessingTypeName(service: service.code, id: ProcessingTypeID(id)).description
      case "entry":
        return EntryName(ticket: TicketName(service: service.code, id: ticket), id: EntryID(id)).description
      case "mask":
        return MaskName(ticket: TicketName(service: service.code, id: ticket), id: MaskID(id)).description
      case "attachment": return AttachmentName(service: service.code, id: AttachmentID(id)).description
      case "previous_ticket", "next_ticket": return TicketName(service: service.code, id: TicketID(id)).description
      case "source_ticket", "target_ticket", "masked_with", "answer.ticket":
        guard let other = Int64(code.split(separator: "/").first ?? "") else { return code }
        return try await name(of: TicketLink(serviceID: ServiceID(other), ticketID: TicketID(id)), deadline)
      default: return code
      }
    }
    return FieldChange(
      field: change.field, before: try await named(change.before), after: try await named(change.after))
  }

  /// Only a text with an asterisk can be masked: most histories cost no question.
  private func masks(
    of entries: [EntryRecord], _ ticket: TicketRecord, _ deadline: Deadline
  ) async throws -> [EntryID: [TextMask]] {
    let suspects = entries.filter { $0.body.utf8.contains(UInt8(ascii: "*")) }
    guard !suspects.isEmpty else { return [:] }
    let ids = Set(suspects.map(\.id))
    let masks = try await storedMasks(on: [ticket.link], in: ["ticket_entry.body"], deadline: deadline)
    var byEntry: [EntryID: [TextMask]] = [:]
    for (mask, message) in try await messages(for: masks, deadline) {
      guard let id = Int64(mask.row), ids.contains(EntryID(id)) else { continue }
      byEntry[EntryID(id), default: []].append(message)
    }
    return byEntry
  }
}
