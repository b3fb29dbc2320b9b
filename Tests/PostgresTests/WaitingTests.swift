import EventLoop
import HandoffTestKit
import Postgres
import Testing

/// Deadlines, cancellation and limits: every wait ends.
@Suite struct WaitingTests {
  private let deadline = TestDatabase.deadline

  /// A pool with one connection on one loop, so that callers must wait for one another.
  private func narrowPool(
    waitersMax: Int = 100, statementTimeout: Duration = .seconds(30)
  ) async throws -> PostgresPool {
    var configuration = try await SharedDatabase.value().configuration
    configuration.statementTimeout = statementTimeout
    configuration.connectionsMax = 1
    configuration.waitersMax = waitersMax
    return PostgresPool(configuration, group: try SingleLoop.group.get())
  }

  /// Holds the pool's only connection while `body` runs.
  private func holding(_ pool: PostgresPool, _ body: () async throws -> Void) async throws {
    let isHeld = Gate()
    let mayEnd = Gate()
    let holder = Task {
      try await pool.transaction(deadline: deadline) { transaction in
        try await transaction.query("SELECT 1")
        isHeld.open()
        await mayEnd.wait()
      }
    }
    await isHeld.wait()
    let result = await Result(catching: body)
    mayEnd.open()
    try await holder.value
    try result.get()
  }

  private func waitUntil(_ condition: () async throws -> Bool) async throws {
    while try await !condition() { await Task.yield() }
  }

  private func isRunning(_ marker: String) async throws -> Bool {
    let rows = try await SharedDatabase.pool().query(
      """
      SELECT 1 FROM pg_stat_activity
      WHERE state = 'active' AND pid <> pg_backend_pid() AND query LIKE \("%\(marker)%")
      """, deadline: deadline)
    return !rows.isEmpty
  }

  @Test("a statement that runs when its deadline passes is cancelled on the server", .timeLimit(.minutes(1)))
  func runningDeadline() async throws {
    let pool = try await SharedDatabase.pool()
    let queries: [(Query, String)] = [
      ("SELECT pg_sleep(600) /* slow change */", "slow change"),
      ("SELECT count(*) FROM generate_series(1, 1000000000000) /* slow read */", "slow read"),
    ]
    for (query, marker) in queries {
      await expectError("57014", .deadlineExceeded) { try await pool.query(query, deadline: .after(.milliseconds(50))) }
      try await waitUntil { try await !isRunning(marker) }
    }
    await expectError("57014", .deadlineExceeded) {
      try await pool.transaction(deadline: .after(.milliseconds(50))) { try await $0.query(queries[0].0) }
    }
    try await waitUntil { try await !isRunning("slow change") }
    await expectError("57014", .deadlineExceeded) {
      try await pool.transactionBatch([queries[0].0], deadline: .after(.milliseconds(50)))
    }
    try await waitUntil { try await !isRunning("slow change") }
  }

  @Test("neighbours of a read that is cancelled get their answers", .timeLimit(.minutes(1)))
  func neighboursOfCancelled() async throws {
    // Nothing but the cancel request ends it.
    let pool = try await narrowPool(statementTimeout: .zero)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in Int64(0)..<40 {
        group.addTask {
          if number == 5 {
            await expectError("57014", .deadlineExceeded) {
              try await pool.query(
                "SELECT count(*) FROM generate_series(1, 1000000000000)", deadline: .after(.milliseconds(50)))
            }
          } else {
            let rows = try await pool.query("SELECT \(number)", deadline: deadline)
            #expect(try rows[0].int64(0) == number)
          }
        }
      }
      try await group.waitForAll()
    }
    await pool.close()
  }

  @Test("a caller whose deadline passes in the queue leaves it", .timeLimit(.minutes(1)))
  func queuedDeadline() async throws {
    let pool = try await narrowPool()
    try await holding(pool) {
      await expectError("57014", .deadlineExceeded) {
        try await pool.query("SELECT 1", deadline: .after(.milliseconds(20)))
      }
      await expectError("57014", .deadlineExceeded) {
        try await pool.transaction(deadline: .after(.milliseconds(20))) { try await $0.query("SELECT 1") }
      }
      #expect(pool.metrics.waiting == 0)
    }
    await expectError("57014", .deadlineExceeded) { try await pool.query("SELECT 1", deadline: .after(.zero)) }
    await pool.close()
  }

  @Test("more callers than may wait are refused at once, and served later", .timeLimit(.minutes(1)))
  func exhaustion() async throws {
    let pool = try await narrowPool(waitersMax: 2)
    try await holding(pool) {
      let waiting = (0..<2).map { _ in Task { try await pool.query("SELECT 7", deadline: deadline)[0].int64(0) } }
      try await waitUntil { pool.metrics.waiting == 2 }
      await expectError("53300", .poolExhausted) { try await pool.query("SELECT 1", deadline: deadline) }
      await expectError("53300", .poolExhausted) {
        try await pool.transaction(deadline: deadline) { try await $0.query("SELECT 1") }
      }
      #expect(pool.metrics.inUse == 1)
      #expect(pool.metrics.open == 1)
      for task in waiting { task.cancel() }
      for task in waiting { await #expect(throws: CancellationError.self) { try await task.value } }
    }
    #expect(try await pool.query("SELECT 7", deadline: deadline)[0].int64(0) == 7)
    await pool.close()
    await expectError("57P01", .poolClosed) { try await pool.query("SELECT 1", deadline: deadline) }
  }

  @Test("a cancelled task stops waiting, queued or running", .timeLimit(.minutes(1)))
  func cancellation() async throws {
    let pool = try await narrowPool()
    try await holding(pool) {
      let queued = Task { try await pool.transaction(deadline: deadline) { try await $0.query("SELECT 1") } }
      try await waitUntil { pool.metrics.waiting == 1 }
      queued.cancel()
      await #expect(throws: CancellationError.self) { try await queued.value }
      #expect(pool.metrics.waiting == 0)
    }
    let running = Task { try await pool.query("SELECT pg_sleep(600) /* to be cancelled */", deadline: deadline) }
    try await waitUntil { try await isRunning("to be cancelled") }
    running.cancel()
    await #expect(throws: CancellationError.self) { try await running.value }
    try await waitUntil { try await !isRunning("to be cancelled") }
    let early = Task {
      await Task.yield()
      withUnsafeCurrentTask { $0?.cancel() }
      return try await pool.query("SELECT 1", deadline: deadline).count
    }
    await #expect(throws: CancellationError.self) { try await early.value }
    #expect(try await pool.query("SELECT 1", deadline: deadline).count == 1)
    await pool.close()
  }

  @Test("reads go on while transactions hold every connection they may have", .timeLimit(.minutes(1)))
  func readsBesideTransactions() async throws {
    var configuration = try await SharedDatabase.value().configuration
    configuration.connectionsMax = 3
    let pool = PostgresPool(configuration, group: try SingleLoop.group.get())
    let mayEnd = Gate()
    let begun = Counter()
    let holders = (0..<5).map { _ in
      Task {
        try await pool.transaction(deadline: deadline) { transaction in
          try await transaction.query("SELECT 1")
          begun.add()
          await mayEnd.wait()
        }
      }
    }
    try await waitUntil { begun.value == 2 && pool.metrics.waiting == 3 }
    for number in Int64(0)..<50 {
      #expect(try await pool.query("SELECT \(number)", deadline: deadline)[0].int64(0) == number)
    }
    #expect(begun.value == 2)
    mayEnd.open()
    for holder in holders { try await holder.value }
    await pool.close()
    #expect(pool.metrics.open == 0)
  }

  @Test("a server that cannot be reached is told as such, whatever its address looks like", .timeLimit(.minutes(1)))
  func unreachable() async throws {
    let addresses = [
      "postgresql://%2Fnonexistent/x", "postgresql://127.0.0.1:1/x", "postgresql://localhost:1/x",
      "postgresql://name.invalid/x", "host=localhost,127.0.0.1 port=1,1", "postgresql://[not an address",
    ]
    for address in addresses {
      let pool = PostgresPool(
        PostgresConfiguration(conninfo: address, applicationName: "test"), group: TestLoops.group)
      await expectError("08001", .connectFailed) { try await pool.query("SELECT 1", deadline: deadline) }
      await expectError("08001", .connectFailed) {
        try await pool.transaction(deadline: deadline) { try await $0.query("SELECT 1") }
      }
      await pool.close()
    }
  }
}

/// A group of one loop, for pools whose limits shall be seen.
private enum SingleLoop {
  static let group = Result { try EventLoopGroup.start(count: 1) }
}

extension Result where Failure == any Error {
  fileprivate init(catching body: () async throws -> Success) async {
    do { self = .success(try await body()) } catch { self = .failure(error) }
  }
}
