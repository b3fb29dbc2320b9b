package import EventLoop
package import Postgres
import ServiceKit

/// Numbers committed changes, so that every reader of a service's change stream sees them in one order.
///
/// A change is written without a number, since a number that is taken before the commit can become visible after a
/// later one. Here one process at a time, whichever holds the lock, takes what is committed and gives it the next
/// numbers of its service: what has a number is visible, and everything before it, too. Within a ticket the order is
/// that of its events; a change that was committed before another began comes before it.
package struct ChangeSequencer: Sendable {
  /// Changes numbered by one statement.
  package static let batchMax: Int64 = 1000
  /// Woken on this channel: there are changes without a number.
  package static let channel = "handoff_ticket_change"
  private static let channelPrefix = "handoff_ticket_change_"
  // One at a time. "numb" in ASCII.
  private static let lockNumber: Int64 = 0x6e75_6d62
  private static let timeout: Duration = .seconds(30)

  private let pool: PostgresPool

  /// Numbers through a pool whose role is that of Tickets.
  package init(pool: PostgresPool) { self.pool = pool }

  /// Wakes the readers of a service: it has new numbers.
  package static func channel(of service: ServiceID) -> String { "\(channelPrefix)\(service)" }

  /// Numbers one batch in one transaction, and wakes the readers of its services.
  ///
  /// - Returns: how many changes were numbered; ``batchMax`` means that there may be more. 0 when another process is at
  ///   it.
  /// - Throws: the database's errors as ``ServiceError``.
  package func number(deadline: Deadline) async throws -> Int {
    let rows = try await ServiceError.translating {
      // The snapshot may be older than the lock. Rows that were numbered in between are gone and skipped, and the
      // head's row is read as it is now; a change that the snapshot does not have is for the next time.
      try await pool.query(
        """
        WITH turn AS MATERIALIZED (
          SELECT pg_try_advisory_xact_lock(\(Self.lockNumber)) AS mine
        ), taken AS (
          DELETE FROM ticket_change WHERE id IN (
            SELECT id FROM ticket_change WHERE (SELECT mine FROM turn) ORDER BY id LIMIT \(Self.batchMax)
          ) RETURNING id, service_id, ticket_id, first_sequence, last_sequence, version
        ), ordered AS (
          SELECT service_id, ticket_id, first_sequence, last_sequence, version,
            row_number() OVER (PARTITION BY service_id ORDER BY id) AS place,
            count(*) OVER (PARTITION BY service_id) AS total FROM taken
        ), head AS (
          INSERT INTO ticket_change_head AS h (service_id, position)
          SELECT service_id, count(*) FROM taken GROUP BY service_id ORDER BY service_id
          ON CONFLICT (service_id) DO UPDATE SET position = h.position + excluded.position
          RETURNING service_id, position
        ), numbered AS (
          INSERT INTO ticket_change_log (service_id, position, ticket_id, first_sequence, last_sequence, version)
          SELECT o.service_id, h.position - o.total + o.place, o.ticket_id, o.first_sequence, o.last_sequence, o.version
          FROM ordered AS o JOIN head AS h ON h.service_id = o.service_id
        )
        SELECT (SELECT count(*) FROM taken), pg_notify(\(Self.channelPrefix) || service_id, '') FROM head
        """, deadline: deadline)
    }
    return try rows.first?.int(0) ?? 0
  }

  /// Numbers until nothing is left or the deadline passes.
  ///
  /// - Returns: how many changes were numbered.
  package func numberAll(deadline: Deadline) async throws -> Int {
    var total = 0
    while !deadline.hasPassed {
      let count = try await number(deadline: deadline)
      total += count
      if count < Int(Self.batchMax) { break }
    }
    return total
  }

  /// Numbers what is written until cancelled: at once when it is told of it, and every second in case nobody told. Has
  /// the texts of what is numbered indexed (``SearchIndex``).
  ///
  /// - Parameter failed: told when the database could not be asked; it goes on.
  package func run(on loop: EventLoop, failed: @escaping @Sendable (any Error) -> Void) async {
    let (bell, ringer) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    let (written, writer) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    await withTaskGroup(of: Void.self) { group in
      group.addTask(executorPreference: loop) {
        for await _ in pool.listen(channel: Self.channel) { ringer.yield() }
      }
      group.addTask(executorPreference: loop) {
        while !Task.isCancelled {
          do { try await loop.sleep(for: .seconds(1)) } catch { break }
          ringer.yield()
        }
        ringer.finish()
      }
      group.addTask(executorPreference: loop) {
        for await _ in bell {
          do {
            if try await numberAll(deadline: .after(Self.timeout)) > 0 { writer.yield() }
          } catch {
            if !Task.isCancelled { failed(error) }
          }
        }
        writer.finish()
      }
      group.addTask(executorPreference: loop) {
        for await _ in written {
          do {
            try await SearchIndex(pool: pool).tidy(deadline: .after(Self.timeout))
          } catch {
            if !Task.isCancelled { failed(error) }
          }
        }
      }
      await group.waitForAll()
    }
  }
}
