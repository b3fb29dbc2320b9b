import HandoffTestKit
import Postgres
import Testing
import TicketLedger

@Suite("what PostgreSQL is told that a text is found by") struct SearchTokensTests {
  private static let day = Instant(microsecondsSinceEpoch: 1_764_000_000_000_000)

  @Test("the server reads from bytes what it makes of the words, whatever letters they have")
  func bytes() async throws {
    let database = try await TestDatabase.make()
    let scopes: [SearchScope] = [.title, .customerName, .entry, .field(FieldID(63))]
    let long = String(repeating: "배송이 늦어요 ", count: 400)
    let texts = ["", "!", "a", "Zz 9", "환불 문의", "ㅎㅂ", "Ünïcode Ω 가각 漢字", "𠀀𠀁 a𠀂", long]
    let tokens = texts.flatMap { text in
      scopes.map { SearchTokens(text, in: $0, of: ServiceID(4_711), receivedAt: Self.day) }
    }
    for one in tokens {
      let row = try await database.pool.query(
        "SELECT tsvector_to_array(\(one)), \(one) = array_to_tsvector(\(one.words))",
        deadline: TestDatabase.deadline)[0]
      #expect(try row.strings(0) == one.words)
      #expect(try row.bool(1), "\(one.words.prefix(3))")
    }
    let together = try await database.pool.query(
      "SELECT tsvector_to_array(t) FROM unnest(\(tokens)) AS t", deadline: TestDatabase.deadline)
    #expect(try together.map { try $0.strings(0) } == tokens.map(\.words))
  }

  @Test("50,000 letters with others behind each are all found, and no id is so long that a text is refused")
  func largest() async throws {
    let database = try await TestDatabase.make()
    // Of four bytes each; those of the second part have other letters behind them.
    let numbers = Array(0..<40_000) + (0..<10_000).map { $0 * 3 }
    let letters = numbers.compactMap { Unicode.Scalar(0x20000 + UInt32($0)) }
    var text = String.UnicodeScalarView()
    text.append(contentsOf: letters)
    for (service, count) in [(ServiceID(1_000_000), 50_000), (ServiceID(.max), 43_690)] {
      let tokens = SearchTokens(String(text), in: .entry, of: service, receivedAt: Self.day)
      #expect(tokens.words.count == count)
      let stored = try await database.pool.query("SELECT length(\(tokens))", deadline: TestDatabase.deadline)[0]
      #expect(try stored.int32(0) == Int32(count))
    }
  }
}
