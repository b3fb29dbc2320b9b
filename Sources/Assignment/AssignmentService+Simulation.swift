import EventLoop
package import HandoffAPI
import Postgres
package import RPC
import ServiceKit
import TicketLedger

extension AssignmentService {
  private static let ticketsMax: Int32 = 1000

  /// Says which triggers would fire on tickets, in order, and what each would change. Nothing is written.
  ///
  /// - Throws: SERVICE_NOT_FOUND, TICKET_NOT_FOUND, REQUEST_INVALID, PERMISSION_DENIED.
  package func simulateTriggers(
    _ request: SimulateTriggersRequest, _ call: CallContext
  ) async throws -> SimulateTriggersResponse {
    let parent = try ServiceName(request.parent, field: "parent")
    let service = try await settings(of: parent.code, call)
    var check = RequestCheck()
    check.require(
      (0...Self.ticketsMax).contains(request.ticketCount), "ticket_count", "must be 0 to \(Self.ticketsMax)")
    let cause = request.cause == .unspecified ? .created : TriggerCause(number: request.cause.rawValue)
    check.require(cause != nil, "cause", "is not a cause")
    let name = check.value("ticket") { () throws(ServiceError) in
      try TicketName.optional(request.ticket, field: "ticket")
    }
    try check.done()
    let set = try await simulated(request.trigger, of: service, call)
    let count = Int(request.ticketCount == 0 ? Self.ticketsMax : request.ticketCount)
    let tickets =
      if let name = name ?? nil {
        [try await ledger.ticket(name, access: try await ledger.access(call, ticket: name), deadline: call.deadline)]
      } else {
        try await newest(count, of: service, call)
      }
    let simulation = TriggerSimulation(
      service: service, set: set, cause: cause ?? .created, contents: try await contents(of: tickets, set, call),
      fields: try await triggers.fieldValues(
        of: tickets.map(\.id), in: service.id, fields: set.program.compiled.fields, deadline: call.deadline),
      turns: try await turns(of: service, call))
    return try await simulation.run(tickets)
  }

  /// The active triggers, with one that is not saved in the place of the one it names, else behind them.
  private func simulated(_ draft: Trigger?, of service: ServiceRecord, _ call: CallContext) async throws -> TriggerSet {
    var set = try await triggers.active(of: service, deadline: call.deadline)
    guard let draft else { return set }
    let checked = try await checked(draft, of: service, call)
    let id = try TriggerName.optional(draft.name, field: "trigger.name")?.id
    var list = set.triggers
    let added = try ActiveTrigger(
      id ?? TriggerSimulation.draftID, checked.displayName, version: 0, checked, of: service)
    if let place = list.firstIndex(where: { $0.id == id }) { list[place] = added } else { list.append(added) }
    set = try await triggers.people(of: service, deadline: call.deadline)
    set.program = TriggerProgram(generation: 0, mode: set.program.mode, triggers: list)
    return set
  }

  private func newest(_ count: Int, of service: ServiceRecord, _ call: CallContext) async throws -> [TicketRecord] {
    try await ServiceError.translating {
      try await ledger.pool.query(
        """
        SELECT \(fragment: TicketRecord.columns) FROM ticket AS t
        WHERE t.service_id = \(service.id) AND NOT t.is_spam ORDER BY t.id DESC LIMIT \(count)
        """, deadline: call.deadline
      ).map { try TicketRecord($0) }
    }
  }

  /// The first inquiries, when a condition looks at them.
  private func contents(
    of tickets: [TicketRecord], _ set: TriggerSet, _ call: CallContext
  ) async throws -> [TicketID: String] {
    guard set.program.compiled.looksAtContent, let service = tickets.first?.serviceID else { return [:] }
    let rows = try await ServiceError.translating {
      try await ledger.pool.query(
        """
        SELECT DISTINCT ON (e.ticket_id) e.ticket_id, e.body FROM ticket_entry AS e
        WHERE e.service_id = \(service) AND e.ticket_id = ANY(\(tickets.map(\.id)))
        ORDER BY e.ticket_id, e.create_time, e.id
        """, deadline: call.deadline)
    }
    return Dictionary(try rows.map { (try $0.value(0), try $0.value(1)) }, uniquingKeysWith: { first, _ in first })
  }

  private func turns(of service: ServiceRecord, _ call: CallContext) async throws -> [TurnCursor: Int64] {
    let rows = try await ServiceError.translating {
      try await ledger.pool.query(
        "SELECT c.trigger_id, c.result_index, c.turn FROM trigger_cursor AS c WHERE c.service_id = \(service.id)",
        deadline: call.deadline)
    }
    return Dictionary(
      try rows.map {
        (
          TurnCursor(service: service.id, trigger: try $0.value(0), resultIndex: try $0.value(1)), try $0.int64(2)
        )
      }, uniquingKeysWith: { first, _ in first })
  }
}

/// What triggers would do to tickets, one after the other as they stand in the list.
struct TriggerSimulation {
  /// The id of a trigger that is not saved; the database gives ids from 1.
  static let draftID = TriggerID(0)

  let service: ServiceRecord
  let set: TriggerSet
  let cause: TriggerCause
  let contents: [TicketID: String]
  let fields: [TicketID: [Int64: [String]]]
  /// Where the cursors stand.
  let turns: [TurnCursor: Int64]

  func run(_ tickets: [TicketRecord]) async throws -> SimulateTriggersResponse {
    var turns = turns
    var response = SimulateTriggersResponse(ticketCount: Int32(tickets.count))
    for ticket in tickets where !ticket.isSpam {
      let context = PassContext(
        ticket: ticket, service: service, set: set, cause: cause, causeSequence: 0,
        content: contents[ticket.id] ?? "", fields: fields[ticket.id] ?? [:])
      var plan = TriggerPassPlan(context)
      try await plan.run { cursor in
        turns[cursor, default: 0] += 1
        return turns[cursor, default: 1] - 1
      }
      guard !plan.firings.isEmpty else { continue }
      response.tickets.append(
        SimulateTriggersResponse.SimulatedTicket(
          ticket: TicketName(service: service.code, id: ticket.id).description, firings: firings(of: plan, on: ticket),
          heldBack: plan.heldBack().map { self.name(of: $0) }))
    }
    return response
  }

  private func name(of trigger: ActiveTrigger) -> String {
    trigger.id == Self.draftID ? "" : trigger.name.description
  }

  private func firings(of plan: TriggerPassPlan, on ticket: TicketRecord) -> [SimulateTriggersResponse.Firing] {
    var ticket = ticket
    return plan.firings.map { firing in
      var message = SimulateTriggersResponse.Firing(
        trigger: name(of: firing.trigger), triggerVersion: firing.trigger.version,
        triggerDisplayName: firing.trigger.displayName)
      for event in firing.events {
        let before = ticket.codes
        ticket.apply(plan.events[event].set, at: ticket.updateTime)
        for (old, new) in zip(before, ticket.codes) where old.code != new.code {
          message.changes.append(.init(field: old.field, before: old.code, after: new.code))
        }
      }
      message.unassignedGroups = plan.records.filter { firing.events.contains($0.event) && $0.record.agent.isEmpty }
        .map(\.record.group)
      message.sends = firing.sends
      return message
    }
  }
}
