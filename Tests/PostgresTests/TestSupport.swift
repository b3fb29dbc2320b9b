import EventLoop
import HandoffTestKit
import Postgres
import Synchronization
import Testing

/// One database without schema for the tests that create no tables.
enum SharedDatabase {
  private static let database = Task { try await TestDatabase.empty() }

  static func pool() async throws -> PostgresPool { try await database.value.pool }
  static func value() async throws -> TestDatabase { try await database.value }
}

/// Expects `body` to fail with a SQLSTATE.
func expectError<Value>(
  _ sqlState: String, _ kind: PostgresError.Kind? = nil, sourceLocation: SourceLocation = #_sourceLocation,
  _ body: () async throws -> Value
) async {
  let error = await #expect(throws: PostgresError.self, sourceLocation: sourceLocation) { _ = try await body() }
  #expect(error?.sqlState == sqlState, sourceLocation: sourceLocation)
  if let kind { #expect(error?.kind == kind, sourceLocation: sourceLocation) }
}

/// A gate that tasks wait at until it is opened.
final class Gate: Sendable {
  private let stream: AsyncStream<Void>
  private let continuation: AsyncStream<Void>.Continuation

  init() { (stream, continuation) = AsyncStream.makeStream() }

  func open() { continuation.finish() }
  func wait() async { for await _ in stream {} }
}

/// Counts from many tasks.
final class Counter: Sendable {
  private let count = Atomic<Int>(0)

  var value: Int { count.load(ordering: .relaxed) }
  func add() { count.wrappingAdd(1, ordering: .relaxed) }
}
