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
  /// - Throws: MASK_NOT_FOUND, also for a mask taken off before, and for one that the caller does not know of
  ///   (``MaskSight``); SECURITY_SERVICE_OFF, PERMISSION_DENIED, REQUEST_INVALID, STALE_VERSION; MASK_KEY_LOST,
  ///   MASK_DAMAGED, and then nothing is changed.
  package func unmaskText(_ request: UnmaskTextRequest, _ call: CallContext) async throws -> Ticket {
    let name = try MaskName(request.name, field: "name")
    let (access, reason) = try await unmaskAccess(name, reason: request.reason, call)
    let agent = try access.agent().agentID
    let claim = try IdempotencyClaim.claim(
      call, access, requestID: request.requestId, request: request, key: ledger.key)
    var ownFields: [String: String] = [:]
    let link = TicketLink(serviceID: access.service.id, ticketID: name.ticket.id)
    let written = try await ledger.performLinked(
      on: name.ticket, access: access, version: request.version, idempotency: claim,
      reading: [MaskStore.activePlaces(on: link, withEntriesOf: name.id)], deadline: call.deadline
    ) { tickets, rows, transaction in
      var found = try PlaceSearch(of: name.id, on: tickets.own, rows[0])
      if found.mayLackPlaces {
        try found.addPlaces(await transaction.query(MaskStore.places(of: name.id, of: link.serviceID)))
      }
      try MaskSight(access).require(found.places)
      guard MaskPlace.areWhole(found.places, on: link) else {
        throw try await refusal(of: name.id, on: link, call.deadline)
      }
      let opened = try found.places.map { (place: $0, original: try keys.open($0)) }
      let rest = found.queries
      if !rest.isEmpty { try found.add(try await transaction.batch(rest)) }
      for place in found.places { try requireSealed(place, in: found.text(at: place.address)) }
      let plan = UnmaskingPlan(opened, texts: found.texts, earlier: found.earlier)
      ownFields = plan.ownFields(of: tickets.own)
      return try change(plan, name, on: tickets, access, by: agent, reason, hasCopies: found.places.count > 1)
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
  /// - Throws: MASK_NOT_FOUND, also for a mask that the caller does not know of (``MaskSight``); SECURITY_SERVICE_OFF,
  ///   PERMISSION_DENIED, REQUEST_INVALID, MASK_KEY_LOST, MASK_DAMAGED.
  package func revealMask(_ request: RevealMaskRequest, _ call: CallContext) async throws -> RevealMaskResponse {
    let name = try MaskName(request.name, field: "name")
    let (access, reason) = try await unmaskAccess(name, reason: request.reason, call)
    let ticket = try await ledger.ticket(name.ticket, access: access, deadline: call.deadline)
    let places = try await ServiceError.translating {
      try await ledger.pool.query(MaskStore.places(of: name.id, of: ticket.serviceID), deadline: call.deadline)
        .compactMap(MaskPlace.init)
    }
    try MaskSight(access).require(places)
    guard MaskPlace.areWhole(places, on: ticket.link), let place = places.first else {
      throw try await refusal(of: name.id, on: ticket.link, call.deadline)
    }
    let original = try keys.open(place)
    let texts = try await ServiceError.translating {
      try await ledger.pool.query(CopyStore.texts(at: [place.address])[0], deadline: call.deadline)
        .compactMap(CopyStore.storedText)
    }
    try requireSealed(place, in: texts.first?.text)
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

  /// Why a mask whose places are not whole cannot be taken off or shown.
  ///
  /// - Returns: MASK_NOT_FOUND, also for one that was taken off; MASK_DAMAGED when the vault's rows contradict each
  ///   other, or are gone or off though no event tells that the mask was taken off.
  private func refusal(of mask: MaskID, on ticket: TicketLink, _ deadline: Deadline) async throws -> ServiceError {
    let places = try await ServiceError.translating {
      try await store.pool.query(MaskStore.places(of: mask, of: ticket.serviceID), deadline: deadline)
        .compactMap(MaskPlace.init)
    }
    let isElsewhere = places.first.map { $0.owner != ticket && $0.address.ticket != ticket } ?? false
    if isElsewhere { return ServiceError(.maskNotFound) }
    let isOff = places.first.map {
      $0.number == 0 && $0.owner == $0.address.ticket && $0.isTakenOff && !$0.isOn && places.count == 1
    }
    guard let first = places.first, isOff == false else {
      guard try await store.isNoted(mask, on: ticket, deadline: deadline) else { return ServiceError(.maskNotFound) }
      return keys.damaged(Array("\(ticket)/\(mask)".utf8), "mask \(mask) is gone, and nobody took it off")
    }
    return keys.damaged(first.sealedOriginal, "the places of mask \(mask) contradict one another")
  }

  /// Refuses a place that is not where the mask was put, and a text that is not as the mask left it.
  ///
  /// - Parameter text: nil when it is not there any more.
  /// - Throws: MASK_DAMAGED.
  private func requireSealed(_ place: MaskPlace, in text: String?) throws(ServiceError) {
    // Places of masks from before there were seals get theirs from the rotation.
    if place.seal.isEmpty { return }
    let isThere = text != nil || !place.address.copy.isFixed
    guard isThere, ledger.maskSeals.isValid(place.seal, of: place.masked, in: text ?? "") else {
      throw keys.damaged(place.sealedOriginal, "place \(place.number) of mask \(place.mask) was moved or changed")
    }
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
    _ reason: String, hasCopies: Bool
  ) throws -> LinkedChange {
    let outcome = try access.outcome(of: .mask, on: tickets.own)
    var event = EventDraft(.unmasked, by: access.ledgerActor, outcome: outcome, on: tickets.own)
    event.notes = [CodeChange("mask", name.id.description, ""), CodeChange("reason", "", "GIVEN")]
    if !plan.gone.isEmpty { event.notes.append(CodeChange("changed_since", "", String(plan.gone.count))) }
    var change = TicketChange(event)
    change.companions =
      plan.changes.map { CopyStore.set($0.before, to: $0.after) } + CopyStore.index(plan.changes, of: tickets)
      + plan.restored.map { CopyStore.restore($0.address, to: $0.text) } + MaskStore.move(plan.moved, ledger.maskSeals)
    change.attachments =
      MaskStore.takeOff(name.id, by: agent, hasCopies: hasCopies)
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

/// The places of a mask, the texts in which they lie, and all masks that lie on those texts.
///
/// Most masks lie in an entry or on the ticket itself, and all their copies on that ticket: those places and texts come
/// with the locking. Others are asked for.
private struct PlaceSearch: Sendable {
  private(set) var places: [MaskPlace] = []
  private(set) var texts: [StoredText] = []
  private(set) var earlier: [MaskPlace] = []
  private let own: TicketLink
  private let mask: MaskID

  /// Reads what came with the locking.
  ///
  /// - Parameter rows: the answer to ``MaskStore/activePlaces(on:withEntriesOf:)``.
  init(of mask: MaskID, on ticket: TicketRecord, _ rows: Rows) throws {
    own = ticket.link
    self.mask = mask
    for row in rows {
      guard let place = try MaskPlace(row) else { continue }
      earlier.append(place)
      guard isWanted(place) else { continue }
      places.append(place)
      let isOwn = place.address.copy.relation == .original
      let text =
        isOwn
        ? try row.optionalString(MaskPlace.columnCount) ?? place.address.field.flatMap(ticket.text(of:)) : nil
      if let text, !texts.contains(where: { $0.address == place.address }) {
        texts.append(StoredText(address: place.address, text: text, hasLeft: false))
      }
    }
    places.sort { $0.number < $1.number }
  }

  /// Whether the mask has other places than those that came with the locking, or is not on.
  var mayLackPlaces: Bool { places.count != Int(places.first?.placeCount ?? 0) || places.isEmpty }

  /// Takes the places of the mask on whichever ticket they lie.
  ///
  /// - Parameter rows: the answer to ``MaskStore/places(of:of:)``.
  mutating func addPlaces(_ rows: Rows) throws {
    places = try rows.compactMap(MaskPlace.init).filter(isWanted)
  }

  private func isWanted(_ place: MaskPlace) -> Bool { place.owner == own && place.mask == mask }

  /// The statements for what is not known yet: the masks on other tickets, then the texts; none when all is.
  var queries: [Query] {
    let known = Set(texts.map(\.address))
    let unknown = Set(places.map(\.address)).filter { $0.copy.relation != .record && !known.contains($0) }
    let others = Set(places.map(\.address.ticket)).filter { $0 != own }
    guard !unknown.isEmpty || !others.isEmpty else { return [] }
    return [MaskStore.activePlaces(on: Array(others))] + CopyStore.texts(at: Array(unknown))
  }

  /// A text that was found; nil for one that is not there.
  func text(at address: TextAddress) -> String? { texts.first { $0.address == address }?.text }

  /// Adds what the statements found.
  mutating func add(_ found: [Rows]) throws {
    let wanted = Set(places.map(\.address))
    earlier += try found[0].compactMap(MaskPlace.init)
    texts += try found.dropFirst().joined().compactMap(CopyStore.storedText).filter { wanted.contains($0.address) }
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
