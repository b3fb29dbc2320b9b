import EventLoop
package import HandoffAPI
import PersonalData
import Postgres
import Protobuf
package import RPC
import RPCProtos
import ServiceKit
import TicketLedger

extension MaskingService {
  /// Puts asterisks over up to ``spansMax`` spans of a ticket's texts and over every copy of their words, and seals
  /// what stood there.
  ///
  /// All spans are masked, with one event, or none. With a request id the call is safe to repeat.
  ///
  /// - Throws: PERMISSION_DENIED without the right to the ticket or for a caller that is no agent,
  ///   SECURITY_SERVICE_OFF, TICKET_NOT_FOUND, ENTRY_NOT_FOUND, MASK_OVERLAP, REQUEST_INVALID, STALE_VERSION,
  ///   LIMIT_REACHED when there is more text to be searched than ``textBytesMax``.
  package func createMasks(_ request: CreateMasksRequest, _ call: CallContext) async throws -> CreateMasksResponse {
    let name = try TicketName(request.parent, field: "parent")
    let access = try await ledger.access(call, ticket: name)
    try access.require(.ticket)
    let agent = try access.agent().agentID
    try Self.requireSecurity(access)
    let fieldNames = try await store.fieldNames(
      named: request.spans.prefix(Self.spansMax).map(\.field), all: access.member?.role == .administrator,
      in: access.service.id, deadline: call.deadline)
    let spans = try RequestedSpans(request.spans, of: name, fieldNames)
    let claim = try IdempotencyClaim.claim(
      call, access, requestID: request.requestId, request: request, key: ledger.key)
    let link = TicketLink(serviceID: access.service.id, ticketID: name.id)
    var masked: [Mask] = []
    var titleAndCustomer: [String: String] = [:]
    let ids = try await newMaskIDs(spans.count, deadline: call.deadline)
    let search = CopySearch(spans.fields)
    let written = try await ledger.performLinked(
      on: name, access: access, version: request.version, idempotency: claim,
      reading: [search.query(link)], deadline: call.deadline
    ) { tickets, rows, transaction in
      var texts = try rows[0].flatMap { try search.texts($0, of: link) }
      var room = try room(for: texts, in: textBytesMax)
      let requested = try await read(spans, tickets.own, texts, transaction)
      // Few tickets are tied to others by an escalation; who they are is known now that all are locked.
      let others = tickets.others.map(\.link)
      for start in stride(from: 0, to: others.count, by: Self.othersMax) {
        let some = Array(others[start...].prefix(Self.othersMax))
        let found = try await transaction.batch(some.map(search.query))
        for (other, rows) in zip(some, found) {
          let more = try rows.flatMap { try search.texts($0, of: other) }
          room = try self.room(for: more, in: room)
          texts += more
        }
      }
      let plan = try plan(requested, texts: texts, places: try await places(in: texts, transaction))
      masked = masks(of: plan, ids, name, fieldNames, by: agent, at: tickets.own.readTime)
      titleAndCustomer = plan.ownFields(of: tickets.own)
      return try change(plan, ids, on: tickets, name, access, by: agent)
    }
    if written.isRepeat { masked = try await earlierMasks(written, name, call.deadline) }
    var ticket = written.ticket
    ticket.replace(titleAndCustomer)
    return CreateMasksResponse(masks: masked, ticket: try await ledger.message(for: ticket, deadline: call.deadline))
  }

  /// Most tickets whose texts are read at a time.
  private static let othersMax = 16

  /// The places of masks whose asterisks stand in texts. Texts without one, as those of most tickets that are masked,
  /// are not asked about; and of a text that was written anew since, as a mail server's words are, nothing is left.
  private func places(in texts: [StoredText], _ transaction: PostgresTransaction) async throws -> [MaskPlace] {
    let starred = texts.filter { $0.text.utf8.contains(UInt8(ascii: "*")) }
    guard !starred.isEmpty else { return [] }
    let known = Dictionary(starred.map { ($0.address, $0.text) }, uniquingKeysWith: { first, _ in first })
    let tickets = Array(Set(starred.map(\.address.ticket)))
    return try await transaction.query(MaskStore.activePlaces(on: tickets)).compactMap(MaskPlace.init).filter { place in
      known[place.address].map { MaskedText.stands(place.span, in: $0) } ?? false
    }
  }

  /// What is left of a number of bytes behind texts.
  ///
  /// - Throws: LIMIT_REACHED when nothing is.
  private func room(for texts: [StoredText], in bytes: Int) throws(ServiceError) -> Int {
    let rest = texts.reduce(bytes) { $0 - $1.text.utf8.count }
    guard rest >= 0 else {
      throw ServiceError(
        .limitReached,
        "the ticket and those that belong to it hold more than \(textBytesMax >> 20) MB of text, which is too much to"
          + " search for the words; nothing was masked. Tell who runs Handoff")
    }
    return rest
  }

  /// Reads the words of the spans from what was found: a text in which a span lies holds its words.
  private func read(
    _ spans: RequestedSpans, _ ticket: TicketRecord, _ texts: [StoredText], _ transaction: PostgresTransaction
  ) async throws -> [RequestedSpan] {
    let wanted = spans.addresses(on: ticket.link)
    func known(_ texts: [StoredText]) -> [TextAddress: String] {
      Dictionary(
        texts.filter { wanted.contains($0.address) }.map { ($0.address, $0.text) },
        uniquingKeysWith: { first, _ in first })
    }
    var found = known(texts)
    if found.count < wanted.count {
      // Something is wrong with a span; what it is stands in the text.
      let missing = wanted.filter { found[$0] == nil }
      let rows = try await transaction.batch(CopyStore.texts(at: Array(missing)))
      found.merge(known(try rows.joined().compactMap(CopyStore.storedText))) { first, _ in first }
    }
    return try spans.read(from: ticket, texts: found)
  }

  /// Works out what becomes of every copy of the spans' words, from the texts that hold them and the places of masks.
  private func plan(_ requested: [RequestedSpan], texts: [StoredText], places: [MaskPlace]) throws -> MaskingPlan {
    let earlier = Dictionary(grouping: places, by: \.address)
    var plan = MaskingPlan(requested)
    var records: Set<String> = []
    for stored in texts {
      // Two tickets of one customer lead to the same record.
      if stored.address.copy.relation == .record,
        !records.insert("\(stored.address.copy.name)/\(stored.address.row)").inserted
      {
        continue
      }
      do throws(MaskRefusal) {
        try plan.add(stored, earlier: earlier[stored.address] ?? [])
      } catch {
        throw error.error
      }
    }
    guard plan.newPlaces.count <= MaskingPlan.placesMax else {
      throw ServiceError.invalid(
        "spans",
        "stand in more than \(MaskingPlan.placesMax) places of the ticket; mask longer words, or fewer at once")
    }
    return plan
  }

  /// The change that writes a plan: texts, masks with their seals, and an event on every ticket whose texts change.
  private func change(
    _ plan: MaskingPlan, _ ids: [MaskID], on tickets: LinkedTickets, _ name: TicketName, _ access: Access,
    by agent: AgentID
  ) throws -> LinkedChange {
    let outcome = try access.outcome(of: .mask, on: tickets.own)
    var event = EventDraft(.masked, by: access.ledgerActor, outcome: outcome, on: tickets.own)
    event.notes = ids.map { CodeChange("mask", "", $0.description) } + plan.leftCopies(of: tickets.own.link)
    var sealed: [MaskStore.Sealed] = []
    let places = plan.numbered(ids, on: tickets.own.link)
    let counts = places.reduce(into: [MaskID: Int32]()) { $0[$1.0.mask, default: 0] += 1 }
    let texts = Dictionary(plan.changes.map { ($0.before.address, $0.after) }, uniquingKeysWith: { first, _ in first })
    for (place, new) in places {
      let seal = try keys.seal(new.original, for: place)
      let masked = MaskedPlace(
        owner: place.owner, mask: place.mask, maskedBy: agent, maskTime: tickets.own.readTime,
        placeCount: counts[place.mask] ?? 0, number: place.number, ticket: place.address.ticket,
        copy: place.address.copy, row: place.address.row, span: new.asterisks)
      sealed.append(
        MaskStore.Sealed(
          place: place, placeCount: masked.placeCount, start: new.asterisks.start, original: seal.bytes,
          keyID: seal.keyID, seal: ledger.maskSeals.seal(masked, in: texts[place.address] ?? "")))
    }
    var change = TicketChange(event)
    change.companions =
      plan.changes.map { CopyStore.set($0.before, to: $0.after) } + CopyStore.index(plan.changes, of: tickets)
      + MaskStore.move(plan.moved, ledger.maskSeals)
    change.attachments = [
      MaskStore.insert(sealed, at: tickets.own.readTime, by: agent),
      MaskActStore.insert(.mask, of: ids, by: agent, reason: nil),
    ]
    change.resultIDs = ids.map(\.rawValue)
    change.isMasking = true
    var linked = LinkedChange(change)
    for other in tickets.others where plan.changes.contains(where: { $0.before.address.ticket == other.link }) {
      var event = EventDraft(.masked, by: access.ledgerActor)
      event.notes = [CodeChange("masked_with", "", tickets.own.link.description)] + plan.leftCopies(of: other.link)
      linked.others.append((other, TicketChange(event)))
    }
    linked.makeMaskingAll(of: tickets)
    return linked
  }

  private func masks(
    of plan: MaskingPlan, _ ids: [MaskID], _ name: TicketName, _ fieldNames: FieldNames, by agent: AgentID,
    at time: Instant
  ) -> [Mask] {
    plan.newPlaces.filter(\.isAsked).sorted { $0.index < $1.index }.map { new in
      Mask(
        name: MaskName(ticket: name, id: ids[new.index]).description,
        span: new.address.span(new.asterisks, of: name, fieldNames), maskedBy: AgentName(id: agent).description,
        maskTime: Timestamp(time))
    }
  }

  private func earlierMasks(_ written: Written, _ name: TicketName, _ deadline: Deadline) async throws -> [Mask] {
    var records: [MaskRecord] = []
    for id in written.resultIDs {
      if let record = try await store.mask(MaskID(id), of: written.ticket.link, deadline: deadline) {
        records.append(record)
      }
    }
    return try await messages(records, name, of: written.ticket.serviceID, deadline)
  }
}

extension MaskingPlan {
  /// Copies noted in an event when they have left Handoff already; more are told by the last note.
  private static let leftMax = 20

  /// The places with their numbers: 0 for the span that was asked for, then its copies.
  func numbered(_ ids: [MaskID], on owner: TicketLink) -> [(VaultPlace, NewPlace)] {
    var copies = [Int32](repeating: 0, count: ids.count)
    return newPlaces.map { new in
      if !new.isAsked { copies[new.index] += 1 }
      return (
        VaultPlace(
          owner: owner, mask: ids[new.index], number: new.isAsked ? 0 : copies[new.index], address: new.address,
          asteriskCount: new.asterisks.length), new
      )
    }
  }

  /// Notes of the copies on a ticket that masks come too late for.
  func leftCopies(of ticket: TicketLink) -> [CodeChange] {
    let left = changes.filter { $0.before.hasLeft && $0.before.address.ticket == ticket }
      .map { "\($0.before.address.copy.table)/\($0.before.address.row)" }
    var names: [String] = []
    for name in left where !names.contains(name) { names.append(name) }
    var notes = names.prefix(Self.leftMax).map { CodeChange("left_before", "", $0) }
    if names.count > Self.leftMax {
      notes.append(CodeChange("left_before_more", "", String(names.count - Self.leftMax)))
    }
    return notes
  }

  /// The new texts of a ticket's own row, by field.
  func ownFields(of ticket: TicketRecord) -> [String: String] {
    var fields: [String: String] = [:]
    for change in changes where change.before.address.ticket == ticket.link {
      if change.before.address.copy.relation == .original, let field = change.before.address.field, field != "entry" {
        fields[field] = change.after
      }
    }
    return fields
  }
}

extension TicketRecord {
  /// Takes over texts that were written beside the ledger's own statement.
  mutating func replace(_ fields: [String: String]) {
    title = fields["title"] ?? title
    customerName = fields["customer.display_name"] ?? customerName
    customerEmail = fields["customer.email"] ?? customerEmail
    customerPhone = fields["customer.phone"] ?? customerPhone
    customerUserCode = fields["customer.user_code"] ?? customerUserCode
    if let phone = fields["call_back.phone"] { callBack?.phone = phone }
  }

  /// The text of one of the ticket's own fields.
  func text(of field: String) -> String? {
    switch field {
    case "title": title
    case "customer.display_name": customerName
    case "customer.email": customerEmail
    case "customer.phone": customerPhone
    case "customer.user_code": customerUserCode
    case "call_back.phone": callBack?.phone
    default: nil
    }
  }
}

extension TextAddress {
  /// A span of this text as the API names it.
  func span(_ span: ScalarSpan, of ticket: TicketName, _ fieldNames: FieldNames) -> TextSpan {
    var message = TextSpan(start: Int32(span.start), length: Int32(span.length))
    switch copy.field {
    case "entry": message.entry = Int64(row).map { EntryName(ticket: ticket, id: EntryID($0)).description } ?? ""
    case "field": message.field = FieldNames.prefix + (fieldNames.code(ofRow: row) ?? row)
    case "transcript": message.field = "transcript.\(row)"
    default: message.field = field ?? ""
    }
    return message
  }
}

extension MaskRefusal {
  /// The refusal as callers see it.
  var error: ServiceError {
    switch self {
    case .outsideText(let index): .invalid("spans[\(index)]", "does not lie inside the text")
    case .splitsCharacter(let index):
      .invalid("spans[\(index)]", "begins or ends inside a character; take the whole character in")
    case .overlaps(let index):
      ServiceError(
        .maskOverlap,
        violations: [FieldViolation("spans[\(index)]", "overlaps another span or what is masked already")])
    }
  }
}
