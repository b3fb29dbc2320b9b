import HandoffTestKit
import PersonalData
import Testing

@Suite("Masking a text and bringing it back")
struct MaskedTextTests {
  @Test("a span becomes as many asterisks as it has characters")
  func characters() throws {
    // The family emoji is one character of seven scalars; the decomposed syllable is one character of two.
    let text = "가족 👨‍👩‍👧‍👦 과 e\u{301} 끝"
    let masked = try MaskedText.masking(text, [.init(start: 3, length: 7), .init(start: 13, length: 2)], earlier: [])
    #expect(masked.text == "가족 * 과 * 끝")
    #expect(masked.pieces.map(\.asterisks) == [.init(start: 3, length: 1), .init(start: 7, length: 1)])
  }

  @Test("spans may come in any order, and earlier masks move along")
  func order() throws {
    let masked = try MaskedText.masking(
      "e\u{301}bc**fg", [.init(start: 6, length: 1), .init(start: 0, length: 2)], earlier: [.init(start: 4, length: 2)])
    #expect(masked.text == "*bc***g")
    #expect(masked.pieces.map(\.index) == [1, 0])
    #expect(masked.earlier == [.init(start: 3, length: 2)])
  }

  @Test("spans outside the text and overlapping spans are refused by their index")
  func refusals() {
    let rows: [([ScalarSpan], [ScalarSpan], MaskRefusal)] = [
      ([.init(start: 0, length: 0)], [], .outsideText(index: 0)),
      ([.init(start: -1, length: 2)], [], .outsideText(index: 0)),
      ([.init(start: 4, length: 2)], [], .outsideText(index: 0)),
      ([.init(start: 1, length: Int.max)], [], .outsideText(index: 0)),
      ([.init(start: 0, length: 1), .init(start: Int.max, length: 1)], [], .outsideText(index: 1)),
      ([.init(start: 0, length: 2), .init(start: 1, length: 2)], [], .overlaps(index: 1)),
      ([.init(start: 0, length: 2)], [.init(start: 1, length: 1)], .overlaps(index: 0)),
    ]
    for (spans, earlier, refusal) in rows {
      #expect(throws: refusal) { try MaskedText.masking("abcde", spans, earlier: earlier) }
    }
  }

  @Test("unmasking in any order restores the text scalar by scalar")
  func roundTrip() async throws {
    var random = SeededGenerator(seed: TestScale.seed)
    for await round in TestScale.rounds(usual: 200, all: 100_000) { try roundTrip(round, &random) }
  }

  private func roundTrip(_ round: Int, _ random: inout SeededGenerator) throws {
    let alphabet = Array("가나 a1*é\n".unicodeScalars) + Array("👨‍👩‍👧e\u{301}한".unicodeScalars)
    var view = String.UnicodeScalarView()
    for _ in 0..<Int.random(in: 1...60, using: &random) { view.append(alphabet.randomElement(using: &random) ?? "x") }
    let text = String(view)
    var masks: [(span: ScalarSpan, original: String)] = []
    var current = text
    for _ in 0..<4 {
      let count = current.unicodeScalars.count
      let start = Int.random(in: 0..<count, using: &random)
      let span = ScalarSpan(start: start, length: Int.random(in: 1...min(5, count - start), using: &random))
      guard let masked = try? MaskedText.masking(current, [span], earlier: masks.map(\.span)) else { continue }
      current = masked.text
      for index in masks.indices { masks[index].span = masked.earlier[index] }
      masks.append((masked.pieces[0].asterisks, masked.pieces[0].original))
    }
    masks.shuffle(using: &random)
    while let mask = masks.popLast() {
      let back = try #require(
        MaskedText.unmasking(current, mask.span, original: mask.original, others: masks.map(\.span)))
      current = back.text
      for index in masks.indices { masks[index].span = back.others[index] }
    }
    #expect(Array(current.unicodeScalars) == Array(text.unicodeScalars), "\(TestScale.place(round))")
  }

  @Test("the scalars of a text are those that its own view has, of every length in UTF-8")
  func scalars() {
    var random = SeededGenerator(seed: TestScale.seed)
    let edges: [UInt32] = [0, 0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFF, 0x1_0000, 0x10_FFFF]
    for round in 0..<100 {
      var view = String.UnicodeScalarView()
      for _ in 0..<Int.random(in: 0...40, using: &random) {
        let any = UInt32.random(in: 0...0x10_FFFF, using: &random)
        let value = Bool.random(using: &random) ? edges.randomElement(using: &random) : any
        if let scalar = Unicode.Scalar(value ?? 0) { view.append(scalar) }
      }
      let text = String(view)
      #expect([Unicode.Scalar](scalarsOf: text) == Array(text.unicodeScalars), "\(TestScale.place(round))")
    }
  }

  @Test("unmasking where no asterisks stand is refused")
  func notMasked() {
    #expect(MaskedText.unmasking("a*c", .init(start: 0, length: 2), original: "ab", others: []) == nil)
    #expect(MaskedText.unmasking("**", .init(start: 1, length: 2), original: "ab", others: []) == nil)
  }
}
