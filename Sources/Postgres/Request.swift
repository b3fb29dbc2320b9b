internal import EventLoop

/// One caller's statements, sent together and closed by a sync: they travel in one round trip and fail as one.
// @unchecked: made on the caller's thread and handed to one loop, which alone touches what is mutable.
final class Request: @unchecked Sendable {
  /// The transaction control that travels with the statements.
  enum Framing {
    /// Autocommit, or the middle of a transaction.
    case none
    /// `BEGIN` goes first.
    case begin(Isolation)
    /// `BEGIN` goes first, `COMMIT` last.
    case transaction(Isolation)
    /// `COMMIT` goes last.
    case commit
    /// `ROLLBACK` only.
    case rollback

    var endsWithCommit: Bool {
      switch self {
      case .transaction, .commit: true
      case .none, .begin, .rollback: false
      }
    }
  }

  /// What the request needs of a connection.
  enum Need {
    /// A place on a connection shared with others: a single statement that only reads.
    case shared
    /// A connection of its own until the answer is there.
    case exclusive
    /// The connection that its transaction holds already.
    case held
    /// A connection to hold for a transaction; nothing is sent.
    case lease
  }

  enum State {
    case new
    case queued
    case sent
    case finished
  }

  let queries: [Query]
  let framing: Framing
  let deadline: Deadline
  /// A quick read by key, which travels together with others of its kind.
  let isLookup: Bool
  var need: Need
  /// Whether the answer decides if something was committed.
  var commits: Bool

  var state = State.new
  var continuation: UnsafeContinuation<Answer, any Error>?
  var results: [Rows] = []
  var error: PostgresError?
  /// The error came from `COMMIT` itself.
  var failedAtCommit = false
  /// Why nobody waits for the answer any more.
  var abandonment: (any Error)?
  /// How often it was sent again because another's failure aborted it.
  var attempts = 0
  var queuedAt = MonotonicTime(nanoseconds: 0)
  /// Where it was sent.
  weak var session: Session?

  init(
    _ queries: [Query], framing: Framing = .none, need: Need, isLookup: Bool = false, commits: Bool = false,
    deadline: Deadline
  ) {
    self.queries = queries
    self.framing = framing
    self.need = need
    self.isLookup = isLookup
    self.commits = commits
    self.deadline = deadline
  }

  /// Resumes the caller, once.
  func finish(_ result: Result<Answer, any Error>) {
    state = .finished
    guard let continuation else { return }
    self.continuation = nil
    continuation.resume(with: result)
  }

  /// Whether every statement has its result.
  var isComplete: Bool { results.count == queries.count }

  /// Makes the request as if it had never been sent.
  func prepareToSendAgain() {
    attempts += 1
    results.removeAll(keepingCapacity: true)
    error = nil
    failedAtCommit = false
    state = .queued
  }
}

/// What a request is answered with.
enum Answer: Sendable {
  case rows([Rows])
  case lease(Lease)
}

/// Requests sent together and closed by one sync. Without `BEGIN`, the server runs them in one implicit transaction: an
/// error in one undoes those before it and skips those after it.
final class RequestGroup {
  let requests: [Request]
  /// The error that the server reported at the sync itself, as of a deferred constraint.
  var syncError: PostgresError?

  init(_ requests: [Request]) { self.requests = requests }

  /// Whether it has an abandoned request that may be slow, or nobody waits for any of them.
  var isWorthCancelling: Bool {
    guard !requests.isEmpty else { return false }
    return requests.contains { $0.abandonment != nil && !$0.isLookup } || requests.allSatisfy { $0.abandonment != nil }
  }
}

/// The isolation of a transaction, as in `BEGIN ISOLATION LEVEL`.
package enum Isolation: Sendable {
  /// Each statement sees what was committed before it began.
  case readCommitted
  /// All statements see what was committed before the first; conflicts fail with 40001.
  case repeatableRead
  /// As if transactions ran one after the other; conflicts fail with 40001.
  case serializable

  var begin: Query {
    switch self {
    case .readCommitted: "BEGIN"
    case .repeatableRead: "BEGIN ISOLATION LEVEL REPEATABLE READ"
    case .serializable: "BEGIN ISOLATION LEVEL SERIALIZABLE"
    }
  }
}
