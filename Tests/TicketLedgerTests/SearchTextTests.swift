import HandoffTestKit
import Postgres
import Testing

@testable import TicketLedger

@Suite("words of a search") struct SearchTextTests {
  private func finds(_ phrase: String, in text: String) throws -> Bool {
    try #require(SearchPhrase(phrase)).isFound(in: SearchText(text))
  }

  @Test("a phrase is found wherever it stands, in any case, width and normalization")
  func found() throws {
    let rows: [(String, String)] = [
      ("불", "환불 요청"), ("환불", "환불 요청"), ("불 요", "환불 요청"), ("불,요", "환불 / 요청"), ("요청", "환불요청입니다"),
      ("ㅎㅂ", "환불 요청"), ("ㅎ불", "환불"), ("환ㅂ", "환불"), ("ㅂ ㅇㅊ", "환불 요청"), ("ㅋㅋ", "ㅋㅋㅋ 네"), ("ㅠㅠ", "안 돼요ㅠㅠ"),
      ("ㄳ", "감사합니다"), ("감ㅅ", "ㄱ감사"), ("handoff", "HandOff"), ("ＨＡＮＤ", "hand"), ("hand", "ＨＡＮＤ"), ("STRASSE", "Straße"),
      ("가", "\u{1100}\u{1161}"), ("ㅎ", "\u{1112}"), ("ガ", "ｶﾞ"), ("カ", "ｶ"), ("환불", "환\u{200B}불"), ("caf\u{E9}", "CAFÉ"),
      ("010 1234", "010-1234-5678"), ("5678", "010-1234-5678"), ("a_b", "a_b"), ("!환불?", "환불"), ("٣", "٣٤"),
    ]
    for (phrase, text) in rows {
      let isFound = try finds(CanonicalText.canonical(phrase), in: CanonicalText.canonical(text))
      #expect(isFound, "\(phrase) in \(text)")
    }
  }

  @Test("what does not stand there is not found")
  func notFound() throws {
    let rows: [(String, String)] = [
      ("환불", "불환"), ("환불요청", "환불 요청"), ("ㅎㅂ", "환 불"), ("불", "환부"), ("ㅂㅎ", "환불"), ("ㅏ", "가"), ("ab", "a b"),
      ("가", "ㄱㅏ"), ("12", "1 2"),
    ]
    for (phrase, text) in rows {
      let isFound = try finds(phrase, in: text)
      #expect(!isFound, "\(phrase) in \(text)")
    }
  }

  @Test("what has no letter and no digit cannot be looked for")
  func empty() {
    for text in ["", "%", "%%%", "*", " ", "?!", "\u{200B}\u{FEFF}", "'\"\\", "😀"] {
      #expect(SearchPhrase(text) == nil, "\(text)")
    }
  }

  @Test("the index has every gram that is asked for of a text in which the phrase stands")
  func grams() async throws {
    var random = SeededGenerator(seed: TestScale.seed)
    let letters = Array("가각환불ㅎㅂㄱaB1 요-ㅏ漢\u{1112}ﾊﾞ")
    for await round in TestScale.rounds(usual: 3_000, all: 100_000) {
      let text = try CanonicalText.canonical(
        String(
          (0..<Int.random(in: 0..<12, using: &random)).map { _ in
            letters[Int.random(in: letters.indices, using: &random)]
          }))
      let phrase = String(
        (0..<Int.random(in: 1...4, using: &random)).map { _ in letters[Int.random(in: letters.indices, using: &random)]
        })
      let canonical = try CanonicalText.canonical(phrase)
      guard let phrase = SearchPhrase(canonical) else { continue }
      let folded = SearchText(text)
      let held = Set(folded.grams())
      let isPossible = phrase.grams.allSatisfy { gram in
        gram.second == 0
          ? held.contains { UInt32($0 >> 32) == gram.first }
          : held.contains(UInt64(gram.first) << 32 | UInt64(gram.second))
      }
      let isFound = phrase.isFound(in: folded)
      #expect(!isFound || isPossible, "\(TestScale.place(round)): \(canonical) in \(text)")
      if phrase.isWhole { #expect(isFound == isPossible, "\(TestScale.place(round)): \(canonical) in \(text)") }
    }
  }

  @Test("tokens of different days, services and kinds of text differ")
  func prefixes() throws {
    let day = Instant(microsecondsSinceEpoch: 1_764_000_000_000_000)
    let next = day.advanced(by: .seconds(86_400))
    let tokens = [
      SearchTokens("가", in: .title, of: ServiceID(1), receivedAt: day),
      SearchTokens("가", in: .title, of: ServiceID(1), receivedAt: next),
      SearchTokens("가", in: .title, of: ServiceID(62), receivedAt: day),
      SearchTokens("가", in: .entry, of: ServiceID(1), receivedAt: day),
      SearchTokens("가", in: .customerName, of: ServiceID(1), receivedAt: day),
      SearchTokens("가", in: .field(FieldID(1)), of: ServiceID(1), receivedAt: day),
      SearchTokens("가", in: .field(FieldID(12)), of: ServiceID(1), receivedAt: day),
    ]
    #expect(Set(tokens.flatMap(\.words)).count == tokens.reduce(0) { $0 + $1.words.count })
    let phrase = try #require(SearchPhrase("환불"))
    let number = SearchTokens.day(of: day)
    let query = SearchTokens.query(phrase, in: [.title], of: ServiceID(1), days: number...number)
    let token = try #require(
      SearchTokens("환불", in: .title, of: ServiceID(1), receivedAt: day).words.first { $0.hasSuffix("환불") })
    #expect(query == "('\(token)')")
  }
}
