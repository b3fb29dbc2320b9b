import EventLoop
package import HandoffAPI
import Postgres
import Protobuf
package import RPC
import ServiceKit
import TicketLedger

extension MaskingService {
  /// Longest reason, in characters.
  static let reasonCharactersMax = 200

  /// Puts the original of a mask back into the text for everybody, and answers with the ticket.
  ///
  /// Needs the unmask right and a reason of 1 to ``reasonCharactersMax`` characters, of which the event says only that
  /// it was given. With a request id the call is safe to repeat.
  ///
  /// - Throws: MASK_NOT_FOUND, also for a mask taken off before; SECURITY_SERVICE_OFF, PERMISSION_DENIED,
  ///   REQUEST_INVALID, STALE_VERSION; INTERNAL when the text or the vault is damaged.
  package func unmaskText(_ request: UnmaskTextRequest, _ call: CallContext) async throws -> Ticket {
    let name = try MaskName(request.name, field: "name")
    let access = try await ledger.access(call, ticket: name.ticket)
    try access.require(.unmask)
    let agent = try access.agent().agentID
    try Self.requireSecurity(access)
    _ = try CanonicalText.line(request.reason, field: "reason", charactersMax: Self.reasonCharactersMax)
    let claim = try IdempotencyClaim.claim(
      call, access, requestID: request.requestId, request: try request.serialized())
    let written = try await ledger.perform(
      on: name.ticket, access: access, version: request.version, idempotency: claim, deadline: call.deadline
    ) { ticket in
      try await unmasking(name, on: ticket, access, by: agent, deadline: call.deadline)
    }
    return try await current(written.ticket, deadline: call.deadline)
  }

  /// Shows the original of a mask to the caller alone; the text keeps its asterisks.
  ///
  /// Needs the unmask right and a reason. That it was seen, and by whom, is written down before the original leaves;
  /// the ticket's version stays.
  ///
  /// - Throws: MASK_NOT_FOUND, SECURITY_SERVICE_OFF, PERMISSION_DENIED, REQUEST_INVALID.
  package func revealMask(_ request: RevealMaskRequest, _ call: CallContext) async throws -> RevealMaskResponse {
    let name = try MaskName(request.name, field: "name")
    let access = try await ledger.access(call, ticket: name.ticket)
    try access.require(.unmask)
    _ = try access.agent()
    try Self.requireSecurity(access)
    _ = try CanonicalText.line(request.reason, field: "reason", charactersMax: Self.reasonCharactersMax)
    let ticket = try await ledger.ticket(name.ticket, access: access, deadline: call.deadline)
    let mask = try await activeMask(name, on: ticket, deadline: call.deadline)
    let original = try keys.open(
      mask.sealedOriginal, keyID: mask.keyID, for: mask.place(ticket.serviceID, ticket.id))
    var event = EventDraft(.maskRevealed, by: access.ledgerActor)
    event.notes = [CodeChange("mask", "", name.description)]
    var change = TicketChange(event)
    change.isSilent = true
    // Nobody sees an original without a trace: the event is written before the text is handed out.
    _ = try await ledger.write(change, on: ticket, deadline: call.deadline)
    return RevealMaskResponse(text: original)
  }

  private func activeMask(
    _ name: MaskName, on ticket: TicketRecord, deadline: Deadline
  ) async throws -> MaskRecord {
    let mask = try await store.mask(name.id, ticket.serviceID, ticket.id, deadline: deadline)
    guard let mask, !mask.isTakenOff else { throw ServiceError(.maskNotFound) }
    return mask
  }

  private func unmasking(
    _ name: MaskName, on ticket: TicketRecord, _ access: Access, by agent: AgentID, deadline: Deadline
  ) async throws -> TicketChange {
    let outcome = try access.outcome(of: .mask, on: ticket)
    let mask = try await activeMask(name, on: ticket, deadline: deadline)
    let others = try await store.activeMasks(ticket.serviceID, ticket.id, deadline: deadline)
      .filter { $0.entry == mask.entry && $0.id != mask.id }
    let text: String
    if let entry = mask.entry {
      let texts = try await store.entryTexts([entry], ticket.serviceID, ticket.id, deadline: deadline)
      guard let found = texts[entry] else { throw ServiceError(.entryNotFound) }
      text = found
    } else {
      text = ticket.title
    }
    let original = try keys.open(
      mask.sealedOriginal, keyID: mask.keyID, for: mask.place(ticket.serviceID, ticket.id))
    guard
      let whole = MaskedText.unmasking(text, mask.span, original: original, others: others.map(\.span))
    else {
      throw ServiceError(
        .internal, cause: VaultDamage(description: "mask \(mask.id) does not stand on asterisks"))
    }
    var companions: [Query] = [MaskStore.takeOff(mask.id, ticket.serviceID, by: agent)]
    if let entry = mask.entry {
      companions.append(MaskStore.setEntry(entry, whole.text, ticket.serviceID))
    } else {
      companions += MaskStore.setTitle(text, whole.text, ticket.serviceID, ticket.id)
    }
    for (other, span) in zip(others, whole.others) where other.span != span {
      companions.append(MaskStore.move(other.id, to: span.start, ticket.serviceID))
    }
    var event = EventDraft(.unmasked, by: access.ledgerActor, outcome: outcome, on: ticket)
    event.notes = [CodeChange("mask", name.description, ""), CodeChange("reason", "", "GIVEN")]
    var change = TicketChange(event)
    change.companions = companions
    change.resultIDs = [mask.id.rawValue]
    return change
  }
}
