import Testing

@testable import TicketLedger

@Suite("words that are masked, in texts that come in") struct MaskedWordsTests {
  @Test("texts are asked about in portions that masking takes, in order, each text once")
  func portions() {
    func portions(_ sizes: [Int]) -> [Range<Int>] {
      MaskedWords.portions(of: sizes.map { String(repeating: "a", count: $0) })
    }
    #expect(portions([1]) == [0..<1])
    #expect(portions(Array(repeating: 1, count: 100)) == [0..<100])
    #expect(portions(Array(repeating: 1, count: 250)) == [0..<100, 100..<200, 200..<250])
    #expect(portions([600_000, 400_000, 1]) == [0..<2, 2..<3])
    #expect(portions([600_000, 400_001, 599_999]) == [0..<1, 1..<3])
    // One that is too large by itself is for masking to refuse.
    #expect(portions([1, 2_000_000, 1]) == [0..<1, 1..<2, 2..<3])
  }
}
