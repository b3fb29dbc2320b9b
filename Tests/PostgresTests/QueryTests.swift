import Testing

@testable import Postgres

/// The text of queries and what is decided from it; needs no server.
@Suite struct QueryTests {
  @Test("values become numbered parameters, also of spliced queries; only named escapes become text")
  func text() {
    let condition: Query = "state = \("OPEN") AND id = ANY(\([Int64(1), 2]))"
    let rows: [(Query, String, Int)] = [
      ("SELECT 1", "SELECT 1", 0),
      ("SELECT \(Int64(1)), \(true), \(String?.none)", "SELECT $1, $2, $3", 3),
      ("SELECT \("'; --")", "SELECT $1", 1),
      (
        "SELECT id FROM t WHERE service_id = \(Int64(7)) AND (\(fragment: condition)) LIMIT \(Int32(5))",
        "SELECT id FROM t WHERE service_id = $1 AND (state = $2 AND id = ANY($3)) LIMIT $4", 4
      ),
      ("ORDER BY \(unescaped: "id DESC")", "ORDER BY id DESC", 0),
      ("LISTEN \(identifier: "a\"b\0c")", "LISTEN \"a\"\"bc\"", 0),
      ("\(Int64(1))\(Int64(2))", "$1$2", 2),
      ("", "", 0),
      (Query(unescaped: "SELECT 한글"), "SELECT 한글", 0),
    ]
    for (query, text, parameters) in rows {
      #expect(query.text == text)
      #expect(query.parameters.count == parameters)
      #expect(query.shape.parameterTypes().count == parameters)
    }
  }

  @Test("queries share a prepared statement exactly when literals, raw parts and types agree")
  func shapes() {
    func query(_ id: Int64, _ order: String) -> Query { "SELECT \(id) ORDER BY \(unescaped: order)" }
    #expect(query(1, "a").shape == query(2, "a").shape)
    #expect(query(1, "a").shape.hashValue == query(2, "a").shape.hashValue)
    #expect(query(1, "a").shape != query(1, "b").shape)
    func typed<Value: PostgresBindable>(_ value: Value) -> Query { "SELECT \(value)" }
    #expect(typed(Int64(1)).shape != typed(Int32(1)).shape)
    #expect(typed(Int64(1)).shape == typed(Int64?.none).shape)
    #expect(typed(TypedID(rawValue: 1)).shape == typed(Int64(1)).shape)
  }

  @Test("a statement made once is the one that it was made from, with other values")
  func templates() {
    func query(_ id: Int64, _ name: String?) -> Query {
      "SELECT \(unescaped: "x") FROM t WHERE id = \(id) AND \(fragment: "name = \(name) AND ids = \([id])")"
    }
    let template = QueryTemplate(query(0, nil))
    let filled = template.query { values in
      values.append(Int64(7))
      values.append("세탁기")
      values.append([Int64(7)])
    }
    #expect(filled.text == query(7, "세탁기").text)
    #expect(filled.shape == query(7, "세탁기").shape)
    #expect(filled.parameters.bytes == query(7, "세탁기").parameters.bytes)
    #expect(filled.parameters.slots.map(\.length) == query(7, "세탁기").parameters.slots.map(\.length))
  }

  @Test("only statements that read, lock nothing and wait for nothing share a connection")
  func sharing() {
    let rows: [(Query, Bool)] = [
      ("SELECT id FROM ticket", true), ("  select update_time, shared FROM t", true), ("VALUES (1)", true),
      ("TABLE ticket", true), ("WITH a AS (SELECT 1) SELECT * FROM a", true), ("", false),
      ("INSERT INTO t VALUES (1)", false), ("UPDATE t SET a = 1", false), ("BEGIN", false), ("SET a = 1", false),
      ("WITH a AS (DELETE FROM t RETURNING 1) SELECT * FROM a", false), ("SELECT 1 FROM t FOR UPDATE", false),
      ("SELECT 1 FROM t FOR KEY SHARE", false), ("SELECT 1 INTO t", false), ("SELECT nextval('s')", false),
      ("SELECT pg_notify('c', 'p')", false), ("SELECT pg_advisory_xact_lock(1)", false),
      ("SELECT pg_try_advisory_lock(1)", false), ("CALL p()", false), ("LISTEN c", false),
    ]
    for (query, isShared) in rows {
      #expect(Statement(query.shape).isSharable == isShared, "\(query.text)")
    }
  }

  @Test("the least recently used statements leave first, and those under way stay")
  func eviction() {
    var prepared = PreparedStatements(max: 8)
    let statements = (0..<12).map { Statement(Query(unescaped: "SELECT \($0)").shape) }
    for statement in statements[..<10] { prepared.add(statement).isReady = true }
    _ = prepared.use(statements[0])
    _ = prepared.add(statements[10])
    let evicted = prepared.overflow()
    #expect(evicted.map { ObjectIdentifier($0.statement) } == statements[1...3].map { ObjectIdentifier($0) })
    #expect(prepared.count == 8)
    #expect(prepared.use(statements[1]) == nil)
    #expect(prepared.use(statements[0]) != nil)
    #expect(Set(evicted.map(\.name)).count == 3)
  }

  @Test("the queue keeps its order while it grows, wraps and loses elements")
  func ring() {
    var ring = Ring<Int>()
    var expected: [Int] = []
    for round in 0..<200 {
      ring.append(round)
      expected.append(round)
      if round % 3 == 0 { #expect(ring.popFirst() == expected.removeFirst()) }
      if round % 50 == 49 {
        ring.removeAll { $0 % 7 == 0 }
        expected.removeAll { $0 % 7 == 0 }
      }
    }
    var seen: [Int] = []
    ring.visit { seen.append($0) }
    #expect(seen == expected)
    #expect(ring.count == expected.count)
  }

  @Test("an instant splits into seconds and nanoseconds on both sides of 1970, and saturates")
  func instants() {
    #expect(Instant(microsecondsSinceEpoch: -1).seconds == -1)
    #expect(Instant(microsecondsSinceEpoch: -1).nanoseconds == 999_999_000)
    #expect(Instant(microsecondsSinceEpoch: 1_500_000).seconds == 1)
    #expect(Instant(microsecondsSinceEpoch: 1_500_000).nanoseconds == 500_000_000)
    #expect(Instant(microsecondsSinceEpoch: 5).advanced(by: .milliseconds(-1)).microsecondsSinceEpoch == -995)
    #expect(Instant.distantFuture.advanced(by: .seconds(1)) == .distantFuture)
    #expect(Instant.distantPast.advanced(by: .seconds(-1)) == .distantPast)
    #expect(Instant(microsecondsSinceEpoch: 0).advanced(by: .seconds(Int64.max)) == .distantFuture)
  }
}

private struct TypedID: RawRepresentable, PostgresBindable {
  let rawValue: Int64
}
