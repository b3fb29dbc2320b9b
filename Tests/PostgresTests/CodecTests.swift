import HandoffTestKit
import Postgres
import Testing

/// Values that go to the server as parameters and come back as columns.
@Suite struct CodecTests {
  private func check<Value: PostgresBindable & PostgresDecodable & Equatable>(
    _ values: [Value], _ sqlType: String, sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    let pool = try await SharedDatabase.pool()
    for value in values {
      let rows = try await pool.query(
        "SELECT \(value), \(value)::\(unescaped: sqlType), \(Value?.none), pg_typeof(\(value))::text",
        deadline: TestDatabase.deadline)
      #expect(try rows[0].value(0) == value, sourceLocation: sourceLocation)
      #expect(try rows[0].value(1) == value, sourceLocation: sourceLocation)
      #expect(try rows[0].value(2, as: Value?.self) == nil, sourceLocation: sourceLocation)
      #expect(try rows[0].string(3) == sqlType, sourceLocation: sourceLocation)
    }
  }

  @Test("integers come back whole, up to both ends of their ranges")
  func integers() async throws {
    try await check([Int64.min, -1, 0, 1, .max], "bigint")
    try await check([Int.min, -1, 0, 1, .max], "bigint")
    try await check([Int32.min, -1, 0, 1, .max], "integer")
    try await check([Int16.min, -1, 0, 1, .max], "smallint")
  }

  @Test("booleans and doubles come back, infinities too")
  func booleansAndDoubles() async throws {
    try await check([true, false], "boolean")
    try await check([0, -0.5, .pi, .infinity, -.infinity, .leastNonzeroMagnitude], "double precision")
  }

  @Test("text comes back byte for byte: empty, Korean, emoji, quotes, backslashes")
  func texts() async throws {
    let long = String(repeating: "상담 ", count: 100_000)
    try await check(["", "한글 문의", "👩‍👩‍👧", "'\"\\ $1 -- ; /*", "line\r\nline\t", "e\u{301}", long], "text")
  }

  @Test("bytes come back: empty, every value, megabytes")
  func bytes() async throws {
    let large = Array([[UInt8]](repeating: Array(0...255), count: 8192).joined())
    try await check([[], [0], Array(0...255), large], "bytea")
  }

  @Test("instants come back to the microsecond, infinities too")
  func instants() async throws {
    let values: [Int64] = [-1, 0, 1, 946_684_800_000_000, 1_700_000_000_123_456, -62_135_596_800_000_000]
    try await check(values.map { Instant(microsecondsSinceEpoch: $0) }, "timestamp with time zone")
    try await check([Instant.distantPast, .distantFuture], "timestamp with time zone")
    let pool = try await SharedDatabase.pool()
    let rows = try await pool.query(
      "SELECT timestamptz '2024-02-29 23:59:59.000001+09', timestamptz 'infinity'", deadline: TestDatabase.deadline)
    #expect(try rows[0].instant(0).microsecondsSinceEpoch == 1_709_218_799_000_001)
    #expect(try rows[0].instant(1) == .distantFuture)
  }

  @Test("arrays come back: empty, of one, of many, with NULLs, of bytes")
  func arrays() async throws {
    try await check([[], [7], Array(0..<10_000)] as [[Int64]], "bigint[]")
    try await check([[], [-1, .max]] as [[Int32]], "integer[]")
    try await check([[], [""], ["가", "", "{\"a\",NULL}", "NULL"]], "text[]")
    try await check([[nil, "x", nil], [nil]] as [[String?]], "text[]")
    try await check([[], [1, nil]] as [[Int64?]], "bigint[]")
    try await check([[], [[]], [[0, 255], []]] as [[[UInt8]]], "bytea[]")
    try await check([[true, false]], "boolean[]")
    try await check([[1.5, -.infinity]], "double precision[]")
    try await check([[Instant(microsecondsSinceEpoch: 5), .distantFuture]], "timestamp with time zone[]")
  }

  @Test("JSON is checked by the server and read from json and jsonb")
  func json() async throws {
    let pool = try await SharedDatabase.pool()
    let rows = try await pool.query(
      "SELECT \(JSONText("{\"a\": [1, \"가\"]}")), '{\"b\":2}'::json, NULL::jsonb", deadline: TestDatabase.deadline)
    #expect(try rows[0].json(0).text == "{\"a\": [1, \"가\"]}")
    #expect(try rows[0].json(1).text == "{\"b\":2}")
    #expect(try rows[0].optionalJSON(2) == nil)
    await expectError("22P02") { try await pool.query("SELECT \(JSONText("{"))", deadline: TestDatabase.deadline) }
  }

  @Test("typed ids travel as their raw values, alone, optional and in arrays")
  func typedIDs() async throws {
    try await check([SampleID(rawValue: 42)], "bigint")
    try await check([[SampleID(rawValue: 1), SampleID(rawValue: 2)]], "bigint[]")
    try await check([SampleKind.inquiry, .reply], "text")
    let pool = try await SharedDatabase.pool()
    let rows = try await pool.query("SELECT 'nothing'", deadline: TestDatabase.deadline)
    #expect(throws: PostgresError.self) { try rows[0].value(0, as: SampleKind.self) }
  }

  @Test("enums, names and UUIDs are read as text")
  func textual() async throws {
    let pool = try await SharedDatabase.pool()
    let rows = try await pool.query(
      "SELECT 'a'::name, 'b'::varchar, 'c'::char(1), uuid '0189F0E2-0000-7ABC-8DEF-0123456789AB', current_schema()",
      deadline: TestDatabase.deadline)
    #expect(try rows[0].string(0) == "a")
    #expect(try rows[0].string(1) == "b")
    #expect(try rows[0].string(2) == "c")
    #expect(try rows[0].string(3) == "0189f0e2-0000-7abc-8def-0123456789ab")
  }

  @Test("a column of another type, NULL or missing is an error, never a wrong value")
  func mismatches() async throws {
    let pool = try await SharedDatabase.pool()
    let rows = try await pool.query(
      "SELECT 'abcdefgh', NULL::bigint, 1.5::numeric, 300000", deadline: TestDatabase.deadline)
    let row = rows[0]
    #expect(throws: PostgresError.self) { try row.int64(0) }
    #expect(throws: PostgresError.self) { try row.int64(1) }
    #expect(throws: PostgresError.self) { try row.double(2) }
    #expect(throws: PostgresError.self) { try row.value(3, as: Int16.self) }
    #expect(throws: PostgresError.self) { try row.int64(4) }
    #expect(throws: PostgresError.self) { try row.int64(-1) }
    #expect(throws: PostgresError.self) { try row.int64s(0) }
    #expect(try row.optionalInt64(1) == nil)
  }

  @Test("what looks like an injection is bound as text and does nothing")
  func injections() async throws {
    let pool = try await SharedDatabase.pool()
    let attempts = [
      "'; DROP TABLE ticket; --", "\\'; SELECT 1; --", "$1", "${1}", "\u{0130}'", "%' OR '1'='1", "E'\\''", "$$; $$",
    ]
    for attempt in attempts {
      let rows = try await pool.query(
        "SELECT \(attempt) AS value WHERE \(attempt) = \(attempt)", deadline: TestDatabase.deadline)
      #expect(rows.count == 1)
      #expect(try rows[0].string(0) == attempt)
    }
    await expectError("22021") { try await pool.query("SELECT \("a\0b")", deadline: TestDatabase.deadline) }
  }
}

private struct SampleID: RawRepresentable, Equatable, PostgresBindable, PostgresDecodable, PostgresArrayDecodable {
  let rawValue: Int64
}

private enum SampleKind: String, PostgresBindable, PostgresDecodable {
  case inquiry = "INQUIRY"
  case reply = "REPLY"
}
