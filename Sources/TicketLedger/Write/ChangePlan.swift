import Crypto
package import Postgres
import ServiceKit

/// Everything that one change writes, worked out before the database is asked: the rows, the hashes, and the ticket as
/// it will be. Pure: the same inputs give the same plan, salts aside.
struct ChangePlan {
  /// The ticket before; the guard of the update.
  let before: TicketRecord
  /// The ticket afterwards.
  var after: TicketRecord
  /// The time of everything in the plan.
  let time: Instant
  private let key: LedgerKey
  var events: [EventRecord] = []
  var values: [EventValueRecord] = []
  var entries: [EntryRecord] = []
  var fieldValues: [FieldValueChange] = []
  var outbox: [OutboxRow] = []

  struct OutboxRow {
    let topic: OutboxTopic
    let eventSequence: Int32
    let payload: [UInt8]
    let receiver: String?

    init(_ draft: OutboxDraft, sequence: Int32) {
      topic = draft.topic
      eventSequence = sequence
      payload = draft.payload
      receiver = draft.receiver
    }
  }

  /// One line of the counters: a ticket came to be so, or is so no more.
  struct CountChange: Equatable {
    let agentID: Int64
    let state: TicketState
    let change: Int16
  }

  init(on ticket: TicketRecord, at time: Instant, key: LedgerKey) {
    before = ticket
    after = ticket
    self.time = time
    self.key = key
  }

  /// Works out a change of a ticket.
  ///
  /// - Parameter entryIDs: as many as the change has entries without an id.
  init(_ change: TicketChange, on ticket: TicketRecord, entryIDs: [EntryID], key: LedgerKey) {
    precondition(!change.events.isEmpty, "a change without an event")
    self.init(on: ticket, at: max(change.time ?? ticket.readTime, ticket.updateTime), key: key)
    var ids = entryIDs[...]
    let first = ticket.eventCount + 1
    for draft in change.events {
      let cause: Int32 =
        switch draft.cause {
        case .none: 0
        case .sequence(let sequence): sequence
        case .eventOfThisChange(let index): first + Int32(index)
        }
      append(draft, code: codeChanges(draft.set), values: valueChanges(draft.set), cause, &ids)
    }
    if change.isMasking { after.maskGeneration += 1 }
    if change.isSilent {
      precondition(
        entries.isEmpty && fieldValues.isEmpty && Self.isUntouched(before, after),
        "a silent change that sets or adds something")
    } else {
      after.version += 1
      after.updateTime = time
    }
    seal()
  }

  /// Works out a ticket that comes to be; its first event holds every first value.
  ///
  /// - Parameter entryIDs: as many as the draft has entries without an id.
  init(creating draft: TicketDraft, id: TicketID, at time: Instant, entryIDs: [EntryID], key: LedgerKey) {
    let ticket = TicketRecord(draft, id: id, at: time)
    self.init(on: ticket, at: time, key: key)
    var ids = entryIDs[...]
    let codes = ticket.codes.compactMap { $0.code.isEmpty ? nil : CodeChange($0.field, "", $0.code) }
    let texts = FirstTexts(of: ticket, originals: draft.originals, key: key)
    append(draft.event, code: codes, values: [], 0, &ids, first: texts)
    seal()
  }

  /// Records an event, its entries and work, and applies what it sets.
  mutating func append(
    _ draft: EventDraft, code changes: [CodeChange], values texts: [(String, String?, String?)], _ cause: Int32,
    _ ids: inout ArraySlice<EntryID>, first: FirstTexts? = nil
  ) {
    let sequence = after.eventCount + 1
    let made = draft.entries.map { entry in
      entryRecord(entry, id: entry.id ?? ids.removeFirst(), by: draft.actor)
    }
    let changes = changes + draft.notes + made.map { CodeChange("entry", "", String($0.id.rawValue)) }
    precondition(
      changes.allSatisfy { CodeChange.isCode($0.field) && CodeChange.isCode($0.before) && CodeChange.isCode($0.after) },
      "an event holds codes and ids only")
    // The chain covers values in the order of their names.
    let all =
      texts.map { ($0.0, $0.1, $0.2, $0.2) }
      + draft.fieldValues.map { ("field.\($0.code)", $0.before, $0.after, $0.original ?? $0.after) }
    let sorted = all.sorted { $0.0.utf8.lexicographicallyPrecedes($1.0.utf8) }
    let changedValues = sorted.map { field, before, after, original in
      let salt = SecureRandom.bytes(EventChain.saltByteCount)
      return EventValueRecord(
        sequence: sequence, field: field, before: before, after: after, salt: salt,
        beforeHash: before.map { key.hash(of: $0, salt: salt) },
        afterHash: original.map { key.hash(of: $0, salt: salt) })
    }
    var event = EventRecord(
      sequence: sequence, code: draft.code.rawValue, actor: draft.actor, causeSequence: cause,
      changes: CodeChange.encode(changes), createTime: time, hash: [],
      firstTexts: first?.bytes)
    event.hash = EventChain.hash(
      event, values: changedValues, entries: made, of: (after.serviceID, after.id), after: after.eventHash)
    after.apply(draft.set, at: time)
    after.eventCount = sequence
    after.eventHash = event.hash
    after.entryCount += Int32(made.count)
    events.append(event)
    values += changedValues
    entries += made
    fieldValues += draft.fieldValues
    outbox += draft.outbox.map { OutboxRow($0, sequence: sequence) }
  }

  /// Seals the new head of the chain.
  mutating func seal() {
    after.eventSeal = key.seal(after.serviceID, after.id, eventCount: after.eventCount, hash: after.eventHash)
  }

  /// What the counters lose and gain; spam is not counted.
  var countChanges: [CountChange] {
    let holderBefore = before.agentID?.rawValue ?? 0
    let holderAfter = after.agentID?.rawValue ?? 0
    if before.eventCount > 0 && before.state == after.state && holderBefore == holderAfter
      && before.isSpam == after.isSpam
    {
      return []
    }
    var changes: [CountChange] = []
    if before.eventCount > 0 && !before.isSpam {
      changes.append(.init(agentID: holderBefore, state: before.state, change: -1))
    }
    if !after.isSpam { changes.append(.init(agentID: holderAfter, state: after.state, change: 1)) }
    return changes
  }

  /// What the index of texts is to have; a field that is emptied is found by nothing any more.
  var searchRows: [SearchRow] {
    let isNew = before.eventCount == 0
    var texts: [(SearchPlace, String)] = []
    if isNew || before.title != after.title { texts.append((.title, after.title)) }
    if isNew && !after.customerName.isEmpty || before.customerName != after.customerName {
      texts.append((.customerName, after.customerName))
    }
    // What came without words is found by none.
    texts += entries.filter { !$0.body.isEmpty }.map { (.entry($0.id), $0.body) }
    // One change may set a field twice, and a statement writes a row once.
    for (index, value) in fieldValues.enumerated()
    where !fieldValues[(index + 1)...].contains(where: { $0.fieldID == value.fieldID }) {
      texts.append((.field(value.fieldID), value.after ?? ""))
    }
    return texts.map { SearchRow($0, $1, of: after.serviceID, receivedAt: after.createTime) }
  }

  private func entryRecord(_ draft: EntryDraft, id: EntryID, by actor: LedgerActor) -> EntryRecord {
    let salt = SecureRandom.bytes(EventChain.saltByteCount)
    return EntryRecord(
      id: id, ticketID: after.id, kind: draft.kind, act: draft.act, actor: draft.actor ?? actor, body: draft.body,
      bodySalt: salt, bodyHash: key.hash(of: draft.original ?? draft.body, salt: salt), createTime: time)
  }

  /// Before and after of the fields that hold codes and ids, as the API writes them.
  private func codeChanges(_ set: TicketFields) -> [CodeChange] {
    var next = after
    next.apply(set, at: time)
    return zip(after.codes, next.codes).compactMap { before, after in
      before.code == after.code ? nil : CodeChange(before.field, before.code, after.code)
    }
  }

  private static func isUntouched(_ before: TicketRecord, _ after: TicketRecord) -> Bool {
    var same = after
    same.eventCount = before.eventCount
    same.eventHash = before.eventHash
    return same == before
  }

  private func valueChanges(_ set: TicketFields) -> [(String, String?, String?)] {
    var changes: [(String, String?, String?)] = []
    func compare(_ field: String, _ before: String, _ after: String?) {
      guard let after, after != before else { return }
      changes.append((field, before, after))
    }
    if let callBack = set.callBack, (callBack?.phone ?? "") != (after.callBack?.phone ?? "") {
      changes.append(("call_back.phone", after.callBack?.phone, callBack?.phone))
    }
    compare("customer.display_name", after.customerName, set.customerName)
    compare("customer.email", after.customerEmail, set.customerEmail)
    compare("customer.phone", after.customerPhone, set.customerPhone)
    compare("customer.user_code", after.customerUserCode, set.customerUserCode)
    compare("title", after.title, set.title)
    return changes
  }
}

extension TicketRecord {
  /// The fields that hold codes and ids, as events write them: the name in the API, and the code or decimal id; empty
  /// for none. Always the same fields in the same order.
  package var codes: [(field: String, code: String)] {
    [
      ("state", state.rawValue),
      ("agent", agentID?.description ?? ""),
      ("group", groupID?.description ?? ""),
      ("priority", priority.rawValue),
      ("channel", channel.rawValue),
      ("language", language),
      ("submission_type", submissionTypeID?.description ?? ""),
      ("processing_type", processingTypeID?.description ?? ""),
      ("internal_reason", internalReason?.rawValue ?? ""),
      ("spam", isSpam ? "true" : ""),
      ("customer.number", customerID?.description ?? ""),
      ("creator", creatorAgentID?.description ?? ""),
      ("source_ticket", source?.description ?? ""),
      ("target_ticket", target?.description ?? ""),
      ("previous_ticket", previousID?.description ?? ""),
      ("call_back.time", callBack?.time.text ?? ""),
      ("call_back.active", callBack?.isActive == true ? "true" : ""),
      ("deleted", deleteTime == nil ? "" : "true"),
      ("privacy_consent", hasPrivacyConsent ? "true" : ""),
    ]
  }

  /// Takes over what an event sets, with the times that its state brings.
  package mutating func apply(_ set: TicketFields, at time: Instant) {
    if let state = set.state, state != self.state {
      self.state = state
      if state.isAtDooray { escalatedTo = .adding(.dooray, to: escalatedTo) }
      if state == .resolved { resolveTime = time }
      completeTime = state == .completed ? time : nil
    }
    if let agentID = set.agentID { self.agentID = agentID }
    if let groupID = set.groupID { self.groupID = groupID }
    if let priority = set.priority { self.priority = priority }
    if let submissionTypeID = set.submissionTypeID { self.submissionTypeID = submissionTypeID }
    if let processingTypeID = set.processingTypeID { self.processingTypeID = processingTypeID }
    if let internalReason = set.internalReason { self.internalReason = internalReason }
    if let isSpam = set.isSpam { self.isSpam = isSpam }
    if let stateBeforeSpam = set.stateBeforeSpam { self.stateBeforeSpam = stateBeforeSpam }
    if let title = set.title { self.title = title }
    if let customerID = set.customerID { self.customerID = customerID }
    if let customerName = set.customerName { self.customerName = customerName }
    if let customerEmail = set.customerEmail { self.customerEmail = customerEmail }
    if let customerPhone = set.customerPhone { self.customerPhone = customerPhone }
    if let customerUserCode = set.customerUserCode { self.customerUserCode = customerUserCode }
    if let target = set.target {
      self.target = target
      if target != nil { escalatedTo = .adding(.issue, to: escalatedTo) }
    }
    if let language = set.language { self.language = language }
    if let callBack = set.callBack { self.callBack = callBack }
    if set.isDeleted { deleteTime = time }
  }

  /// Whether setting fields would leave the ticket other than it is.
  package func isChanged(by set: TicketFields) -> Bool {
    var next = self
    next.apply(set, at: updateTime)
    return next != self
  }
}
