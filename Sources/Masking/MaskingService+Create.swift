import EventLoop
package import HandoffAPI
import Postgres
import Protobuf
package import RPC
import ServiceKit
import TicketLedger

extension MaskingService {
  /// Puts asterisks over up to ``spansMax`` spans of a ticket's texts and seals what stood there.
  ///
  /// All spans are masked, with one event, or none. With a request id the call is safe to repeat.
  ///
  /// - Throws: PERMISSION_DENIED without the right to the ticket or for a caller that is no agent,
  ///   SECURITY_SERVICE_OFF, TICKET_NOT_FOUND, ENTRY_NOT_FOUND, MASK_OVERLAP, REQUEST_INVALID, STALE_VERSION.
  package func createMasks(_ request: CreateMasksRequest, _ call: CallContext) async throws -> CreateMasksResponse {
    let name = try TicketName(request.parent, field: "parent")
    let access = try await ledger.access(call, ticket: name)
    try access.require(.ticket)
    let agent = try access.agent().agentID
    try Self.requireSecurity(access)
    let spans = try RequestedSpans(request.spans, of: name)
    let claim = try IdempotencyClaim.claim(
      call, access, requestID: request.requestId, request: try request.serialized())
    let written = try await ledger.perform(
      on: name, access: access, version: request.version, idempotency: claim, deadline: call.deadline
    ) { ticket in
      try await masking(spans, on: ticket, name, access, by: agent, deadline: call.deadline)
    }
    var masks: [Mask] = []
    for id in written.resultIDs {
      let record = try await store.mask(
        MaskID(id), written.ticket.serviceID, written.ticket.id, deadline: call.deadline)
      if let record { masks.append(message(record, name)) }
    }
    return CreateMasksResponse(masks: masks, ticket: try await current(written.ticket, deadline: call.deadline))
  }

  /// Works out what masking changes: the texts, the new masks, and where the earlier ones stand afterwards.
  private func masking(
    _ spans: RequestedSpans, on ticket: TicketRecord, _ name: TicketName, _ access: Access, by agent: AgentID,
    deadline: Deadline
  ) async throws -> TicketChange {
    let outcome = try access.outcome(of: .mask, on: ticket)
    let texts = try await store.entryTexts(spans.entries, ticket.serviceID, ticket.id, deadline: deadline)
    let earlier = try await store.activeMasks(ticket.serviceID, ticket.id, deadline: deadline)
    let ids = try await store.newMaskIDs(spans.count, deadline: deadline)
    var event = EventDraft(.masked, by: access.ledgerActor, outcome: outcome, on: ticket)
    event.notes = ids.map { CodeChange("mask", "", MaskName(ticket: name, id: $0).description) }
    var companions: [Query] = []
    for part in spans.parts {
      guard let text = part.entry == nil ? ticket.title : part.entry.flatMap({ texts[$0] }) else {
        throw ServiceError(.entryNotFound)
      }
      let neighbours = earlier.filter { $0.entry == part.entry }
      let masked: MaskedText.Masked
      do throws(MaskRefusal) {
        masked = try MaskedText.masking(text, part.spans.map(\.span), earlier: neighbours.map(\.span))
      } catch {
        throw Self.refusal(error, part)
      }
      if let entry = part.entry {
        companions.append(MaskStore.setEntry(entry, masked.text, ticket.serviceID))
      } else {
        companions += MaskStore.setTitle(text, masked.text, ticket.serviceID, ticket.id)
      }
      for (mask, span) in zip(neighbours, masked.earlier) where mask.span != span {
        companions.append(MaskStore.move(mask.id, to: span.start, ticket.serviceID))
      }
      for piece in masked.pieces {
        let place = VaultPlace(
          service: ticket.serviceID, ticket: ticket.id, mask: ids[part.spans[piece.index].index], entry: part.entry,
          asteriskCount: piece.asterisks.length)
        companions.append(
          MaskStore.insert(
            place, start: piece.asterisks.start, sealed: try keys.seal(piece.original, for: place),
            keyID: keys.currentID, by: agent))
      }
    }
    var change = TicketChange(event)
    change.companions = companions
    change.resultIDs = ids.map(\.rawValue)
    return change
  }

  private static func refusal(_ refusal: MaskRefusal, _ part: RequestedSpans.Part) -> ServiceError {
    switch refusal {
    case .outsideText(let index):
      return .invalid("spans[\(part.spans[index].index)]", "does not lie inside the text")
    case .overlaps(let index):
      let field = "spans[\(part.spans[index].index)]"
      return ServiceError(
        .maskOverlap, violations: [FieldViolation(field, "overlaps another span or what is masked already")])
    }
  }
}

/// The spans of a request, sorted by the text in which they lie.
struct RequestedSpans: Sendable {
  /// The spans of one text, each with its index in the request.
  struct Part: Sendable {
    /// Nil: the title.
    let entry: EntryID?
    var spans: [(index: Int, span: ScalarSpan)]
  }

  private(set) var parts: [Part] = []
  let count: Int

  /// Reads the spans of a request.
  ///
  /// - Throws: REQUEST_INVALID when there are none or too many; ENTRY_NOT_FOUND for an entry of another ticket.
  init(_ spans: [TextSpan], of ticket: TicketName) throws(ServiceError) {
    guard (1...MaskingService.spansMax).contains(spans.count) else {
      throw .invalid("spans", "must hold 1 to \(MaskingService.spansMax) spans")
    }
    count = spans.count
    for (index, span) in spans.enumerated() {
      let entry = try EntryName.optional(span.entry, field: "spans[\(index)].entry")
      if let entry, entry.ticket != ticket { throw ServiceError(.entryNotFound) }
      let wanted = (index, ScalarSpan(start: Int(span.start), length: Int(span.length)))
      if let known = parts.firstIndex(where: { $0.entry == entry?.id }) {
        parts[known].spans.append(wanted)
      } else {
        parts.append(Part(entry: entry?.id, spans: [wanted]))
      }
    }
  }

  /// The entries that have spans.
  var entries: [EntryID] { parts.compactMap(\.entry) }
}
