import EventLoop
import Postgres
import ServiceKit
import TicketLedger

/// Lives the demo tickets' lives through the ledger, in the order of time over all tickets, so that histories, hash
/// chains, counters and the order of ids are what they would have been.
final class DemoHistory {
  /// One act that is to be carried out.
  private struct Moment {
    /// Seconds before now.
    let age: Int
    let ticket: Int
    /// Position within its ticket; 0 is the creation.
    let order: Int
    let step: DemoStep?
  }

  private let people: DemoDirectory
  private let ledger: TicketLedger
  private let console: Console
  private var plans: [DemoTicket] = []
  private var moments: [Moment] = []
  /// The consultation ticket of an issue ticket, by its place in `plans`.
  private var sources: [Int: Int] = [:]
  private var issues: [Int: Int] = [:]
  private var records: [Int: TicketRecord] = [:]
  private var services: [String: ServiceRecord] = [:]

  init(_ people: DemoDirectory, _ ledger: TicketLedger, _ console: Console) {
    self.people = people
    self.ledger = ledger
    self.console = console
  }

  private var deadline: Deadline { .after(.seconds(60)) }

  /// Writes the tickets and all that happened to them.
  func write(_ tickets: [DemoTicket]) async throws {
    for ticket in tickets { plan(ticket) }
    moments.sort { ($1.age, $0.ticket, $0.order) < ($0.age, $1.ticket, $1.order) }
    for service in DemoOrganization.services {
      services[service.code] = try await ledger.directory.service(code: service.code, deadline: deadline)
    }
    let now = try await ledger.pool.query("SELECT clock_timestamp()", deadline: deadline)[0].instant(0)
    var shown = MonotonicTime.current
    for (index, moment) in moments.enumerated() {
      try Task.checkCancellation()
      try await carryOut(moment, at: now.advanced(by: .seconds(-moment.age)))
      if MonotonicTime.current.since(shown) > .seconds(2) {
        shown = MonotonicTime.current
        console.progress("Demo tickets: \(index * 100 / moments.count) %")
      }
    }
    console.progress("Demo tickets: \(records.count), with \(moments.count) events of the last months")
  }

  @discardableResult
  private func plan(_ ticket: DemoTicket) -> Int {
    let index = plans.count
    plans.append(ticket)
    if ticket.channel != .escalation { moments.append(Moment(age: ticket.age, ticket: index, order: 0, step: nil)) }
    for (order, step) in ticket.steps.enumerated() {
      moments.append(Moment(age: ticket.age - step.time, ticket: index, order: order + 1, step: step))
      if case .escalate(_, _, let issue) = step.act {
        let child = plan(issue)
        sources[child] = index
        issues[index] = child
      }
    }
    return index
  }

  private func carryOut(_ moment: Moment, at time: Instant) async throws {
    guard let step = moment.step else {
      try await create(moment.ticket, at: time)
      return
    }
    if case .escalate = step.act, let issue = issues[moment.ticket] { try await create(issue, at: time) }
    guard let record = records[moment.ticket] else { preconditionFailure("a ticket acts before it is created") }
    var change = TicketChange(try event(of: step.act, on: record, moment.ticket))
    change.time = time
    records[moment.ticket] = try await ledger.write(change, on: record, deadline: deadline).ticket
  }

  private func create(_ index: Int, at time: Instant) async throws {
    let plan = plans[index]
    guard let service = services[plan.service] else { throw missing(plan.service) }
    let source = sources[index].flatMap { records[$0] }
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
    draft.source = source.map { TicketLink(serviceID: $0.serviceID, ticketID: $0.id) }
    draft.event.entries = [
      source == nil
        ? EntryDraft(.inquiry, .create, body: plan.inquiry) : EntryDraft(.escalation, .escalate, body: plan.inquiry)
    ]
    draft.time = time
    records[index] = try await ledger.create(draft, deadline: deadline).ticket
  }

  /// The event of an act; the lifecycle table decides where it leads.
  private func event(of act: DemoStep.Act, on ticket: TicketRecord, _ index: Int) throws -> EventDraft {
    switch act {
    case .assign(let agent, let group):
      var event = try event(.assigned, .assignByTrigger, .system, by: trigger(of: index), on: ticket)
      try give(&event, to: agent, group, index)
      return event
    case .keep(let agent, let group):
      var event = try event(.kept, .keep, .agent, by: .agent(try self.agent(agent)), on: ticket)
      try give(&event, to: agent, group, index)
      return event
    case .forward(let by, let agent, let group):
      let role: LifecycleRole = by == DemoOrganization.administrator.key ? .administrator : .forwarder
      var event = try event(.forwarded, .forward, role, by: .agent(try self.agent(by)), on: ticket)
      try give(&event, to: agent, group, index)
      return event
    case .hold(let agent, let text):
      return try reply(.held, .hold, .hold, by: agent, text, on: ticket)
    case .resolve(let agent, let text, let processing):
      var event = try reply(.resolved, .resolve, .resolve, by: agent, text, on: ticket)
      event.set.processingTypeID = .some(people.processingTypes["\(plans[index].service)/\(processing)"])
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
      return try escalation(act, on: ticket, index)
    }
  }

  private func escalation(_ act: DemoStep.Act, on ticket: TicketRecord, _ index: Int) throws -> EventDraft {
    switch act {
    case .escalate(let agent, let text, _):
      var event = try event(.escalated, .escalate, .agent, by: .agent(try self.agent(agent)), on: ticket)
      event.entries = [EntryDraft(.escalation, .escalate, body: text)]
      event.set.target = issues[index].flatMap { records[$0] }.map {
        TicketLink(serviceID: $0.serviceID, ticketID: $0.id)
      }
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

  private func give(_ event: inout EventDraft, to agent: String, _ group: String, _ index: Int) throws {
    event.set.agentID = .some(try self.agent(agent))
    event.set.groupID = .some(people.groups["\(plans[index].service)/\(group)"])
  }

  private func agent(_ key: String) throws(OperatorError) -> AgentID {
    guard let id = people.agents[key] else { throw missing(key) }
    return id
  }

  private func trigger(of index: Int) throws(OperatorError) -> LedgerActor {
    let service = plans[index].service
    guard let id = people.triggers[service] else { throw missing("trigger of \(service)") }
    return .trigger(TriggerName(service: service, id: id))
  }

  private func missing(_ what: String) -> OperatorError { OperatorError("the demo organization lacks \(what)") }
}
