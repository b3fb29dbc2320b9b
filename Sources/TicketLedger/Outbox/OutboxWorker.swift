package import EventLoop
package import Postgres
import ServiceKit

/// Does a topic's work: claims what is due, hands it to the handler, settles it, and goes on until cancelled.
///
/// A number of pieces are done side by side, and each makes room for the next one when it is over, so
/// that a slow one holds nobody up. The lease of a piece is renewed while it is under way: it can be short, and what a
/// worker that died had claimed is soon taken over. Woken by hints and, because hints can be lost, by the clock.
package struct OutboxWorker: Sendable {
  /// Does one piece of claimed work and says what became of it. Must end before the item's deadline. What it throws
  /// makes the piece fail for now, with the error's reason. A crash in the middle means that the work is done again: it
  /// is to be idempotent.
  package typealias Handler = @Sendable (OutboxItem) async throws -> OutboxVerdict

  /// The topic's rows.
  package let outbox: Outbox
  /// For the last results of a worker that is told to end.
  private static let lastSettlingTimeout: Duration = .seconds(5)

  private let pool: PostgresPool
  private let placesMax: Int
  private let pollInterval: Duration
  private let handler: Handler
  private let failed: @Sendable (any Error) -> Void

  /// Describes a worker.
  ///
  /// - Parameters:
  ///   - placesMax: how many pieces are done side by side.
  ///   - pollInterval: how long work can wait at most when its hint was lost.
  ///   - failed: told when the database could not be asked or told; the worker goes on.
  package init(
    _ outbox: Outbox, pool: PostgresPool, placesMax: Int = Outbox.claimMax, pollInterval: Duration = .seconds(1),
    failed: @escaping @Sendable (any Error) -> Void, each handler: @escaping Handler
  ) {
    self.outbox = outbox
    self.pool = pool
    self.placesMax = placesMax
    self.pollInterval = pollInterval
    self.failed = failed
    self.handler = handler
  }

  /// Works on `loop` until cancelled. What is under way then is cancelled too, and given back for another attempt.
  package func run(on loop: EventLoop) async {
    let bench = OutboxBench(endsMakeReady: outbox.topic.endsMakeReady, placesMax: placesMax)
    await withTaskGroup(of: Void.self) { group in
      group.addTask(executorPreference: loop) {
        for await _ in pool.listen(channel: outbox.topic.channel) { bench.wake() }
      }
      group.addTask(executorPreference: loop) {
        while !Task.isCancelled {
          bench.wake()
          do { try await loop.sleep(for: pollInterval) } catch { break }
        }
        bench.close()
      }
      group.addTask(executorPreference: loop) { await renewLeases(bench, loop) }
      group.addTask(executorPreference: loop) { await work(bench, loop) }
      await group.waitForAll()
    }
  }

  /// Does one batch of due work; for tests and tools. No lease is renewed.
  ///
  /// - Returns: how many pieces were claimed.
  /// - Throws: the database's errors as ``ServiceError``.
  package func runOnce(deadline: Deadline) async throws -> Int {
    let items = try await outbox.claim(deadline: deadline)
    guard !items.isEmpty else { return 0 }
    let bench = OutboxBench(endsMakeReady: outbox.topic.endsMakeReady, placesMax: placesMax)
    await withDiscardingTaskGroup { group in
      for item in items { group.addTask { bench.finish(item, await verdict(on: item)) } }
    }
    try await outbox.settle(bench.takeFinished(), deadline: deadline)
    return items.count
  }

  private func work(_ bench: OutboxBench, _ loop: EventLoop) async {
    await withDiscardingTaskGroup { group in
      for await _ in bench.signals {
        await settle(bench, deadline: .after(outbox.leaseDuration))
        for item in await claim(bench) {
          group.addTask(executorPreference: loop) { bench.finish(item, await verdict(on: item)) }
        }
      }
    }
    // Not as a part of this task, which is cancelled.
    await Task { await settle(bench, deadline: .after(Self.lastSettlingTimeout)) }.value
  }

  private func claim(_ bench: OutboxBench) async -> [OutboxItem] {
    let room = bench.takeRoom()
    guard room > 0 else { return [] }
    do {
      let items = try await outbox.claim(limit: room, deadline: .after(outbox.leaseDuration))
      return bench.begin(items, mayBeMore: items.count == room)
    } catch {
      if !Task.isCancelled { failed(error) }
      return []
    }
  }

  private func verdict(on item: OutboxItem) async -> OutboxVerdict {
    do {
      return try await handler(item)
    } catch {
      // An unknown error's own words may quote data.
      return .failed((error as? ServiceError)?.reason.rawValue ?? "\(type(of: error))")
    }
  }

  private func settle(_ bench: OutboxBench, deadline: Deadline) async {
    let finished = bench.takeFinished()
    guard !finished.isEmpty else { return }
    do {
      try await outbox.settle(finished, deadline: deadline)
    } catch {
      if !Task.isCancelled { failed(error) }
    }
  }

  private func renewLeases(_ bench: OutboxBench, _ loop: EventLoop) async {
    // Twice may fail before the lease ends.
    let pause = outbox.leaseDuration / 3
    while !Task.isCancelled {
      do { try await loop.sleep(for: pause) } catch { return }
      do {
        try await outbox.renew(bench.underway, deadline: .after(pause))
      } catch {
        if !Task.isCancelled { failed(error) }
      }
    }
  }
}
