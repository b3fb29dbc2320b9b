internal import EventLoop
import Synchronization

/// A connection for writing very much at once, as when an empty database is filled; no call of a client waits for it.
///
/// Statements run on a thread of their own, one after the other. Rows travel by `COPY`, which the connections of a
/// ``PostgresPool`` cannot take: libpq has no `COPY` in pipeline mode. A statement that has begun is not cancelled with
/// its task; `statementTimeout` ends it.
package final class BulkConnection: Sendable {
  private static let threads = BlockingPool(name: "bulk", threads: 2, queueMax: 64)

  private let connection: Mutex<BlockingConnection>

  private init(_ connection: sending BlockingConnection) { self.connection = Mutex(connection) }

  /// Connects; the connection is closed with its last reference.
  ///
  /// - Throws: ``PostgresError``.
  package static func open(_ configuration: PostgresConfiguration) async throws -> BulkConnection {
    try await threads.run { BulkConnection(try BlockingConnection(configuration)) }
  }

  /// Runs `body` between `BEGIN` and `COMMIT`; rolls back when it throws or the task is cancelled.
  package func transaction<Value: Sendable>(_ body: () async throws -> Value) async throws -> Value {
    try await query("BEGIN")
    do {
      let value = try await body()
      try await query("COMMIT")
      return value
    } catch {
      // Not in this task: one that was cancelled begins no statement. The first error is the one to tell.
      await Task { _ = try? await query("ROLLBACK") }.value
      throw error
    }
  }

  /// Runs a statement and returns its rows.
  ///
  /// - Throws: ``PostgresError``; `CancellationError` when the task was cancelled before it began.
  @discardableResult
  package func query(_ query: Query) async throws -> Rows {
    try await Self.threads.run { [self] in try connection.withLock { try $0.run(query) } }
  }

  /// Writes rows, table by table. Throws as ``query(_:)``.
  package func copy(_ tables: [CopyRows]) async throws {
    try await Self.threads.run { [self] in
      try connection.withLock { connection in
        for rows in tables { try connection.copy(rows) }
      }
    }
  }
}
