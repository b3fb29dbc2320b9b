internal import EventLoop
import Synchronization

/// A transaction under way; it ends when the body that received it returns or throws.
///
/// Statements run in the order of the calls. Each call is a round trip; ``batch(_:)`` puts several statements into one.
package final class PostgresTransaction: Sendable {
  private struct State {
    var hasBegun = false
    var hasCommitted = false
    var failure: (any Error)?
  }

  private let lease: Lease
  private let member: Member
  private let deadline: Deadline
  private let isolation: Isolation
  private let state = Mutex(State())

  init(_ lease: Lease, member: Member, deadline: Deadline, isolation: Isolation) {
    self.lease = lease
    self.member = member
    self.deadline = deadline
    self.isolation = isolation
  }

  /// The first error of a statement.
  var failure: (any Error)? { state.withLock(\.failure) }

  /// Runs a statement and returns its rows.
  ///
  /// - Throws: ``PostgresError``, after which the transaction can only be rolled back; `CancellationError`.
  @discardableResult
  package func query(_ query: Query) async throws -> Rows { try await batch([query])[0] }

  /// Runs a statement and returns how many rows it touched. Throws as ``query(_:)``.
  @discardableResult
  package func execute(_ query: Query) async throws -> Int { try await batch([query])[0].affected }

  /// Runs statements in one round trip and returns each one's rows; the first that fails keeps the rest from running.
  /// Throws as ``query(_:)``.
  @discardableResult
  package func batch(_ queries: [Query]) async throws -> [Rows] {
    guard !queries.isEmpty else { return [] }
    let begins = try startStatement()
    return try await send(queries, begins ? .begin(isolation) : .none)
  }

  /// Runs statements and COMMIT in one round trip; the last call of a body, which saves it a round trip. Throws as
  /// ``query(_:)``, and nothing is committed then, unless the kind is `outcomeUnknown`.
  @discardableResult
  package func commit(with queries: [Query]) async throws -> [Rows] {
    let begins = try startStatement()
    state.withLock { $0.hasCommitted = true }
    return try await send(queries, begins ? .transaction(isolation) : .commit)
  }

  /// Commits unless nothing was begun or the body did; a failed transaction throws its first error.
  func commit() async throws {
    let (isOpen, failure) = state.withLock { ($0.hasBegun && !$0.hasCommitted, $0.failure) }
    if let failure { throw failure }
    guard isOpen else { return }
    state.withLock { $0.hasCommitted = true }
    _ = try await send([], .commit)
  }

  private func startStatement() throws -> Bool {
    try state.withLock { state in
      guard !state.hasCommitted else { throw PostgresError.transactionEnded }
      defer { state.hasBegun = true }
      return !state.hasBegun
    }
  }

  private func send(_ queries: [Query], _ framing: Request.Framing) async throws -> [Rows] {
    let request = Request(
      queries, framing: framing, need: .held, commits: framing.endsWithCommit, deadline: deadline)
    do {
      return try await member.rows(of: request, on: lease)
    } catch {
      state.withLock { state in
        if state.failure == nil { state.failure = error }
      }
      throw error
    }
  }
}
