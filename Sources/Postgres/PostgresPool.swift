package import EventLoop

/// Connections to one database, a few per event loop, shared by everybody in the process.
///
/// A call made on one of the group's loops uses that loop's connections and never leaves its thread; a call from
/// elsewhere is carried to a loop in turn. Connections are made when needed and replaced when they break. Every wait
/// ends with the caller's deadline or cancellation: then `PostgresError` of kind `deadlineExceeded`, or
/// `CancellationError`, is thrown and what runs on the server is cancelled.
package final class PostgresPool: Sendable {
  /// Where libpq's few blocking calls go: resolving names and sending cancel requests.
  static let blocking = BlockingPool(name: "postgres", threads: 2, queueMax: 256)

  /// Connections that a pool may hold beside those of its loops: the one that listens.
  package static let listenersMax = 1

  /// The configuration it was made with.
  package let configuration: PostgresConfiguration
  /// The loops that its connections live on.
  package let group: EventLoopGroup
  private let members: [Member]
  private let listener: ListenerReference
  let log: @Sendable (PostgresEvent) -> Void

  /// Makes a pool; no connection is made before the first query.
  ///
  /// - Parameter log: called on a loop for what an operator should know; must not block.
  package init(
    _ configuration: PostgresConfiguration, group: EventLoopGroup,
    log: @escaping @Sendable (PostgresEvent) -> Void = { _ in }
  ) {
    self.configuration = configuration
    self.group = group
    self.log = log
    members = group.loops.map { Member(configuration, loop: $0, log: log) }
    listener = ListenerReference(configuration, loop: group.loops[0], log: log)
  }

  deinit {
    listener.close()
    for member in members { member.dismiss() }
  }

  /// Runs one statement that is a transaction of its own.
  ///
  /// A statement that only reads (it begins with SELECT, WITH, VALUES or TABLE and contains no word that changes or
  /// locks) shares a connection with other callers' and is sent once more when its connection breaks; any other has a
  /// connection to itself. A SELECT of a function of the schema that changes data belongs in a transaction.
  ///
  /// - Throws: ``PostgresError``; `outcomeUnknown` when a change was sent and its answer lost. `CancellationError`.
  package func query(_ query: Query, deadline: Deadline) async throws -> Rows {
    let request = Request([query], need: .shared, deadline: deadline)
    return try await member().rows(of: request)[0]
  }

  /// Runs one statement that reads a few rows by their keys.
  ///
  /// Lookups of the same moment travel together on one connection, which costs both sides far fewer system calls and
  /// wake-ups than a connection for each; so a lookup must be quick, for those behind it wait for it. Otherwise as
  /// ``query(_:deadline:)``, which it also throws as.
  package func lookUp(_ query: Query, deadline: Deadline) async throws -> Rows {
    try await lookUp([query], deadline: deadline)[0]
  }

  /// Runs several lookups in one round trip; each sees what was committed before it. As ``lookUp(_:deadline:)``.
  package func lookUp(_ queries: [Query], deadline: Deadline) async throws -> [Rows] {
    guard !queries.isEmpty else { return [] }
    return try await member().rows(of: Request(queries, need: .shared, isLookup: true, deadline: deadline))
  }

  /// Runs `body` in a transaction that holds one connection, and commits when it returns.
  ///
  /// `BEGIN` travels with the first statement. After a serialization failure or a deadlock (40001, 40P01) the whole
  /// body runs again, at most `retries` times with growing, jittered pauses: it must have no effect but through the
  /// transaction. A statement that failed makes the transaction fail even if `body` goes on. Do not wait for this
  /// pool's other transactions inside.
  ///
  /// - Throws: what `body` throws, after ROLLBACK; ``PostgresError``, of kind `outcomeUnknown` when the answer to
  ///   COMMIT was lost; `CancellationError`.
  package func transaction<T>(
    deadline: Deadline, isolation: Isolation = .readCommitted, retries: Int = 3,
    _ body: (PostgresTransaction) async throws -> T
  ) async throws -> T {
    let member = member()
    var pause = Backoff()
    while true {
      let lease = try await member.lease(deadline)
      let transaction = PostgresTransaction(lease, member: member, deadline: deadline, isolation: isolation)
      do {
        let value = try await body(transaction)
        try await transaction.commit()
        lease.end(on: member.loop)
        return value
      } catch {
        lease.end(on: member.loop)
        guard let conflict = (transaction.failure ?? error) as? PostgresError, conflict.isRetryable,
          pause.failures < retries, !deadline.hasPassed
        else { throw error }
        member.counters.retries.add(1)
        let delay = pause.next()
        log(.transactionRetried(conflict, attempt: pause.failures))
        try await member.loop.sleep(for: min(delay, deadline.remaining))
      }
    }
  }

  /// Runs statements as one transaction in one round trip: BEGIN, all of them, COMMIT. None has an effect if one fails.
  ///
  /// - Throws: as ``transaction(deadline:isolation:retries:_:)``; conflicts are retried three times.
  package func transactionBatch(
    _ queries: [Query], deadline: Deadline, isolation: Isolation = .readCommitted
  ) async throws -> [Rows] {
    let member = member()
    var pause = Backoff()
    while true {
      let request = Request(
        queries, framing: .transaction(isolation), need: .exclusive, commits: true, deadline: deadline)
      do {
        return try await member.rows(of: request)
      } catch let error as PostgresError where error.isRetryable && pause.failures < 3 && !deadline.hasPassed {
        member.counters.retries.add(1)
        let delay = pause.next()
        log(.transactionRetried(error, attempt: pause.failures))
        try await member.loop.sleep(for: min(delay, deadline.remaining))
      }
    }
  }

  /// Notifications sent to a channel (`NOTIFY`), as they arrive, on a connection of their own that is made again when
  /// it breaks.
  ///
  /// They are hints: those sent while there was no connection are lost, and of a slow reader's the oldest beyond 256
  /// are dropped. An empty payload is delivered whenever listening has begun (again): look at the tables then. The
  /// stream ends when the pool is closed; stop reading, and the channel is left.
  package func listen(channel: String) -> AsyncStream<String> { listener.listen(channel) }

  /// Refuses new work, waits (5 s at most) for what is under way and closes all connections.
  package func close() async {
    listener.close()
    for member in members { await member.close() }
  }

  /// A snapshot over all loops; numbers of one moment only as far as loops go on meanwhile.
  package var metrics: PostgresMetrics {
    var metrics = PostgresMetrics()
    for member in members { member.counters.add(to: &metrics) }
    return metrics
  }

  private func member() -> Member {
    if let current = EventLoop.current, let member = members.first(where: { $0.loop === current }) { return member }
    let next = group.next()
    return members.first { $0.loop === next } ?? members[0]
  }
}

/// The pool of one loop as seen from any thread.
struct Member: Sendable {
  let loop: EventLoop
  let counters: PoolCounters
  private let pool: LoopBound<LoopPool>

  init(_ configuration: PostgresConfiguration, loop: EventLoop, log: @escaping @Sendable (PostgresEvent) -> Void) {
    self.loop = loop
    counters = PoolCounters()
    pool = LoopBound(LoopPool(configuration, loop: loop, counters: counters, log: log), loop)
  }

  /// Queues a request and waits for its rows.
  func rows(of request: Request) async throws -> [Rows] {
    guard case .rows(let rows) = try await answer(to: request, nil) else { return [] }
    return rows
  }

  /// Sends a request on a held connection and waits for its rows.
  func rows(of request: Request, on lease: Lease) async throws -> [Rows] {
    guard case .rows(let rows) = try await answer(to: request, lease) else { return [] }
    return rows
  }

  /// Waits for a connection to hold.
  func lease(_ deadline: Deadline) async throws -> Lease {
    let request = Request([], need: .lease, deadline: deadline)
    guard case .lease(let lease) = try await answer(to: request, nil) else { throw PostgresError.poolClosed }
    return lease
  }

  func close() async {
    await withUnsafeContinuation { continuation in
      loop.execute { pool.value.close(continuation) }
    }
  }

  /// Closes all connections at once; what libpq holds must be freed on the loop.
  func dismiss() {
    loop.execute { pool.value.dismiss() }
  }

  private func answer(to request: Request, _ lease: Lease?) async throws -> Answer {
    try await withTaskCancellationHandler {
      try await withUnsafeThrowingContinuation { continuation in
        request.continuation = continuation
        if loop.isCurrent { submit(request, lease) } else { loop.execute { submit(request, lease) } }
      }
    } onCancel: {
      loop.execute { pool.value.abandon(request, CancellationError()) }
    }
  }

  private func submit(_ request: Request, _ lease: Lease?) {
    if let lease { pool.value.submit(request, on: lease) } else { pool.value.submit(request) }
  }
}

/// The hold of a transaction on a connection.
// @unchecked: passed through any thread, looked into on the loop only.
final class Lease: @unchecked Sendable {
  let session: Session
  /// Whether the transaction is over, so that nothing more may be sent.
  var hasEnded = false
  private let pool: LoopPool

  init(session: Session, pool: LoopPool) {
    self.session = session
    self.pool = pool
  }

  /// Gives the connection back; what is under way ends first, an open transaction is rolled back.
  func end(on loop: EventLoop) {
    if loop.isCurrent { pool.takeBack(self) } else { loop.execute { self.pool.takeBack(self) } }
  }
}
