import Postgres
import ServiceKit
import TicketLedger

/// What the demo tickets and their acts are in the ledger's terms; the lifecycle table decides where acts lead.
struct DemoEvents: Sendable {
  let people: DemoDirectory
  /// By their codes.
  let services: [String: ServiceRecord]

  /// A ticket that comes to be.
  ///
  /// - Parameters:
  ///   - received: when.
  ///   - source: the consultation ticket that it was escalated from.
  func draft(of plan: DemoTicket, at received: Instant, from source: TicketRecord? = nil) throws -> TicketDraft {
    guard let service = services[plan.service] else { throw missing(plan.service) }
    let writer: LedgerActor
    if source != nil {
      writer = .service("tickets")
    } else {
      writer = try plan.creator.map { .agent(try agent($0)) } ?? .customer
    }
    var draft = TicketDraft(
      service: service, state: .unassigned, title: plan.title, channel: plan.channel, by: writer)
    draft.priority = plan.priority
    draft.language = plan.language
    draft.submissionTypeID = people.submissionTypes["\(plan.service)/\(plan.type)"]
    let (customerID, customer) = people.customers[plan.customer]
    draft.customer.id = source?.customerID ?? customerID
    draft.customer.name = source?.customerName ?? customer.displayName
    draft.customer.email = source?.customerEmail ?? customer.email
    draft.customer.phone = source?.customerPhone ?? customer.phone
    let isOnForm = writer == .customer && [.helpCenter, .helpCenterMobile].contains(plan.channel)
    draft.hasPrivacyConsent = source?.hasPrivacyConsent ?? isOnForm
    draft.source = source?.link
    draft.callBack = plan.callBackAfter.map {
      CallBackRecord(phone: draft.customer.phone, time: received.advanced(by: .seconds($0)), isActive: true)
    }
    draft.event.entries = [
      source == nil
        ? EntryDraft(.inquiry, .create, body: plan.inquiry) : EntryDraft(.escalation, .escalate, body: plan.inquiry)
    ]
    return draft
  }

  /// The event of an act.
  ///
  /// - Parameters:
  ///   - service: the code of the ticket's service.
  ///   - target: the issue ticket of an escalation.
  func event(of act: DemoStep.Act, on ticket: TicketRecord, in service: String, target: TicketLink? = nil) throws
    -> EventDraft
  {
    switch act {
    case .assign(let agent, let group):
      var event = try event(.assigned, .assignByTrigger, .system, by: trigger(of: service), on: ticket)
      try give(&event, to: agent, group, service)
      return event
    case .keep(let agent, let group):
      var event = try event(.kept, .keep, .agent, by: .agent(try self.agent(agent)), on: ticket)
      try give(&event, to: agent, group, service)
      return event
    case .forward(let by, let agent, let group):
      let role: LifecycleRole = by == DemoOrganization.administrator.key ? .administrator : .forwarder
      var event = try event(.forwarded, .forward, role, by: .agent(try self.agent(by)), on: ticket)
      try give(&event, to: agent, group, service)
      return event
    case .hold(let agent, let text):
      return try reply(.held, .hold, .hold, by: agent, text, on: ticket)
    case .resolve(let agent, let text, let processing):
      var event = try reply(.resolved, .resolve, .resolve, by: agent, text, on: ticket)
      event.set.processingTypeID = .some(people.processingTypes["\(service)/\(processing)"])
      return event
    case .resolveInternally(let agent, let reason, let text):
      var event = try event(
        .resolvedInternally, .resolvingInternally(reason), .agent, by: .agent(try self.agent(agent)), on: ticket)
      event.set.internalReason = .some(reason)
      if !text.isEmpty { event.entries = [EntryDraft(.comment, .resolveInternally, body: text)] }
      return event
    case .comment(let agent, let text):
      var event = try event(.commented, .comment, .agent, by: .agent(try self.agent(agent)), on: ticket)
      event.entries = [EntryDraft(.comment, .commentAdded, body: text)]
      return event
    case .customerReply(let text):
      var event = try event(.customerReplied, .receiveCustomerReply, .customer, by: .customer, on: ticket)
      event.entries = [EntryDraft(.inquiry, .customerReply, body: text)]
      return event
    case .complete(let agent):
      return try event(.completed, .complete, .administrator, by: .agent(try self.agent(agent)), on: ticket)
    case .autoComplete:
      return try event(.autoCompleted, .autoComplete, .system, by: .system, on: ticket)
    default:
      return try escalation(act, on: ticket, target)
    }
  }

  private func escalation(
    _ act: DemoStep.Act, on ticket: TicketRecord, _ target: TicketLink?
  ) throws -> EventDraft {
    switch act {
    case .escalate(let agent, let text, _):
      var event = try event(.escalated, .escalate, .agent, by: .agent(try self.agent(agent)), on: ticket)
      event.entries = [EntryDraft(.escalation, .escalate, body: text)]
      event.set.target = target
      return event
    case .receiveEscalationAnswer(let text):
      var event = try event(
        .escalationAnswered, .receiveEscalationAnswer, .issueService, by: .service("tickets"), on: ticket)
      event.entries = [EntryDraft(.escalation, .resolve, body: text)]
      return event
    case .escalateToDooray(let agent):
      return try event(.doorayEscalated, .escalateToDooray, .agent, by: .agent(try self.agent(agent)), on: ticket)
    case .doorayWorking:
      return try event(.doorayStateChanged, .doorayWorking, .dooray, by: .dooray, on: ticket)
    default:
      return try event(.doorayStateChanged, .doorayClosed, .dooray, by: .dooray, on: ticket)
    }
  }

  private func event(
    _ code: EventCode, _ act: LifecycleAct, _ role: LifecycleRole, by actor: LedgerActor, on ticket: TicketRecord
  ) throws -> EventDraft {
    guard let kind = services.values.first(where: { $0.id == ticket.serviceID })?.kind else { throw missing("service") }
    switch Lifecycle.outcome(of: act, on: ticket.standing(in: kind), by: role) {
    case .success(let outcome): return EventDraft(code, by: actor, outcome: outcome, on: ticket)
    case .failure(let refusal):
      throw OperatorError("the demo data wants \(act.rawValue) on a ticket in \(ticket.state.rawValue): \(refusal)")
    }
  }

  private func reply(
    _ code: EventCode, _ act: LifecycleAct, _ entry: EntryAct, by agent: String, _ text: String, on ticket: TicketRecord
  ) throws -> EventDraft {
    var event = try event(code, act, .agent, by: .agent(try self.agent(agent)), on: ticket)
    event.entries = [EntryDraft(.reply, entry, body: text)]
    return event
  }

  private func give(_ event: inout EventDraft, to agent: String, _ group: String, _ service: String) throws {
    event.set.agentID = .some(try self.agent(agent))
    event.set.groupID = .some(people.groups["\(service)/\(group)"])
  }

  private func agent(_ key: String) throws(OperatorError) -> AgentID {
    guard let id = people.agents[key] else { throw missing(key) }
    return id
  }

  private func trigger(of service: String) throws(OperatorError) -> LedgerActor {
    guard let id = people.triggers[service] else { throw missing("trigger of \(service)") }
    return .trigger(TriggerName(service: service, id: id))
  }

  private func missing(_ what: String) -> OperatorError { OperatorError("the demo organization lacks \(what)") }
}
