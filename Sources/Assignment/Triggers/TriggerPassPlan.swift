import Postgres
import ServiceKit
import TicketLedger

/// What the triggers of a service make of one ticket: the events of one change, each trigger seeing the ticket as the
/// ones before left it.
struct TriggerPassPlan {
  /// Gives the turn of a sequential result.
  typealias TakeTurn = (TurnCounter.Cursor) async throws -> Int64

  private let service: ServiceRecord
  private let set: TriggerSet
  /// The event that the pass follows from.
  private let causeSequence: Int32
  /// The ticket as the triggers have left it so far.
  private var ticket: TicketRecord
  private var facts: TicketFacts
  /// What is to be written; empty when no trigger fired.
  private(set) var events: [EventDraft] = []

  /// Looks at a ticket.
  ///
  /// - Parameter content: the text of the first inquiry; empty when no condition looks at it.
  init(
    _ ticket: TicketRecord, content: String, of service: ServiceRecord, _ set: TriggerSet, cause: TriggerCause,
    causeSequence: Int32
  ) {
    self.ticket = ticket
    self.service = service
    self.set = set
    self.causeSequence = causeSequence
    facts = TicketFacts([
      .cause: [cause.rawValue], .channel: [ticket.channel.rawValue], .language: [ticket.language],
      .title: [ticket.title], .content: [content], .customerName: [ticket.customerName],
      .customerEmail: [ticket.customerEmail],
    ])
    updateFacts()
  }

  /// Runs the triggers from top to bottom: all whose conditions hold, the last assignment wins.
  mutating func run(_ takeTurn: TakeTurn) async throws {
    for trigger in set.triggers where TriggerMatching.fires(trigger.conditions, on: facts) {
      var fired = EventDraft(.triggerFired, by: .trigger(trigger.name), cause: .sequence(causeSequence))
      fired.notes = [
        CodeChange("trigger", "", trigger.name.description), CodeChange("trigger_version", "", String(trigger.version)),
      ]
      let cause = EventDraft.Cause.eventOfThisChange(events.count)
      events.append(fired)
      for (index, action) in trigger.actions.enumerated() {
        let event: EventDraft?
        switch action {
        case .assign(let mode, let group, let agents):
          let cursor = TurnCounter.Cursor(service: service.id, trigger: trigger.id, resultIndex: Int32(index))
          event = try await assignment(mode, group, agents, fired.actor) { try await takeTurn(cursor) }
        case .setSubmissionType(let type): event = saving(type, fired.actor)
        case .setPriority(let priority): event = saving(priority, fired.actor)
        case .setGroup(let group): event = setting(group, fired.actor)
        }
        if var event {
          event.cause = cause
          append(event)
        }
      }
    }
  }

  /// Gives the ticket to an agent who is active, can be given tickets and is in the group. When nobody is, an
  /// unassigned ticket waits in the group for someone to keep it.
  private func assignment(
    _ mode: AssignmentMode, _ group: GroupID, _ agents: [AgentID], _ actor: LedgerActor,
    _ takeTurn: () async throws -> Int64
  ) async throws -> EventDraft? {
    guard let outcome = outcome(of: .assignByTrigger) else { return nil }
    let eligible = agents.filter { set.members[$0]?.contains(group) ?? false }
    let chosen: AgentID?
    switch mode {
    case .specific: chosen = eligible.first
    case .random: chosen = eligible.randomElement()
    // Nobody there takes no turn.
    case .sequential:
      chosen = eligible.isEmpty ? nil : Rotation.pick(turn: try await takeTurn(), from: eligible) { _ in true }
    }
    guard let chosen else {
      var failed = EventDraft(.assignmentFailed, by: actor)
      if ticket.state == .unassigned, set.groups.contains(group) { failed.set.groupID = .some(group) }
      return failed
    }
    var event = EventDraft(.assigned, by: actor, outcome: outcome, on: ticket)
    event.set.agentID = .some(chosen)
    event.set.groupID = .some(group)
    return event
  }

  private func saving(_ type: SubmissionTypeID, _ actor: LedgerActor) -> EventDraft? {
    guard outcome(of: .saveFields) != nil, ticket.submissionTypeID != type, set.parents.keys.contains(type) else {
      return nil
    }
    var event = EventDraft(.fieldsSaved, by: actor)
    event.set.submissionTypeID = .some(type)
    return event
  }

  private func saving(_ priority: TicketPriority, _ actor: LedgerActor) -> EventDraft? {
    guard outcome(of: .saveFields) != nil, ticket.priority != priority else { return nil }
    var event = EventDraft(.fieldsSaved, by: actor)
    event.set.priority = priority
    return event
  }

  private func setting(_ group: GroupID, _ actor: LedgerActor) -> EventDraft? {
    guard outcome(of: .setGroupByTrigger) != nil, ticket.groupID != group, set.groups.contains(group) else {
      return nil
    }
    var event = EventDraft(.groupSet, by: actor)
    event.set.groupID = .some(group)
    return event
  }

  /// What the lifecycle table says; what it refuses, such as assigning a resolved ticket, is left undone.
  private func outcome(of act: LifecycleAct) -> LifecycleOutcome? {
    try? Lifecycle.outcome(of: act, on: ticket.standing(in: service.kind), by: .system).get()
  }

  private mutating func append(_ event: EventDraft) {
    events.append(event)
    if let state = event.set.state { ticket.state = state }
    if let agent = event.set.agentID { ticket.agentID = agent }
    if let group = event.set.groupID { ticket.groupID = group }
    if let priority = event.set.priority { ticket.priority = priority }
    if let type = event.set.submissionTypeID { ticket.submissionTypeID = type }
    updateFacts()
  }

  private mutating func updateFacts() {
    facts[.state] = [ticket.state.rawValue]
    facts[.priority] = [ticket.priority.rawValue]
    facts[.agent] = ticket.agentID.map { [AgentName(id: $0).description] } ?? []
    facts[.group] = ticket.groupID.map { [GroupName(service: service.code, id: $0).description] } ?? []
    facts[.submissionType] = set.lineage(of: ticket.submissionTypeID).map {
      SubmissionTypeName(service: service.code, id: $0).description
    }
  }
}
