import EventLoop
import Postgres
import ServiceKit

/// The index of texts. PostgreSQL puts new texts into a list beside it and, many at a time, from there into the index:
/// a pair of letters that a hundred texts have is then written once, not a hundred times. Every look reads the list,
/// too, so it must stay short.
struct SearchIndex: Sendable {
  let pool: PostgresPool

  /// Takes what the list holds into the index.
  ///
  /// - Throws: the database's errors as `ServiceError`.
  func tidy(deadline: Deadline) async throws {
    _ = try await ServiceError.translating {
      try await pool.transactionBatch(["SELECT tidy_search_index()"], deadline: deadline)
    }
  }
}
