import EventLoop
import HandoffTestKit
import Postgres
import Testing

@Suite struct PoolTests {
  @Test("of a thousand reads at once, exactly those fail that are wrong")
  func pipelining() async throws {
    let pool = try await SharedDatabase.pool()
    let deadline = TestDatabase.deadline
    try await onLoop {
      try await withThrowingTaskGroup(of: Void.self) { group in
        for number in Int64(0)..<1000 {
          group.addTask(executorPreference: TestLoops.group.loops[0]) {
            if number % 50 == 7 {
              await expectError("22012") {
                try await pool.query("SELECT 1 / (\(number) - \(number))", deadline: deadline)
              }
            } else {
              let rows = try await pool.query("SELECT \(number) * 2", deadline: deadline)
              #expect(try rows[0].int64(0) == number * 2)
            }
          }
        }
        try await group.waitForAll()
      }
    }
  }

  @Test("lookups of one turn share a connection, give each caller its own rows, and fail one by one")
  func lookups() async throws {
    let database = try await SharedDatabase.value()
    let pool = PostgresPool(database.configuration, group: TestLoops.group)
    let deadline = TestDatabase.deadline
    // On a connection that is there already: what comes while the first one is being made may make another.
    try await onLoop { _ = try await pool.lookUp("SELECT 1", deadline: deadline) }
    let backends = try await onLoop {
      try await withThrowingTaskGroup(of: Int64.self) { group in
        for number in Int64(0)..<30 {
          group.addTask(executorPreference: TestLoops.group.loops[0]) {
            let rows = try await pool.lookUp("SELECT pg_backend_pid()::bigint, \(number)", deadline: deadline)
            #expect(try rows[0].int64(1) == number)
            return try rows[0].int64(0)
          }
        }
        return try await group.reduce(into: Set<Int64>()) { $0.insert($1) }
      }
    }
    #expect(backends.count == 1)
    let both = try await pool.lookUp(["SELECT 1::bigint", "SELECT 2::bigint WHERE false"], deadline: deadline)
    #expect(try both[0][0].int64(0) == 1 && both[1].isEmpty)
    await expectError("22012") { try await pool.lookUp(["SELECT 1", "SELECT 1 / 0"], deadline: deadline) }
    try await onLoop {
      try await withThrowingTaskGroup(of: Void.self) { group in
        for number in Int64(0)..<100 {
          group.addTask(executorPreference: TestLoops.group.loops[0]) {
            if number % 10 == 3 {
              await expectError("22012") {
                try await pool.lookUp("SELECT 1 / (\(number) - \(number))", deadline: deadline)
              }
            } else {
              let rows = try await pool.lookUp("SELECT \(number)", deadline: deadline)
              #expect(try rows[0].int64(0) == number)
            }
          }
        }
        try await group.waitForAll()
      }
    }
    await pool.close()
  }

  @Test("many statements with syntax errors spoil no neighbour and no later query")
  func syntaxErrors() async throws {
    let pool = try await SharedDatabase.pool()
    let deadline = TestDatabase.deadline
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in Int64(0)..<200 {
        group.addTask {
          if number % 5 == 0 {
            await expectError("42601") {
              try await pool.query("SELECT \(unescaped: "FROM WHERE \(number)")", deadline: deadline)
            }
          } else {
            let rows = try await pool.query("SELECT \(number), \(unescaped: String(number % 7))", deadline: deadline)
            #expect(try rows[0].int64(0) == number)
          }
        }
      }
      try await group.waitForAll()
    }
  }

  @Test("calls from a loop and from elsewhere both work")
  func callers() async throws {
    let pool = try await SharedDatabase.pool()
    let query: Query = "SELECT 1"
    let outside = try await pool.query(query, deadline: TestDatabase.deadline)
    #expect(try outside[0].int64(0) == 1)
    let inside = try await onLoop {
      #expect(EventLoop.current === TestLoops.group.loops[0])
      let rows = try await pool.query(query, deadline: TestDatabase.deadline)
      #expect(EventLoop.current === TestLoops.group.loops[0])
      return try rows[0].int64(0)
    }
    #expect(inside == 1)
  }

  @Test("a connection has the configured role, schema, name and limits")
  func settings() async throws {
    let database = try await SharedDatabase.value()
    var configuration = database.configuration
    configuration.role = "pg_monitor"
    configuration.searchPath = "handoff, public"
    configuration.statementTimeout = .milliseconds(1234)
    let pool = PostgresPool(configuration, group: TestLoops.group)
    let row = try await pool.query(
      """
      SELECT current_user, current_setting('search_path'), current_setting('statement_timeout'),
        current_setting('application_name'), current_setting('client_encoding')
      """, deadline: TestDatabase.deadline)[0]
    let settings = try (0..<row.columns).map { try row.string($0) }
    #expect(settings == ["pg_monitor", "handoff, public", "1234ms", "handoff-tests", "UTF8"])
    await pool.close()
  }

  @Test("the prepared statements of a connection stay within their limit")
  func statementLimit() async throws {
    let database = try await SharedDatabase.value()
    var configuration = database.configuration
    configuration.connectionsMax = 1
    configuration.statementsMax = 16
    let pool = PostgresPool(configuration, group: TestLoops.group)
    try await onLoop {
      for number in 0..<100 {
        let rows = try await pool.query(
          "SELECT \(Int64(number)), \(unescaped: "'text \(number)'")", deadline: TestDatabase.deadline)
        #expect(try rows[0].string(1) == "text \(number)")
      }
      let rows = try await pool.query("SELECT count(*) FROM pg_prepared_statements", deadline: TestDatabase.deadline)
      #expect(try rows[0].int64(0) <= 17)
    }
    await pool.close()
  }

  @Test("a statement that must be alone, like VACUUM, is so even when others are forgotten to make room for it")
  func alone() async throws {
    var configuration = try await SharedDatabase.value().configuration
    configuration.connectionsMax = 1
    configuration.statementsMax = 16
    let pool = PostgresPool(configuration, group: TestLoops.group)
    try await onLoop {
      for number in 0..<40 {
        let query: Query = "VACUUM \(unescaped: "/* \(number) */") pg_catalog.pg_language"
        _ = try await pool.query(query, deadline: TestDatabase.deadline)
      }
    }
    await pool.close()
  }
}

/// Runs `body` on the first of the test loops.
func onLoop<Value: Sendable>(_ body: @escaping @Sendable () async throws -> Value) async throws -> Value {
  try await Task(executorPreference: TestLoops.group.loops[0]) { try await body() }.value
}
