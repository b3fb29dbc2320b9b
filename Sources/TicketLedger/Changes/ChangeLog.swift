package import EventLoop
package import HandoffAPI
import Postgres
import ServiceKit

/// A numbered change of a ticket: the events that it wrote, and what the ticket was like when the change was read.
package struct NumberedChange: Sendable {
  /// Where it stands in its service's stream.
  package let position: ChangePosition
  /// The ticket.
  package let ticketID: TicketID
  /// As the API tells it.
  package let message: LiveChange
}

/// A row of `ticket_change_log`.
private struct LoggedChange {
  let number: Int64
  let ticketID: TicketID
  let version: Int64

  init(_ row: Row) throws(PostgresError) {
    number = try row.value(0)
    ticketID = try row.value(1)
    version = try row.value(2)
  }
}

extension TicketLedger {
  /// Most changes read at a time.
  package static let changesMax = 200
  /// How long a numbered change is kept, unless ``changesKeptMax`` newer ones follow.
  package static let changesKept: Duration = .seconds(24 * 3600)
  /// Numbered changes of a service that are kept at most, however young.
  package static let changesKeptMax: Int64 = 200_000

  /// The number of a service's last change.
  ///
  /// - Throws: the database's errors as ``ServiceError``.
  package func lastChange(of service: ServiceID, deadline: Deadline) async throws -> ChangePosition {
    try await ServiceError.translating {
      let row = try await pool.query(
        "SELECT h.epoch, h.position FROM ticket_change_head AS h WHERE h.service_id = \(service)", deadline: deadline
      ).first
      if let row { return ChangePosition(epoch: try row.value(0), number: try row.value(1)) }
      // Nobody has changed anything yet; the numbering begins now.
      let made = try await pool.query(
        """
        INSERT INTO ticket_change_head AS h (service_id, position) VALUES (\(service), 0)
        ON CONFLICT (service_id) DO UPDATE SET position = h.position RETURNING h.epoch, h.position
        """, deadline: deadline)
      return ChangePosition(epoch: try made[0].value(0), number: try made[0].value(1))
    }
  }

  /// The changes of a service behind a place, in order.
  ///
  /// - Parameter limit: at most ``changesMax``.
  /// - Throws: CHANGES_NOT_KEPT when the first of them is gone; the database's errors as ``ServiceError``.
  package func changes(
    of service: ServiceRecord, after place: ChangePosition, limit: Int = changesMax, deadline: Deadline
  ) async throws -> [NumberedChange] {
    let (logged, events, tickets) = try await changeRows(of: service, after: place, limit, deadline)
    guard !logged.isEmpty else { return [] }
    var states: [TicketID: Ticket] = [:]
    for (ticket, message) in zip(tickets, try await messages(for: tickets, deadline: deadline)) {
      states[ticket.id] = message
    }
    var changes: [NumberedChange] = []
    changes.reserveCapacity(logged.count)
    for (index, change) in logged.enumerated() {
      guard change.number == place.number + Int64(index) + 1 else { throw ServiceError(.changesNotKept) }
      let position = ChangePosition(epoch: place.epoch, number: change.number)
      let name = TicketName(service: service.code, id: change.ticketID)
      var message = LiveChange(
        id: position.description, name: name.description, version: change.version, ticket: states[change.ticketID])
      for event in events[change.number] ?? [] {
        message.events.append(
          try await self.message(for: event, texts: [], ofTicket: change.ticketID, service, deadline))
      }
      changes.append(NumberedChange(position: position, ticketID: change.ticketID, message: message))
    }
    return changes
  }

  /// Removes numbered changes whose time is over, and of each service those before its newest ``changesKeptMax``.
  ///
  /// - Returns: how many; 10,000 means that there may be more.
  /// - Throws: the database's errors as ``ServiceError``.
  package func removeOldChanges(deadline: Deadline) async throws -> Int {
    try await ServiceError.translating {
      try await pool.query(
        """
        DELETE FROM ticket_change_log WHERE (service_id, position) IN (
          SELECT service_id, position FROM ticket_change_log
          WHERE create_time < clock_timestamp() - \(Self.changesKept.components.seconds) * interval '1 second'
          ORDER BY create_time, position LIMIT \(Self.removedMax)
        ) OR (service_id, position) IN (
          SELECT l.service_id, l.position FROM ticket_change_head AS h JOIN ticket_change_log AS l
            ON l.service_id = h.service_id AND l.position <= h.position - \(Self.changesKeptMax)
          LIMIT \(Self.removedMax))
        """, deadline: deadline
      ).affected
    }
  }

  private func changeRows(
    of service: ServiceRecord, after place: ChangePosition, _ limit: Int, _ deadline: Deadline
  ) async throws -> ([LoggedChange], [Int64: [EventRecord]], [TicketRecord]) {
    try await ServiceError.translating {
      let logged = try await pool.query(
        """
        SELECT l.position, l.ticket_id, l.version FROM ticket_change_log AS l
        WHERE l.service_id = \(service.id) AND l.position > \(place.number)
        ORDER BY l.position LIMIT \(min(limit, Self.changesMax))
        """, deadline: deadline
      ).map { try LoggedChange($0) }
      guard let last = logged.last else { return ([], [:], []) }
      let events = try await pool.query(
        """
        SELECT \(fragment: EventRecord.columns), l.position FROM ticket_change_log AS l JOIN ticket_event AS v
          ON v.service_id = l.service_id AND v.ticket_id = l.ticket_id
            AND v.sequence BETWEEN l.first_sequence AND l.last_sequence
        WHERE l.service_id = \(service.id) AND l.position > \(place.number) AND l.position <= \(last.number)
        ORDER BY l.position, v.sequence
        """, deadline: deadline)
      let tickets = try await pool.query(
        """
        SELECT \(fragment: TicketRecord.columns) FROM ticket AS t
        WHERE t.service_id = \(service.id) AND t.id = ANY (\(Array(Set(logged.map(\.ticketID)))))
          AND t.delete_time IS NULL
        """, deadline: deadline
      ).map { try TicketRecord($0) }
      var byNumber: [Int64: [EventRecord]] = [:]
      for row in events { byNumber[try row.value(EventRecord.columnCount), default: []].append(try EventRecord(row)) }
      return (logged, byNumber, tickets)
    }
  }
}
