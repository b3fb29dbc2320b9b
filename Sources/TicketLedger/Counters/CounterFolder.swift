package import EventLoop
package import Postgres
import ServiceKit

/// Folds the counters' changes into their tables, so that the list of changes stays short.
package struct CounterFolder: Sendable {
  /// Changes folded by one statement.
  package static let batchMax: Int64 = 5000
  // One folder at a time: two could wait for each other's rows. "fold" in ASCII.
  private static let lockNumber: Int64 = 0x666f_6c64

  private let pool: PostgresPool

  /// Folds through a pool; the role needs DELETE on the list of changes.
  package init(pool: PostgresPool) { self.pool = pool }

  /// Folds one batch in one transaction; readers see each change exactly once, before and after.
  ///
  /// - Returns: how many changes were folded; ``batchMax`` means that there may be more. 0 when another folder is at
  ///   work.
  /// - Throws: the database's errors as ``ServiceError``.
  package func fold(deadline: Deadline) async throws -> Int {
    let rows = try await ServiceError.translating {
      try await pool.query(
        """
        WITH turn AS MATERIALIZED (
          SELECT pg_try_advisory_xact_lock(\(Self.lockNumber)) AS mine
        ), taken AS (
          DELETE FROM ticket_count_change WHERE id IN (
            SELECT id FROM ticket_count_change WHERE (SELECT mine FROM turn) ORDER BY id LIMIT \(Self.batchMax)
          ) RETURNING service_id, minute, agent_id, state, change
        ), holder AS (
          INSERT INTO ticket_holder_count AS h (service_id, agent_id, state, count)
          SELECT service_id, agent_id, state, sum(change) FROM taken
          GROUP BY service_id, agent_id, state HAVING sum(change) <> 0
          ON CONFLICT (service_id, agent_id, state) DO UPDATE SET count = h.count + excluded.count
        ), minute AS (
          INSERT INTO ticket_minute_count AS m (service_id, minute, received, unassigned, resolved)
          SELECT service_id, minute, sum(change), coalesce(sum(change) FILTER (WHERE agent_id = 0), 0),
            coalesce(sum(change) FILTER (WHERE state IN ('RESOLVED', 'COMPLETED')), 0)
          FROM taken GROUP BY service_id, minute
          ON CONFLICT (service_id, minute) DO UPDATE SET received = m.received + excluded.received,
            unassigned = m.unassigned + excluded.unassigned, resolved = m.resolved + excluded.resolved
        ), hour AS (
          INSERT INTO ticket_hour_count AS o (service_id, hour, received, unassigned, resolved)
          SELECT service_id, date_trunc('hour', minute, 'UTC'), sum(change),
            coalesce(sum(change) FILTER (WHERE agent_id = 0), 0),
            coalesce(sum(change) FILTER (WHERE state IN ('RESOLVED', 'COMPLETED')), 0)
          FROM taken GROUP BY 1, 2
          ON CONFLICT (service_id, hour) DO UPDATE SET received = o.received + excluded.received,
            unassigned = o.unassigned + excluded.unassigned, resolved = o.resolved + excluded.resolved
        )
        SELECT count(*) FROM taken
        """, deadline: deadline)
    }
    return try rows[0].int(0)
  }

  /// Folds until nothing is left or the deadline passes.
  ///
  /// - Returns: how many changes were folded.
  package func foldAll(deadline: Deadline) async throws -> Int {
    var total = 0
    while !deadline.hasPassed {
      let folded = try await fold(deadline: deadline)
      total += folded
      if folded < Int(Self.batchMax) { break }
    }
    return total
  }
}
