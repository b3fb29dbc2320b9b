package import EventLoop
import Postgres
package import ServiceKit
package import TicketLedger

/// What happens by itself: counters are folded, resolved tickets complete after their time, old rows go.
///
/// Any number of daemons may do it at once; each piece of work happens once.
package struct TicketJobs: Sendable {
  /// Tickets that the completion looks up at a time.
  static let batchMax = 200
  /// Tickets that are completed at the same time.
  private static let concurrencyMax = 8
  /// Longest run of a job.
  private static let runTimeMax: Duration = .seconds(50)

  private let ledger: TicketLedger
  private let store: TicketStore
  private let log: Logger
  private let completed: Counter
  private let removed: Metric<Counter>
  private let outboxWatch: OutboxWatch

  /// Works on the ledger's tables; its role needs the grants of Tickets.
  package init(ledger: TicketLedger, log: Logger, metrics: Metrics) {
    self.ledger = ledger
    store = TicketStore(pool: ledger.pool)
    self.log = log
    completed = metrics.counter("handoff_tickets_auto_completed_total", "Tickets completed after their time.").with()
    removed = metrics.counter(
      "handoff_ledger_rows_removed_total", "Rows removed because their time was over.", labels: ["kind"])
    outboxWatch = OutboxWatch(pool: ledger.pool, metrics: metrics)
  }

  /// Starts all jobs on loops of a group.
  ///
  /// - Returns: ends the jobs and waits until they have ended.
  package func start(on group: EventLoopGroup) -> @Sendable () async -> Void {
    let folder = CounterFolder(pool: ledger.pool)
    let tasks = [
      every(.seconds(1), "fold_counters", on: group.next()) { deadline in
        _ = try await folder.foldAll(deadline: deadline)
      },
      every(.seconds(10), "watch_outbox", on: group.next()) { deadline in
        try await outboxWatch.look(deadline: deadline)
      },
      every(.seconds(5), "complete_tickets", on: group.next()) { deadline in
        _ = try await completeDueTickets(deadline: deadline)
      },
      every(.seconds(60), "index_texts", on: group.next()) { deadline in
        _ = try await ledger.indexBacklog(deadline: deadline)
      },
      every(.seconds(300), "remove_old_rows", on: group.next()) { deadline in
        try await removeOldRows(deadline: deadline)
      },
      numberChanges(on: group.next()),
    ]
    return {
      for task in tasks { task.cancel() }
      for task in tasks { await task.value }
    }
  }

  private func numberChanges(on loop: EventLoop) -> Task<Void, Never> {
    let sequencer = ChangeSequencer(pool: ledger.pool)
    let log = log
    return Task(executorPreference: loop) {
      await sequencer.run(on: loop) { error in
        log.warning("job.failed", ["job": "number_changes", "cause": .string(String(describing: error))])
      }
    }
  }

  /// Completes every ticket that has been resolved for its service's days.
  ///
  /// - Returns: how many were completed here.
  /// - Throws: the database's errors as `ServiceError`.
  package func completeDueTickets(deadline: Deadline) async throws -> Int {
    var total = 0
    var last: DueTicket?
    while !deadline.hasPassed {
      // Behind the last one looked at: what could not be completed keeps nothing else waiting.
      let due = try await store.dueForCompletion(after: last, limit: Self.batchMax, deadline: deadline)
      total += try await complete(due, deadline)
      last = due.last
      if due.count < Self.batchMax { break }
    }
    return total
  }

  /// Completes tickets, several at a time, and counts those that were completed here.
  private func complete(_ due: [DueTicket], _ deadline: Deadline) async throws -> Int {
    try await withThrowingTaskGroup(of: Bool.self) { group in
      var done = 0
      for (index, ticket) in due.enumerated() {
        if index >= Self.concurrencyMax, try await group.next() == true { done += 1 }
        group.addTask { try await complete(ticket, deadline) }
      }
      for try await isDone in group where isDone { done += 1 }
      return done
    }
  }

  /// Removes request ids, numbered changes, batches, work given up and unused files whose time is over.
  ///
  /// - Throws: the database's errors as `ServiceError`.
  package func removeOldRows(deadline: Deadline) async throws {
    removed.with("idempotency_key").add(
      UInt64(try await all(deadline) { try await ledger.removeOldIdempotencyKeys(deadline: deadline) }))
    removed.with("attachment").add(
      UInt64(
        try await all(deadline) {
          try await store.removeUnusedAttachments(limit: Int(TicketLedger.removedMax), deadline: deadline)
        }))
    removed.with("change").add(
      UInt64(try await all(deadline) { try await ledger.removeOldChanges(deadline: deadline) }))
    removed.with("batch").add(
      UInt64(
        try await all(deadline) {
          try await BatchStore(pool: ledger.pool).removeOld(limit: Int(TicketLedger.removedMax), deadline: deadline)
        }))
    for topic in OutboxTopic.allCases {
      removed.with("outbox").add(
        UInt64(try await all(deadline) { try await ledger.removeOldDeadWork(topic: topic, deadline: deadline) }))
    }
  }

  /// Completes one ticket unless something happened to it meanwhile.
  private func complete(_ due: DueTicket, _ deadline: Deadline) async throws -> Bool {
    let service = try await ledger.directory.service(id: due.serviceID, deadline: deadline)
    do {
      _ = try await ledger.perform(on: due.id, of: due.serviceID, deadline: deadline) { ticket in
        let standing = ticket.standing(in: service.kind)
        guard ticket.resolveTime == due.resolveTime,
          case .success(let outcome) = Lifecycle.outcome(of: .autoComplete, on: standing, by: .system)
        else { throw NoLongerDue() }
        return TicketChange(EventDraft(.autoCompleted, by: .system, outcome: outcome, on: ticket))
      }
    } catch is NoLongerDue {
      return false
    } catch let error as ServiceError {
      switch error.reason {
      case .databaseUnavailable, .deadlineExceeded: throw error
      default:
        // One ticket that cannot be completed must not keep the others waiting.
        log.warning(
          "job.ticket_failed",
          [
            "job": "complete_tickets", "ticket": .integer(due.id.rawValue),
            "cause": .string(String(describing: error.cause ?? error)),
          ])
        return false
      }
    }
    completed.add()
    return true
  }

  /// Repeats a removal of at most so many rows until it finds fewer.
  private func all(_ deadline: Deadline, _ remove: () async throws -> Int) async throws -> Int {
    var total = 0
    while !deadline.hasPassed {
      let count = try await remove()
      total += count
      if count < TicketLedger.removedMax { break }
    }
    return total
  }

  private func every(
    _ interval: Duration, _ name: String, on loop: EventLoop,
    _ work: @escaping @Sendable (Deadline) async throws -> Void
  ) -> Task<Void, Never> {
    let log = log
    return Task(executorPreference: loop) {
      while !Task.isCancelled {
        do {
          try await work(.after(Self.runTimeMax))
        } catch {
          if Task.isCancelled { return }
          log.warning("job.failed", ["job": .string(name), "cause": .string(String(describing: error))])
        }
        do { try await loop.sleep(for: interval) } catch { return }
      }
    }
  }
}

/// The ticket was changed between being found due and being completed.
private struct NoLongerDue: Error {}
