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
  var isEscalated = false
  /// Nil: any.
  var state: TicketState?
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
  /// A page of tickets, newest first.
  ///
  /// - Parameter before: the last ticket of the page before; nil: from the newest.
  func tickets(
    _ filter: TicketFilter, before: TicketID?, limit: Int, deadline: Deadline
  ) async throws -> [TicketRecord] {
    let query = Self.page(filter, before: before ?? TicketID(.max), limit: limit)
    return try await ServiceError.translating {
      try await pool.query(query, deadline: deadline).map { try TicketRecord(starred: $0) }
    }
  }

  /// The statement of a page. Each reads an index backwards from where the page begins, and no more rows than it shows.
  ///
  /// Where an index has one ordered run for each group, or for each state of a holder, the newest of every run are
  /// taken and merged: PostgreSQL would otherwise sort all of them.
  static func page(_ filter: TicketFilter, before: TicketID, limit: Int) -> Query {
    let conditions = conditions(filter)
    // Few enough to look at one by one, whatever else is asked of them.
    if filter.isStarred || filter.hasCallBack { return few(filter, conditions, before: before, limit: limit) }
    if let groups = filter.groups {
      return merged(
        """
        SELECT run.id FROM unnest(\(groups)) AS g (group_id) CROSS JOIN LATERAL (
          SELECT t.id FROM ticket AS t
          WHERE \(fragment: conditions) AND t.group_id = g.group_id AND t.id < \(before)
          ORDER BY t.id DESC LIMIT \(limit)
        ) AS run ORDER BY run.id DESC LIMIT \(limit)
        """, filter)
    }
    if case .agent = filter.holder, filter.state == nil, !filter.isSpam, !filter.isEscalated {
      return merged(
        """
        SELECT run.id FROM unnest(\(TicketState.allCases.map(\.rawValue))) AS s (state) CROSS JOIN LATERAL (
          SELECT t.id FROM ticket AS t
          WHERE \(fragment: conditions) AND t.state = s.state AND t.id < \(before)
          ORDER BY t.id DESC LIMIT \(limit)
        ) AS run ORDER BY run.id DESC LIMIT \(limit)
        """, filter)
    }
    return """
      SELECT \(fragment: TicketRecord.columns), \(fragment: TicketRecord.isStarred(by: filter.viewer)) FROM ticket AS t
      WHERE \(fragment: conditions) AND t.id < \(before) ORDER BY t.id DESC LIMIT \(limit)
      """
  }

  private static func few(_ filter: TicketFilter, _ conditions: Query, before: TicketID, limit: Int) -> Query {
    let groups: Query = filter.groups.map { "AND t.group_id = ANY(\($0))" } ?? ""
    guard filter.isStarred else {
      return """
        SELECT \(fragment: TicketRecord.columns), \(fragment: TicketRecord.isStarred(by: filter.viewer))
        FROM ticket AS t WHERE \(fragment: conditions) \(fragment: groups) AND t.id < \(before)
        ORDER BY t.id DESC LIMIT \(limit)
        """
    }
    return """
      SELECT \(fragment: TicketRecord.columns), true
      FROM ticket_star AS x JOIN ticket AS t ON t.service_id = x.service_id AND t.id = x.ticket_id
      WHERE x.service_id = \(filter.service) AND x.agent_id = \(filter.viewer) AND x.ticket_id < \(before)
        AND \(fragment: conditions) \(fragment: groups)
      ORDER BY x.ticket_id DESC LIMIT \(limit)
      """
  }

  private static func merged(_ ids: Query, _ filter: TicketFilter) -> Query {
    """
    SELECT \(fragment: TicketRecord.columns), \(fragment: TicketRecord.isStarred(by: filter.viewer)) FROM ticket AS t
    WHERE t.service_id = \(filter.service) AND t.id = ANY (ARRAY(\(fragment: ids))) ORDER BY t.id DESC
    """
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
    if filter.isEscalated {
      sql.appendLiteral(
        """
         AND (t.target_ticket_id IS NOT NULL \
        OR t.state IN ('DOORAY_ESCALATED', 'DOORAY_IN_PROGRESS', 'DOORAY_ANSWERED'))
        """)
    }
    if let state = filter.state {
      sql.appendLiteral(" AND t.state = ")
      sql.appendInterpolation(state)
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
