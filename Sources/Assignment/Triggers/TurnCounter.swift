import EventLoop
import Postgres
import ServiceKit
import Synchronization
import TicketLedger

/// Gives out the turns of sequential results, each once over all daemons.
///
/// A turn is one statement that is committed by itself, so nobody waits for anybody's ticket. Passes of this process
/// that want turns of the same cursor while a statement is under way are served together by the next one, so that one
/// cursor does not limit how many tickets a second are given out. A turn that is not used in the end is lost, which
/// moves the order by one and does no harm.
final class TurnCounter: Sendable {
  /// One sequential result.
  struct Cursor: Hashable, Sendable {
    let service: ServiceID
    let trigger: TriggerID
    /// Its place among the trigger's results.
    let resultIndex: Int32
  }

  private typealias Waiter = CheckedContinuation<Int64, any Error>

  /// Longest statement. Whoever waits is told by then, so a waiter needs no deadline of its own.
  private static let timeout: Duration = .seconds(5)

  private let pool: PostgresPool
  /// Who waits for turns; a cursor stands here exactly while somebody serves it.
  private let waiting = Mutex<[Cursor: [Waiter]]>([:])

  init(pool: PostgresPool) { self.pool = pool }

  /// Takes the next turn of a cursor; the first is 0.
  ///
  /// - Throws: the database's errors as ``ServiceError``.
  func take(_ cursor: Cursor) async throws -> Int64 {
    try await withCheckedThrowingContinuation { continuation in
      let begins = waiting.withLock { waiting in
        let begins = waiting[cursor] == nil
        waiting[cursor, default: []].append(continuation)
        return begins
      }
      guard begins else { return }
      if let loop = EventLoop.current {
        Task(executorPreference: loop) { await self.serve(cursor) }
      } else {
        Task { await self.serve(cursor) }
      }
    }
  }

  private func serve(_ cursor: Cursor) async {
    while let waiters = next(cursor) {
      do {
        let first = try await advance(cursor, by: waiters.count)
        for (offset, waiter) in waiters.enumerated() { waiter.resume(returning: first + Int64(offset)) }
      } catch {
        for waiter in waiters { waiter.resume(throwing: error) }
      }
    }
  }

  private func next(_ cursor: Cursor) -> [Waiter]? {
    waiting.withLock { waiting in
      guard let waiters = waiting[cursor], !waiters.isEmpty else {
        waiting[cursor] = nil
        return nil
      }
      waiting[cursor] = []
      return waiters
    }
  }

  /// Moves a cursor and returns the first of the turns that were taken.
  private func advance(_ cursor: Cursor, by count: Int) async throws -> Int64 {
    try await ServiceError.translating {
      let rows = try await pool.query(
        """
        INSERT INTO trigger_cursor AS c (service_id, trigger_id, result_index, turn)
        VALUES (\(cursor.service), \(cursor.trigger), \(cursor.resultIndex), \(count))
        ON CONFLICT ON CONSTRAINT trigger_cursor_pkey DO UPDATE SET turn = c.turn + excluded.turn RETURNING turn
        """, deadline: .after(Self.timeout))
      return try rows[0].int64(0) - Int64(count)
    }
  }
}
