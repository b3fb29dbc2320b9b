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
    while let waiters = next(in: lane) {
      let results = await results(of: waiters.map(\.item), until: waiters.map(\.deadline))
      for (waiter, result) in zip(waiters, results) { waiter.continuation.resume(with: result) }
    }
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

  private func results(of items: [Item], until deadlines: [Deadline]) async -> [Result<Outcome, any Error>] {
    do {
      return try await outcomes(of: items, until: deadlines.max() ?? .never).map { .success($0) }
    } catch {
      let mayBeDone = (error as? PostgresError)?.kind == .outcomeUnknown
      guard items.count > 1, !mayBeDone else { return items.map { _ in .failure(error) } }
    }
    var results: [Result<Outcome, any Error>] = []
    for (item, deadline) in zip(items, deadlines) {
      do {
        results.append(.success(try await outcomes(of: [item], until: deadline)[0]))
      } catch {
        results.append(.failure(error))
      }
    }
    return results
  }

  private func outcomes(of items: [Item], until deadline: Deadline) async throws -> [Outcome] {
    guard !deadline.hasPassed else { throw PostgresError.deadlineExceeded }
    let outcomes = try await write(items, min(deadline, .after(timeout)))
    precondition(outcomes.count == items.count, "one outcome for each item")
    return outcomes
  }
}
