import Crypto
package import EventLoop
import HandoffAPI
import Postgres
import Protobuf
package import ServiceKit
package import TicketLedger

/// Runs trigger passes: what the outbox holds of them, each once, as one change of the ticket.
///
/// A pass leaves the outbox in the same transaction as what it writes. Whoever loses its lease on the way writes
/// nothing.
package struct TriggerRunner: Sendable {
  /// How long a pass that a daemon claimed and did not end waits for another one.
  static let leaseDuration: Duration = .seconds(5)
  /// How long a pass may take.
  private static let workDuration: Duration = .seconds(15)
  /// Between looks at a pass that somebody else runs: it takes a few milliseconds, or its daemon is busy.
  private static let pauseMin: Duration = .milliseconds(2)
  private static let pauseMax: Duration = .milliseconds(50)

  private let ledger: TicketLedger
  let store: TriggerStore
  let outbox: Outbox
  private let turns: TurnCounter
  private let passes: Metric<Counter>
  private let log: Logger

  /// Runs passes over the ledger's tickets.
  package init(ledger: TicketLedger, log: Logger, metrics: Metrics) {
    self.ledger = ledger
    self.log = log
    store = TriggerStore(pool: ledger.pool)
    turns = TurnCounter(pool: ledger.pool)
    // Unique over all daemons: two of them can have the same process id in their containers.
    outbox = Outbox(
      topic: .triggers, pool: ledger.pool, holder: "assignment-\(Hex.encode(SecureRandom.bytes(6)))",
      leaseDuration: Self.leaseDuration, workDuration: Self.workDuration)
    passes = metrics.counter(
      "handoff_trigger_passes_total", "Trigger passes that have ended: fired, idle (no trigger fired) or failed.",
      labels: ["result"])
  }

  /// Starts doing the passes that nobody asks for.
  ///
  /// - Returns: ends the work and waits until it has ended.
  package func start(on group: EventLoopGroup) -> @Sendable () async -> Void {
    let loop = group.next()
    let worker = worker
    let task = Task(executorPreference: loop) { await worker.run(on: loop) }
    return {
      task.cancel()
      await task.value
    }
  }

  var worker: OutboxWorker {
    let log = log
    return OutboxWorker(
      outbox, pool: ledger.pool,
      failed: { log.warning("triggers.worker_failed", ["cause": .string(String(describing: $0))]) },
      each: { item in await self.attempt(item).verdict })
  }

  /// Runs the passes of a ticket that wait, and waits for those that somebody else runs, in whichever daemon.
  ///
  /// - Returns: the ticket as its last pass left it; nil when that was not run here, or nothing was. Passes that fail
  ///   are tried again by the worker.
  /// - Throws: DEADLINE_EXCEEDED when somebody else's pass is not over in time; the database's errors as
  ///   ``ServiceError``.
  func runWaiting(_ ticket: TicketID, of service: ServiceID, deadline: Deadline) async throws -> TicketRecord? {
    var pause = Self.pauseMin
    while true {
      let items = try await outbox.claim(ticket: ticket, of: service, deadline: deadline)
      guard items.isEmpty else { return try await runToEnd(items) }
      guard try await outbox.hasWork(ticket: ticket, of: service, deadline: deadline) else { return nil }
      guard !deadline.hasPassed else { throw ServiceError(.deadlineExceeded) }
      if let loop = EventLoop.current {
        try await loop.sleep(for: pause)
      } else {
        try await Task.sleep(for: pause)
      }
      pause = min(pause * 2, Self.pauseMax)
    }
  }

  private func runToEnd(_ items: [OutboxItem]) async throws -> TicketRecord? {
    // Once claimed, nobody else looks at them: so they are run to the end even when the caller stops waiting.
    let work =
      if let loop = EventLoop.current {
        Task(executorPreference: loop) { try await run(items) }
      } else {
        Task { try await run(items) }
      }
    return try await work.value
  }

  private func run(_ items: [OutboxItem]) async throws -> TicketRecord? {
    var results: [(OutboxItem, OutboxVerdict)] = []
    var ticket: TicketRecord?
    for item in items {
      let ended = await attempt(item)
      results.append((item, ended.verdict))
      ticket = ended.ticket ?? ticket
    }
    try await outbox.settle(results, deadline: items[0].deadline)
    return ticket
  }

  /// Runs one claimed pass, and says what became of it.
  func attempt(_ item: OutboxItem) async -> (verdict: OutboxVerdict, ticket: TicketRecord?) {
    do {
      let ended = try await pass(item)
      passes.with(ended.verdict == .removed ? "fired" : "idle").add()
      return ended
    } catch is LeaseLost {
      return (.removed, nil)
    } catch let error as ServiceError where error.reason == .ticketNotFound {
      return (.done, nil)
    } catch {
      passes.with("failed").add()
      let cause = (error as? ServiceError)?.cause ?? error
      log.warning(
        "triggers.pass_failed",
        ["ticket": .integer(item.ticketID.rawValue), "cause": .string(String(describing: cause))])
      return (.failed((error as? ServiceError)?.reason.rawValue ?? "\(type(of: error))"), nil)
    }
  }

  private func pass(_ item: OutboxItem) async throws -> (verdict: OutboxVerdict, ticket: TicketRecord?) {
    guard let order = try? TriggerPass(serialized: item.payload),
      let cause = TriggerCause(number: order.cause.rawValue)
    else { return (.hopeless("the order of the pass cannot be read"), nil) }
    let service = try await ledger.directory.service(id: item.serviceID, deadline: item.deadline)
    let set = try await store.active(of: service, deadline: item.deadline)
    guard !set.triggers.isEmpty else { return (.done, nil) }
    // A turn that was taken stays this pass's, however often the ticket changes under it.
    var taken: [TurnCounter.Cursor: Int64] = [:]
    var attempts = 0
    do {
      let written = try await ledger.perform(
        on: item.ticketID, of: item.serviceID, deadline: item.deadline
      ) { ticket in
        attempts += 1
        if attempts > 1, !(try await outbox.holds(item, deadline: item.deadline)) { throw LeaseLost() }
        // What went to the spam box meanwhile is nobody's work.
        guard !ticket.isSpam else { throw NothingFired(ticket: ticket) }
        var plan = TriggerPassPlan(
          ticket, content: set.looksAtContent ? try await content(of: ticket, item.deadline) : "", of: service, set,
          cause: cause, causeSequence: item.eventSequence)
        try await plan.run { cursor in
          if let turn = taken[cursor] { return turn }
          let turn = try await turns.take(cursor)
          taken[cursor] = turn
          return turn
        }
        guard !plan.events.isEmpty else { throw NothingFired(ticket: ticket) }
        var change = TicketChange(plan.events)
        change.companions = [item.completion]
        return change
      }
      return (.removed, written.ticket)
    } catch let nothing as NothingFired {
      return (.done, nothing.ticket)
    }
  }

  /// The text of the first inquiry.
  private func content(of ticket: TicketRecord, _ deadline: Deadline) async throws -> String {
    try await ledger.entries(of: ticket, limit: 1, deadline: deadline).first?.body ?? ""
  }
}

/// No trigger's conditions hold on the ticket.
private struct NothingFired: Error {
  let ticket: TicketRecord
}

/// The pass took so long that somebody else does it now.
private struct LeaseLost: Error {}
