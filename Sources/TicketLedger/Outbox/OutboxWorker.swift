package import EventLoop
package import Postgres
import ServiceKit

/// Does a topic's work: claims what is due, hands it to the handler, settles it, and goes on until cancelled.
///
/// Woken by hints and, because hints can be lost, by the clock.
package struct OutboxWorker: Sendable {
  /// Does claimed work and says what became of each piece, in the same order. Runs on the worker's loop; must end
  /// before the items' deadline. A crash in the middle means that the work is done again: it is to be idempotent.
  package typealias Handler = @Sendable ([OutboxItem]) async -> [OutboxVerdict]

  /// The topic's rows.
  package let outbox: Outbox
  private let pool: PostgresPool
  private let pollInterval: Duration
  private let handler: Handler
  private let failed: @Sendable (any Error) -> Void

  /// Describes a worker whose handler takes whole batches.
  ///
  /// - Parameters:
  ///   - pollInterval: how long work can wait at most when its hint was lost.
  ///   - failed: told when the database could not be asked or told; the worker goes on.
  package init(
    _ outbox: Outbox, pool: PostgresPool, pollInterval: Duration = .seconds(1),
    failed: @escaping @Sendable (any Error) -> Void, handler: @escaping Handler
  ) {
    self.outbox = outbox
    self.pool = pool
    self.pollInterval = pollInterval
    self.failed = failed
    self.handler = handler
  }

  /// Describes a worker whose handler takes one piece of work; those of a batch are done side by side. What the handler
  /// throws makes the piece fail for now, with the error's reason.
  package init(
    _ outbox: Outbox, pool: PostgresPool, pollInterval: Duration = .seconds(1),
    failed: @escaping @Sendable (any Error) -> Void,
    each handler: @escaping @Sendable (OutboxItem) async throws -> OutboxVerdict
  ) {
    self.init(outbox, pool: pool, pollInterval: pollInterval, failed: failed) { items in
      await withTaskGroup(of: Answer.self) { group in
        for (index, item) in items.enumerated() {
          group.addTask {
            do {
              return Answer(index: index, verdict: try await handler(item))
            } catch {
              // An unknown error's own words may quote data.
              let reason = (error as? ServiceError)?.reason.rawValue ?? "\(type(of: error))"
              return Answer(index: index, verdict: .failed(reason))
            }
          }
        }
        var verdicts = [OutboxVerdict](repeating: .failed("no verdict"), count: items.count)
        for await answer in group { verdicts[answer.index] = answer.verdict }
        return verdicts
      }
    }
  }

  /// What became of one piece of a batch. A struct, because the optimizer of Swift 6.3 mixes up the parts of a tuple
  /// that a child task returns: the release build then reads an index that is none.
  private struct Answer: Sendable {
    let index: Int
    let verdict: OutboxVerdict
  }

  /// Works until cancelled.
  package func run(on loop: EventLoop) async {
    let (wakes, wake) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    await withTaskGroup(of: Void.self) { group in
      group.addTask(executorPreference: loop) {
        for await _ in pool.listen(channel: outbox.topic.channel) { wake.yield() }
      }
      group.addTask(executorPreference: loop) {
        while !Task.isCancelled {
          wake.yield()
          do { try await loop.sleep(for: pollInterval) } catch { break }
        }
        wake.finish()
      }
      group.addTask(executorPreference: loop) {
        for await _ in wakes { await drain() }
      }
      await group.waitForAll()
    }
  }

  /// Does one batch of due work.
  ///
  /// - Returns: how many pieces were claimed.
  /// - Throws: the database's errors as ``ServiceError``.
  package func runOnce(deadline: Deadline) async throws -> Int {
    let items = try await outbox.claim(deadline: deadline)
    guard !items.isEmpty else { return 0 }
    let verdicts = await handler(items)
    precondition(verdicts.count == items.count, "a handler that does not say what became of each piece")
    try await outbox.settle(Array(zip(items, verdicts)), deadline: deadline)
    return items.count
  }

  private func drain() async {
    while !Task.isCancelled {
      do {
        let claimed = try await runOnce(deadline: .after(outbox.leaseDuration))
        if claimed < Outbox.claimMax { return }
      } catch {
        if !Task.isCancelled { failed(error) }
        return
      }
    }
  }
}
