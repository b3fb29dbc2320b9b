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
  /// Passes at the same time: while the tickets of one cursor's transaction are written, those of the next are read.
  private static let placesMax = 2 * TurnQueue.batchMax
  /// Between looks at a pass that somebody else runs: it takes a few milliseconds, or its daemon is busy.
  private static let pauseMin: Duration = .milliseconds(2)
  private static let pauseMax: Duration = .milliseconds(50)

  let ledger: TicketLedger
  let store: TriggerStore
  let outbox: Outbox
  let turns: TurnQueue
  private let chance: Chance
  private let passes: Metric<Counter>
  private let lag: Histogram
  let log: Logger

  /// Runs passes over the ledger's tickets.
  ///
  /// - Parameter chance: what random assignments are drawn with.
  package init(ledger: TicketLedger, log: Logger, metrics: Metrics, chance: Chance = Chance()) {
    self.ledger = ledger
    self.chance = chance
    self.log = log
    store = TriggerStore(pool: ledger.pool)
    turns = TurnQueue(pool: ledger.pool)
    // Unique over all daemons: two of them can have the same process id in their containers.
    outbox = Outbox(
      topic: .triggers, pool: ledger.pool, holder: "assignment-\(Hex.encode(SecureRandom.bytes(6)))",
      leaseDuration: Self.leaseDuration, workDuration: Self.workDuration)
    passes = metrics.counter(
      "handoff_trigger_passes_total", "Trigger passes that have ended: fired, idle (no trigger fired) or failed.",
      label: "result", of: ["fired", "idle", "failed"])
    lag = metrics.histogram(
      "handoff_trigger_lag_seconds", "Time from an event to the beginning of the trigger pass that follows from it.",
      bounds: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600]
    ).with()
  }

  /// Starts doing the passes that nobody asks for.
  ///
  /// - Returns: ends the work and waits until it has ended.
  package func start(on group: EventLoopGroup) -> @Sendable () async -> Void {
    let loop = group.next()
    let worker = worker
    let task = Task(executorPreference: loop) {
      await noteReferences()
      await worker.run(on: loop)
    }
    return {
      task.cancel()
      await task.value
    }
  }

  /// Notes what triggers name that were active before anybody did, and tells of those that name what is gone. What
  /// fails is done when the next daemon starts.
  private func noteReferences() async {
    do {
      for found in try await store.noteReferences(ledger.directory, within: Self.workDuration) {
        log.warning(
          "triggers.deactivated",
          ["trigger": .string(found.trigger.description), "notice": .string(found.notice)])
      }
    } catch {
      if !Task.isCancelled {
        log.warning("triggers.references_failed", ["cause": .string(String(describing: error))])
      }
    }
  }

  var worker: OutboxWorker {
    let log = log
    return OutboxWorker(
      outbox, pool: ledger.pool, placesMax: Self.placesMax,
      failed: { log.warning("triggers.worker_failed", ["cause": .string(String(describing: $0))]) },
      each: { item in await self.attempt(item).verdict })
  }

  /// Runs the passes of a ticket that wait, and waits for those that somebody else runs, in whichever daemon.
  ///
  /// What nobody is at is run without being claimed first, which saves a transaction: the one that writes takes it out
  /// of the outbox, if it is still there and nobody's.
  ///
  /// - Returns: the ticket as its last pass left it; nil when that was not run here, or nothing was. Passes that fail
  ///   are tried again by the worker.
  /// - Throws: DEADLINE_EXCEEDED when somebody else's pass is not over in time; the database's errors as
  ///   ``ServiceError``.
  func runWaiting(_ ticket: TicketID, of service: ServiceID, deadline: Deadline) async throws -> TicketRecord? {
    var pause = Self.pauseMin
    while true {
      guard let found = try await ledger.ticket(ticket, of: service, with: outbox, deadline: deadline) else {
        return nil
      }
      var last: TicketRecord?
      var isElsewhere = found.work.isClaimed
      for (index, item) in found.work.free.enumerated() {
        let ended = await attempt(item, on: index == 0 ? found.ticket : nil)
        last = ended.ticket ?? last
        switch ended.verdict {
        case .done: try await outbox.remove(item, deadline: deadline)
        case .removed: isElsewhere = isElsewhere || ended.ticket == nil
        case .failed, .hopeless, .postponed: return last
        }
      }
      guard isElsewhere else { return last }
      guard !deadline.hasPassed else { throw ServiceError(.deadlineExceeded) }
      try await EventLoop.pause(for: pause)
      pause = min(pause * 2, Self.pauseMax)
    }
  }

  /// Runs one pass, and says what became of it; without a ticket it is somebody else's by now.
  ///
  /// - Parameter ticket: the ticket as it was read a moment ago; nil: it is read now.
  func attempt(
    _ item: OutboxItem, on ticket: TicketRecord? = nil
  ) async -> (verdict: OutboxVerdict, ticket: TicketRecord?) {
    lag.observe(item.age)
    do {
      let ended = try await pass(item, on: ticket)
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

  private func pass(
    _ item: OutboxItem, on known: TicketRecord?
  ) async throws -> (verdict: OutboxVerdict, ticket: TicketRecord?) {
    guard let order = try? TriggerPass(serialized: item.payload),
      let cause = TriggerCause(number: order.cause.rawValue)
    else { return (.hopeless("the order of the pass cannot be read"), nil) }
    let service = try await ledger.directory.service(id: item.serviceID, deadline: item.deadline)
    let set = try await store.active(of: service, deadline: item.deadline)
    guard !set.triggers.isEmpty else { return (.done, known) }
    for attempt in 0..<Self.attemptsMax {
      if attempt > 0, !(try await outbox.holds(item, deadline: item.deadline)) { throw LeaseLost() }
      let ticket =
        if attempt == 0, let known {
          known
        } else {
          try await ledger.ticket(item.ticketID, of: item.serviceID, deadline: item.deadline)
        }
      // What went to the spam box meanwhile is nobody's work.
      guard !ticket.isSpam else { return (.done, ticket) }
      let context = try await read(
        PassContext(ticket: ticket, service: service, set: set, cause: cause, causeSequence: item.eventSequence),
        item.deadline)
      let result = try await write(context, deadline: item.deadline, ends: item) {
        plan, takeTurn in
        try await plan.run(takeTurn)
      }
      switch result {
      case .nothing: return (.done, ticket)
      case .written(let written): return (.removed, written.ticket)
      case .lostRace: continue
      }
    }
    throw ServiceError(.conflict)
  }
}

/// No trigger that fires needs a turn before this one.
private struct TurnNeeded: Error {
  let cursor: TurnCursor
}

/// The pass took so long that somebody else does it now.
private struct LeaseLost: Error {}

extension TriggerRunner {
  /// How often a pass is decided anew when others change the ticket in between.
  static let attemptsMax = 4

  /// What became of a plan.
  enum Outcome {
    /// There was nothing to write.
    case nothing
    case written(Written)
    /// The ticket was changed meanwhile, or a guard does not hold any more.
    case lostRace
  }

  /// Decides and writes, as one statement; what needs turns of a cursor is decided with the cursor locked and written
  /// in one transaction with others that need it.
  ///
  /// - Parameters:
  ///   - item: the work that ends with the change.
  ///   - guards: conditions without which nothing is written.
  ///   - attachments: statements that are written with the change; see ``TicketChange/attachments``.
  ///   - decide: fills the plan; may be called several times.
  func write(
    _ context: PassContext, deadline: Deadline, ends item: OutboxItem? = nil, guards: [Query] = [],
    then attachments: [Query] = [],
    decide: @escaping @Sendable (inout TriggerPassPlan, TriggerPassPlan.TakeTurn) async throws -> Void
  ) async throws -> Outcome {
    let change: @Sendable (TriggerPassPlan) throws -> TicketChange = { plan in
      var change = try plan.change()
      change.ends = item
      change.guards = guards
      change.attachments += attachments
      return change
    }
    let context = context.drawing(with: chance)
    var plan = TriggerPassPlan(context)
    do {
      try await decide(&plan) { cursor in throw TurnNeeded(cursor: cursor) }
    } catch let needed as TurnNeeded {
      let written = try await turns.perform(needed.cursor) { book, onLostRace in
        var plan = TriggerPassPlan(context)
        // A trigger fires once in a pass, so a cursor is asked for once.
        var taken: [TurnCursor] = []
        try await decide(&plan) { cursor in
          taken.append(cursor)
          return try await book.next(cursor)
        }
        let write = try await ledger.prepare(
          try change(plan), on: context.ticket, onLostRace: onLostRace, deadline: deadline)
        let answer = plan.answersSource ? try await answer(of: context.ticket, deadline) : nil
        return TurnQueue.Order(write: write, companions: answer.map { [$0] } ?? [], turns: taken)
      }
      guard let written else { return .lostRace }
      // The turn committed it; workers and readers of the change stream are to know at once.
      ledger.announce(written.topics)
      return .written(written)
    }
    if plan.isCut { log.warning("triggers.pass_cut", ["ticket": .integer(context.ticket.id.rawValue)]) }
    guard !plan.events.isEmpty else { return .nothing }
    if plan.answersSource, let answer = try await answer(of: context.ticket, deadline) {
      return try await write(try change(plan), with: answer, on: context.ticket, deadline)
    }
    let prepared = try await ledger.prepare(try change(plan), on: context.ticket, deadline: deadline)
    let rows = try await ServiceError.translating {
      try await ledger.pool.query(prepared.statement, deadline: deadline)
    }
    guard let written = prepared.written(rows) else { return .lostRace }
    ledger.announce(prepared.topics)
    return .written(written)
  }

  /// Writes a change of two tickets, or none of it.
  private func write(
    _ change: TicketChange, with answer: Query, on ticket: TicketRecord, _ deadline: Deadline
  ) async throws -> Outcome {
    var change = change
    change.companions = [answer]
    change.companionTopics = [.triggers]
    do {
      return .written(try await ledger.write(change, on: ticket, deadline: deadline))
    } catch let error as ServiceError where error.reason == .staleVersion || error.reason == .conflict {
      return .lostRace
    }
  }

  /// What a trigger that completes an issue ticket is to the consultation ticket behind it.
  private func answer(of ticket: TicketRecord, _ deadline: Deadline) async throws -> Query? {
    try await ledger.companion(
      answering: ticket, EscalationAnswer(.complete, by: .service("assignment")), deadline: deadline)
  }

  /// Reads what the conditions look at beside the ticket's own row.
  func read(_ context: PassContext, _ deadline: Deadline) async throws -> PassContext {
    var context = context
    let compiled = context.set.program.compiled
    if compiled.looksAtContent {
      context.content = try await ledger.entries(of: context.ticket, limit: 1, deadline: deadline).first?.body ?? ""
    }
    if !compiled.fields.isEmpty {
      context.fields =
        try await store.fieldValues(
          of: [context.ticket.id], in: context.ticket.serviceID, fields: compiled.fields, deadline: deadline
        )[context.ticket.id] ?? [:]
    }
    if compiled.looksAtChanges, context.cause != .created {
      let rows = try await ServiceError.translating {
        try await ledger.pool.query(
          """
          SELECT v.changes FROM ticket_event AS v WHERE v.service_id = \(context.ticket.serviceID)
            AND v.ticket_id = \(context.ticket.id) AND v.sequence = \(context.causeSequence)
          """, deadline: deadline)
      }
      context.changes = try rows.first.flatMap { CodeChange.decode(try $0.string(0)) } ?? []
    }
    return context
  }
}
