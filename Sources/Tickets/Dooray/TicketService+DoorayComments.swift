import Crypto
import EventLoop
package import HandoffAPI
import Protobuf
package import RPC
import ServiceKit
import TicketLedger

extension TicketService {
  /// Comments on the task that a ticket waits for.
  ///
  /// The comment is kept with its event, and sent by ``DoorayDelivery``.
  ///
  /// - Throws: TICKET_NOT_FOUND, TRANSITION_NOT_ALLOWED, TEXT_REQUIRED, CONFLICT, PERMISSION_DENIED, REQUEST_INVALID,
  ///   REQUEST_ID_REUSED.
  package func createDoorayComment(
    _ request: CreateDoorayCommentRequest, _ call: CallContext
  ) async throws -> DoorayComment {
    var check = RequestCheck()
    check.name(request.parent, "parent", TicketName.self)
    let text = check.text(request.text, "text", charactersMax: FieldLimits.answerCharactersMax)
    check.requestID(request.requestId)
    try check.done()
    if CanonicalText.isBlank(text) { throw ServiceError(.textRequired) }
    let name = try TicketName(request.parent, field: "parent")
    let access = try await ledger.access(call, ticket: name)
    try access.require(.ticket)
    let claim = try claim(of: request, request.requestId, call, access)
    let written = try await ledger.perform(
      on: name, access: access, idempotency: claim, deadline: call.deadline
    ) { ticket in
      try await commenting(text, on: ticket, name, access, call.deadline)
    }
    guard let id = written.resultIDs.first,
      let comment = try await dooray.store.comment(
        DoorayCommentID(id), of: access.service.id, deadline: call.deadline)
    else { throw ServiceError(.internal) }
    return comment.message(on: name)
  }

  private func commenting(
    _ text: String, on ticket: TicketRecord, _ name: TicketName, _ access: Access, _ deadline: Deadline
  ) async throws -> TicketChange {
    let outcome = try access.outcome(of: .commentOnDooray, on: ticket)
    guard let task = try await dooray.store.newestTask(of: ticket, deadline: deadline) else {
      throw ServiceError(.transitionNotAllowed, "the ticket has no task at Dooray! to comment on")
    }
    let id = try await dooray.store.newCommentID(deadline: deadline)
    var event = EventDraft(.doorayCommentSent, by: access.ledgerActor, outcome: outcome, on: ticket)
    event.notes = [CodeChange("dooray_comment", "", id.description)]
    event.outbox = [OutboxDraft(.dooray, payload: try DoorayWork(work: .comment(id.rawValue)).serialized())]
    var change = TicketChange(event)
    change.resultIDs = [id.rawValue]
    change.attachments = [
      DoorayStore.commenting(
        id, on: task, by: try access.agent().agentID, text,
        marker: "Handoff \(name) \(Hex.encode(SecureRandom.bytes(16)))")
    ]
    return change
  }

  /// Lists the comments on the tasks of a ticket, of both sides, the newest first.
  ///
  /// - Throws: TICKET_NOT_FOUND, PAGE_TOKEN_INVALID, PERMISSION_DENIED, REQUEST_INVALID.
  package func listDoorayComments(
    _ request: ListDoorayCommentsRequest, _ call: CallContext
  ) async throws -> ListDoorayCommentsResponse {
    let name = try TicketName(request.parent, field: "parent")
    let (_, ticket) = try await reading(name, call)
    let page = try PageRequest(
      request.pageToken, size: request.pageSize, sizeDefault: 50, scope: "ListDoorayComments \(name)",
      key: ledger.key.pages)
    let found = try await dooray.store.comments(
      of: ticket, before: page.after == 0 ? .max : page.after, limit: page.size + 1, deadline: call.deadline)
    let shown = found.prefix(page.size)
    let last = found.count > page.size ? shown.last : nil
    return ListDoorayCommentsResponse(
      comments: shown.map { $0.message(on: name) },
      nextPageToken: last.map { page.token(after: $0.id.rawValue) } ?? "")
  }
}
