import HandoffAPI
import ServiceKit
import TicketLedger

/// What a request to escalate a ticket asks for, checked as far as that goes without the database.
struct Escalation: Sendable {
  let name: TicketName
  let targetService: ServiceName
  let submissionType: SubmissionTypeName
  let title: String
  let text: String
  /// Nil: the consultation ticket's.
  let priority: TicketPriority?
  let fieldValues: FieldValues
  /// Files of the consultation service.
  let attachments: AttachmentList
  let version: Int64

  /// Reads a request.
  ///
  /// - Throws: REQUEST_INVALID with everything that is wrong; TEXT_REQUIRED; TYPE_NOT_FOUND for a type of another
  ///   service than the target.
  init(_ request: EscalateTicketRequest) throws(ServiceError) {
    var check = RequestCheck()
    check.name(request.name, "name", TicketName.self)
    check.name(request.targetService, "target_service", ServiceName.self)
    check.name(request.submissionType, "submission_type", SubmissionTypeName.self)
    title = check.line(request.title, "title", charactersMax: FieldLimits.titleCharactersMax)
    text = check.text(request.text, "text", charactersMax: FieldLimits.answerCharactersMax)
    priority = check.choice(request.priority.rawValue, "priority", unspecified: nil)
    fieldValues = FieldValues(request.fieldValues, &check)
    attachments = AttachmentList(request.attachments, &check)
    check.version(request.version)
    check.requestID(request.requestId)
    check.require(!CanonicalText.isBlank(request.text), "text", "is required", as: .textRequired)
    try check.done()
    name = try TicketName(request.name, field: "name")
    targetService = try ServiceName(request.targetService, field: "target_service")
    submissionType = try SubmissionTypeName(request.submissionType, field: "submission_type")
    version = request.version
    if submissionType.service != targetService.code { throw ServiceError(.typeNotFound) }
  }

  /// What the issue ticket will have in the fields of every ticket; its customer is that of the consultation ticket, as
  /// long as the name may be.
  func systemFields(for ticket: TicketRecord) -> [SystemFieldUse] {
    func isFilled(_ text: String) -> Bool { !CanonicalText.isBlank(text) }
    return [
      SystemFieldUse(.title, "title", text: title),
      SystemFieldUse(.text, "text", text: text, charactersMax: FieldLimits.answerCharactersMax),
      SystemFieldUse(.customerName, "customer.display_name", text: nil, isFilled: isFilled(ticket.customerName)),
      SystemFieldUse(.customerEmail, "customer.email", text: nil, isFilled: isFilled(ticket.customerEmail)),
      SystemFieldUse(.customerPhone, "customer.phone", text: nil, isFilled: isFilled(ticket.customerPhone)),
      SystemFieldUse(
        .customerUserCode, "customer.user_code", text: nil, isFilled: isFilled(ticket.customerUserCode)),
      SystemFieldUse(.attachments, "attachments", isSet: true, isFilled: !attachments.isEmpty),
    ]
  }

  /// The issue ticket that answers a consultation ticket.
  ///
  /// Customer and promised call are those that the consultation ticket shows: where a text is masked, the asterisks are
  /// copied. Its inquiry is the caller's to add.
  func draft(for ticket: TicketRecord, in target: ServiceRecord, by actor: LedgerActor) throws -> TicketDraft {
    let standing = Standing(kind: target.kind, state: .unassigned, origin: .escalated)
    let outcome: LifecycleOutcome
    switch Lifecycle.outcome(of: .create, on: standing, by: .system) {
    case .success(let allowed): outcome = allowed
    case .failure(let refusal): throw refusal.error(of: .create, on: ticket)
    }
    var draft = TicketDraft(service: target, state: outcome.state, title: title, channel: .escalation, by: actor)
    draft.source = TicketLink(serviceID: ticket.serviceID, ticketID: ticket.id)
    draft.isBesideMasks = ticket.hasMasks
    draft.priority = priority ?? ticket.priority
    draft.submissionTypeID = submissionType.id
    draft.language = ticket.language
    draft.customer.id = ticket.customerID
    draft.customer.name = ticket.customerName
    draft.customer.email = ticket.customerEmail
    draft.customer.phone = ticket.customerPhone
    draft.customer.userCode = ticket.customerUserCode
    draft.hasPrivacyConsent = ticket.hasPrivacyConsent
    draft.callBack = ticket.callBack
    if outcome.has(.runsTriggers) { draft.event.outbox = [try .triggers(.created)] }
    return draft
  }
}
