import Crypto
package import EventLoop
import Postgres
package import ServiceKit
import Synchronization
package import TicketLedger

/// Does what batches order, ticket by ticket, each with the guards and in the name that the act by itself would have.
///
/// Any number of copies share the work of all batches: an item is taken under a lease, and its result is written in the
/// transaction of the act. What a copy that died had taken is taken over when the lease ends, and is done once.
package struct BatchRunner: Sendable {
  /// Items that are worked on at the same time.
  static let concurrencyMax = 8
  /// Items taken at a time: what a lease is long enough for.
  static let takenMax = 32
  private static let itemTimeout: Duration = .seconds(20)
  private static let pollInterval: Duration = .seconds(1)
  private static let takings = Atomic<UInt64>(0)

  private let service: TicketService
  private let holder: String
  private let backoff: Backoff
  private let log: Logger?
  private let finished: Metric<Counter>?

  /// Works for a service.
  ///
  /// - Parameter holder: this process, for operators who look at the table.
  package init(
    service: TicketService, holder: String = "tickets-\(Hex.encode(SecureRandom.bytes(6)))",
    backoff: Backoff = Backoff(longestMilliseconds: 60_000, attemptsMax: 8),
    log: Logger? = nil, metrics: Metrics? = nil
  ) {
    self.service = service
    self.holder = holder
    self.backoff = backoff
    self.log = log
    finished = metrics?.counter(
      "handoff_batch_tickets_total", "Tickets that batches have come to.", labels: ["outcome"])
  }

  /// Starts working until it is ended.
  ///
  /// - Returns: ends the work and waits until it has ended.
  package func start(on loop: EventLoop) -> @Sendable () async -> Void {
    let task = Task(executorPreference: loop) { await run(on: loop) }
    return {
      task.cancel()
      await task.value
    }
  }

  /// Works until cancelled: at once when it is told of a batch, and every second in case nobody told.
  func run(on loop: EventLoop) async {
    let (bell, ringer) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    await withTaskGroup(of: Void.self) { group in
      group.addTask(executorPreference: loop) {
        for await _ in service.ledger.pool.listen(channel: BatchStore.channel) { ringer.yield() }
      }
      group.addTask(executorPreference: loop) {
        while !Task.isCancelled {
          do { try await loop.sleep(for: Self.pollInterval) } catch { break }
          ringer.yield()
        }
        ringer.finish()
      }
      group.addTask(executorPreference: loop) {
        for await _ in bell {
          do {
            while try await runOnce() > 0, !Task.isCancelled {}
          } catch {
            if Task.isCancelled { return }
            log?.warning("batches.failed", ["cause": .string(String(describing: error))])
          }
        }
      }
      await group.waitForAll()
    }
  }

  /// Takes some items and acts on their tickets; ends the batches that are through.
  ///
  /// - Returns: how many items were taken.
  /// - Throws: the database's errors as ``ServiceError``.
  func runOnce() async throws -> Int {
    let deadline = Deadline.after(BatchStore.leaseDuration)
    let number = Self.takings.wrappingAdd(1, ordering: .relaxed).newValue
    let items = try await service.batches.take(
      limit: Self.takenMax, holder: "\(holder)/\(number)", deadline: deadline)
    var batches: [BatchID: BatchRecord] = [:]
    for item in items where batches[item.batchID] == nil {
      batches[item.batchID] = try await service.batches.batch(item.batchID, of: item.serviceID, deadline: deadline)
    }
    let records = batches
    await withDiscardingTaskGroup { group in
      let turns = TurnCounter(items)
      for _ in 0..<min(Self.concurrencyMax, items.count) {
        group.addTask {
          while let item = turns.next(), let batch = records[item.batchID] { await work(on: item, batch) }
        }
      }
    }
    // When nothing was taken, something may still have to end: what was under way elsewhere, or is too late.
    var mayEnd = !items.isEmpty
    if !mayEnd { mayEnd = try await service.batches.hasRunning(deadline: deadline) }
    if mayEnd { try await service.batches.end(deadline: deadline) }
    return items.count
  }

  private func work(on item: BatchItem, _ batch: BatchRecord) async {
    let deadline = Deadline.after(Self.itemTimeout)
    do {
      // What is begun for the second time may be done already: its result is asked for all the same.
      if batch.act == .forward, item.attempt == 1, try await service.batches.isCancelled(item, deadline: deadline) {
        return try await service.batches.settle(item, .cancelled, deadline: deadline)
      }
      do {
        let isNoted = try await service.act(batch, on: item, deadline: deadline)
        if !isNoted { try await service.batches.settle(item, .succeeded, deadline: deadline) }
        finished?.with("SUCCEEDED").add()
      } catch {
        try await settle(item, failedWith: ServiceError(caught: error))
      }
    } catch {
      // Whoever takes the item over when the lease ends goes on with it.
      if !Task.isCancelled { log?.warning("batches.item_failed", ["cause": .string(String(describing: error))]) }
    }
  }

  /// What may go better later is tried again; the rest is the ticket's result.
  private func settle(_ item: BatchItem, failedWith error: ServiceError) async throws {
    let deadline = Deadline.after(Self.itemTimeout)
    if Task.isCancelled { return }
    if error.reason.entry.retry == .backoff,
      let wait = backoff.wait(afterAttempt: item.attempt, jitter: .random(in: 0...1))
    {
      return try await service.batches.postpone(item, milliseconds: wait, deadline: deadline)
    }
    if error.reason == .internal {
      log?.warning("batches.item_failed", ["cause": .string(String(describing: error.cause ?? error))])
    }
    try await service.batches.settle(
      item, .failed, reason: error.reason.rawValue, message: String(error.message.prefix(1000)), deadline: deadline)
    finished?.with("FAILED").add()
  }
}

/// Hands items out to those who work side by side.
private final class TurnCounter: Sendable {
  private let items: [BatchItem]
  private let index = Atomic<Int>(0)

  init(_ items: [BatchItem]) { self.items = items }

  func next() -> BatchItem? {
    let number = index.wrappingAdd(1, ordering: .relaxed).oldValue
    return number < items.count ? items[number] : nil
  }
}
