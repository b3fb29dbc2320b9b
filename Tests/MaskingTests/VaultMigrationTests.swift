import HandoffTestKit
import Postgres
import Testing

@Suite("Vaults of before")
struct VaultMigrationTests {
  @Test("masks that had a table of their own keep who made them and when, their places and their ids, moved ones too")
  func merged() async throws {
    let database = try await TestDatabase.empty()
    let all = Migration.embedded
    let before = all.filter { $0.number < 66 }
    _ = try await Migrator(migrations: before).migrate(database.configuration)
    let deadline = TestDatabase.deadline
    _ = try await database.pool.transactionBatch(
      [
        // No tickets for these masks: only what becomes of the vault's rows is looked at.
        "SET LOCAL session_replication_role = replica",
        """
        INSERT INTO mask (service_id, id, ticket_id, masked_by, mask_time, place_count, unmasked_by, unmask_time)
        VALUES (1, 7, 100, 3, '2026-01-02 03:04:05.678901Z', 2, NULL, NULL),
          (1, 8, 100, NULL, '2026-01-03Z', 1, 4, '2026-01-04Z'),
          (1, 9, 100, NULL, '2026-01-03Z', 1, NULL, NULL)
        """,
        """
        INSERT INTO mask_place (service_id, mask_id, number, ticket_service_id, ticket_id, text_column, row_key,
          span_start, span_length, is_on, sealed_original, key_id)
        VALUES (1, 7, 0, 1, 100, 'ticket.title', '', 4, 6, true, 'a', 'k'),
          (1, 7, 1, 2, 200, 'ticket_entry.body', '9', 0, 6, true, 'b', 'k'),
          (1, 8, 0, 1, 100, 'ticket.title', '', 0, 3, false, NULL, 'k'),
          -- Moved by hand.
          (1, 9, 0, 1, 101, 'ticket.title', '', 0, 3, true, 'c', 'k')
        """,
        "SELECT setval('mask_id_seq', 9)",
      ], deadline: deadline)
    _ = try await Migrator(migrations: all).migrate(database.configuration)
    let rows = try await database.pool.query(
      """
      SELECT concat_ws(' ', mask_id, number, owner_ticket_id, masked_by,
        extract(epoch FROM mask_time)::numeric(20, 6), place_count, is_on, unmasked_by,
        extract(epoch FROM unmask_time)::bigint)
      FROM mask_place ORDER BY mask_id, number
      """, deadline: deadline)
    #expect(
      try rows.map { try $0.string(0) } == [
        "7 0 100 3 1767323045.678901 2 t", "7 1 100 3 1767323045.678901 2 t",
        "8 0 100 1767398400.000000 1 f 4 1767484800", "9 0 100 1767398400.000000 1 t",
      ])
    let next = try await database.pool.query("SELECT nextval('mask_place_mask_id_seq')", deadline: deadline)
    #expect(try next[0].int64(0) == 10)
  }
}
