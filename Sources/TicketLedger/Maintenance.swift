package import EventLoop
import Postgres
import ServiceKit

/// How much work waits in an outbox topic.
package struct OutboxDepth: Sendable, Equatable {
  /// Rows to be done, those under way included.
  package var waiting: Int64
  /// Age of the oldest of them, in seconds.
  package var oldestSeconds: Int64
  /// Rows that were given up.
  package var dead: Int64
}

extension TicketLedger {
  /// Most rows removed by one statement.
  package static let removedMax: Int64 = 10_000

  /// Removes request ids that are older than 24 hours; for tickets, the other daemons may not.
  ///
  /// - Returns: how many; 10,000 means that there may be more.
  /// - Throws: the database's errors as ``ServiceError``.
  package func removeOldIdempotencyKeys(deadline: Deadline) async throws -> Int {
    try await remove(
      """
      DELETE FROM idempotency_key WHERE (caller, method, request_id) IN (
        SELECT caller, method, request_id FROM idempotency_key
        WHERE create_time < clock_timestamp() - interval '24 hours' LIMIT \(Self.removedMax))
      """, deadline)
  }

  /// Removes work that was given up 30 days ago or earlier; for the daemon whose work it is, the others may not.
  ///
  /// - Returns: how many; 10,000 means that there may be more.
  /// - Throws: the database's errors as ``ServiceError``.
  package func removeOldDeadWork(topic: OutboxTopic, deadline: Deadline) async throws -> Int {
    try await remove(
      """
      DELETE FROM outbox WHERE id IN (
        SELECT id FROM outbox WHERE topic = \(topic) AND dead_time < clock_timestamp() - interval '30 days'
        LIMIT \(Self.removedMax))
      """, deadline)
  }

  /// Reads how much work waits in a topic, for its metrics.
  ///
  /// - Throws: the database's errors as ``ServiceError``.
  package func depth(of topic: OutboxTopic, deadline: Deadline) async throws -> OutboxDepth {
    try await ServiceError.translating {
      let rows = try await pool.query(
        """
        SELECT count(*) FILTER (WHERE dead_time IS NULL),
          coalesce(extract(epoch FROM clock_timestamp() - min(create_time)
            FILTER (WHERE dead_time IS NULL)), 0)::bigint,
          count(dead_time)
        FROM outbox WHERE topic = \(topic)
        """, deadline: deadline)
      return OutboxDepth(
        waiting: try rows[0].int64(0), oldestSeconds: try rows[0].int64(1), dead: try rows[0].int64(2))
    }
  }

  private func remove(_ query: Query, _ deadline: Deadline) async throws -> Int {
    try await ServiceError.translating { try await pool.query(query, deadline: deadline).affected }
  }
}
