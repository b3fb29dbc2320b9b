import EventLoop
import Postgres
import ServiceKit
import Synchronization
import TicketLedger

/// One sequential result.
struct TurnCursor: Hashable, Sendable {
  let service: ServiceID
  let trigger: TriggerID
  /// Its place among the trigger's results.
  let resultIndex: Int32
}

/// The turns of one transaction: cursors are locked when they are first asked for, and moved at the end by the turns
/// that were used.
final class TurnBook {
  let transaction: PostgresTransaction
  private var turns: [TurnCursor: (first: Int64, used: Int64)] = [:]

  init(_ transaction: PostgresTransaction) { self.transaction = transaction }

  /// The next turn of a cursor; the first is 0.
  func next(_ cursor: TurnCursor) async throws -> Int64 {
    if let known = turns[cursor] { return known.first + known.used }
    var rows = try await transaction.query(
      """
      SELECT turn FROM trigger_cursor WHERE service_id = \(cursor.service) AND trigger_id = \(cursor.trigger)
        AND result_index = \(cursor.resultIndex) FOR UPDATE
      """)
    if rows.isEmpty {
      rows = try await transaction.query(
        """
        INSERT INTO trigger_cursor AS c (service_id, trigger_id, result_index)
        VALUES (\(cursor.service), \(cursor.trigger), \(cursor.resultIndex))
        ON CONFLICT ON CONSTRAINT trigger_cursor_pkey DO UPDATE SET turn = c.turn RETURNING turn
        """)
    }
    let first = try rows[0].int64(0)
    turns[cursor] = (first, 0)
    return first
  }

  /// Counts a turn as used: what was written with it is in the transaction.
  func use(_ cursor: TurnCursor) { turns[cursor]?.used += 1 }

  /// The statements that move the cursors behind the turns that were used.
  var moves: [Query] {
    turns.filter { $0.value.used > 0 }.map { cursor, turn in
      """
      UPDATE trigger_cursor SET turn = \(turn.first + turn.used)
      WHERE service_id = \(cursor.service) AND trigger_id = \(cursor.trigger) AND result_index = \(cursor.resultIndex)
      """
    }
  }
}

/// Writes what needs turns of a cursor, many tickets in one transaction.
///
/// The cursor, the tickets, their events and the end of the work are committed together: a daemon that dies takes no
/// turn with it, and no two tickets get the same. A cursor's row is locked from commit to commit, and one ticket a
/// commit would be a few hundred a second; so those of this process that come while a transaction is under way are
/// written together by the next one. That takes two round trips, however many they are: the cursor is locked, all is
/// worked out, and all is sent with COMMIT, in one statement as far as they set the same
/// (``PreparedWrite/statements(of:)``). When one of the tickets was changed meanwhile, nothing of that is written,
/// and they are written again in one transaction, each after the answer to the one before.
final class TurnQueue: Sendable {
  /// Most tickets of one transaction.
  static let batchMax = 32
  /// Longest transaction. Whoever waits is told by then, so a waiter needs no deadline of its own.
  private static let timeout: Duration = .seconds(10)

  /// The change of one ticket, and the turns that it uses up.
  struct Order: Sendable {
    let write: PreparedWrite
    /// Changes of other tickets that follow; they fail when theirs was changed meanwhile.
    let companions: [Query]
    let turns: [TurnCursor]
  }

  /// Works out the change of one ticket with the turns that it asks for. Called again when the transaction is.
  typealias Work = @Sendable (TurnBook, LostRace) async throws -> Order

  private struct Waiter {
    let work: Work
    let continuation: CheckedContinuation<Written?, any Error>
  }

  private let pool: PostgresPool
  /// Who waits; a cursor stands here exactly while somebody serves it.
  private let waiting = Mutex<[TurnCursor: [Waiter]]>([:])

  init(pool: PostgresPool) { self.pool = pool }

  /// Has work done in the next transaction of a cursor; nil when the ticket was changed meanwhile.
  ///
  /// - Throws: the database's errors as ``ServiceError``, and what the work throws.
  func perform(_ cursor: TurnCursor, _ work: @escaping Work) async throws -> Written? {
    try await withCheckedThrowingContinuation { continuation in
      let begins = waiting.withLock { waiting in
        let begins = waiting[cursor] == nil
        waiting[cursor, default: []].append(Waiter(work: work, continuation: continuation))
        return begins
      }
      guard begins else { return }
      Task(executorPreference: EventLoop.current) { await self.serve(cursor) }
    }
  }

  private func serve(_ cursor: TurnCursor) async {
    while let waiters = next(cursor) {
      do {
        let results = try await write(waiters)
        for (waiter, result) in zip(waiters, results) { waiter.continuation.resume(with: result) }
      } catch {
        await writeAlone(waiters, after: error)
      }
    }
  }

  /// One ticket that cannot be written must not keep the others from being written.
  private func writeAlone(_ waiters: [Waiter], after error: any Error) async {
    guard waiters.count > 1 else {
      for waiter in waiters { waiter.continuation.resume(throwing: error) }
      return
    }
    for waiter in waiters {
      do {
        waiter.continuation.resume(with: try await write([waiter])[0])
      } catch {
        waiter.continuation.resume(throwing: error)
      }
    }
  }

  private func next(_ cursor: TurnCursor) -> [Waiter]? {
    waiting.withLock { waiting in
      guard let waiters = waiting[cursor], !waiters.isEmpty else {
        waiting[cursor] = nil
        return nil
      }
      waiting[cursor] = Array(waiters.dropFirst(Self.batchMax))
      return Array(waiters.prefix(Self.batchMax))
    }
  }

  private func write(_ waiters: [Waiter]) async throws -> [Result<Written?, any Error>] {
    try await ServiceError.translating {
      do {
        return try await pool.transaction(deadline: .after(Self.timeout)) { transaction in
          let book = TurnBook(transaction)
          let orders = try await orders(of: waiters, book)
          let ready = orders.compactMap { try? $0.get() }
          try await transaction.commit(
            with: PreparedWrite.statements(of: ready.map(\.write)) + ready.flatMap(\.companions) + book.moves)
          return orders.map { $0.map { $0.write.intended } }
        }
      } catch let error as PostgresError where error.isLostRace {
        do {
          return try await pool.transaction(deadline: .after(Self.timeout)) { transaction in
            try await oneByOne(waiters, transaction)
          }
        } catch let error as PostgresError where error.isLostRace && waiters.count == 1 {
          // A companion's ticket was changed.
          return [.success(nil)]
        }
      }
    }
  }

  /// Works out all; each counts on the ones before being written.
  private func orders(of waiters: [Waiter], _ book: TurnBook) async throws -> [Result<Order, any Error>] {
    var orders: [Result<Order, any Error>] = []
    for waiter in waiters {
      do {
        let order = try await waiter.work(book, .failure)
        for cursor in order.turns { book.use(cursor) }
        orders.append(.success(order))
      } catch let error as ServiceError where !error.isOfDatabase {
        // Nothing was sent: the others go on. A failed statement ends the transaction, which may be run again.
        orders.append(.failure(error))
      }
    }
    return orders
  }

  /// Writes one after the other, with turns for those that are written.
  private func oneByOne(
    _ waiters: [Waiter], _ transaction: PostgresTransaction
  ) async throws -> [Result<Written?, any Error>] {
    let book = TurnBook(transaction)
    var results: [Result<Written?, any Error>] = []
    for waiter in waiters {
      do {
        let order = try await waiter.work(book, .noRow)
        let written = order.write.written(try await transaction.query(order.write.statement))
        if written != nil {
          for companion in order.companions { _ = try await transaction.query(companion) }
          for cursor in order.turns { book.use(cursor) }
        }
        results.append(.success(written))
      } catch let error as ServiceError where !error.isOfDatabase {
        // Nothing was sent: the others go on.
        results.append(.failure(error))
      }
    }
    try await transaction.commit(with: book.moves)
    return results
  }
}

extension ServiceError {
  /// Whether a statement failed, which ends the transaction for all that are in it.
  fileprivate var isOfDatabase: Bool { cause is PostgresError }
}
