import EventLoop
package import HandoffAPI
package import RPC
import ServiceKit
import TicketLedger

extension TicketService {
  /// Changes what a ticket says of itself; what is as it should be already is not written again.
  ///
  /// - Throws: TICKET_NOT_FOUND, TRANSITION_NOT_ALLOWED, STALE_VERSION, TYPE_NOT_FOUND, MASK_OVERLAP,
  ///   PERMISSION_DENIED, REQUEST_INVALID, REQUEST_ID_REUSED.
  package func updateTicket(_ request: UpdateTicketRequest, _ call: CallContext) async throws -> Ticket {
    let update = try TicketUpdate(request)
    let access = try await ledger.access(call, ticket: update.name)
    try access.require(.ticket)
    try update.requireNames(of: access.service)
    let claim = try claim(of: request, request.requestId, call, access)
    do {
      let written = try await ledger.perform(
        on: update.name, access: access, version: update.version, idempotency: claim, deadline: call.deadline
      ) { ticket in
        try await change(update, on: ticket, access, call.deadline)
      }
      return try await ledger.message(for: written.ticket, deadline: call.deadline)
    } catch let unchanged as Unchanged {
      return try await ledger.message(for: unchanged.ticket, deadline: call.deadline)
    }
  }

  /// The change that an update comes to.
  ///
  /// - Throws: ``Unchanged`` when the ticket is as it should be already.
  func change(
    _ update: TicketUpdate, on ticket: TicketRecord, _ access: Access, _ deadline: Deadline
  ) async throws -> TicketChange {
    let outcome = try access.outcome(of: .saveFields, on: ticket)
    try update.requireCallBack(on: ticket)
    let values = try await fieldValues(update, on: ticket, access, deadline)
    guard ticket.isChanged(by: update.set) || !values.isEmpty else { throw Unchanged(ticket: ticket) }
    try await requireUnmasked(update.suspects(on: ticket), on: ticket, deadline)
    var event = EventDraft(.fieldsSaved, by: access.ledgerActor, set: update.set)
    event.fieldValues = values
    // Of whichever channel a ticket is, its customer is known as soon as it says how to reach them. Who was made stays
    // when the ticket is not written: the next one finds them.
    if let customer = update.customer(of: ticket) {
      let id = try await store.makeCustomer(
        customer, saidByAgent: access.isByAgent, of: access.service.organizationID, deadline: deadline)
      event.set.customerID = .some(id)
    }
    if outcome.has(.runsTriggers) { event.outbox = [try .triggers(.changed)] }
    return TicketChange(event)
  }

  /// Refuses to change texts in which asterisks stand when a mask put them there: the original could never come back.
  ///
  /// - Throws: MASK_OVERLAP.
  private func requireUnmasked(_ suspects: [String], on ticket: TicketRecord, _ deadline: Deadline) async throws {
    if suspects.isEmpty { return }
    let masked = try await ledger.maskedFields(of: ticket, deadline: deadline)
    guard masked.isDisjoint(with: suspects) else {
      throw ServiceError(.maskOverlap, "a text that is masked cannot be changed; unmask it first")
    }
  }

  /// What changes in the service's fields. Another submission type asks for its own.
  private func fieldValues(
    _ update: TicketUpdate, on ticket: TicketRecord, _ access: Access, _ deadline: Deadline
  ) async throws -> [FieldValueChange] {
    let type = update.submissionType?.id ?? ticket.submissionTypeID
    guard update.moves(ticket) else {
      return try await fieldValues(
        update.fieldValues, type, on: ticket, .asIs, access, deadline,
        systemFields: update.systemFields(on: ticket, hasFiles: true))
    }
    let rule = try await fields.catalog(of: ticket.serviceID, deadline: deadline).rule(of: .attachments)
    let files = rule.isRequired ? try await store.attachmentIDs(of: ticket, deadline: deadline) : nil
    return try await fieldValues(
      update.fieldValues, type, on: ticket, .customerForm, access, deadline,
      systemFields: update.systemFields(on: ticket, hasFiles: files?.isEmpty != true))
  }

  /// What saving values changes on a ticket.
  ///
  /// - Parameter systemFields: what becomes of the fields of every ticket, which is checked.
  /// - Throws: REQUEST_INVALID with every field that is wrong or missing; MASK_OVERLAP.
  func fieldValues(
    _ wanted: FieldValues, _ type: SubmissionTypeID?, on ticket: TicketRecord,
    _ completeness: FieldSaving.Completeness, _ access: Access, _ deadline: Deadline,
    systemFields: [SystemFieldUse], attachments: AttachmentList = AttachmentList()
  ) async throws -> [FieldValueChange] {
    var saving = FieldSaving(
      catalog: try await fields.catalog(of: ticket.serviceID, deadline: deadline), type: type,
      isByAgent: access.member != nil, isByAdministrator: access.member?.role == .administrator)
    var check = RequestCheck()
    saving.check(systemFields, completeness, &check)
    // The form of most services asks for nothing: then nothing needs to be looked up.
    guard saving.asks(completeness) || !wanted.isEmpty || completeness == .customerForm && saving.hasForm else {
      try check.done()
      return []
    }
    let current = try await store.fieldValues(of: ticket, deadline: deadline)
    if saving.namesFiles(wanted) {
      let names = try await store.attachmentIDs(of: ticket, deadline: deadline).map {
        AttachmentName(service: access.service.code, id: $0)
      }
      saving.files = Set((names + attachments.names).map(\.description))
    }
    let changes = saving.changes(wanted, current: current, completeness, &check)
    try check.done()
    let suspects = changes.filter { $0.before?.utf8.contains(UInt8(ascii: "*")) ?? false }
    try await requireUnmasked(suspects.map { "field/\($0.fieldID)" }, on: ticket, deadline)
    return changes
  }
}

/// The ticket is already as it should be.
struct Unchanged: Error {
  let ticket: TicketRecord
}
