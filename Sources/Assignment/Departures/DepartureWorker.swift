package import EventLoop
import HandoffAPI
import Postgres
import Protobuf
package import ServiceKit
package import TicketLedger

/// Releases the tickets of agents who have left, some at a time, each as a change of its own.
///
/// The order stands in the database until the last ticket is released, so it survives a daemon; any number of daemons
/// may work on different orders at a time.
package struct DepartureWorker: Sendable {
  /// Tickets that are released before the order is looked at again.
  static let batchMax = 100
  private static let leaseSeconds: Int64 = 60
  private static let pollInterval: Duration = .seconds(1)

  private let ledger: TicketLedger
  private let log: Logger
  private let released: Metric<Counter>

  /// Works on the orders of the ledger's database.
  package init(ledger: TicketLedger, log: Logger, metrics: Metrics) {
    self.ledger = ledger
    self.log = log
    released = metrics.counter(
      "handoff_released_tickets_total", "Tickets that were released because their holder left.")
  }

  /// Starts working on what is ordered.
  ///
  /// - Returns: ends the work and waits until it has ended.
  package func start(on group: EventLoopGroup) -> @Sendable () async -> Void {
    let loop = group.next()
    let task = Task(executorPreference: loop) {
      while !Task.isCancelled {
        do {
          while try await runOnce(deadline: .after(.seconds(Self.leaseSeconds))) > 0, !Task.isCancelled {}
        } catch {
          if !Task.isCancelled { log.warning("departures.failed", ["cause": .string(String(describing: error))]) }
        }
        do { try await loop.sleep(for: Self.pollInterval) } catch { return }
      }
    }
    return {
      task.cancel()
      await task.value
    }
  }

  /// Releases one batch of one order.
  ///
  /// - Returns: how many tickets were looked at; 0 when there is nothing to do.
  /// - Throws: the database's errors as ``ServiceError``; the order is then looked at again.
  package func runOnce(deadline: Deadline) async throws -> Int {
    guard let departure = try await claim(deadline) else { return 0 }
    let service = try await ledger.directory.service(id: departure.service, deadline: deadline)
    let tickets = try await ServiceError.translating {
      try await ledger.pool.query(
        """
        SELECT t.id FROM ticket AS t
        WHERE t.service_id = \(departure.service) AND t.agent_id = \(departure.agent) AND NOT t.is_spam
          AND t.state NOT IN ('RESOLVED', 'COMPLETED')
        ORDER BY t.id LIMIT \(Self.batchMax)
        """, deadline: deadline
      ).map { try $0.value(0) as TicketID }
    }
    for ticket in tickets { try await release(ticket, departure, service, deadline) }
    if tickets.isEmpty { try await end(departure, deadline) } else { try await yield(departure, deadline) }
    return max(tickets.count, 1)
  }

  private func release(
    _ id: TicketID, _ departure: Departure, _ service: ServiceRecord, _ deadline: Deadline
  ) async throws {
    do {
      _ = try await ledger.perform(on: id, of: departure.service, deadline: deadline) { ticket in
        guard ticket.agentID == departure.agent else { throw ServiceError(.transitionNotAllowed) }
        let outcome = try ticket.outcome(of: .release, in: service, by: .system)
        var event = EventDraft(.released, by: departure.actor, outcome: outcome, on: ticket)
        event.set.agentID = .some(nil)
        if let group = departure.group { event.set.groupID = .some(group) }
        if outcome.has(.runsTriggers) { event.outbox = [try .triggers()] }
        return TicketChange(event)
      }
      released.with().add()
    } catch let error as ServiceError where [.transitionNotAllowed, .ticketNotFound].contains(error.reason) {
      // Somebody ended or forwarded it meanwhile.
    }
  }

  private func claim(_ deadline: Deadline) async throws -> Departure? {
    try await ServiceError.translating {
      try await ledger.pool.query(
        """
        UPDATE agent_departure AS d SET lease_time = clock_timestamp() + \(Self.leaseSeconds) * interval '1 second'
        FROM (
          SELECT c.service_id, c.agent_id FROM agent_departure AS c
          WHERE c.lease_time IS NULL OR c.lease_time < clock_timestamp()
          ORDER BY c.create_time LIMIT 1 FOR UPDATE SKIP LOCKED
        ) AS c
        WHERE d.service_id = c.service_id AND d.agent_id = c.agent_id
        RETURNING d.service_id, d.agent_id, d.group_id, d.actor_kind, d.actor_name
        """, deadline: deadline
      ).first.map { row in
        Departure(
          service: try row.value(0), agent: try row.value(1), group: try row.value(2),
          actor: LedgerActor(kind: try row.value(3), name: try row.value(4)))
      }
    }
  }

  private func yield(_ departure: Departure, _ deadline: Deadline) async throws {
    try await ServiceError.translating {
      _ = try await ledger.pool.query(
        """
        UPDATE agent_departure SET lease_time = NULL
        WHERE service_id = \(departure.service) AND agent_id = \(departure.agent)
        """, deadline: deadline)
    }
  }

  private func end(_ departure: Departure, _ deadline: Deadline) async throws {
    try await ServiceError.translating {
      _ = try await ledger.pool.query(
        "DELETE FROM agent_departure WHERE service_id = \(departure.service) AND agent_id = \(departure.agent)",
        deadline: deadline)
    }
  }
}
