import EventLoop
import HandoffAPI
import Outbound
import Postgres
import Protobuf
import ServiceKit
import TicketLedger

/// What a pass looks at, read before anything is decided.
struct PassContext: Sendable {
  let ticket: TicketRecord
  let service: ServiceRecord
  let set: TriggerSet
  let cause: TriggerCause
  /// The event that the pass follows from.
  let causeSequence: Int32
  /// The text of the first inquiry; empty when no condition looks at it.
  var content = ""
  /// What that event has changed; empty when no condition looks at it.
  var changes: [CodeChange] = []
  /// The values of the fields that conditions look at, by the fields' ids.
  var fields: [Int64: [String]] = [:]
  /// What random assignments are drawn with.
  var chance = Chance()

  /// The same with another source of random numbers.
  func drawing(with chance: Chance) -> PassContext {
    var context = self
    context.chance = chance
    return context
  }
}

/// What the triggers of a service make of one ticket: the events of one change, each trigger seeing the ticket as the
/// ones before left it.
struct TriggerPassPlan {
  /// Gives the turn of a sequential result.
  typealias TakeTurn = (TurnCursor) async throws -> Int64

  /// A trigger that fired.
  struct Firing {
    let trigger: ActiveTrigger
    /// Its events in the plan, TRIGGER_FIRED first.
    var events: Range<Int>
    /// What it sends, and to whom, in words of the API.
    var sends: [String]
  }

  /// Most events of one pass; what is beyond is left undone, and said so.
  static let eventsMax = 200
  /// Most triggers that are named as held back.
  private static let heldBackMax = 10

  private let context: PassContext
  private let reading: TriggerFacts
  /// The ticket as the triggers have left it so far.
  private(set) var ticket: TicketRecord
  private var matching: TriggerMatching
  /// What is to be written; empty when no trigger fired.
  private(set) var events: [EventDraft] = []
  /// The triggers that fired, in order.
  private(set) var firings: [Firing] = []
  /// How assignments were made, by the index of their event.
  private(set) var records: [(event: Int, record: AssignmentRecord)] = []
  /// The last assignment for which nobody was found, while the ticket is unassigned.
  private(set) var wait: (event: Int, cursor: TurnCursor)?
  /// The callbacks to store, by the index of the event that asks for them.
  private(set) var callbacks: [(event: Int, order: CallbackOrder)] = []
  /// Whether the consultation ticket that waits for this one is to be answered with the change.
  private(set) var answersSource = false
  /// Whether the pass was stopped because it had grown too long.
  private(set) var isCut = false

  init(_ context: PassContext) {
    self.context = context
    ticket = context.ticket
    reading = TriggerFacts(service: context.service, set: context.set)
    matching = TriggerMatching(
      context.set.program.compiled,
      on: reading.facts(
        of: context.ticket, content: context.content, fields: context.fields, cause: context.cause,
        changes: context.changes))
  }

  /// Runs the triggers from top to bottom, each once at most: all whose conditions hold, or the first alone. What they
  /// change starts no further pass; which triggers that holds back is noted.
  mutating func run(_ takeTurn: TakeTurn) async throws {
    try await fireAll(takeTurn)
    guard !isCut else { return }
    let held = heldBack()
    guard !held.isEmpty else { return }
    let named = held.prefix(Self.heldBackMax)
    events[events.count - 1].notes += named.map { CodeChange("held_back", "", $0.name.description) }
    if named.count < held.count {
      events[events.count - 1].notes.append(CodeChange("held_back_count", "", String(held.count)))
    }
    for index in records.indices {
      records[index].record.heldBack = named.map {
        AssignmentRecord.HeldBack(trigger: $0.name.description, triggerDisplayName: $0.displayName)
      }
      records[index].record.heldBackCount = Int32(held.count)
    }
  }

  private mutating func fireAll(_ takeTurn: TakeTurn) async throws {
    var place = 0
    while let index = matching.next(from: place) {
      guard events.count < Self.eventsMax else {
        isCut = true
        // The history says that there was more to do.
        events[events.count - 1].notes.append(CodeChange("pass", "", "CUT"))
        return
      }
      try await fire(context.set.triggers[index], takeTurn)
      if context.set.program.mode == .firstMatch { return }
      place = index + 1
    }
  }

  /// The triggers that would fire on the ticket as it is now if its changes started another pass.
  func heldBack() -> [ActiveTrigger] {
    guard !firings.isEmpty else { return [] }
    let changes = zip(context.ticket.codes, ticket.codes).compactMap { before, after in
      before.code == after.code ? nil : CodeChange(before.field, before.code, after.code)
    }
    guard !changes.isEmpty else { return [] }
    let again = TriggerMatching(
      context.set.program.compiled,
      on: reading.facts(
        of: ticket, content: context.content, fields: context.fields, cause: .changed, changes: changes))
    let all = context.set.triggers.indices.filter { again.fires($0) }.map { context.set.triggers[$0] }
    return context.set.program.mode == .firstMatch ? Array(all.prefix(1)) : all
  }

  /// Gives a ticket that has waited for it to somebody who can take it now; false when there is nobody.
  mutating func assignWaiting(
    _ trigger: ActiveTrigger, resultIndex: Int, _ takeTurn: TakeTurn
  ) async throws -> Bool {
    guard ticket.state == .unassigned, ticket.agentID == nil, trigger.actions.indices.contains(resultIndex),
      case .assign(let mode, let group, let agents) = trigger.actions[resultIndex],
      agents.contains(where: { context.set.obstacle($0, in: group) == nil })
    else { return false }
    try await assign(
      mode, group, agents, trigger, resultIndex, cause: .sequence(context.causeSequence), hasWaited: true, takeTurn)
    return ticket.agentID != nil
  }

  private mutating func fire(_ trigger: ActiveTrigger, _ takeTurn: TakeTurn) async throws {
    let first = events.count
    var sends: [String] = []
    var fired = EventDraft(.triggerFired, by: .trigger(trigger.name), cause: .sequence(context.causeSequence))
    fired.notes = [
      CodeChange("trigger", "", trigger.name.description), CodeChange("trigger_version", "", String(trigger.version)),
    ]
    events.append(fired)
    for (index, action) in trigger.actions.enumerated() {
      switch action {
      case .assign(let mode, let group, let agents):
        try await assign(
          mode, group, agents, trigger, index, cause: .eventOfThisChange(first), hasWaited: false, takeTurn)
      case .setSubmissionType(let type): append(saving(type, fired.actor), cause: first)
      case .setPriority(let priority): append(saving(priority, fired.actor), cause: first)
      case .setGroup(let group): append(setting(group, fired.actor), cause: first)
      case .callback(let url):
        append(calling(url, trigger), cause: first)
        sends.append(url.text)
      case .notify(let recipient, let texts):
        append(try notifying(recipient, texts, trigger), cause: first)
        sends.append(recipient.protoName ?? "")
      case .forwardOutside(let address, let completes, let texts):
        guard let event = try forwarding(to: address, completes, texts, trigger) else { break }
        append(event, cause: first)
        sends.append(address)
      case .messenger(let hook, let botName, let text):
        append(try messaging(hook, botName, text, trigger), cause: first)
        sends.append(MessengerHookName(service: context.service.code, id: hook).description)
      }
    }
    firings.append(Firing(trigger: trigger, events: first..<events.count, sends: sends))
  }

  /// Gives the ticket to an agent who can be given it. When nobody can, an unassigned ticket waits in the group for
  /// someone to keep it, or to become able to take it.
  private mutating func assign(
    _ mode: AssignmentMode, _ group: GroupID, _ agents: [AgentID], _ trigger: ActiveTrigger, _ index: Int,
    cause: EventDraft.Cause, hasWaited: Bool, _ takeTurn: TakeTurn
  ) async throws {
    guard let outcome = outcome(of: .assignByTrigger) else { return }
    let actor = LedgerActor.trigger(trigger.name)
    let obstacles = agents.map { context.set.obstacle($0, in: group) }
    let eligible = zip(agents, obstacles).filter { $0.1 == nil }.map { $0.0 }
    let cursor = TurnCursor(service: context.service.id, trigger: trigger.id, resultIndex: Int32(index))
    var turn: Int64 = 0
    let chosen: AgentID?
    switch mode {
    case .specific: chosen = eligible.first
    case .random:
      // Unbiased whatever the number of agents: the standard library draws again where a remainder would favour some.
      var chance = context.chance
      chosen = eligible.randomElement(using: &chance)
    case .sequential:
      // Nobody there takes no turn.
      if !eligible.isEmpty { turn = try await takeTurn(cursor) }
      chosen = Rotation.pick(turn: turn, from: eligible)
    }
    let record = AssignmentRecord(
      trigger: trigger.name.description, triggerVersion: trigger.version, triggerDisplayName: trigger.displayName,
      mode: AssignResult.Mode(rawValue: mode.number),
      group: GroupName(service: context.service.code, id: group).description,
      candidates: zip(agents, obstacles).map { agent, obstacle in
        .init(
          agent: AgentName(id: agent).description, obstacle: .init(rawValue: obstacle?.number ?? 0))
      },
      agent: chosen.map { AgentName(id: $0).description } ?? "", turn: turn, waited: hasWaited)
    records.append((events.count, record))
    var event: EventDraft
    if let chosen {
      event = EventDraft(.assigned, by: actor, outcome: outcome, on: ticket)
      event.set.agentID = .some(chosen)
      event.set.groupID = .some(group)
      wait = nil
    } else {
      event = EventDraft(.assignmentFailed, by: actor)
      if ticket.state == .unassigned, context.set.groups.contains(group) {
        event.set.groupID = .some(group)
        wait = (events.count, cursor)
      }
    }
    event.cause = cause
    append(event)
  }

  private func saving(_ type: SubmissionTypeID, _ actor: LedgerActor) -> EventDraft? {
    guard outcome(of: .saveFields) != nil, ticket.submissionTypeID != type, context.set.parents.keys.contains(type)
    else { return nil }
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
    guard outcome(of: .setGroupByTrigger) != nil, ticket.groupID != group, context.set.groups.contains(group) else {
      return nil
    }
    var event = EventDraft(.groupSet, by: actor)
    event.set.groupID = .some(group)
    return event
  }

  private mutating func calling(_ url: HTTPSURL, _ trigger: ActiveTrigger) -> EventDraft {
    var event = EventDraft(.callbackQueued, by: .trigger(trigger.name))
    event.outbox = [OutboxDraft(.callbacks, payload: [], receiver: url.destination)]
    callbacks.append(
      (events.count, CallbackOrder(url, of: trigger, on: written, in: context.service, cause: context.cause)))
    return event
  }

  private func notifying(
    _ recipient: NotifyResult.Recipient, _ texts: [MailText], _ trigger: ActiveTrigger
  ) throws -> EventDraft {
    let actor = LedgerActor.trigger(trigger.name)
    var mail = TriggerMail(
      recipient: TriggerMail.Recipient(rawValue: recipient.rawValue),
      agent: recipient == .assignee ? ticket.agentID.map { AgentName(id: $0).description } ?? "" : "",
      group: recipient == .group
        ? ticket.groupID.map { GroupName(service: context.service.code, id: $0).description } ?? "" : "")
    guard recipient == .customer || !mail.agent.isEmpty || !mail.group.isEmpty else {
      var event = EventDraft(.mailSkipped, by: actor)
      event.notes = [CodeChange("reason", "", "NO_RECIPIENT")]
      return event
    }
    mail.put(texts, ticket.language, context.service.language)
    var event = EventDraft(.mailQueued, by: actor)
    event.outbox = [try mail.draft(by: trigger)]
    return event
  }

  private func messaging(
    _ hook: MessengerHookID, _ botName: String, _ text: String, _ trigger: ActiveTrigger
  ) throws -> EventDraft {
    var event = EventDraft(.messageQueued, by: .trigger(trigger.name))
    event.notes = [CodeChange("messenger_hook", "", hook.description)]
    let note = MessengerNote(
      hookId: hook.rawValue, botName: botName, text: text, trigger: trigger.name.description,
      triggerVersion: trigger.version)
    event.outbox = [
      OutboxDraft(
        .messenger, payload: try note.serialized(),
        receiver: MessengerPosts.receiver(hook, of: context.service.id))
    ]
    return event
  }

  /// Sends the ticket outside; nil when it is to be completed with it and cannot be.
  private mutating func forwarding(
    to address: String, _ completes: Bool, _ texts: [MailText], _ trigger: ActiveTrigger
  ) throws -> EventDraft? {
    let actor = LedgerActor.trigger(trigger.name)
    var event = EventDraft(.forwardedExternally, by: actor)
    if completes {
      guard let outcome = outcome(of: .forwardExternallyThenComplete) else { return nil }
      event = EventDraft(.forwardedExternally, by: actor, outcome: outcome, on: ticket)
      if outcome.has(.answersSource) { answersSource = true }
    }
    var mail = TriggerMail(recipient: .outside, address: address)
    mail.put(texts, ticket.language, context.service.language)
    event.outbox = [try mail.draft(by: trigger)]
    return event
  }

  /// The ticket so far as it will be when the change is written.
  private var written: TicketRecord {
    var after = ticket
    after.version += 1
    after.updateTime = max(ticket.readTime, ticket.updateTime)
    return after
  }

  /// What the lifecycle table says; what it refuses, such as assigning a resolved ticket, is left undone.
  private func outcome(of act: LifecycleAct) -> LifecycleOutcome? {
    try? Lifecycle.outcome(of: act, on: ticket.standing(in: context.service.kind), by: .system).get()
  }

  private mutating func append(_ event: EventDraft?, cause: Int) {
    guard var event else { return }
    event.cause = .eventOfThisChange(cause)
    append(event)
  }

  private mutating func append(_ event: EventDraft) {
    events.append(event)
    let before = reading.changeable(ticket)
    if let state = event.set.state { ticket.state = state }
    if let agent = event.set.agentID { ticket.agentID = agent }
    if let group = event.set.groupID { ticket.groupID = group }
    if let priority = event.set.priority { ticket.priority = priority }
    if let type = event.set.submissionTypeID { ticket.submissionTypeID = type }
    if let callBack = event.set.callBack { ticket.callBack = callBack }
    for ((target, old), (_, new)) in zip(before, reading.changeable(ticket)) where old != new {
      matching.update(target, to: new)
    }
  }
}

extension TriggerPassPlan {
  /// The change to write: the events, how assignments were made, and what waits.
  func change() throws -> TicketChange {
    var change = TicketChange(events)
    let first = context.ticket.eventCount + 1
    for (event, record) in records {
      change.annexes.append(EventAnnex(to: "assignment_record", event: event, record: try record.serialized()))
    }
    for (event, order) in callbacks {
      change.attachments.append(try order.insertion(sequence: first + Int32(event)))
    }
    if let wait {
      change.attachments.append(
        """
        INSERT INTO assignment_wait AS w (service_id, ticket_id, trigger_id, result_index, event_sequence, create_time)
        SELECT c.service_id, c.id, \(wait.cursor.trigger), \(wait.cursor.resultIndex), \(first + Int32(wait.event)),
          \(context.ticket.createTime)
        FROM changed AS c
        ON CONFLICT ON CONSTRAINT assignment_wait_pkey DO UPDATE SET trigger_id = excluded.trigger_id,
          result_index = excluded.result_index, event_sequence = excluded.event_sequence
        """)
    }
    return change
  }
}
