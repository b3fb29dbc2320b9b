package import EventLoop
package import Postgres
import ServiceKit

/// A ticket and those that belong to it, locked until the transaction ends: an escalation ties them to it, or a reply
/// to a completed ticket opened one for the other.
package struct LinkedTickets: Sendable {
  /// The ticket that the act is about.
  package let own: TicketRecord
  /// The consultation ticket behind it, the issue tickets that answer the same one, and those before and behind any of
  /// them; by id.
  package let others: [TicketRecord]

  /// All of them.
  package var all: [TicketRecord] { [own] + others }
}

/// Changes of a ticket and of tickets that belong to it: all are written or none.
package struct LinkedChange: Sendable {
  /// The ticket's change, with its companions.
  package var change: TicketChange
  /// Changes of others, without companions or claims.
  package var others: [(ticket: TicketRecord, change: TicketChange)] = []

  /// Changes one ticket.
  package init(_ change: TicketChange) { self.change = change }

  /// Has masks count on all tickets, also on those in which they change no text (``TicketRecord/maskGeneration``).
  package mutating func makeMaskingAll(of tickets: LinkedTickets) {
    change.isMasking = true
    for index in others.indices { others[index].change.isMasking = true }
    let rest = tickets.others.map(\.link).filter { link in !others.contains { $0.ticket.link == link } }
    guard !rest.isEmpty else { return }
    change.companions.append(
      """
      UPDATE ticket AS t SET mask_generation = t.mask_generation + 1
      FROM unnest(\(rest.map(\.serviceID)), \(rest.map(\.ticketID))) AS v (service_id, id)
      WHERE t.service_id = v.service_id AND t.id = v.id
      """)
  }
}

/// Others belong to the ticket, which are to be locked in their order.
private struct HasLinks: Error {}

extension TicketLedger {
  /// Most tickets that are locked together.
  package static let linkedMax = 500

  /// Performs an act that must see, unchanged until it is written, more than a ticket's row: the ticket and its linked
  /// ones are locked first, and what `decide` reads in the transaction stays as it is. Two round trips, and those of
  /// `decide`.
  ///
  /// - Parameters:
  ///   - version: the version that the caller saw; 0: whatever it is now.
  ///   - reading: statements that run with the locking, in the same round trip; `decide` gets their rows. They see the
  ///     database as it is once the locks are held.
  ///   - decide: may be called several times, and must have no effect but through the transaction.
  /// - Throws: TICKET_NOT_FOUND, STALE_VERSION, REQUEST_ID_REUSED, CONFLICT, LIMIT_REACHED when more than ``linkedMax``
  ///   belong together, and what `decide` throws.
  package func performLinked(
    on name: TicketName, access: Access, version: Int64 = 0, idempotency: IdempotencyClaim? = nil, reading: [Query],
    deadline: Deadline,
    decide: (LinkedTickets, [Rows], PostgresTransaction) async throws -> LinkedChange
  ) async throws -> Written {
    guard name.service == access.service.code else { throw ServiceError(.ticketNotFound) }
    let service = access.service.id
    // Few tickets are tied to others, so the lock of one is tried first, which costs half as much.
    var isAlone = true
    for _ in 0...Self.attemptsMax {
      do {
        return try await pool.transaction(deadline: deadline) { transaction in
          let claimed = idempotency.map { [Self.claimed($0)] } ?? []
          let locking = isAlone ? Self.lockingAlone(name.id, service) : Self.locking(name.id, service)
          var rows = try await Self.settled([locking] + claimed + reading, in: transaction)
          let locked = rows.removeFirst()
          let tickets = try locked.map { try TicketRecord($0) }
          guard tickets.count <= Self.linkedMax else {
            throw ServiceError(.limitReached, "more than \(Self.linkedMax) tickets belong together")
          }
          if isAlone, let row = locked.first, try row.bool(TicketRecord.columnCount + 1) { throw HasLinks() }
          var earlier: IdempotencyRecord?
          if !claimed.isEmpty { earlier = try rows.removeFirst().first.flatMap { try IdempotencyRecord($0, at: 0) } }
          guard let own = tickets.first(where: { $0.id == name.id && $0.serviceID == service }), own.deleteTime == nil
          else {
            throw ServiceError(.ticketNotFound)
          }
          if let earlier, let idempotency {
            return try await answer(earlier, to: idempotency, seen: own) { try await transaction.query($0) }
          }
          try own.require(version: version)
          let linked = LinkedTickets(own: own, others: tickets.filter { $0.link != own.link })
          return try await write(
            try await decide(linked, rows, transaction), on: own, idempotency, transaction, deadline)
        }
      } catch is HasLinks {
        isAlone = false
      } catch let error as ServiceError where error.reason == .staleVersion {
        let own = try await ticket(name.id, of: service, deadline: deadline)
        throw try await explained(error, on: own, since: version, deadline: deadline)
      } catch let error as PostgresError {
        guard error.isClaimed || error.isLostRace else { throw ServiceError(postgres: error) }
      }
    }
    throw ServiceError(.conflict)
  }

  /// Runs statements of which the first locks tickets, until it got them as it saw them.
  ///
  /// Who ties a new ticket to one of these writes an event on it. Where a lock was waited for, the statement has the
  /// row as it is now, but has looked for the others in the database as it was before. The locks are kept while it
  /// looks again, so hardly anything can come between once more.
  ///
  /// - Throws: CONFLICT when something always does.
  private static func settled(_ statements: [Query], in transaction: PostgresTransaction) async throws -> [Rows] {
    for _ in 0...attemptsMax {
      let rows = try await transaction.batch(statements)
      guard try rows[0].contains(where: { try $0.bool(TicketRecord.columnCount) }) else { return rows }
    }
    throw ServiceError(.conflict)
  }

  private func write(
    _ linked: LinkedChange, on own: TicketRecord, _ idempotency: IdempotencyClaim?,
    _ transaction: PostgresTransaction, _ deadline: Deadline
  ) async throws -> Written {
    var change = linked.change
    change.idempotency = idempotency
    let (plan, resultIDs) = try await plan(change, on: own, deadline: deadline)
    var statements = [
      plan.updateStatement(
        idempotency, resultIDs: resultIDs, isSilent: change.isSilent, onLostRace: .failure,
        guards: change.allGuards, attachments: change.allAttachments(of: plan))
    ]
    var topics = plan.outbox.map(\.topic)
    for (ticket, change) in linked.others {
      let (other, _) = try await self.plan(change, on: ticket, deadline: deadline)
      statements.append(
        other.updateStatement(nil, resultIDs: [], isSilent: change.isSilent, onLostRace: .failure))
      topics += other.outbox.map(\.topic)
    }
    try await transaction.commit(with: statements + change.companions)
    hints.announce(topics)
    return written(plan, resultIDs)
  }

  /// A ticket and those that belong to it, as the rows (service_id, id) of the named query `family`: to be put behind
  /// WITH RECURSIVE. One more than ``linkedMax`` when there are too many.
  package static func family(of id: TicketID, _ service: ServiceID) -> Query {
    """
    related AS (
      SELECT service_id, id, source_service_id, source_ticket_id, previous_ticket_id FROM ticket
      WHERE service_id = \(service) AND id = \(id)
      UNION
      SELECT o.* FROM related AS r CROSS JOIN LATERAL (
        SELECT x.service_id, x.id, x.source_service_id, x.source_ticket_id, x.previous_ticket_id FROM ticket AS x
        WHERE x.service_id = r.source_service_id AND x.id = r.source_ticket_id
        UNION ALL
        SELECT x.service_id, x.id, x.source_service_id, x.source_ticket_id, x.previous_ticket_id FROM ticket AS x
        WHERE x.source_service_id = r.service_id AND x.source_ticket_id = r.id
        UNION ALL
        SELECT x.service_id, x.id, x.source_service_id, x.source_ticket_id, x.previous_ticket_id FROM ticket AS x
        WHERE x.service_id = r.service_id AND x.id = r.previous_ticket_id
        UNION ALL
        SELECT x.service_id, x.id, x.source_service_id, x.source_ticket_id, x.previous_ticket_id FROM ticket AS x
        WHERE x.service_id = r.service_id AND x.previous_ticket_id = r.id
      ) AS o
    ), family AS (
      SELECT service_id, id FROM related LIMIT \(linkedMax + 1)
    )
    """
  }

  /// Whether a row `t` that is locked is another than the statement saw before it had the lock: a query in a statement
  /// sees what the statement saw.
  private static let hasChanged: Query = """
    t.event_count <> (SELECT o.event_count FROM ticket AS o WHERE o.service_id = t.service_id AND o.id = t.id)
    """

  /// Locks one ticket, and says whether others are tied to it.
  private static func lockingAlone(_ id: TicketID, _ service: ServiceID) -> Query {
    """
    SELECT \(fragment: TicketRecord.columns), \(fragment: hasChanged),
      t.source_ticket_id IS NOT NULL OR t.target_ticket_id IS NOT NULL OR t.previous_ticket_id IS NOT NULL
      OR EXISTS (SELECT FROM ticket AS o WHERE o.source_service_id = t.service_id AND o.source_ticket_id = t.id)
      OR EXISTS (SELECT FROM ticket AS o WHERE o.service_id = t.service_id AND o.previous_ticket_id = t.id)
    FROM ticket AS t WHERE t.service_id = \(service) AND t.id = \(id) FOR NO KEY UPDATE OF t
    """
  }

  /// Locks in the order of ids, so that two acts on linked tickets wait for each other instead of failing.
  private static func locking(_ id: TicketID, _ service: ServiceID) -> Query {
    """
    WITH RECURSIVE \(fragment: family(of: id, service))
    SELECT \(fragment: TicketRecord.columns), \(fragment: hasChanged) FROM ticket AS t
    WHERE (t.service_id, t.id) IN (SELECT service_id, id FROM family)
    ORDER BY t.service_id, t.id FOR NO KEY UPDATE OF t
    """
  }

  private static func claimed(_ claim: IdempotencyClaim) -> Query {
    """
    SELECT \(fragment: IdempotencyRecord.columns) FROM idempotency_key AS k
    WHERE k.caller = \(claim.caller) AND k.method = \(claim.method) AND k.request_id = \(claim.requestID)
    """
  }
}
