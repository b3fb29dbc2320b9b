import EventLoop
package import HandoffAPI
import Postgres
package import RPC
import ServiceKit
import TicketLedger

extension TicketService {
  /// Creates a ticket; the triggers of the service run before the answer when they are quick.
  ///
  /// - Throws: SERVICE_NOT_FOUND, REQUEST_INVALID, TYPE_NOT_FOUND, GROUP_NOT_FOUND, CUSTOMER_NOT_FOUND,
  ///   AGENT_NOT_ASSIGNABLE, PERMISSION_DENIED, REQUEST_ID_REUSED.
  package func createTicket(_ request: CreateTicketRequest, _ call: CallContext) async throws -> Ticket {
    let actor = try call.actor()
    var check = RequestCheck()
    check.name(request.parent, "parent", ServiceName.self)
    let wanted = NewTicket(request, by: NewTicket.Writer(actor), &check)
    check.requestID(request.requestId)
    try check.done()
    let parent = try ServiceName(request.parent, field: "parent")
    let access = try await ledger.access(actor, serviceCode: parent.code, deadline: call.deadline)
    try access.require(.ticket)
    let service = access.service
    let claim = try claim(of: request, request.requestId, call, access)
    try wanted.requireNames(of: service)

    for _ in 1...Self.attemptsMax {
      guard let written = try await made(wanted, claim, access, call) else { continue }
      guard !written.isRepeat, written.topics.contains(.triggers) else {
        return try await ledger.message(for: written.ticket, deadline: call.deadline)
      }
      return try await afterTriggers(written.ticket, of: service, call)
    }
    throw ServiceError(.conflict)
  }

  /// How often a ticket is made anew whose customer somebody else makes at the same moment.
  private static let attemptsMax = 3

  /// Makes a ticket; nil when somebody else has made its customer meanwhile.
  private func made(
    _ wanted: NewTicket, _ claim: IdempotencyClaim?, _ access: Access, _ call: CallContext
  ) async throws -> Written? {
    let (opening, facts) = try await before(wanted, claim, in: access.service, call.deadline)
    let (id, time): (TicketID, Instant)
    switch opening {
    case .done(let written): return written
    case .fresh(let next, let now): (id, time) = (next, now)
    }
    var draft = try await draft(wanted, id, facts, access, call)
    var conversation = wanted.conversation
    try await maskOnArrival(&draft, &conversation, id, at: time, call)
    try await add(conversation, wanted.attachments, to: &draft, id, access, call.deadline)
    draft.idempotency = claim
    draft.topicDoneAtOnce = .triggers
    do {
      return try await ledger.create(draft, opening: opening, deadline: call.deadline)
    } catch let error where TicketStore.isCustomerTaken(error) {
      return nil
    }
  }

  /// What is known before a ticket is made, in one round trip.
  private func before(
    _ wanted: NewTicket, _ claim: IdempotencyClaim?, in service: ServiceRecord, _ deadline: Deadline
  ) async throws -> (CreateOpening, CreationFacts) {
    let question = CreationQuestion(wanted, in: service, opens: claim == nil)
    guard let claim else {
      let answer = try await store.facts(for: question, deadline: deadline)
      return (answer.opening, answer.facts)
    }
    async let opening = ledger.open(claim, deadline: deadline)
    async let facts = store.facts(for: question, deadline: deadline).facts
    return (try await opening, try await facts)
  }

  /// The ticket to be; its customer is made when the organization does not know them.
  ///
  /// Who is known by an address alone is made with the ticket. Others are made, or get their code, before it, and that
  /// stays when creating the ticket fails: the next inquiry finds them.
  private func draft(
    _ wanted: NewTicket, _ id: TicketID, _ facts: CreationFacts, _ access: Access, _ call: CallContext
  ) async throws -> TicketDraft {
    let service = access.service
    let outcome = try Self.creation(access, isAssigned: wanted.agent != nil)
    if wanted.submissionType != nil {
      // Customers are not offered inactive types; agents still file tickets under them.
      guard let isActive = facts.isTypeActive, isActive || access.isByAgent else {
        throw ServiceError(.typeNotFound)
      }
    }
    if wanted.group != nil, !facts.hasGroup { throw ServiceError(.groupNotFound) }
    if wanted.customer.id != nil, facts.customer == nil { throw ServiceError(.customerNotFound) }
    var draft = TicketDraft(
      service: service, state: outcome.state, title: wanted.title, channel: wanted.channel, by: access.ledgerActor)
    draft.groupID = wanted.group?.id
    if let agent = wanted.agent {
      draft.agentID = agent
      draft.groupID = try await group(for: agent, wanted.group?.id, service, call.deadline)
    }
    draft.priority = wanted.priority
    draft.language = wanted.language ?? service.language
    draft.submissionTypeID = wanted.submissionType?.id
    draft.hasPrivacyConsent = wanted.hasPrivacyConsent
    draft.event.fieldValues = try await fieldValues(of: wanted, facts.customer, access, call.deadline)
    draft.customer = try await customer(wanted.customer, facts, access, call.deadline)
    if facts.customer == nil, TicketStore.isMadeWithTicket(wanted.customer) {
      draft.attachments.append(TicketStore.makeCustomer(draft.customer, of: service.organizationID))
    }
    // Who writes a customer's inquiry down has not written it.
    let author: LedgerActor? = access.isByAgent ? nil : .customer
    draft.event.entries = [EntryDraft(.inquiry, .create, body: wanted.text, actor: author)]
    // Where no trigger is active, there is nothing to run, to wait for and to take out of the outbox again.
    if outcome.has(.runsTriggers), facts.hasTriggers { draft.event.outbox = [try .triggers(.created)] }
    return draft
  }

  /// Has the conversation that a ticket comes from and the files on its inquiry written with it.
  private func add(
    _ conversation: Conversation, _ attachments: AttachmentList, to draft: inout TicketDraft, _ id: TicketID,
    _ access: Access, _ deadline: Deadline
  ) async throws {
    guard !conversation.isEmpty || !attachments.isEmpty else { return }
    let uploads = try await ledger.unusedUploads(attachments, of: access, deadline: deadline)
    let service = access.service.id
    let stored = ledger.storing(conversation.stored, on: TicketLink(serviceID: service, ticketID: id))
    draft.companions = stored.statements
    draft.event.notes += stored.notes
    guard !attachments.isEmpty else { return }
    // Masks on the inquiry know its entry already.
    let known = draft.event.entries[0].id
    let entry = if let known { known } else { try await ledger.newEntryID(deadline: deadline) }
    draft.event.entries[0].id = entry
    draft.event.notes += uploads.files.notes
    draft.companions.append(TicketStore.attach(attachments.ids, to: entry, of: id, in: service))
  }

  /// What a new ticket has in the service's fields; what it has in those of every ticket is checked.
  ///
  /// - Throws: REQUEST_INVALID with every field that is wrong or missing.
  private func fieldValues(
    of wanted: NewTicket, _ customer: CustomerRecord?, _ access: Access, _ deadline: Deadline
  ) async throws -> [FieldValueChange] {
    guard wanted.submissionType != nil || !wanted.fieldValues.isEmpty else { return [] }
    let saving = FieldSaving(
      catalog: try await fields.catalog(of: access.service.id, deadline: deadline), type: wanted.submissionType?.id,
      isByAgent: access.isByAgent, isByAdministrator: access.isByAgent && access.member?.role == .administrator,
      isByProgram: NewTicket.Writer(access.actor) == .program,
      files: Set(wanted.attachments.names.map(\.description)))
    var check = RequestCheck()
    saving.check(wanted.systemFields(customer), .customerForm, &check)
    let changes = saving.changes(wanted.fieldValues, current: [:], .customerForm, &check)
    try check.done()
    return changes
  }

  /// Masks personal data in a ticket to be, where its service wants that: in its title and inquiry, in the chat that it
  /// comes from, and in its fields of free text, whose first values the first event holds, too.
  private func maskOnArrival(
    _ draft: inout TicketDraft, _ conversation: inout Conversation, _ id: TicketID, at time: Instant,
    _ call: CallContext
  ) async throws {
    let values = try await arrivingValues(of: draft, call.deadline)
    let others =
      conversation.lines.enumerated().map {
        ArrivingText(column: "transcript_line.body", row: String($0 + 1), text: $1.body)
      } + values.texts
    let (texts, ids) = try await masked(
      title: draft.title, body: draft.event.entries[0].body, others: others, of: draft.service,
      ArrivalRules(policy: draft.service), at: time, call.onward()
    ) {
      (id, try await ledger.newEntryID(deadline: call.deadline))
    }
    guard let (_, entry) = ids else { return }
    draft.title = texts.title
    if let original = texts.originalTitle { draft.originals[.title] = original }
    conversation.say(texts.others.prefix(conversation.lines.count))
    values.say(texts.others.suffix(values.texts.count), in: &draft)
    draft.event.entries[0].id = entry
    draft.event.entries[0].body = texts.body
    draft.event.entries[0].original = texts.originalBody
    draft.event.notes += texts.notes
    draft.attachments += texts.maskStatements
  }

  /// Services and programs create tickets in the name of customers, an agent in their own.
  static func creation(_ access: Access, isAssigned: Bool) throws(ServiceError) -> LifecycleOutcome {
    let role = access.isByAgent ? access.lifecycleRole : .customer
    let standing = Standing(kind: access.service.kind, state: .unassigned)
    let outcome = Lifecycle.outcome(of: isAssigned ? .createAssigned : .create, on: standing, by: role)
    guard case .success(let allowed) = outcome else {
      throw ServiceError(.permissionDenied, "only an agent can say who is to hold a new ticket")
    }
    return allowed
  }

  /// The group of a ticket that an agent is to hold: the one that is wanted, else the agent's only one.
  ///
  /// - Throws: AGENT_NOT_ASSIGNABLE when the agent cannot take tickets of the service or of the group.
  private func group(
    for agent: AgentID, _ wanted: GroupID?, _ service: ServiceRecord, _ deadline: Deadline
  ) async throws -> GroupID? {
    guard let member = try await ledger.directory.member(agent, of: service, deadline: deadline),
      member.mayWorkOnTickets, member.isAssignable
    else { throw ServiceError(.agentNotAssignable) }
    if let wanted, !member.groups.contains(wanted) { throw ServiceError(.agentNotAssignable) }
    return wanted ?? (member.groups.count == 1 ? member.groups.first : nil)
  }

  /// Who the ticket is from: what the caller says, completed from the record of a customer who was named by number. Who
  /// was found by a code, an address or a phone number is known by that alone, so that nobody learns another's data, or
  /// has answers sent to them, by typing a number.
  private func customer(
    _ wanted: TicketCustomerDraft, _ facts: CreationFacts, _ access: Access, _ deadline: Deadline
  ) async throws -> TicketCustomerDraft {
    var customer = wanted
    if let found = facts.customer {
      customer.id = found.id
      if wanted.id != nil { customer.complete(from: found) }
      guard found.takesUserCode(of: wanted, saidByAgent: access.isByAgent) else { return customer }
    } else if TicketStore.isMadeWithTicket(wanted) {
      customer.id = try await store.newCustomerID(deadline: deadline)
      return customer
    }
    let known = [customer.name, customer.userCode, customer.email, customer.phone]
    guard known.contains(where: { !$0.isEmpty }) else { return customer }
    customer.id = try await store.makeCustomer(
      wanted, saidByAgent: access.isByAgent, of: access.service.organizationID, deadline: deadline)
    return customer
  }

  /// The ticket as the triggers left it. When they are not done in time, or assignment cannot be asked, it is the
  /// ticket as it is by then: the pass is in the outbox, and whoever does it does not need us.
  private func afterTriggers(
    _ ticket: TicketRecord, of service: ServiceRecord, _ call: CallContext
  ) async throws -> Ticket {
    var options = call.onward()
    options.deadline = min(options.deadline, .after(triggerPatience))
    let name = TicketName(service: service.code, id: ticket.id)
    if let settled = try? await assignment.runTriggers(RunTriggersRequest(name: name.description), options).ticket {
      return settled
    }
    ledger.announce([.triggers])
    // What is written is written: a failure to read it again does not make the creation fail.
    let current = (try? await ledger.ticket(ticket.id, of: service.id, deadline: call.deadline)) ?? ticket
    return try await ledger.message(for: current, deadline: call.deadline)
  }
}

extension NewTicket {
  /// Refuses names of another service's things as if they did not exist.
  ///
  /// - Throws: TYPE_NOT_FOUND, GROUP_NOT_FOUND.
  func requireNames(of service: ServiceRecord) throws(ServiceError) {
    if let submissionType, submissionType.service != service.code { throw ServiceError(.typeNotFound) }
    if let group, group.service != service.code { throw ServiceError(.groupNotFound) }
  }
}
