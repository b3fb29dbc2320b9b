package import Crypto
package import EventLoop
package import Postgres
import ServiceKit

/// The one write path of tickets: every change is a guarded update with its events, entries, counters and outbox rows,
/// in one statement and one round trip.
///
/// Safe to use from any thread; work stays on the loop that it is asked on. Errors of the database arrive as
/// ``ServiceError``.
package final class TicketLedger: Sendable {
  /// How often a change is tried when others change the ticket in between.
  static let attemptsMax = 4

  /// The connections.
  package let pool: PostgresPool
  /// Who is who and may do what.
  package let directory: Directory
  /// What seals the histories, and what keys for other purposes are derived from.
  package let key: LedgerKey
  /// What seals where masks lie.
  package let maskSeals: MaskSeals
  let hints: OutboxHints
  private let entryIDs: IDSource
  private let creations: GatheredWrites<Creation, Void>

  /// Writes through a pool.
  package init(pool: PostgresPool, directory: Directory, key: LedgerKey) {
    self.pool = pool
    self.directory = directory
    self.key = key
    maskSeals = MaskSeals(key)
    hints = OutboxHints(pool: pool)
    entryIDs = IDSource(pool: pool, nextBlocks: "SELECT nextval('ticket_entry_id_seq') FROM generate_series(1, 4)")
    creations = GatheredWrites(on: pool.group) { creations, deadline in
      try await JointCreation.write(creations, pool, deadline)
      return creations.map { _ in }
    }
  }

  /// What page tokens of tickets are sealed with; the same in all copies of a daemon.
  package var pageKey: SecretBytes { key.key(for: "page tokens") }

  /// Takes the id of an entry to be, for a caller who must know it before it is written.
  package func newEntryID(deadline: Deadline) async throws -> EntryID {
    try await newEntryIDs(1, deadline: deadline)[0]
  }

  /// Writes a ticket, together with others that come at the same moment.
  ///
  /// - Throws: ``PostgresError``.
  func write(_ creation: Creation, deadline: Deadline) async throws {
    try await creations.perform(creation, deadline: deadline)
  }

  func newEntryIDs(_ count: Int, deadline: Deadline) async throws -> [EntryID] {
    guard count > 0 else { return [] }
    return try await entryIDs.take(count, deadline: deadline).map { EntryID($0) }
  }

  /// The id of a ticket to be. Taken one by one, so that whichever copy of a daemon creates a ticket later gives it the
  /// greater id: lists are ordered by it. Services that ask for more than an id ask for it with that.
  package static let nextTicketID: Query = "nextval('ticket_next_id_seq')"

  /// Takes the id of a ticket that is to be written with the change of another one; see ``open(_:deadline:)`` for one
  /// that is created by itself.
  package func newTicketID(deadline: Deadline) async throws -> TicketID {
    try await ServiceError.translating {
      try await pool.query("SELECT \(fragment: Self.nextTicketID)", deadline: deadline)[0].value(0)
    }
  }
}
