package import EventLoop
import Postgres
package import ServiceKit

/// Live numbers of a service; tickets in the spam box are not counted.
package struct ServiceCounters: Sendable, Equatable {
  /// Active members who may process tickets.
  package var agentCount: Int64
  /// Tickets received today, in the service's time zone.
  package var receivedToday: Int64
  /// Of those, the ones that nobody holds.
  package var unassignedToday: Int64
  /// All tickets that nobody holds.
  package var unassignedTotal: Int64
  /// Tickets received in the last 1,440 whole minutes and the current one.
  package var receivedLastDay: Int64
  /// Of those, the ones that are resolved or completed.
  package var resolvedLastDay: Int64
  /// Tickets by state; states without tickets are left out.
  package var byState: [TicketState: Int64]
  /// Tickets that the asking agent holds, by state.
  package var mineByState: [TicketState: Int64]
  /// Tickets that the asking agent holds and promised a call about; counted up to ``callBacksMax``.
  package var myCallBackCount: Int64 = 0

  /// Most promised calls of an agent that are counted.
  static let callBacksMax: Int64 = 10_000

  /// Tickets that the asking agent holds and that wait for an issue service or for Dooray!.
  package var myEscalatedCount: Int64 {
    [.escalating, .doorayEscalated, .doorayInProgress].reduce(0) { $0 + (mineByState[$1] ?? 0) }
  }

  /// Share of the last day's tickets that are resolved or completed, rounded; 0 when there are none.
  package var resolvedPercent: Int32 {
    guard receivedLastDay > 0 else { return 0 }
    return Int32(clamping: (resolvedLastDay * 200 + receivedLastDay) / (2 * receivedLastDay))
  }
}

extension TicketLedger {
  /// Reads the counters of a service: the folded numbers plus the changes that are not folded yet, in one snapshot.
  ///
  /// What it costs does not grow with the number of tickets.
  ///
  /// - Parameter agent: whose own numbers are wanted; nil: nobody's.
  /// - Throws: the database's errors as ``ServiceError``.
  package func counters(
    of service: ServiceRecord, for agent: AgentID?, deadline: Deadline
  ) async throws -> ServiceCounters {
    let (board, own) = try await counters(of: service, for: agent.map { [$0] } ?? [], deadline: deadline)
    return agent.flatMap { own[$0] } ?? board
  }

  /// Reads the counters of a service for several agents at once; see ``counters(of:for:deadline:)``.
  ///
  /// - Returns: the service's numbers without anybody's own, and with each agent's own.
  /// - Throws: the database's errors as ``ServiceError``.
  package func counters(
    of service: ServiceRecord, for agents: [AgentID], deadline: Deadline
  ) async throws -> (board: ServiceCounters, own: [AgentID: ServiceCounters]) {
    let rows = try await ServiceError.translating {
      try await pool.query(Self.countersQuery(service, agents.map(\.rawValue)), deadline: deadline)
    }
    var board = ServiceCounters(
      agentCount: 0, receivedToday: 0, unassignedToday: 0, unassignedTotal: 0, receivedLastDay: 0, resolvedLastDay: 0,
      byState: [:], mineByState: [:])
    for row in rows { try board.add(row) }
    var own: [AgentID: ServiceCounters] = [:]
    for agent in agents { own[agent] = board }
    for row in rows {
      guard let agent: Int64 = try row.value(1) else { continue }
      try own[AgentID(agent)]?.addOwn(row)
    }
    return (board, own)
  }

  /// When the day of a moment began. Where clocks are set back at midnight it begins with the first of the two; of a
  /// time that comes twice, PostgreSQL takes the second.
  static func startOfDay(_ now: Query, in zone: Query) -> Query {
    """
    (SELECT CASE WHEN (d.edge - interval '1 hour') AT TIME ZONE \(fragment: zone) >= d.day
        THEN d.edge - interval '1 hour' ELSE d.edge END
      FROM (
        SELECT t.day, t.day AT TIME ZONE \(fragment: zone) AS edge
        FROM (SELECT date_trunc('day', \(fragment: now) AT TIME ZONE \(fragment: zone)) AS day) AS t
      ) AS d)
    """
  }

  /// Of today and of the last day, the whole hours are read, and the minutes before the first of them.
  ///
  /// The board is the row without state and agent; then a row for each state, each agent's states, and each agent's
  /// promised calls.
  private static func countersQuery(_ service: ServiceRecord, _ agents: [Int64]) -> Query {
    """
    WITH edge AS (
      SELECT is_today, since, date_trunc('hour', since - interval '1 microsecond', 'UTC') + interval '1 hour' AS whole
      FROM service AS s, LATERAL (VALUES
        (true, \(fragment: startOfDay("clock_timestamp()", in: "s.time_zone"))),
        (false, date_trunc('minute', clock_timestamp()) - interval '1440 minutes')) AS e (is_today, since)
      WHERE s.id = \(service.id)
    ), recent AS (
      SELECT minute, agent_id, state, change FROM ticket_count_change WHERE service_id = \(service.id)
    ), holder AS (
      SELECT agent_id, state, sum(count)::bigint AS count
      FROM (
        SELECT agent_id, state, count FROM ticket_holder_count WHERE service_id = \(service.id)
        UNION ALL SELECT agent_id, state, change FROM recent
      ) AS h GROUP BY agent_id, state
    ), board AS (
      SELECT edge.is_today, c.received, c.unassigned, c.resolved
      FROM edge, LATERAL (
        SELECT coalesce(sum(m.received), 0)::bigint AS received, coalesce(sum(m.unassigned), 0)::bigint AS unassigned,
          coalesce(sum(m.resolved), 0)::bigint AS resolved
        FROM (
          SELECT received, unassigned, resolved FROM ticket_minute_count
          WHERE service_id = \(service.id) AND minute >= edge.since AND minute < edge.whole
          UNION ALL SELECT received, unassigned, resolved FROM ticket_hour_count
          WHERE service_id = \(service.id) AND hour >= edge.whole
          UNION ALL SELECT change, CASE WHEN agent_id = 0 THEN change ELSE 0 END,
            CASE WHEN state IN ('RESOLVED', 'COMPLETED') THEN change ELSE 0 END FROM recent WHERE minute >= edge.since
        ) AS m
      ) AS c
    )
    SELECT NULL AS state, NULL::bigint AS agent, today.received, today.unassigned, day.received, day.resolved,
      (SELECT count(*) FROM service_member AS m JOIN agent AS a ON a.id = m.agent_id
        WHERE m.service_id = \(service.id) AND a.is_active AND (m.has_ticket_right OR m.role = 'ADMINISTRATOR'))
    FROM board AS today JOIN board AS day ON today.is_today AND NOT day.is_today
    UNION ALL
    SELECT state, NULL, sum(count)::bigint, coalesce(sum(count) FILTER (WHERE agent_id = 0), 0)::bigint, 0, 0, 0
    FROM holder GROUP BY state
    UNION ALL
    SELECT state, agent_id, count, 0, 0, 0, 0 FROM holder WHERE agent_id = ANY (\(agents))
    UNION ALL
    SELECT NULL, a.id, c.count, 0, 0, 0, 0 FROM unnest(\(agents)) AS a (id), LATERAL (
      SELECT count(*) AS count FROM (SELECT FROM ticket AS t WHERE t.service_id = \(service.id) AND t.agent_id = a.id
        AND t.call_back_active AND NOT t.is_spam LIMIT \(ServiceCounters.callBacksMax)) AS t) AS c
    """
  }
}

extension ServiceCounters {
  /// Takes over what a row says of the service.
  fileprivate mutating func add(_ row: Row) throws {
    guard try row.value(1) as Int64? == nil else { return }
    guard let state: TicketState = try row.value(0) else {
      receivedToday = try row.int64(2)
      unassignedToday = try row.int64(3)
      receivedLastDay = try row.int64(4)
      resolvedLastDay = try row.int64(5)
      agentCount = try row.int64(6)
      return
    }
    let count = try row.int64(2)
    if count != 0 { byState[state] = count }
    unassignedTotal += try row.int64(3)
  }

  /// Takes over what a row says of an agent.
  fileprivate mutating func addOwn(_ row: Row) throws {
    let count = try row.int64(2)
    guard let state: TicketState = try row.value(0) else {
      myCallBackCount = count
      return
    }
    if count != 0 { mineByState[state] = count }
  }
}
