import EventLoop
package import HandoffAPI
import Postgres
import Protobuf
package import RPC
import ServiceKit
import TicketLedger

extension TicketService {
  /// Resolves a ticket, holds it, comments on it, or resolves it internally.
  ///
  /// An answer is prepared by mail before anything is written, also one that goes to a consultation ticket: mail looks
  /// for banned words. Without mail there is no such act.
  ///
  /// - Throws: TICKET_NOT_FOUND, TRANSITION_NOT_ALLOWED, STALE_VERSION, TEXT_REQUIRED, BANNED_WORDS,
  ///   REASON_NOT_ALLOWED, TYPE_NOT_FOUND, PERMISSION_DENIED, BACKEND_UNAVAILABLE, REQUEST_INVALID, REQUEST_ID_REUSED.
  package func processTicket(_ request: ProcessTicketRequest, _ call: CallContext) async throws -> Ticket {
    let order = try ProcessOrder(request)
    let access = try await ledger.access(call, ticket: order.name)
    try access.require(.ticket)
    if let type = order.processingType, type.service != access.service.code { throw ServiceError(.typeNotFound) }
    let claim = try claim(of: request, request.requestId, call, access)
    let written = try await ledger.perform(
      on: order.name, access: access, version: order.version, idempotency: claim, deadline: call.deadline
    ) { ticket in
      try await change(order, on: ticket, access, call.onward())
    }
    return try await ledger.message(for: written.ticket, deadline: call.deadline)
  }

  /// The change that a text act comes to, when mail has said how its answer will leave.
  ///
  /// - Parameter options: of calls to mail; their deadline is that of everything.
  func change(
    _ order: ProcessOrder, on ticket: TicketRecord, _ access: Access, _ options: CallOptions
  ) async throws -> TicketChange {
    let deadline = options.deadline
    let outcome = try access.outcome(of: order.act.lifecycleAct, on: ticket)
    var event = EventDraft(order.act.eventCode, by: access.ledgerActor, outcome: outcome, on: ticket)
    if let type = order.processingType { event.set.processingTypeID = type.id }
    if let priority = order.priority { event.set.priority = priority }
    if case .resolveInternally(let reason) = order.act { event.set.internalReason = .some(reason) }
    event.fieldValues = try await fieldValues(
      order.fieldValues, ticket.submissionTypeID, on: ticket, order.act == .resolve ? .agentForm : .asIs, access,
      deadline, systemFields: order.systemFields(on: ticket), attachments: order.attachments)
    if outcome.has(.runsTriggers) { event.outbox.append(try .triggers(.processed)) }
    let written = try await hidden(order.text, on: ticket, of: access.service, options)
    var entryID = written.entryID
    var skipped: String?
    var isMailed = false
    if let act = AnswerAct(order.act) {
      var answer = try await preparedAnswer(act, order.name, written.body, options)
      // What answers a consultation ticket goes there, and to nobody by mail.
      isMailed = !outcome.has(.answersSource) && answer.skipReason.isEmpty
      if isMailed {
        let id = if let entryID { entryID } else { try await ledger.newEntryID(deadline: deadline) }
        answer.entryId = id.rawValue
        entryID = id
        event.outbox.append(OutboxDraft(.mail, payload: try answer.serialized()))
      } else if !outcome.has(.answersSource) {
        skipped = answer.skipReason
      }
    }
    var companions: [Query] = []
    if !order.attachments.isEmpty {
      // With an answer that mails the customer, its files go, too.
      let uploads = try await ledger.unusedUploads(
        order.attachments, of: access, areMailed: isMailed, deadline: deadline)
      let id = if let entryID { entryID } else { try await ledger.newEntryID(deadline: deadline) }
      entryID = id
      event.notes += uploads.files.notes
      companions = [TicketStore.attach(order.attachments.ids, to: id, of: ticket.id, in: ticket.serviceID)]
    }
    if !CanonicalText.isBlank(order.text) {
      var entry = written.entry(order.act.entryKind, order.act.entryAct, by: nil)
      entry.id = entryID
      event.entries = [entry]
      event.notes += written.notes
    }
    var change = TicketChange(Self.events(event, outcome, skipped: skipped))
    change.attachments = written.maskStatements
    change.companions = companions
    if outcome.has(.answersSource), let source = ticket.source {
      change.companions += try await answer(to: source, of: ticket, order, access, options)
    }
    return change
  }

  /// An agent's words as they may be stored: without what is masked on the ticket, or on those that belong to it.
  func hidden(
    _ text: String, on ticket: TicketRecord, of service: ServiceRecord, _ options: CallOptions
  ) async throws -> ArrivedTexts {
    try await masked(
      title: nil, body: text, of: service, ArrivalRules(policy: nil, beside: ticket, of: service), at: ticket.readTime,
      options
    ) {
      (ticket.id, try await ledger.newEntryID(deadline: options.deadline))
    }.texts
  }

  /// What the act is to the consultation ticket that was escalated, with copies of its files.
  private func answer(
    to source: TicketLink, of ticket: TicketRecord, _ order: ProcessOrder, _ access: Access, _ options: CallOptions
  ) async throws -> [Query] {
    let deadline = options.deadline
    var answer = EscalationAnswer(order.act.entryAct, by: access.ledgerActor)
    if case .resolveInternally(let reason) = order.act { answer.internalReason = reason }
    let service = try await ledger.directory.service(id: source.serviceID, deadline: deadline)
    let words = try await masked(
      title: nil, body: order.text, of: service, ArrivalRules(policy: nil, beside: ticket, of: access.service),
      at: ticket.readTime, options
    ) {
      (source.ticketID, try await ledger.newEntryID(deadline: deadline))
    }.texts
    (answer.text, answer.original, answer.entryID) = (words.body, words.originalBody, words.entryID)
    (answer.notes, answer.attachments) = (words.notes, words.maskStatements)
    let copies = try await store.copies(
      of: order.attachments.ids, from: ticket.serviceID, to: source.serviceID, deadline: deadline)
    if let copies {
      if answer.entryID == nil { answer.entryID = try await ledger.newEntryID(deadline: deadline) }
      answer.notes += copies.notes
    }
    guard let told = try await ledger.companion(answering: ticket, answer, deadline: deadline) else { return [] }
    guard let copies, let entry = answer.entryID else { return [told] }
    return [told, copies.statement(on: entry, of: source.ticketID)]
  }

  /// The act's event and what follows from it at once: the move to the spam box, or the mail that is not sent.
  private static func events(_ act: EventDraft, _ outcome: LifecycleOutcome, skipped: String?) -> [EventDraft] {
    var act = act
    var events: [EventDraft] = []
    if outcome.has(.entersSpamBox) {
      var move = EventDraft(.spamMoved, by: act.actor, cause: .eventOfThisChange(0))
      move.set.isSpam = act.set.isSpam
      move.set.stateBeforeSpam = act.set.stateBeforeSpam
      act.set.isSpam = nil
      act.set.stateBeforeSpam = nil
      events.append(move)
    }
    if let skipped {
      var event = EventDraft(.mailSkipped, by: .system, cause: .eventOfThisChange(0))
      event.notes = [CodeChange("reason", "", CodeChange.isCode(skipped) ? skipped : "OTHER")]
      events.append(event)
    }
    return [act] + events
  }

  /// How the answer will be mailed, or why not. Mail's refusals, such as BANNED_WORDS, go on to the caller.
  ///
  /// - Throws: BACKEND_UNAVAILABLE when mail cannot be reached.
  func preparedAnswer(
    _ act: AnswerAct, _ ticket: TicketName, _ text: String, _ options: CallOptions
  ) async throws -> PreparedAnswer {
    do {
      return try await mail.prepareAnswer(
        PrepareAnswerRequest(ticket: ticket.description, act: act, text: text), options)
    } catch let error as RPCError {
      throw ServiceError(error, from: "mail")
    }
  }
}

extension AnswerAct {
  /// The answer that an act gives, whether a mail or the consultation ticket takes it to the customer; nil: none.
  fileprivate init?(_ act: ProcessAct) {
    switch act {
    case .resolve: self = .resolve
    case .hold: self = .hold
    case .comment, .resolveInternally: return nil
    }
  }
}
