package import EventLoop
import Synchronization

/// Has what many callers write at the same moment written together, so that they share a commit and what a statement
/// costs beside its rows.
///
/// One write is under way at a time, or one on each of some loops; what comes meanwhile is written together by the next
/// one. So nobody waits for company, and the more callers there are, the less each costs. When a write fails, its items
/// are written one by one, so that nobody fails for another's sake; but not when it may have been done.
package final class GatheredWrites<Item: Sendable, Outcome: Sendable>: Sendable {
  /// Writes items, in one transaction; one outcome for each, in their order.
  package typealias Write = @Sendable (_ items: [Item], Deadline) async throws -> [Outcome]

  private struct Waiter {
    let item: Item
    let deadline: Deadline
    let continuation: CheckedContinuation<Outcome, any Error>
  }

  private struct State {
    var waiting: [Waiter] = []
    var isServed = false
  }

  /// Where one write is under way at a time.
  private final class Lane: Sendable {
    let state = Mutex(State())
  }

  private let itemsMax: Int
  private let timeout: Duration
  private let write: Write
  private let loops: [EventLoop]
  /// One for each loop, or a single one.
  private let lanes: [Lane]

  /// Gathers for one kind of write.
  ///
  /// - Parameters:
  ///   - itemsMax: most items of one write.
  ///   - timeout: longest write. Whoever waits is told after two of them, or, when those fail, after one more for each
  ///     item of the second.
  ///   - group: the loops that write beside one another; nil: the process has one write under way at a time.
  package init(
    itemsMax: Int = 32, timeout: Duration = .seconds(10), on group: EventLoopGroup? = nil, _ write: @escaping Write
  ) {
    self.itemsMax = itemsMax
    self.timeout = timeout
    self.write = write
    loops = group?.loops ?? []
    lanes = (0..<max(1, loops.count)).map { _ in Lane() }
  }

  /// Has an item written with others.
  ///
  /// Whoever is cancelled meanwhile has its item written all the same.
  ///
  /// - Parameter deadline: until when its write may begin; the latest of those written together ends it.
  /// - Throws: what the write throws; ``PostgresError`` of kind `deadlineExceeded`.
  package func perform(_ item: Item, deadline: Deadline) async throws -> Outcome {
    let current = EventLoop.current
    let lane = lanes[loops.firstIndex { $0 === current } ?? 0]
    return try await withCheckedThrowingContinuation { continuation in
      let begins = lane.state.withLock { state in
        defer { state.isServed = true }
        state.waiting.append(Waiter(item: item, deadline: deadline, continuation: continuation))
        return !state.isServed
      }
      guard begins else { return }
      Task(executorPreference: current) { await self.serve(lane) }
    }
  }

  private func serve(_ lane: Lane) async {
    while let waiters = next(in: lane) { await serve(waiters) }
  }

  /// Those who come first; nil when nobody waits, and then nobody serves.
  private func next(in lane: Lane) -> [Waiter]? {
    lane.state.withLock { state in
      guard !state.waiting.isEmpty else {
        state.isServed = false
        return nil
      }
      defer { state.waiting.removeFirst(min(itemsMax, state.waiting.count)) }
      return Array(state.waiting.prefix(itemsMax))
    }
  }

  private func serve(_ all: [Waiter]) async {
    var waiters: [Waiter] = []
    for waiter in all {
      // Whoever was told elsewhere that the time is over must not find the item written after all.
      if waiter.deadline.hasPassed {
        waiter.continuation.resume(throwing: PostgresError.deadlineExceeded)
      } else {
        waiters.append(waiter)
      }
    }
    guard !waiters.isEmpty else { return }
    do {
      let outcomes = try await outcomes(of: waiters.map { $0.item }, until: waiters.map { $0.deadline }.max() ?? .never)
      for (waiter, outcome) in zip(waiters, outcomes) { waiter.continuation.resume(returning: outcome) }
    } catch {
      let mayBeDone = (error as? PostgresError)?.kind == .outcomeUnknown
      if waiters.count > 1, !mayBeDone { return await serveAlone(waiters) }
      for waiter in waiters { waiter.continuation.resume(throwing: error) }
    }
  }

  /// Writes items one by one; whose item is written learns it at once, however long others take.
  private func serveAlone(_ waiters: [Waiter]) async {
    for waiter in waiters {
      do {
        waiter.continuation.resume(returning: try await outcomes(of: [waiter.item], until: waiter.deadline)[0])
      } catch {
        waiter.continuation.resume(throwing: error)
      }
    }
  }

  private func outcomes(of items: [Item], until deadline: Deadline) async throws -> [Outcome] {
    guard !deadline.hasPassed else { throw PostgresError.deadlineExceeded }
    let outcomes = try await write(items, min(deadline, .after(timeout)))
    precondition(outcomes.count == items.count, "one outcome for each item")
    return outcomes
  }
}
