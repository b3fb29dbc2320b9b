import HandoffTestKit
import Testing

@testable import Postgres

@Suite("a connection for writing very much") struct BulkConnectionTests {
  private struct Reading: Sendable, Equatable {
    var id: Int64
    var name: String?
    var time = Instant(microsecondsSinceEpoch: 1_764_000_000_123_456)
    var bytes: [UInt8] = [0, 1, 0xff]
    var words: [String?] = ["하나", nil, ""]

    static let columns: [CopyColumn<Reading>] = [
      CopyColumn("id") { $0.id }, CopyColumn("name") { $0.name }, CopyColumn("time") { $0.time },
      CopyColumn("bytes") { $0.bytes }, CopyColumn("words") { $0.words },
    ]
  }

  private func table(_ connection: BulkConnection) async throws {
    try await connection.query("CREATE SCHEMA handoff")
    try await connection.query(
      """
      CREATE TABLE reading (id bigint PRIMARY KEY, name text, time timestamptz, bytes bytea, words text[],
        note text NOT NULL DEFAULT 'none')
      """)
  }

  private func rows(_ readings: [Reading], in name: StaticString = "reading") throws -> CopyRows {
    var table = CopyTable(name, Reading.columns)
    for reading in readings { table.append(reading) }
    let (taken, rest) = (table.takeRows(), table.takeRows())
    #expect(rest.map(\.bytes) == nil, "the rows were taken out already")
    return try #require(taken)
  }

  @Test("rows arrive as they were, NULL and empty told apart, and what is not named has its default")
  func values() async throws {
    let database = try await TestDatabase.empty()
    let connection = try await BulkConnection.open(database.configuration)
    try await table(connection)
    let readings = [
      Reading(id: 1, name: "첫째 \t\\N \n줄"), Reading(id: 2, name: nil), Reading(id: 3, name: "", words: []),
    ]
    try await connection.copy([try rows(readings)])
    let found = try await connection.query("SELECT id, name, time, bytes, words, note FROM reading ORDER BY id")
    #expect(
      try found.map { row in
        Reading(
          id: try row.int64(0), name: try row.optionalString(1), time: try row.instant(2), bytes: try row.value(3),
          words: try row.value(4))
      } == readings)
    #expect(try found.map { try $0.string(5) } == ["none", "none", "none"])
  }

  @Test("more rows than one message holds arrive all, in pieces")
  func pieces() async throws {
    let database = try await TestDatabase.empty()
    let connection = try await BulkConnection.open(database.configuration)
    try await table(connection)
    let readings = (1...20_000).map { Reading(id: $0, name: String(repeating: "가", count: Int($0 % 97))) }
    let all = try rows(readings)
    var sizes: [Int] = []
    #expect(
      all.withPieces {
        sizes.append($0.count)
        return true
      })
    #expect(sizes.count > 20 && sizes.dropLast().allSatisfy { $0 == 65_536 })
    try await connection.copy([all])
    let found = try await connection.query("SELECT count(*), sum(char_length(name)) FROM reading")[0]
    #expect(try found.int64(0) == 20_000)
    #expect(try found.int64(1) == readings.reduce(0) { $0 + Int64($1.name?.count ?? 0) })
  }

  @Test("a row that the table refuses leaves none of its statement, names the rule, and the connection goes on")
  func refused() async throws {
    let database = try await TestDatabase.empty()
    let connection = try await BulkConnection.open(database.configuration)
    try await table(connection)
    for (readings, sqlState) in [
      ([Reading(id: 1, name: nil), Reading(id: 1, name: nil)], "23505"),
      ([Reading(id: 2, name: nil), Reading(id: 3, name: "a\0b")], "22021"),
    ] {
      await #expect { try await connection.copy([try rows(readings)]) } throws: { error in
        (error as? PostgresError)?.sqlState == sqlState
      }
    }
    await #expect { try await connection.copy([try rows([Reading(id: 1)], in: "nothing")]) } throws: {
      ($0 as? PostgresError)?.sqlState == "42P01"
    }
    #expect(try await connection.query("SELECT count(*) FROM reading")[0].int64(0) == 0)
  }

  @Test("a transaction whose body throws, or is cancelled, leaves nothing, and the next one starts anew")
  func transactions() async throws {
    struct Stop: Error {}
    let database = try await TestDatabase.empty()
    let connection = try await BulkConnection.open(database.configuration)
    try await table(connection)
    await #expect(throws: Stop.self) {
      try await connection.transaction {
        try await connection.copy([try rows([Reading(id: 1, name: nil)])])
        throw Stop()
      }
    }
    let cancelled = Task {
      try await connection.transaction {
        try await connection.copy([try rows([Reading(id: 1, name: nil)])])
        withUnsafeCurrentTask { $0?.cancel() }
        try await connection.query("SELECT 1")
      }
    }
    await #expect(throws: CancellationError.self) { _ = try await cancelled.value }
    let count = try await connection.transaction {
      try await connection.copy([try rows([Reading(id: 2, name: nil)])])
      return try await connection.query("SELECT count(*) FROM reading")[0].int64(0)
    }
    #expect(count == 1)
    #expect(try await database.pool.query("SELECT id FROM reading", deadline: TestDatabase.deadline)[0].int64(0) == 2)
  }

  @Test("a connection that the server has ended is told as lost")
  func lost() async throws {
    let database = try await TestDatabase.empty()
    let connection = try await BulkConnection.open(database.configuration)
    try await table(connection)
    let pid = try await connection.query("SELECT pg_backend_pid()")[0].int32(0)
    _ = try await database.pool.query("SELECT pg_terminate_backend(\(pid), 5000)", deadline: TestDatabase.deadline)
    await #expect { try await connection.copy([try rows([Reading(id: 1, name: nil)])]) } throws: {
      ($0 as? PostgresError)?.isUnavailable == true
    }
  }
}
