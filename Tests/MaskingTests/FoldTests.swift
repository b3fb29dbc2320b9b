import HandoffTestKit
import PersonalData
import Testing
import TicketLedger

@Suite("folded quotations of masked texts")
struct FoldTests {
  private static let words = [
    "한국어", "한국어", "e\u{301}\u{323}t", "👨‍👩‍👧", "🇰🇷", "plain", "o\u{308}\u{332}k", "1", "ก็",
  ]
  private static let quotations = [
    "On Mon, 5 Jan 2026, Care <care@shop.example> wrote:\n> 안녕하세요 👨‍👩‍👧\n> 곧 도착합니다.\n",
    "-----Original Message-----\nFrom: Care\n안녕하세요\n", "> 안녕하세요\n> e\u{301}\u{323}\n", "-- \n김철수 👨‍👩‍👧\n",
  ]

  @Test("masks before a quotation move where it begins, and never what is folded; without them it is where it was")
  func masks() async throws {
    var random = SeededGenerator(seed: TestScale.seed)
    for await round in TestScale.rounds(usual: 300, all: 20_000) {
      let lines = (0..<Int.random(in: 1...6, using: &random)).map { _ in
        (0..<Int.random(in: 1...5, using: &random)).map { _ in Self.words.randomElement(using: &random) ?? "" }
      }
      let above = lines.map { $0.joined(separator: " ") }.joined(separator: "\n") + "\n"
      let text = above + (Self.quotations.randomElement(using: &random) ?? "")
      let place = TestScale.place(round)
      let start = try #require(QuoteFold.start(in: text), "\(place)")
      #expect(start == above.unicodeScalars.count, "\(place)")
      // Whole words of the part above.
      var spans: [ScalarSpan] = []
      var position = 0
      for line in lines {
        for word in line {
          let length = word.unicodeScalars.count
          if Bool.random(using: &random) { spans.append(ScalarSpan(start: position, length: length)) }
          position += length + 1
        }
      }
      let masked = try MaskedText.masking(text, spans, earlier: [])
      let moved = try #require(QuoteFold.start(in: masked.text), "\(place)")
      let saved = masked.pieces.reduce(0) { $0 + $1.original.unicodeScalars.count - $1.asterisks.length }
      #expect(moved == start - saved, "\(place)")
      #expect(Self.suffix(masked.text, moved) == Self.suffix(text, start), "\(place)")
    }
  }

  private static func suffix(_ text: String, _ start: Int) -> String {
    String(String.UnicodeScalarView(text.unicodeScalars.dropFirst(start)))
  }
}
