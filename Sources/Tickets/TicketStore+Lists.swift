import EventLoop
import Postgres
import ServiceKit
import TicketLedger

/// Which tickets of a service to list.
struct TicketFilter: Sendable, Equatable {
  /// Who holds them.
  enum Holder: Sendable, Equatable {
    case anyone
    case nobody
    case agent(AgentID)
  }

  let service: ServiceID
  /// In the spam box, or outside.
  var isSpam = false
  /// Ever escalated to any of these; empty: whether they were or not.
  var escalatedTo: [EscalatedTo] = []
  /// Any of these; empty: all.
  var states: [TicketState] = []
  var holder = Holder.anyone
  /// Nil: of any group and of none.
  var groups: [GroupID]?
  var hasCallBack = false
  /// Only what the viewer starred.
  var isStarred = false
  /// Whose stars are shown; nil: nobody's.
  var viewer: AgentID?

  init(service: ServiceID) { self.service = service }
}

extension TicketStore {
  /// A page of tickets, and one more when there is one.
  ///
  /// - Parameter holders: see ``holders(of:inSpam:deadline:)``; read where the order needs them.
  func tickets(
    _ search: TicketSearch, in order: TicketOrder, holders: [Holder], after end: PageEnd?, limit: Int,
    deadline: Deadline
  ) async throws -> [TicketRecord] {
    let page = PageStatement(search: search, order: order, holders: holders, end: end, limit: limit)
    return try await tickets(page.query, deadline: deadline)
  }

  /// The agents who may hold tickets of a service, in order: those whom the counters know, and for the spam box, which
  /// is not counted, all of the organization.
  func holders(of service: ServiceRecord, inSpam: Bool, deadline: Deadline) async throws -> [Holder] {
    let query: Query =
      inSpam
      ? "SELECT a.id, a.display_name FROM agent AS a WHERE a.organization_id = \(service.organizationID)"
      : """
      SELECT a.id, a.display_name FROM agent AS a WHERE a.id IN (
        SELECT h.agent_id FROM ticket_holder_count AS h WHERE h.service_id = \(service.id) AND h.count <> 0
        UNION ALL SELECT c.agent_id FROM ticket_count_change AS c WHERE c.service_id = \(service.id))
      """
    return try await ServiceError.translating {
      try await pool.query(query, deadline: deadline).map { Holder(id: try $0.value(0), name: try $0.string(1)) }
    }.sorted()
  }

  /// The conditions are worded as in the partial indexes, so that the planner sees that they fit.
  static func conditions(_ filter: TicketFilter) -> Query {
    var sql = Query.Interpolation(literalCapacity: 0, interpolationCount: 4)
    sql.appendLiteral("t.service_id = ")
    sql.appendInterpolation(filter.service)
    if filter.hasCallBack { sql.appendLiteral(" AND t.call_back_active") }
    if filter.isSpam {
      sql.appendLiteral(" AND t.is_spam AND t.delete_time IS NULL")
    } else {
      sql.appendLiteral(" AND NOT t.is_spam")
    }
    // Lists of values are worded so that no index is read by them: the order of what an index finds so is lost.
    if !filter.escalatedTo.isEmpty {
      sql.appendLiteral(" AND array_position(")
      sql.appendInterpolation(fragment: .list(filter.escalatedTo))
      sql.appendLiteral(", t.escalated_to) IS NOT NULL")
    }
    if filter.states.count == 1 {
      sql.appendLiteral(" AND t.state = ")
      sql.appendInterpolation(filter.states[0])
    } else if !filter.states.isEmpty {
      sql.appendLiteral(" AND array_position(")
      sql.appendInterpolation(fragment: .list(filter.states))
      sql.appendLiteral(", t.state) IS NOT NULL")
    }
    switch filter.holder {
    case .anyone: break
    case .nobody: sql.appendLiteral(" AND t.agent_id IS NULL")
    case .agent(let id):
      sql.appendLiteral(" AND t.agent_id = ")
      sql.appendInterpolation(id)
    }
    return Query(stringInterpolation: sql)
  }
}
