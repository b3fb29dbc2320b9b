import EventLoop
package import HandoffAPI
import Postgres
package import RPC
import ServiceKit
import TicketLedger

extension TicketService {
  /// Adds what the customer wrote to a ticket; a held one is processed again, by whoever held it if they still can,
  /// and a resolved one as far as the service's reply policy says so. Otherwise a new ticket is opened that is linked
  /// to it.
  ///
  /// - Throws: TICKET_NOT_FOUND, TRANSITION_NOT_ALLOWED for an escalated issue ticket, TEXT_REQUIRED,
  ///   PERMISSION_DENIED for agents, REQUEST_INVALID, REQUEST_ID_REUSED.
  package func appendInquiry(_ request: AppendInquiryRequest, _ call: CallContext) async throws -> Entry {
    var check = RequestCheck()
    check.name(request.parent, "parent", TicketName.self)
    let text = check.text(request.text, "text", charactersMax: FieldLimits.replyCharactersMax)
    let channel: TicketChannel? = check.choice(request.channel.rawValue, "channel", unspecified: nil)
    check.require(
      channel != .escalation && channel != .manual, "channel", "says how a customer wrote; MANUAL and ESCALATION do not"
    )
    let attachments = AttachmentList(request.attachments, &check)
    check.requestID(request.requestId)
    check.require(!CanonicalText.isBlank(request.text), "text", "is required", as: .textRequired)
    try check.done()
    let name = try TicketName(request.parent, field: "parent")
    let access = try await ledger.access(call, ticket: name)
    let claim = try claim(of: request, request.requestId, call, access)
    let reply = Reply(text: text, channel: channel, attachments: attachments, access: access, call: call)
    let written = try await ledger.perform(
      on: name, access: access, idempotency: claim, deadline: call.deadline
    ) { ticket in
      // A program knows of the tickets that it made for its customers, and of no other.
      guard case .customer(through: let program) = access.actor, ticket.creatorAgentID != program else {
        return try await change(reply, on: ticket)
      }
      throw ServiceError(.ticketNotFound)
    }
    guard let id = written.entryIDs.first else { throw ServiceError(.entryNotFound) }
    var ticket = written.ticket
    if written.resultIDs.count > 1 {
      ticket = try await ledger.ticket(
        TicketID(written.resultIDs[1]), of: access.service.id, deadline: call.deadline)
    }
    let entry = try await ledger.entry(id, of: ticket, deadline: call.deadline)
    return try await messages(for: [entry], of: ticket, deadline: call.deadline)[0]
  }

  private func change(_ reply: Reply, on ticket: TicketRecord) async throws -> TicketChange {
    let service = reply.access.service
    let isHeld = try await hasActiveHolder(ticket, service, reply.deadline)
    let act = CustomerReply.act(
      on: ticket.standing(in: service, hasActiveHolder: isHeld), policy: service.replyPolicy,
      reopenDays: service.reopenDays, secondsResolved: ticket.resolveTime.map { ticket.readTime.seconds - $0.seconds })
    let outcome = try reply.access.outcome(
      of: act, on: ticket, hasActiveHolder: isHeld, as: reply.access.isByAgent ? nil : .customer)
    var reply = reply
    reply.uploads = try await ledger.unusedUploads(reply.attachments, of: reply.access, deadline: reply.deadline)
    if outcome.has(.opensFollowUpTicket) { return try await followUp(reply, on: ticket) }
    var event = EventDraft(.customerReplied, by: reply.access.ledgerActor, outcome: outcome, on: ticket)
    let arrived = try await masked(reply, on: ticket.id, of: service, beside: ticket)
    let entry = arrived.entry(.inquiry, .customerReply, by: .customer)
    event.entries = [entry]
    event.notes += reply.uploads.files.notes + arrived.notes
    if outcome.has(.runsTriggers) { event.outbox = [try .triggers(.customerReplied)] }
    var change = TicketChange(event)
    change.attachments = arrived.maskStatements
    change.companions = reply.files(on: entry, of: ticket.id)
    // What comes to the spam box bothers no other service.
    if let target = ticket.target, !ticket.isSpam, let companions = try await copy(reply, to: target) {
      change.companions += companions
      change.companionTopics = [.triggers]
    }
    return change
  }

  /// A new ticket for the reply, and the note on the ticket that it came to; that one's own view does not change.
  private func followUp(_ reply: Reply, on ticket: TicketRecord) async throws -> TicketChange {
    let created = try Self.creation(reply.access, isAssigned: false)
    let id = try await ledger.newTicketID(deadline: reply.deadline)
    var draft = TicketDraft(
      service: reply.access.service, state: created.state, title: ticket.title, channel: reply.channel(after: ticket),
      by: reply.access.ledgerActor)
    draft.previousID = ticket.id
    draft.isBesideMasks = ticket.hasMasks
    draft.groupID = ticket.groupID
    draft.language = ticket.language
    draft.customer.id = ticket.customerID
    draft.customer.name = ticket.customerName
    draft.customer.email = ticket.customerEmail
    draft.customer.phone = ticket.customerPhone
    draft.customer.userCode = ticket.customerUserCode
    draft.hasPrivacyConsent = ticket.hasPrivacyConsent
    try await takeOverForm(of: ticket, reply, to: &draft)
    let service = reply.access.service
    // The answers may have been given before personal data was looked for.
    let values = try await arrivingValues(of: draft, reply.deadline)
    let arrived = try await masked(reply, on: id, of: service, beside: ticket, others: values.texts)
    values.say(arrived.others, in: &draft)
    let entry = arrived.entry(.inquiry, .customerReply, by: .customer)
    draft.event.entries = [entry]
    draft.event.notes += reply.uploads.files.notes + arrived.notes
    draft.attachments = arrived.maskStatements
    try await takeOverMasks(of: ticket, in: service, to: &draft, id, reply.call.onward())
    if created.has(.runsTriggers) { draft.event.outbox = [try .triggers(.created)] }
    let (statement, entryIDs) = try await ledger.companion(
      creating: draft, id: id, at: ticket.readTime, deadline: reply.deadline)
    var event = EventDraft(.followedUp, by: reply.access.ledgerActor)
    event.notes = [CodeChange("next_ticket", "", id.description)]
    var change = TicketChange(event)
    change.isSilent = true
    change.companions = [statement] + reply.files(on: entry, of: id)
    change.companionTopics = draft.event.outbox.map(\.topic)
    change.resultIDs = entryIDs.map(\.rawValue) + [id.rawValue]
    return change
  }

  /// A reply is written into no form. The ticket that is opened for it takes over the one that the customer filled in
  /// before: its type, also one that is offered no more, and the answers that still fit, without their files. Where the
  /// type asks for more by now, an agent gives it one.
  private func takeOverForm(of ticket: TicketRecord, _ reply: Reply, to draft: inout TicketDraft) async throws {
    guard let type = ticket.submissionTypeID else { return }
    let saving = FieldSaving(
      catalog: try await fields.catalog(of: ticket.serviceID, deadline: reply.deadline), type: type, isByAgent: false,
      isByAdministrator: false)
    let form = saving.catalog.customerForm(type)
    let known = form.isEmpty ? [:] : try await store.fieldValues(of: ticket, deadline: reply.deadline)
    var check = RequestCheck()
    saving.check(reply.systemFields(on: draft), .customerForm, &check)
    let values = saving.changes(FieldValues(known, of: form), current: [:], .customerForm, &check)
    guard check.violations.isEmpty else { return }
    draft.submissionTypeID = type
    draft.event.fieldValues = values
  }

  /// What the customer adds while an issue ticket is still open goes there too, for the agents who work on it; nil when
  /// that one has ended.
  private func copy(_ reply: Reply, to target: TicketLink) async throws -> [Query]? {
    let service = try await ledger.directory.service(id: target.serviceID, deadline: reply.deadline)
    let issue = try await ledger.ticket(target.ticketID, of: target.serviceID, deadline: reply.deadline)
    guard
      case .success(let outcome) = Lifecycle.outcome(
        of: .receiveSourceReply, on: issue.standing(in: service.kind), by: .system)
    else { return nil }
    var event = EventDraft(.customerReplied, by: reply.access.ledgerActor, outcome: outcome, on: issue)
    let arrived = try await masked(reply, on: issue.id, of: service, beside: issue)
    event.entries = [arrived.entry(.comment, .customerReply, by: .customer)]
    let copies = try await store.copies(
      of: reply.attachments.ids, from: reply.access.service.id, to: target.serviceID, deadline: reply.deadline)
    event.notes += arrived.notes + (copies?.notes ?? [])
    if outcome.has(.runsTriggers) { event.outbox = [try .triggers(.customerReplied)] }
    var change = TicketChange(event)
    change.attachments = arrived.maskStatements
    let copied = try await ledger.companion(change, on: issue, deadline: reply.deadline)
    guard let copies, let entry = arrived.entryID else { return [copied] }
    return [copied, copies.statement(on: entry, of: issue.id)]
  }

  /// The reply as it may be stored on a ticket, which need not be the one that it came to. Its entry has an id when
  /// masks or files are to be put on it.
  ///
  /// - Parameter known: the ticket whose masked words must not come back with it.
  private func masked(
    _ reply: Reply, on ticket: TicketID, of service: ServiceRecord, beside known: TicketRecord,
    others: [ArrivingText] = []
  ) async throws -> ArrivedTexts {
    let rules = ArrivalRules(policy: reply.access.service, beside: known, of: service)
    var texts = try await masked(
      title: nil, body: reply.text, others: others, of: service, rules, at: known.readTime, reply.call.onward()
    ) {
      (ticket, try await ledger.newEntryID(deadline: reply.deadline))
    }.texts
    if texts.entryID == nil, !reply.attachments.isEmpty {
      texts.entryID = try await ledger.newEntryID(deadline: reply.deadline)
    }
    return texts
  }

  /// Whether the agent who holds a ticket can still work on it.
  func hasActiveHolder(
    _ ticket: TicketRecord, _ service: ServiceRecord, _ deadline: Deadline
  ) async throws -> Bool {
    guard let agent = ticket.agentID else { return false }
    return try await ledger.directory.member(agent, of: service, deadline: deadline)?.mayWorkOnTickets ?? false
  }
}

/// What a customer wrote, and who brings it.
private struct Reply: Sendable {
  let text: String
  /// Nil: not said.
  let channel: TicketChannel?
  let attachments: AttachmentList
  /// The same, once they are known to be there.
  var uploads = Uploads()
  let access: Access
  let call: CallContext

  var deadline: Deadline { call.deadline }

  /// What puts the reply's files on its entry.
  func files(on entry: EntryDraft, of ticket: TicketID) -> [Query] {
    guard let id = entry.id, !attachments.isEmpty else { return [] }
    return [TicketStore.attach(attachments.ids, to: id, of: ticket, in: access.service.id)]
  }

  /// What a new ticket for the reply will have in the fields of every ticket.
  func systemFields(on draft: TicketDraft) -> [SystemFieldUse] {
    func use(_ field: SystemFieldCode, _ text: String) -> SystemFieldUse {
      SystemFieldUse(field, field.rawValue, text: text, isFilled: !CanonicalText.isBlank(text))
    }
    return [
      use(.title, draft.title), use(.customerName, draft.customer.name), use(.customerEmail, draft.customer.email),
      use(.customerPhone, draft.customer.phone), use(.customerUserCode, draft.customer.userCode),
      SystemFieldUse(.attachments, "attachments", isSet: true, isFilled: !attachments.isEmpty),
    ]
  }

  /// How the reply came in, for a new ticket: as said, else by mail when mail brings it, else as the ticket did.
  func channel(after ticket: TicketRecord) -> TicketChannel {
    if let channel { return channel }
    if access.actor == .service("mail") { return .email }
    return ticket.channel == .manual ? .api : ticket.channel
  }
}
