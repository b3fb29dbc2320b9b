package import EventLoop
package import Postgres
package import ServiceKit
import Synchronization

/// What waits in the outbox and what was given up, by topic, as metrics for operators.
///
/// Every process that watches shows the same numbers, those of the whole cluster. May be used from any thread.
package final class OutboxWatch: Sendable {
  /// What one look at the table found in a topic.
  package struct Standing: Sendable, Equatable {
    /// Work that is not done, under way or not; counted up to ``OutboxWatch/countMax``.
    package var waiting: Int64 = 0
    /// For how many seconds the most overdue work could have been begun already.
    package var overdueSeconds: Double = 0
    /// Work that was given up; counted up to ``OutboxWatch/countMax``.
    package var dead: Int64 = 0
  }

  /// Counting ends here, so that a look costs little however much there is.
  package static let countMax: Int64 = 100_000

  private let pool: PostgresPool
  private let standings = Mutex<[OutboxTopic: Standing]>([:])

  /// Declares the metrics, which show zero until the first look.
  package init(pool: PostgresPool, metrics: Metrics) {
    self.pool = pool
    declare("handoff_outbox_waiting", "Work that is not done yet.", metrics) { Double($0.waiting) }
    declare("handoff_outbox_overdue_seconds", "How long the most overdue work has waited to be begun.", metrics) {
      $0.overdueSeconds
    }
    declare("handoff_outbox_dead", "Work that was given up and is kept for operators.", metrics) { Double($0.dead) }
  }

  /// What the last look found in `topic`.
  package subscript(topic: OutboxTopic) -> Standing { standings.withLock { $0[topic] ?? Standing() } }

  /// Looks at the table.
  ///
  /// - Throws: the database's errors as `ServiceError`; the last numbers stay.
  package func look(deadline: Deadline) async throws {
    for topic in OutboxTopic.allCases {
      let rows = try await ServiceError.translating {
        try await pool.query(
          """
          SELECT
            (SELECT count(*) FROM (
              SELECT 1 FROM outbox WHERE topic = \(topic) AND dead_time IS NULL LIMIT \(Self.countMax)) AS w),
            coalesce((
              SELECT extract(epoch FROM clock_timestamp() - min(due_time))::float8 FROM outbox
              WHERE topic = \(topic) AND dead_time IS NULL), 0),
            (SELECT count(*) FROM (
              SELECT 1 FROM outbox WHERE topic = \(topic) AND dead_time IS NOT NULL LIMIT \(Self.countMax)) AS d)
          """, deadline: deadline)
      }
      let standing = Standing(
        waiting: try rows[0].int64(0), overdueSeconds: max(0, try rows[0].double(1)), dead: try rows[0].int64(2))
      standings.withLock { $0[topic] = standing }
    }
  }

  private func declare(
    _ name: String, _ help: String, _ metrics: Metrics, _ value: @escaping @Sendable (Standing) -> Double
  ) {
    metrics.observed(name, help, labels: ["topic"]) { [self] in
      OutboxTopic.allCases.map { ([$0.rawValue], value(self[$0])) }
    }
  }
}
