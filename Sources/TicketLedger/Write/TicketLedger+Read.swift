package import EventLoop
package import Postgres
package import ServiceKit

/// A ticket as it is now, and whether the request was carried out before.
struct TicketReading {
  let ticket: TicketRecord
  let earlier: IdempotencyRecord?
}

extension TicketLedger {
  /// Reads a ticket.
  ///
  /// - Throws: TICKET_NOT_FOUND, also for a ticket of another service than the access is for.
  package func ticket(_ name: TicketName, access: Access, deadline: Deadline) async throws -> TicketRecord {
    guard name.service == access.service.code else { throw ServiceError(.ticketNotFound) }
    return try await ticket(name.id, of: access.service.id, seenBy: access.member?.agentID, deadline: deadline)
  }

  /// Reads a ticket by its ids; for work that was checked when it was ordered.
  ///
  /// - Throws: TICKET_NOT_FOUND.
  package func ticket(
    _ id: TicketID, of service: ServiceID, seenBy viewer: AgentID? = nil, deadline: Deadline
  ) async throws -> TicketRecord {
    let found = try await read(id, of: service, seenBy: viewer, claim: nil) { query in
      try await self.pool.lookUp(query, deadline: deadline)
    }
    guard let found else { throw ServiceError(.ticketNotFound) }
    return found.ticket
  }

  /// Reads a ticket together with what other lookups find, in one round trip; nil when there is no such ticket.
  ///
  /// - Throws: the database's errors as ``ServiceError``.
  package func ticket(
    _ id: TicketID, of service: ServiceID, with lookups: [Query], deadline: Deadline
  ) async throws -> (ticket: TicketRecord, rows: [Rows])? {
    try await ServiceError.translating {
      let row: Query = """
        SELECT \(fragment: TicketRecord.columns) FROM ticket AS t
        WHERE t.service_id = \(service) AND t.id = \(id) AND t.delete_time IS NULL
        """
      let rows = try await pool.lookUp([row] + lookups, deadline: deadline)
      return try rows[0].first.map { (try TicketRecord($0), Array(rows.dropFirst())) }
    }
  }

  /// Reads a ticket and how its work of a topic stands, in one round trip; nil when there is no such ticket.
  package func ticket(
    _ id: TicketID, of service: ServiceID, with outbox: Outbox, deadline: Deadline
  ) async throws -> (ticket: TicketRecord, work: OutboxStanding)? {
    try await ServiceError.translating {
      let found = try await ticket(
        id, of: service, with: [outbox.standing(of: id, of: service)], deadline: deadline)
      return try found.map { ($0.ticket, try outbox.standing($0.rows[0])) }
    }
  }

  /// Reads a ticket together with what is known of a request; nil when there is no such ticket, or none any more.
  ///
  /// - Parameter viewer: whose star on the ticket is wanted; nil: nobody's.
  func read(
    _ id: TicketID, of service: ServiceID, seenBy viewer: AgentID? = nil, claim: IdempotencyClaim?,
    _ run: (Query) async throws -> Rows
  ) async throws -> TicketReading? {
    try await ServiceError.translating {
      guard let claim else {
        let rows = try await run(
          """
          SELECT \(fragment: TicketRecord.columns), \(fragment: TicketRecord.isStarred(by: viewer)),
            \(fragment: TicketRecord.hasMasks)
          FROM ticket AS t
          WHERE t.service_id = \(service) AND t.id = \(id) AND t.delete_time IS NULL
          """)
        return try rows.first.map { TicketReading(ticket: try Self.record($0), earlier: nil) }
      }
      let rows = try await run(
        """
        SELECT \(fragment: TicketRecord.columns), \(fragment: TicketRecord.isStarred(by: viewer)),
          \(fragment: TicketRecord.hasMasks), \(fragment: IdempotencyRecord.columns)
        FROM ticket AS t
        LEFT JOIN idempotency_key AS k
          ON k.caller = \(claim.caller) AND k.method = \(claim.method) AND k.request_id = \(claim.requestID)
        WHERE t.service_id = \(service) AND t.id = \(id) AND t.delete_time IS NULL
        """)
      return try rows.first.map { row in
        TicketReading(
          ticket: try Self.record(row), earlier: try IdempotencyRecord(row, at: TicketRecord.columnCount + 2))
      }
    }
  }

  private static func record(_ row: Row) throws(PostgresError) -> TicketRecord {
    var ticket = try TicketRecord(starred: row)
    ticket.hasMasks = try row.bool(TicketRecord.columnCount + 1)
    return ticket
  }

  /// Whether a request was carried out before; for acts whose ticket cannot be read afterwards.
  ///
  /// - Throws: REQUEST_ID_REUSED when the id was used for another request.
  package func wasCarriedOut(_ claim: IdempotencyClaim, deadline: Deadline) async throws -> Bool {
    let rows = try await ServiceError.translating {
      try await pool.query(
        "SELECT \(fragment: IdempotencyRecord.columns) \(fragment: IdempotencyRecord.found(by: claim))",
        deadline: deadline)
    }
    guard let record = try IdempotencyRecord(rows[0], at: 0) else { return false }
    try record.check(claim)
    return true
  }

  /// What came of a request that was carried out, whatever it asked for: the ticket that it made or changed, and its
  /// result ids. Nil: no request of this id is remembered.
  ///
  /// - Throws: the database's errors as ``ServiceError``.
  package func outcome(
    ofRequest requestID: String, by caller: String, _ method: String, deadline: Deadline
  ) async throws -> (ticket: TicketLink, resultIDs: [Int64])? {
    try await ServiceError.translating {
      try await pool.lookUp(
        """
        SELECT \(fragment: IdempotencyRecord.columns) FROM idempotency_key AS k
        WHERE k.caller = \(caller) AND k.method = \(method) AND k.request_id = \(requestID)
        """, deadline: deadline
      ).first.flatMap { try IdempotencyRecord($0, at: 0) }.map { record in
        (TicketLink(serviceID: record.serviceID, ticketID: record.ticketID), record.resultIDs)
      }
    }
  }

  /// What a repeated request is answered with.
  ///
  /// - Throws: REQUEST_ID_REUSED when it is another request; TICKET_NOT_FOUND when the ticket is gone.
  func answer(
    _ earlier: IdempotencyRecord, to claim: IdempotencyClaim, seen: TicketRecord?,
    _ run: (Query) async throws -> Rows
  ) async throws -> Written {
    try earlier.check(claim)
    var ticket = seen
    if ticket?.id != earlier.ticketID || ticket?.serviceID != earlier.serviceID {
      ticket = try await read(earlier.ticketID, of: earlier.serviceID, claim: nil, run)?.ticket
    }
    guard let ticket else { throw ServiceError(.ticketNotFound) }
    return Written(ticket: ticket, eventSequence: 0, resultIDs: earlier.resultIDs, isRepeat: true)
  }
}
