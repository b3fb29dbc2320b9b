import EventLoop
package import HandoffAPI
import PersonalData
import Postgres
import Protobuf
package import RPC
import ServiceKit
import TicketLedger

extension MaskingService {
  /// Longest reason, in characters.
  static let reasonCharactersMax = 200

  /// Puts the original of a mask back, for everybody and in every copy that masking changed, and answers with the
  /// ticket.
  ///
  /// Needs the unmask right and a reason of 1 to ``reasonCharactersMax`` characters, of which the event says only that
  /// it was given; administrators read it in the report. With a request id the call is safe to repeat.
  ///
  /// - Throws: MASK_NOT_FOUND, also for a mask taken off before; SECURITY_SERVICE_OFF, PERMISSION_DENIED,
  ///   REQUEST_INVALID, STALE_VERSION; MASK_KEY_LOST, MASK_DAMAGED, and then nothing is changed.
  package func unmaskText(_ request: UnmaskTextRequest, _ call: CallContext) async throws -> Ticket {
    let name = try MaskName(request.name, field: "name")
    let (access, reason) = try await unmaskAccess(name, reason: request.reason, call)
    let agent = try access.agent().agentID
    let claim = try IdempotencyClaim.claim(
      call, access, requestID: request.requestId, request: try request.serialized())
    var ownFields: [String: String] = [:]
    let itsPlaces = MaskStore.activePlaces(of: name.id, on: name.ticket.id, access.service.id)
    // Where its asterisks stand hardly ever changes: what stands there travels with the locking.
    let guess = try await ServiceError.translating {
      PlaceSearch(try await ledger.pool.lookUp(itsPlaces, deadline: call.deadline).compactMap(MaskPlace.init))
    }
    let written = try await ledger.performLinked(
      on: name.ticket, access: access, version: request.version, idempotency: claim,
      reading: [itsPlaces] + guess.queries, deadline: call.deadline
    ) { tickets, rows, transaction in
      let places = try rows[0].compactMap(MaskPlace.init)
      guard !places.isEmpty else { throw ServiceError(.maskNotFound) }
      let opened = try places.map { (place: $0, original: try keys.open($0)) }
      let search = PlaceSearch(places)
      let found = search == guess ? Array(rows[1...]) : try await transaction.batch(search.queries)
      let plan = try search.plan(opened, found)
      ownFields = plan.ownFields(of: tickets.own)
      return try change(plan, name, on: tickets, access, by: agent, reason)
    }
    var ticket = written.ticket
    ticket.replace(ownFields)
    return try await ledger.message(for: ticket, deadline: call.deadline)
  }

  /// Shows the original of a mask to the caller alone; the text keeps its asterisks.
  ///
  /// Needs the unmask right and a reason. That it was seen, and by whom, is written down before the original leaves;
  /// the ticket's version stays.
  ///
  /// - Throws: MASK_NOT_FOUND, SECURITY_SERVICE_OFF, PERMISSION_DENIED, REQUEST_INVALID, MASK_KEY_LOST, MASK_DAMAGED.
  package func revealMask(_ request: RevealMaskRequest, _ call: CallContext) async throws -> RevealMaskResponse {
    let name = try MaskName(request.name, field: "name")
    let (access, reason) = try await unmaskAccess(name, reason: request.reason, call)
    let ticket = try await ledger.ticket(name.ticket, access: access, deadline: call.deadline)
    let mask = try await store.mask(name.id, of: ticket.link, deadline: call.deadline)
    guard let mask, !mask.isTakenOff else { throw ServiceError(.maskNotFound) }
    let original = try keys.open(mask.place)
    var event = EventDraft(.maskRevealed, by: access.ledgerActor)
    event.notes = [CodeChange("mask", "", name.id.description), CodeChange("reason", "", "GIVEN")]
    var change = TicketChange(event)
    change.isSilent = true
    change.attachments = [
      MaskActStore.insert(
        .reveal, of: [name.id], by: try access.agent().agentID,
        reason: try keys.seal(reason: reason, of: name.id, .reveal))
    ]
    // Nobody sees an original without a trace: the event is written before the text is handed out.
    _ = try await ledger.write(change, on: ticket, deadline: call.deadline)
    return RevealMaskResponse(text: original)
  }

  /// Who asks for an original, with the right to it and a reason in canonical form.
  private func unmaskAccess(
    _ name: MaskName, reason: String, _ call: CallContext
  ) async throws -> (Access, reason: String) {
    let access = try await ledger.access(call, ticket: name.ticket)
    try await requireUnmask(access, deadline: call.deadline)
    _ = try access.agent()
    try Self.requireSecurity(access)
    return (access, try CanonicalText.line(reason, field: "reason", charactersMax: Self.reasonCharactersMax))
  }

  private func change(
    _ plan: UnmaskingPlan, _ name: MaskName, on tickets: LinkedTickets, _ access: Access, by agent: AgentID,
    _ reason: String
  ) throws -> LinkedChange {
    let outcome = try access.outcome(of: .mask, on: tickets.own)
    var event = EventDraft(.unmasked, by: access.ledgerActor, outcome: outcome, on: tickets.own)
    event.notes = [CodeChange("mask", name.id.description, ""), CodeChange("reason", "", "GIVEN")]
    if !plan.gone.isEmpty { event.notes.append(CodeChange("changed_since", "", String(plan.gone.count))) }
    var change = TicketChange(event)
    change.companions =
      plan.changes.map { CopyStore.set($0.before, to: $0.after) } + CopyStore.index(plan.changes, of: tickets)
      + plan.restored.map { CopyStore.restore($0.address, to: $0.text) } + MaskStore.move(plan.moved)
    change.attachments =
      MaskStore.takeOff(name.id, by: agent)
      + [
        MaskActStore.insert(
          .unmask, of: [name.id], by: agent, reason: try keys.seal(reason: reason, of: name.id, .unmask))
      ]
    change.resultIDs = [name.id.rawValue]
    var linked = LinkedChange(change)
    for other in tickets.others where plan.changes.contains(where: { $0.before.address.ticket == other.link }) {
      var event = EventDraft(.unmasked, by: access.ledgerActor)
      event.notes = [CodeChange("masked_with", tickets.own.link.description, "")]
      linked.others.append((other, TicketChange(event)))
    }
    return linked
  }
}

/// A search for the texts in which a mask's places lie, and for all masks that lie on their tickets.
private struct PlaceSearch: Equatable, Sendable {
  private let addresses: Set<TextAddress>
  private let tickets: Set<TicketLink>

  init(_ places: [MaskPlace]) {
    addresses = Set(places.map(\.address)).filter { $0.copy.relation != .record }
    tickets = Set(places.map(\.address.ticket))
  }

  /// The statements: the places of masks, then the texts; none when there is no place.
  var queries: [Query] {
    guard !tickets.isEmpty else { return [] }
    return [MaskStore.activePlaces(on: Array(tickets))] + CopyStore.texts(at: Array(addresses))
  }

  /// Works out what taking the mask off changes, from what the search has found.
  func plan(_ opened: [(place: MaskPlace, original: String)], _ rows: [Rows]) throws -> UnmaskingPlan {
    let texts = try rows.dropFirst().joined().compactMap(CopyStore.storedText)
      .filter { addresses.contains($0.address) }
    return UnmaskingPlan(opened, texts: texts, earlier: try rows[0].compactMap(MaskPlace.init))
  }
}

extension UnmaskingPlan {
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
