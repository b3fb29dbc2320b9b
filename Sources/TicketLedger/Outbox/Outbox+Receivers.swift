package import EventLoop
import Postgres
import ServiceKit

/// Work for a receiver that has room again, or none: what waits is moved together.
extension Outbox {
  /// Most pieces of work that one statement moves.
  package static let moveMax = 1000
  /// Most such statements one after the other, unless told otherwise.
  package static let moveBatchesMax = 20

  /// Makes waiting work for a receiver due that is there again, the oldest first, some at a time. What others are
  /// settling is left alone, and what waits for another of its ticket becomes due by that.
  ///
  /// - Parameters:
  ///   - receiver: as ``OutboxDraft/receiver`` named it.
  ///   - isUntried: only what was put off without an attempt; what failed keeps its pause.
  ///   - batches: how often to go on, when there may be more.
  /// - Returns: how much.
  /// - Throws: the database's errors as ``ServiceError``.
  package func hurry(
    to receiver: String, isUntried: Bool = false, batchMax: Int = Self.moveMax, batches: Int = Self.moveBatchesMax,
    deadline: Deadline
  ) async throws -> Int {
    let untried: Query = isUntried ? " AND o.attempt_count = 0" : ""
    return try await move(
      receiver, "o.due_time > clock_timestamp()\(fragment: untried)\(fragment: isFirst)", to: "clock_timestamp()",
      batchMax, batches, deadline)
  }

  /// Puts off what is due to a receiver that is away or has no room, so that claims do not look at it in vain; but for
  /// what is so old that it is to be given up.
  ///
  /// - Returns: how much.
  /// - Throws: the database's errors as ``ServiceError``.
  package func putOff(
    to receiver: String, by wait: Duration, ageMax: Duration, batchMax: Int = Self.moveMax,
    batches: Int = Self.moveBatchesMax, deadline: Deadline
  ) async throws -> Int {
    let milliseconds = Int64((wait / Duration.milliseconds(1)).rounded(.up))
    return try await move(
      receiver,
      """
      o.due_time <= clock_timestamp()
        AND o.create_time > clock_timestamp() - \(ageMax.components.seconds) * interval '1 second'
      """, to: "clock_timestamp() + \(milliseconds) * interval '1 millisecond'", batchMax, batches, deadline)
  }

  /// Sets the due time of what waits for a receiver under a condition on the outbox's row `o`, which the new time ends.
  private func move(
    _ receiver: String, _ condition: Query, to time: Query, _ batchMax: Int, _ batches: Int, _ deadline: Deadline
  ) async throws -> Int {
    var count = 0
    for _ in 0..<batches {
      let moved = try await ServiceError.translating {
        try await pool.query(
          """
          WITH chosen AS (
            SELECT o.id FROM outbox AS o
            WHERE o.topic = \(topic) AND o.receiver = \(receiver) AND o.dead_time IS NULL AND o.lease_time IS NULL
              AND \(fragment: condition)
            ORDER BY o.id LIMIT \(batchMax) FOR UPDATE OF o SKIP LOCKED
          )
          UPDATE outbox AS o SET due_time = \(fragment: time) FROM chosen WHERE o.id = chosen.id RETURNING o.id
          """, deadline: deadline
        ).count
      }
      count += moved
      if moved < batchMax { break }
    }
    return count
  }
}
