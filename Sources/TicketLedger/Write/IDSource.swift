package import EventLoop
package import Postgres
import ServiceKit
import Synchronization

/// Hands out ids of a sequence: one question to the database for many ids. Those of different copies of a daemon
/// interleave, so their order tells nothing of time.
///
/// Ids must be known before a row is written, because an event's hash or a seal covers them. What is left when the
/// process ends is never used.
package final class IDSource: Sendable {
  private struct State {
    var blocks: [Range<Int64>] = []
    var isFetching = false
    var waiting: [CheckedContinuation<Void, Never>] = []
  }

  private let pool: PostgresPool
  private let nextBlocks: Query
  private let blockLength: Int64
  private let state = Mutex(State())

  /// Takes ids through a pool.
  ///
  /// - Parameters:
  ///   - nextBlocks: asks for the first ids of the next blocks.
  ///   - blockLength: ids of a block: the sequence's INCREMENT.
  package init(pool: PostgresPool, nextBlocks: Query, blockLength: Int64 = 64) {
    self.pool = pool
    self.nextBlocks = nextBlocks
    self.blockLength = blockLength
  }

  /// Takes ids, in ascending order as far as blocks allow. One caller asks the database, the others wait for its
  /// answer.
  ///
  /// - Throws: the database's errors as ``ServiceError``.
  package func take(_ count: Int, deadline: Deadline) async throws -> [Int64] {
    var ids: [Int64] = []
    ids.reserveCapacity(count)
    while true {
      let fetches = state.withLock { state in
        while ids.count < count, let block = state.blocks.first {
          let taken = block.prefix(count - ids.count)
          ids.append(contentsOf: taken)
          state.blocks[0] = taken.endIndex..<block.upperBound
          if state.blocks[0].isEmpty { state.blocks.removeFirst() }
        }
        guard ids.count < count, !state.isFetching else { return false }
        state.isFetching = true
        return true
      }
      if ids.count == count { return ids }
      if fetches { try await fetch(deadline) } else { await waitForFetch() }
    }
  }

  private func fetch(_ deadline: Deadline) async throws {
    var fetched: [Range<Int64>] = []
    defer {
      let waiting = state.withLock { state in
        state.blocks += fetched
        state.isFetching = false
        defer { state.waiting = [] }
        return state.waiting
      }
      for continuation in waiting { continuation.resume() }
    }
    fetched = try await ServiceError.translating {
      try await pool.query(nextBlocks, deadline: deadline).map { row in
        let first = try row.int64(0)
        return first..<first + blockLength
      }
    }
  }

  // Bounded by the fetching caller's deadline; afterwards whoever waited tries anew.
  private func waitForFetch() async {
    await withCheckedContinuation { continuation in
      let isOver = state.withLock { state in
        guard state.isFetching else { return true }
        state.waiting.append(continuation)
        return false
      }
      if isOver { continuation.resume() }
    }
  }
}
