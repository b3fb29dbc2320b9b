import EventLoop
package import HandoffAPI
import Postgres
package import RPC
import ServiceKit
import TicketLedger

extension TicketService {
  /// Escalates a consultation ticket: the issue ticket is created and this one waits for it, in one transaction.
  ///
  /// - Throws: TICKET_NOT_FOUND, TRANSITION_NOT_ALLOWED, STALE_VERSION, SERVICE_NOT_FOUND, TYPE_NOT_FOUND,
  ///   TEXT_REQUIRED, ATTACHMENT_NOT_FOUND, PERMISSION_DENIED, REQUEST_INVALID, REQUEST_ID_REUSED.
  package func escalateTicket(_ request: EscalateTicketRequest, _ call: CallContext) async throws -> Ticket {
    let escalation = try Escalation(request)
    let access = try await ledger.access(call, ticket: escalation.name)
    try access.require(.ticket)
    let target = try await target(escalation.targetService, of: access.service, call.deadline)
    let claim = try claim(of: request, request.requestId, call, access)
    let written = try await ledger.perform(
      on: escalation.name, access: access, version: escalation.version, idempotency: claim, deadline: call.deadline
    ) { ticket in
      try await change(escalation, on: ticket, to: target, access, call.onward())
    }
    return try await ledger.message(for: written.ticket, deadline: call.deadline)
  }

  /// Lists the issue services to which tickets of a service can be escalated, with their submission types; members of
  /// the consultation service see them without being members there.
  ///
  /// - Throws: SERVICE_NOT_FOUND, PERMISSION_DENIED, REQUEST_INVALID.
  package func listEscalationTargets(
    _ request: ListEscalationTargetsRequest, _ call: CallContext
  ) async throws -> ListEscalationTargetsResponse {
    let name = try ServiceName(request.parent, field: "parent")
    let access = try await ledger.access(call, serviceCode: name.code)
    try access.require(.ticket)
    guard access.service.kind == .consultation else { return ListEscalationTargetsResponse() }
    let ids = try await store.issueServices(of: access.service.organizationID, deadline: call.deadline)
    var targets: [EscalationTarget] = []
    for id in ids {
      let service = try await ledger.directory.service(id: id, deadline: call.deadline)
      let types = try await store.submissionTypes(of: id, deadline: call.deadline)
      let names = try await store.typeNames(of: id, deadline: call.deadline)
      targets.append(
        EscalationTarget(
          service: service.name.description, displayName: service.displayName,
          submissionTypes: types.map { node in
            node.message(names: names[node.id] ?? []) { TypeTree.submission.name(service.code, $0) }
          }))
    }
    return ListEscalationTargetsResponse(targets: targets)
  }

  /// The issue service; a service of another organization does not exist.
  private func target(
    _ name: ServiceName, of source: ServiceRecord, _ deadline: Deadline
  ) async throws -> ServiceRecord {
    let target = try await ledger.directory.service(code: name.code, deadline: deadline)
    guard target.organizationID == source.organizationID else { throw ServiceError(.serviceNotFound) }
    guard target.kind == .issue else {
      throw ServiceError.invalid("target_service", "is a consultation service; escalate to an issue service")
    }
    return target
  }

  /// What the issue ticket has in the fields of its service; what it has in those of every ticket is checked.
  ///
  /// - Parameter files: the names of the files that it gets, by those that the request says.
  /// - Throws: REQUEST_INVALID with every field that is wrong or missing.
  private func fieldValues(
    of escalation: Escalation, _ files: [String: String], for ticket: TicketRecord, in target: ServiceRecord,
    _ deadline: Deadline
  ) async throws -> [FieldValueChange] {
    let saving = FieldSaving(
      catalog: try await fields.catalog(of: target.id, deadline: deadline), type: escalation.submissionType.id,
      isByAgent: false, isByAdministrator: false, files: Set(files.values))
    var wanted = escalation.fieldValues
    wanted.rename(files) { saving.catalog.field(code: $0)?.kind == .file }
    var check = RequestCheck()
    saving.check(escalation.systemFields(for: ticket), .customerForm, &check)
    check.require(
      escalation.priority == nil || !saving.catalog.rule(of: .priority).isAdministratorsOnly, "priority",
      "invalid: is for administrators of the issue service to fill")
    let changes = saving.changes(wanted, current: [:], .customerForm, &check)
    try check.done()
    return changes
  }

  private func change(
    _ escalation: Escalation, on ticket: TicketRecord, to target: ServiceRecord, _ access: Access,
    _ options: CallOptions
  ) async throws -> TicketChange {
    let deadline = options.deadline
    let outcome = try access.outcome(of: .escalate, on: ticket)
    let uploads = try await ledger.unusedUploads(escalation.attachments, of: access, deadline: deadline)
    let copies = try await store.copies(
      of: escalation.attachments.ids, from: ticket.serviceID, to: target.id, deadline: deadline)
    let files = copies?.names(from: access.service.code, in: target.code) ?? [:]
    let values = try await fieldValues(of: escalation, files, for: ticket, in: target, deadline)
    let id = try await ledger.newTicketID(deadline: deadline)
    var draft = try escalation.draft(for: ticket, in: target, by: access.ledgerActor)
    draft.event.fieldValues = values
    let (asked, _) = try await masked(
      title: escalation.title, body: escalation.text, of: target,
      ArrivalRules(policy: nil, beside: ticket, of: access.service), at: ticket.readTime, options
    ) {
      (id, try await ledger.newEntryID(deadline: deadline))
    }
    draft.title = asked.title
    if let original = asked.originalTitle { draft.originals[.title] = original }
    draft.event.entries = [asked.entry(.inquiry, .escalate, by: nil)]
    draft.event.notes += asked.notes
    draft.attachments += asked.maskStatements
    try await takeOverMasks(of: ticket, in: access.service, to: &draft, id, options)
    let told = try await hidden(escalation.text, on: ticket, of: access.service, options)
    var event = EventDraft(.escalated, by: access.ledgerActor, outcome: outcome, on: ticket)
    event.set.target = .some(TicketLink(serviceID: target.id, ticketID: id))
    event.entries = [told.entry(.escalation, .escalate, by: nil)]
    event.notes += told.notes
    if outcome.has(.runsTriggers) { event.outbox = [try .triggers(.escalated)] }
    var filing: [Query] = []
    if let copies {
      // Masks on a text know its entry already.
      let own = if let known = told.entryID { known } else { try await ledger.newEntryID(deadline: deadline) }
      let copied = if let known = asked.entryID { known } else { try await ledger.newEntryID(deadline: deadline) }
      event.entries[0].id = own
      event.notes += uploads.files.notes
      draft.event.entries[0].id = copied
      draft.event.notes += copies.notes
      filing = [
        TicketStore.attach(escalation.attachments.ids, to: own, of: ticket.id, in: ticket.serviceID),
        copies.statement(on: copied, of: id),
      ]
    }
    var change = TicketChange(event)
    change.attachments = told.maskStatements
    change.companions =
      [try await ledger.companion(creating: draft, id: id, at: ticket.readTime, deadline: deadline).statement] + filing
    change.companionTopics = draft.event.outbox.map(\.topic)
    return change
  }
}
