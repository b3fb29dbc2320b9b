import Crypto
import HandoffAPI
import HandoffTestKit
import LedgerTestKit
import Postgres
import Protobuf
import RPC
import ServiceKit
import TicketLedger

@testable import Assignment

/// The assignment service of a test desk, with the rights of the daemon's own database role: a missing grant fails a
/// test.
struct Office: Sendable {
  /// Scrypt that takes no time.
  static let cheap = Scrypt.Parameters(cost: 16, blockSize: 1, parallelization: 1)

  let desk: Desk
  let runner: TriggerRunner
  let departures: DepartureWorker
  let waiting: WaitingTickets
  let service: AssignmentService

  static func open() async throws -> Office {
    try Office(desk: try await Desk.open())
  }

  /// A daemon beside others on the same desk; it knows nothing of what they remember.
  ///
  /// - Parameter callbacks: nil: there are no secrets, and so no callbacks.
  init(desk: Desk, callbacks: Callbacks? = nil) throws {
    self.desk = desk
    let ledger = try desk.ledger(as: "handoff_assignment")
    runner = TriggerRunner(
      ledger: ledger, log: Logger(service: "tests", level: .error, output: .standardError), metrics: Metrics())
    waiting = WaitingTickets(runner, metrics: Metrics())
    departures = DepartureWorker(
      ledger: ledger, log: Logger(service: "tests", level: .error, output: .standardError), metrics: Metrics())
    service = AssignmentService(
      ledger: ledger, runner: runner, passwords: PasswordCheck(parameters: Self.cheap),
      callbacks: callbacks ?? Callbacks(pool: ledger.pool, masking: nil))
  }

  func call(_ method: String, by agent: AgentID?, caller: String = "gateway") -> CallContext {
    desk.call(method, by: agent, caller: caller, service: "AssignmentService")
  }

  func execute(_ query: Query) async throws {
    _ = try await desk.database.pool.query(query, deadline: desk.deadline)
  }

  /// A new unassigned ticket of `care`, with the order of a trigger pass in the outbox.
  func ticket(
    title: String = "세탁기에서 물이 새요", content: String = "아래로 물이 나와요.", type: SubmissionTypeID? = nil,
    cause: TriggerPass.Cause? = .created
  ) async throws -> TicketName {
    let care = try await desk.ledger.directory.service(code: "care", deadline: desk.deadline)
    var draft = TicketDraft(service: care, state: .unassigned, title: title, channel: .helpCenter, by: .customer)
    draft.submissionTypeID = type
    draft.customer.name = "홍길동"
    draft.event.entries = [EntryDraft(.inquiry, .create, body: content)]
    if let cause { draft.event.outbox = [OutboxDraft(.triggers, payload: try TriggerPass(cause: cause).serialized())] }
    let written = try await desk.ledger.create(draft, deadline: desk.deadline)
    return TicketName(service: "care", id: written.ticket.id)
  }

  /// Orders a further pass of a ticket.
  func order(_ cause: TriggerPass.Cause, of name: TicketName) async throws {
    var event = EventDraft(.customerReplied, by: .customer)
    event.outbox = [OutboxDraft(.triggers, payload: try TriggerPass(cause: cause).serialized())]
    let ticket = try await record(name)
    _ = try await desk.ledger.write(TicketChange(event), on: ticket, deadline: desk.deadline)
  }

  func record(_ name: TicketName) async throws -> TicketRecord {
    let care = try await desk.ledger.directory.service(code: name.service, deadline: desk.deadline)
    return try await desk.ledger.ticket(name.id, of: care.id, deadline: desk.deadline)
  }

  /// Codes of a ticket's events after the first, in order.
  func events(_ name: TicketName) async throws -> [String] {
    try await desk.database.pool.query(
      "SELECT code FROM ticket_event WHERE ticket_id = \(name.id) AND sequence > 1 ORDER BY sequence",
      deadline: desk.deadline
    ).map { try $0.string(0) }
  }

  /// Adds agents of `care` to the group Front.
  func hire(_ ids: ClosedRange<Int64>) async throws -> [AgentID] {
    for id in ids {
      try await execute(
        """
        INSERT INTO agent (id, organization_id, email, display_name)
        VALUES (\(id), 1, \("agent\(id)@example.org"), \("Agent \(id)"))
        """)
      try await execute("INSERT INTO service_member (service_id, agent_id) VALUES (1, \(id))")
      try await execute("INSERT INTO group_member (service_id, group_id, agent_id) VALUES (1, 1, \(id))")
    }
    return ids.map { AgentID($0) }
  }

  /// Creates a trigger of `care` as its administrator.
  @discardableResult
  func trigger(_ conditions: [TriggerCondition] = [.isNew], _ results: TriggerResult.Result...) async throws -> Trigger
  {
    try await service.createTrigger(
      CreateTriggerRequest(
        parent: "services/care",
        trigger: Trigger(
          displayName: "배정", conditions: conditions, results: results.map { TriggerResult(result: $0) })),
      call("CreateTrigger", by: Desk.boss))
  }

  /// Runs the waiting passes of a ticket, as tickets asks for it.
  @discardableResult
  func run(_ name: TicketName) async throws -> Ticket? {
    try await service.runTriggers(
      RunTriggersRequest(name: name.description), call("RunTriggers", by: nil, caller: "tickets")
    ).ticket
  }
}

extension TriggerCondition {
  static let isNew = TriggerCondition(target: .cause, operator: .in, values: ["CREATED"])
}

extension TriggerResult.Result {
  /// An assignment to agents of `care`, by default of its group Front.
  static func assign(_ mode: AssignResult.Mode, _ agents: [AgentID], group: GroupID = Desk.front) -> Self {
    .assign(
      AssignResult(
        mode: mode, group: "services/care/groups/\(group)", agents: agents.map { AgentName(id: $0).description }))
  }
}

/// What a call is refused with; nil when it is not refused.
func refusal(_ call: () async throws -> Void) async -> ServiceError? {
  do {
    try await call()
    return nil
  } catch {
    return error as? ServiceError ?? ServiceError(.internal, "\(error)")
  }
}
