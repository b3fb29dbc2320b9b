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
      try await pool.query(query, deadline: deadline).map { try TicketRecord($0) }
    }
  }

  /// The statement of a page. Each reads an index backwards from where the page begins, and no more rows than it shows.
  ///
  /// Where an index has one ordered run for each group, or for each state of a holder, the newest of every run are
  /// taken and merged: PostgreSQL would otherwise sort all of them.
  static func page(_ filter: TicketFilter, before: TicketID, limit: Int) -> Query {
    let conditions = conditions(filter)
    if let groups = filter.groups {
      return merged(
        """
        SELECT run.id FROM unnest(\(groups)) AS g (group_id) CROSS JOIN LATERAL (
          SELECT t.id FROM ticket AS t
          WHERE \(fragment: conditions) AND t.group_id = g.group_id AND t.id < \(before)
          ORDER BY t.id DESC LIMIT \(limit)
        ) AS run ORDER BY run.id DESC LIMIT \(limit)
        """, of: filter.service)
    }
    if case .agent = filter.holder, filter.state == nil, !filter.isSpam, !filter.isEscalated {
      return merged(
        """
        SELECT run.id FROM unnest(\(TicketState.allCases.map(\.rawValue))) AS s (state) CROSS JOIN LATERAL (
          SELECT t.id FROM ticket AS t
          WHERE \(fragment: conditions) AND t.state = s.state AND t.id < \(before)
          ORDER BY t.id DESC LIMIT \(limit)
        ) AS run ORDER BY run.id DESC LIMIT \(limit)
        """, of: filter.service)
    }
    return """
      SELECT \(fragment: TicketRecord.columns) FROM ticket AS t
      WHERE \(fragment: conditions) AND t.id < \(before) ORDER BY t.id DESC LIMIT \(limit)
      """
  }

  private static func merged(_ ids: Query, of service: ServiceID) -> Query {
    """
    SELECT \(fragment: TicketRecord.columns) FROM ticket AS t
    WHERE t.service_id = \(service) AND t.id = ANY (ARRAY(\(fragment: ids))) ORDER BY t.id DESC
    """
  }

  /// The conditions are worded as in the partial indexes, so that the planner sees that they fit.
  private static func conditions(_ filter: TicketFilter) -> Query {
    var sql = Query.Interpolation(literalCapacity: 0, interpolationCount: 4)
    sql.appendLiteral("t.service_id = ")
    sql.appendInterpolation(filter.service)
    if filter.isSpam { sql.appendLiteral(" AND t.is_spam") } else { sql.appendLiteral(" AND NOT t.is_spam") }
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
