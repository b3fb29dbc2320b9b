import Crypto
import EventLoop
package import HandoffAPI
import Postgres
import Protobuf
package import RPC
import ServiceKit
import TicketLedger

extension TicketService {
  /// Escalates a ticket to a project at Dooray!.
  ///
  /// - Throws: TICKET_NOT_FOUND, RESOURCE_NOT_FOUND, TRANSITION_NOT_ALLOWED, STALE_VERSION, DOORAY_OFF, DOORAY_REFUSED,
  ///   TEXT_REQUIRED, ATTACHMENT_NOT_FOUND, CONFLICT, BACKEND_UNAVAILABLE, PERMISSION_DENIED, REQUEST_INVALID,
  ///   REQUEST_ID_REUSED.
  package func escalateToDooray(_ request: EscalateToDoorayRequest, _ call: CallContext) async throws -> Ticket {
    let escalation = try DoorayEscalation(request)
    let access = try await ledger.access(call, ticket: escalation.name)
    try access.require(.ticket)
    let agent = try access.agent().agentID
    let claim = try claim(of: request, request.requestId, call, access)
    let deadline = min(call.deadline, .after(Self.doorayPatience))
    // Between the look at the ticket and the row of its task lie seconds: when the ticket is another one then, it is
    // looked at again.
    for _ in 0..<Self.escalationLooksMax {
      let ticket: TicketRecord
      switch try await standing(of: escalation, by: agent, access, claim, call.deadline) {
      case .escalated(let ticket): return try await ledger.message(for: ticket, deadline: call.deadline)
      case .open(let found): ticket = found
      }
      let (escalator, project) = try await escalator(escalation.project, agent, access.service, deadline)
      guard let (task, isNew) = try await task(of: escalation, on: ticket, escalator, access, deadline) else {
        continue
      }
      let doorayID = try await escalator.create(task, isNew: isNew, deadline: deadline)
      return try await ledger.message(
        for: try await open(task, as: doorayID, in: project, access, claim, call.deadline), deadline: call.deadline)
    }
    throw ServiceError(.conflict)
  }

  /// Where a ticket stands for an escalation.
  private enum Standing {
    /// This request has escalated it before.
    case escalated(TicketRecord)
    /// It can be escalated.
    case open(TicketRecord)
  }

  /// Looks whether an escalation was carried out before, and whether the ticket can be escalated.
  private func standing(
    of escalation: DoorayEscalation, by agent: AgentID, _ access: Access, _ claim: IdempotencyClaim?,
    _ deadline: Deadline
  ) async throws -> Standing {
    // When the first answer to this request was lost, and the task was found meanwhile, it is another ticket by now.
    let isOpened = try await isOpened(escalation, by: agent, access, deadline)
    do {
      let written = try await ledger.perform(
        on: escalation.name, access: access, version: isOpened ? 0 : escalation.version, idempotency: claim,
        deadline: deadline
      ) { ticket in
        if !isOpened { _ = try access.outcome(of: .escalateToDooray, on: ticket) }
        throw NotEscalatedNow(ticket: ticket)
      }
      return .escalated(written.ticket)
    } catch let now as NotEscalatedNow {
      return isOpened ? .escalated(now.ticket) : .open(now.ticket)
    } catch let error as ServiceError where [.transitionNotAllowed, .staleVersion].contains(error.reason) {
      // It may have been found just now.
      guard try await self.isOpened(escalation, by: agent, access, deadline) else { throw error }
      return .escalated(try await ledger.ticket(escalation.name, access: access, deadline: deadline))
    }
  }

  /// Whether the task of an earlier request that was the same is open by now.
  ///
  /// - Throws: TRANSITION_NOT_ALLOWED when the ticket had moved on before; REQUEST_ID_REUSED for another project.
  private func isOpened(
    _ escalation: DoorayEscalation, by agent: AgentID, _ access: Access, _ deadline: Deadline
  ) async throws -> Bool {
    let earlier = try await dooray.store.outcome(
      of: escalation.requestID, by: agent, on: escalation.name.id, in: access.service.id, deadline: deadline)
    guard let earlier, earlier.state != .sending else { return false }
    guard earlier.project == escalation.project.id else { throw ServiceError(.requestIDReused) }
    if earlier.state == .stray { throw Self.movedOn }
    return true
  }

  private static let movedOn = ServiceError(
    .transitionNotAllowed,
    "the ticket had moved on before its task at Dooray! was known; to escalate it again, send a new request")

  /// How often the ticket is looked at when it keeps changing.
  private static let escalationLooksMax = 3

  /// Longest time that a request works on a task; shorter than its lease.
  private static let doorayPatience: Duration = .seconds(45)

  /// Lists the tasks of a ticket, the newest first.
  ///
  /// - Throws: TICKET_NOT_FOUND, PERMISSION_DENIED, REQUEST_INVALID.
  package func listDoorayTasks(
    _ request: ListDoorayTasksRequest, _ call: CallContext
  ) async throws -> ListDoorayTasksResponse {
    let (access, ticket) = try await reading(try TicketName(request.parent, field: "parent"), call)
    return ListDoorayTasksResponse(
      tasks: try await dooray.store.tasks(of: ticket, in: access.service, deadline: call.deadline))
  }

  /// What can be chosen for a task of a project.
  ///
  /// - Throws: RESOURCE_NOT_FOUND, DOORAY_OFF, DOORAY_REFUSED, BACKEND_UNAVAILABLE, PERMISSION_DENIED, REQUEST_INVALID.
  package func getDoorayChoices(_ request: GetDoorayChoicesRequest, _ call: CallContext) async throws -> DoorayChoices {
    let name = try DoorayProjectName(request.name, field: "name")
    let access = try await doorayAccess(name.service, call)
    try access.require(.ticket)
    let (escalator, _) = try await escalator(name, try access.agent().agentID, access.service, call.deadline)
    do {
      return try await escalator.choices(call.deadline)
    } catch let failure as DoorayFailure {
      throw DoorayEscalator.beforehand(failure)
    }
  }

  /// The client, when tickets of a service can be escalated now; nil: they cannot.
  func activeDooray(in service: ServiceRecord, _ deadline: Deadline) async throws -> DoorayClient? {
    try await dooray.store.state(of: service.id, deadline: deadline).state == .active ? dooray.client : nil
  }

  private func escalator(
    _ name: DoorayProjectName, _ agent: AgentID, _ service: ServiceRecord, _ deadline: Deadline
  ) async throws -> (DoorayEscalator, DoorayProjectRecord) {
    guard let client = try await activeDooray(in: service, deadline) else { throw ServiceError(.doorayOff) }
    let project = try await dooray.store.project(name.id, of: service.id, deadline: deadline)
    return (
      try await DoorayEscalator(dooray, client, agent, project, of: service, deadline: deadline), project
    )
  }

  /// The row of the task that is to be created: that of the same request, or a new one once its tags are in order; nil
  /// when the ticket is not as it was read any more.
  private func task(
    of escalation: DoorayEscalation, on ticket: TicketRecord, _ escalator: DoorayEscalator, _ access: Access,
    _ deadline: Deadline
  ) async throws -> (DoorayTaskRecord, isNew: Bool)? {
    let agent = try access.agent().agentID
    if let known = try await dooray.store.sending(of: ticket, deadline: deadline) {
      guard !escalation.requestID.isEmpty, known.requestID == escalation.requestID, known.agentID == agent,
        known.projectID == escalation.project.id,
        let resumed = try await dooray.store.resume(known, deadline: deadline)
      else { throw DoorayStore.underway }
      return (resumed, false)
    }
    try await ledger.unusedUploads(escalation.attachments, of: access, deadline: deadline)
    let escalation = try await escalator.prepared(escalation, deadline)
    let marker = "Handoff \(escalation.name) \(Hex.encode(SecureRandom.bytes(16)))"
    return try await dooray.store.begin(escalation, by: agent, on: ticket, marker: marker, deadline: deadline)
      .map { ($0, true) }
  }

  /// Makes the ticket wait for a task that exists now.
  ///
  /// - Throws: TRANSITION_NOT_ALLOWED when the ticket has moved on meanwhile; the task is kept as a stray one.
  func open(
    _ task: DoorayTaskRecord, as doorayID: String, in project: DoorayProjectRecord, _ access: Access,
    _ claim: IdempotencyClaim?, _ deadline: Deadline
  ) async throws -> TicketRecord {
    let name = TicketName(service: access.service.code, id: task.ticketID)
    do {
      return try await ledger.perform(on: name, access: access, idempotency: claim, deadline: deadline) { ticket in
        try await opening(task, as: doorayID, in: project.id, ticket, access, deadline)
      }.ticket
    } catch let error as ServiceError where error.reason == .transitionNotAllowed {
      // Whoever opened it meanwhile has made this of it; it is kept then.
      try await stray(task, as: doorayID, deadline)
      throw error
    }
  }

  /// Keeps a task that exists though its ticket has moved on, which the ticket's history says; nothing happens when
  /// somebody has made anything else of it.
  func stray(_ task: DoorayTaskRecord, as doorayID: String, _ deadline: Deadline) async throws {
    do {
      _ = try await ledger.perform(on: task.ticketID, of: task.serviceID, deadline: deadline) { _ in
        guard let task = try await dooray.store.task(task.id, of: task.serviceID, deadline: deadline),
          task.state == .sending
        else { throw NotSending() }
        var event = EventDraft(.doorayTaskStrayed, by: .dooray)
        event.notes = [
          CodeChange("dooray_project", "", task.projectID.description), CodeChange("dooray_task", "", doorayID),
        ]
        var change = TicketChange(event)
        change.isSilent = true
        change.guards = [DoorayStore.isSending(task)]
        change.attachments = [DoorayStore.straying(task, as: doorayID)]
        return change
      }
    } catch is NotSending {
      return
    } catch let error as ServiceError where error.reason == .ticketNotFound {
      try await dooray.store.stray(task, as: doorayID, deadline: deadline)
    }
    dooray.log?.warning(
      "dooray.stray", ["ticket": .integer(task.ticketID.rawValue), "task": .string(doorayID)])
  }

  /// The change that makes a ticket wait for its task.
  private func opening(
    _ task: DoorayTaskRecord, as doorayID: String, in project: DoorayProjectID, _ ticket: TicketRecord,
    _ access: Access, _ deadline: Deadline
  ) async throws -> TicketChange {
    let outcome = try access.outcome(of: .escalateToDooray, on: ticket)
    // Parts of its text may have been masked since it was sent.
    let task = try await dooray.store.task(task.id, of: task.serviceID, deadline: deadline) ?? task
    var event = EventDraft(.doorayEscalated, by: access.ledgerActor, outcome: outcome, on: ticket)
    event.notes = [
      CodeChange("dooray_project", "", project.description), CodeChange("dooray_task", "", doorayID),
    ]
    if outcome.has(.runsTriggers) { event.outbox = [try .triggers(.escalated)] }
    // What was used elsewhere meanwhile does not go along.
    let files =
      task.attachments.isEmpty
      ? []
      : try await store.attachments(task.attachments, of: task.serviceID, deadline: deadline)
        .filter { $0.ticketID == nil }.map { StoredFile(id: $0.id, hash: $0.hash) }
    var entryID: EntryID?
    var statements = [DoorayStore.opening(task, as: doorayID)]
    var companions: [Query] = []
    if !files.isEmpty {
      let id = try await ledger.newEntryID(deadline: deadline)
      entryID = id
      event.notes += files.notes
      event.outbox.append(
        OutboxDraft(.dooray, payload: try DoorayWork(work: .taskFiles(task.id.rawValue)).serialized()))
      statements.append(DoorayStore.adding(files.map(\.id), to: task))
      companions = [TicketStore.attach(files.map(\.id), to: id, of: ticket.id, in: ticket.serviceID)]
    }
    event.entries = [EntryDraft(.escalation, .escalate, body: task.body, id: entryID)]
    var change = TicketChange(event)
    change.guards = [DoorayStore.isSending(task)]
    change.attachments = statements
    change.companions = companions
    return change
  }
}

/// Somebody has made something else of a task.
private struct NotSending: Error {}

/// Nothing is written for this request now: it has to be carried out first, or the settler did it.
private struct NotEscalatedNow: Error {
  let ticket: TicketRecord
}
