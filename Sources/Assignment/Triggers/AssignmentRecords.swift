import EventLoop
import HandoffAPI
import Postgres
import Protobuf
import ServiceKit
import TicketLedger

/// SQL of how tickets came to their holders.
struct AssignmentRecords: Sendable {
  /// The last event that decided about a ticket's holder.
  struct Decision: Sendable {
    let sequence: Int32
    let code: EventCode
    let actor: LedgerActor
    /// The holder since; nil: nobody.
    let agent: AgentID?
    /// How a trigger made it.
    let record: AssignmentRecord?
  }

  let pool: PostgresPool

  /// The last decision about a ticket's holder; nil when there was none.
  func last(of ticket: TicketRecord, deadline: Deadline) async throws -> Decision? {
    let row = try await ServiceError.translating {
      try await pool.query(
        """
        SELECT v.sequence, v.code, v.actor_kind, v.actor_name, v.changes, r.record
        FROM ticket_event AS v
        LEFT JOIN assignment_record AS r
          ON r.service_id = v.service_id AND r.ticket_id = v.ticket_id AND r.event_sequence = v.sequence
        WHERE v.service_id = \(ticket.serviceID) AND v.ticket_id = \(ticket.id)
          AND (v.code = 'ASSIGNMENT_FAILED' OR v.changes LIKE '%"field":"agent"%')
        ORDER BY v.sequence DESC LIMIT 1
        """, deadline: deadline
      ).first
    }
    guard let row, let code = EventCode(rawValue: try row.string(1)) else { return nil }
    let changes = CodeChange.decode(try row.string(4)) ?? []
    let agent = changes.first { $0.field == "agent" }.flatMap { Int64($0.after) }
    let bytes: [UInt8]? = try row.value(5)
    return Decision(
      sequence: try row.value(0), code: code,
      actor: LedgerActor(kind: try row.value(2), name: try row.value(3)), agent: agent.map { AgentID($0) },
      record: try bytes.map { try AssignmentRecord(serialized: $0) })
  }

  /// The names of groups and agents of a service, by their resource names.
  func names(groups: [GroupID], agents: [AgentID], in service: ServiceRecord, deadline: Deadline) async throws
    -> [String: String]
  {
    let rows = try await ServiceError.translating {
      try await pool.query(
        """
        SELECT 'g', g.id, g.display_name FROM agent_group AS g
        WHERE g.service_id = \(service.id) AND g.id = ANY(\(groups))
        UNION ALL SELECT 'a', a.id, a.display_name FROM agent AS a
        WHERE a.organization_id = \(service.organizationID) AND a.id = ANY(\(agents))
        """, deadline: deadline)
    }
    return Dictionary(
      try rows.map { row in
        let id = try row.int64(1)
        let name =
          try row.string(0) == "g"
          ? GroupName(service: service.code, id: GroupID(id)).description : AgentName(id: AgentID(id)).description
        return (name, try row.string(2))
      }, uniquingKeysWith: { first, _ in first })
  }
}
