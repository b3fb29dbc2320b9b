import EventLoop
package import HandoffAPI
package import RPC
import ServiceKit
import TicketLedger

extension TicketService {
  /// Adds what the customer wrote to a ticket; a resolved or held ticket is processed again, by whoever held it if they
  /// still can.
  ///
  /// - Throws: TICKET_NOT_FOUND, TRANSITION_NOT_ALLOWED for a completed or escalated ticket, TEXT_REQUIRED,
  ///   PERMISSION_DENIED for agents, REQUEST_INVALID, REQUEST_ID_REUSED.
  package func appendInquiry(_ request: AppendInquiryRequest, _ call: CallContext) async throws -> Entry {
    var check = RequestCheck()
    check.name(request.parent, "parent", TicketName.self)
    let text = check.text(request.text, "text", charactersMax: FieldLimits.replyCharactersMax)
    check.requestID(request.requestId)
    try check.done()
    guard !CanonicalText.isBlank(text) else { throw ServiceError(.textRequired) }
    let name = try TicketName(request.parent, field: "parent")
    let access = try await ledger.access(call, ticket: name)
    let claim = try claim(of: request, request.requestId, call, access)
    let written = try await ledger.perform(
      on: name, access: access, idempotency: claim, deadline: call.deadline
    ) { ticket in
      let isHeld = try await hasActiveHolder(ticket, access.service, call.deadline)
      let outcome = try access.outcome(
        of: .receiveCustomerReply, on: ticket, hasActiveHolder: isHeld, as: access.member == nil ? .customer : nil)
      var event = EventDraft(.customerReplied, by: access.ledgerActor, outcome: outcome, on: ticket)
      event.entries = [EntryDraft(.inquiry, .customerReply, body: text, actor: .customer)]
      if outcome.has(.runsTriggers) { event.outbox = [try .triggers(.customerReplied)] }
      return TicketChange(event)
    }
    guard let id = written.entryIDs.first else { throw ServiceError(.entryNotFound) }
    let entry = try await ledger.entry(id, of: written.ticket, deadline: call.deadline)
    return try await ledger.messages(for: [entry], of: written.ticket, deadline: call.deadline)[0]
  }

  /// Whether the agent who holds a ticket can still work on it.
  private func hasActiveHolder(
    _ ticket: TicketRecord, _ service: ServiceRecord, _ deadline: Deadline
  ) async throws -> Bool {
    guard let agent = ticket.agentID else { return false }
    return try await ledger.directory.member(agent, of: service, deadline: deadline)?.mayWorkOnTickets ?? false
  }
}
