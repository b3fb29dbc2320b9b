import HandoffTestKit
import PersonalData
import Testing

@Suite("Masked words in other texts")
struct SpanWordsTests {
  /// The words that were masked, another text, and what of it is found.
  struct Row: Sendable, CustomTestStringConvertible {
    let words: String
    let text: String
    let found: [String]
    var testDescription: String { "\(words.debugDescription) in \(text.debugDescription)" }

    init(_ words: String, _ text: String, _ found: String...) {
      (self.words, self.text, self.found) = (words, text, found)
    }
  }

  private static func found(_ words: String, in text: String) -> [String] {
    let scalars = Array(text.unicodeScalars)
    return (SpanWords(words)?.occurrences(in: FoldedText(text)) ?? []).map { span in
      String(String.UnicodeScalarView(scalars[span.start..<span.end]))
    }
  }

  @Test(
    "words are found however they are quoted, and never inside longer ones",
    arguments: [
      Row("홍길동", "홍길동님, 홍길동이 맞나요?", "홍길동", "홍길동"),
      Row("kim@example.com", "KIM@Example.com 또는 xkim@example.com", "KIM@Example.com"),
      Row("ｋｉｍ７", "kim7 Kim77", "kim7"), Row("4711", "14711 4711 ４７１１", "4711", "４７１１"),
      // Lines of a quotation, wrapped and indented anew.
      Row("서울시 강남구\n테헤란로 7", "> > 서울시\n> > 강남구 테헤란로\n> > 7 입니다", "서울시\n> > 강남구 테헤란로\n> > 7"),
      Row("홍길동 고객", "홍길동  \n | 고객", "홍길동  \n | 고객"), Row("a > b", "a b", ""), Row("홍길동 고객", "홍길동고객"),
      // What a selection takes along at its ends.
      Row(" 홍길동 ", "(홍길동)", "홍길동"), Row("홍길동,\n", "홍길동입니다", "홍길동"), Row("\"홍길동\"", "홍길동", "홍길동"),
      // Numbers, by their digits.
      Row("010-0000-1234 ", "01000001234 010.0000.1234", "01000001234", "010.0000.1234"),
      Row("010-0000-1234", "(010) 0000-1234", "(010) 0000-1234"),
      Row("01000001234", "+82 10-0000-1234와 +82 (0)10 0000 1234", "+82 10-0000-1234", "+82 (0)10 0000 1234"),
      Row("+82 10-0000-1234", "0 10-0000-1234 8210 0000 1234", "0 10-0000-1234", "8210 0000 1234"),
      Row("010-0000-1234", "010-0000-\n> 1234, ０１０－００００－１２３４", "010-0000-\n> 1234", "０１０－００００－１２３４"),
      Row("010-0000-1234", "010-0000-12345 1010-0000-1234 010, 0000, 1234"),
      Row("010-0000-1234", "0100\u{200B}0001234", "0100\u{200B}0001234"),
      Row("4000-0000-0000-0002", "4000 0000 0000 0002", "4000 0000 0000 0002"), Row("12-34", "1234"),
      // Words that tell nothing.
      Row("김", "김철수"), Row("--", "--"), Row("김.", "김. 김", "김."), Row("", "x"),
    ])
  func rows(_ row: Row) {
    #expect(Self.found(row.words, in: row.text) == row.found.filter { !$0.isEmpty })
  }

  @Test("words of many masks are found as each by itself is, the longest where they lie in one another")
  func known() async {
    let pieces = ["홍길동", "길동", "010-0000-1234", "0000-1234", "kim@example.com", "서울시 강남구", "강남", "테헤란로 7"]
    var random = SeededGenerator(seed: TestScale.seed)
    for await round in TestScale.rounds(usual: 300, all: 20_000) {
      let masked = pieces.filter { _ in Bool.random(using: &random) }
      let text = (0..<8).map { _ in
        (pieces.randomElement(using: &random) ?? "")
          + (["", " ", "\n> ", "님 ", "1"].randomElement(using: &random) ?? "")
      }.joined()
      let scalars = Array(text.unicodeScalars)
      let spans = KnownWords(masked).spans(in: text)
      #expect(zip(spans, spans.dropFirst()).allSatisfy { $0.end <= $1.start }, "\(TestScale.place(round))")
      let hidden = scalars.indices.map { index in spans.contains { $0.start <= index && index < $0.end } }
      for words in masked {
        for span in SpanWords(words)?.occurrences(in: FoldedText(text)) ?? [] {
          let isHidden = hidden[span.start..<span.end].contains(true)
          #expect(isHidden, "\(words) in \(text.debugDescription) \(TestScale.place(round))")
        }
      }
      for span in spans {
        let alone = masked.contains { words in
          (SpanWords(words)?.occurrences(in: FoldedText(text)) ?? []).contains(span)
        }
        #expect(alone, "\(span) in \(text.debugDescription) \(TestScale.place(round))")
      }
    }
  }
}
