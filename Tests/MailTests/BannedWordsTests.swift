import Testing

@testable import Mail

@Suite("banned words")
struct BannedWordsTests {
  struct Row: Sendable, CustomTestStringConvertible {
    let words: [String]
    let text: String
    /// Word, first scalar, number of scalars.
    let found: [(String, Int, Int)]
    init(_ words: [String], _ text: String, _ found: [(String, Int, Int)]) {
      self.words = words
      self.text = text
      self.found = found
    }
    var testDescription: String { "\(words) in \(text)" }
  }

  @Test(
    "words are found however they are dressed",
    arguments: [
      Row(["환불"], "환불은 안 됩니다", [("환불", 0, 2)]),
      Row(["환불"], "환\u{200B}불", [("환불", 0, 3)]),
      Row(["환불"], "\u{200D}환\u{2060}\u{FEFF}불\u{200B}", [("환불", 1, 4)]),
      Row(["환불"], "\u{1112}\u{116A}\u{11AB}\u{1107}\u{116E}\u{11AF}!", [("환불", 0, 6)]),
      Row(["\u{1112}\u{116A}\u{11AB}불"], "환불", [("\u{1112}\u{116A}\u{11AB}불", 0, 2)]),
      Row(["가"], "각", []), Row(["각"], "가", []),
      Row(["Damn"], "DAMN damn ＤＡＭＮ ｄａｍｎ", [("Damn", 0, 4), ("Damn", 5, 4), ("Damn", 10, 4), ("Damn", 15, 4)]),
      Row(["café"], "CAFE\u{301}", [("café", 0, 5)]), Row(["cafe"], "café", []),
      Row(["straße"], "STRASSE", [("straße", 0, 7)]), Row(["STRASSE"], "straße", [("STRASSE", 0, 6)]),
      Row(["ガ"], "ｶﾞ", [("ガ", 0, 2)]), Row(["バカ"], "ﾊﾞｶ", [("バカ", 0, 3)]), Row(["ㅅㅂ"], "ﾵﾲ", [("ㅅㅂ", 0, 2)]),
      Row(["ㅏㅐㅢㅣ"], "ￂￃￛￜ", [("ㅏㅐㅢㅣ", 0, 4)]),
      Row(["he", "she", "his", "hers"], "ushers", [("she", 1, 3), ("he", 2, 2), ("hers", 2, 4)]),
      Row(["aa"], "aaaa", [("aa", 0, 2), ("aa", 1, 2), ("aa", 2, 2)]),
      Row(["bad", "badass", "ass"], "BadAss", [("bad", 0, 3), ("badass", 0, 6), ("ass", 3, 3)]),
      Row(["two words"], "two\u{3000}words two  words", [("two words", 0, 9)]),
      Row(["", "\u{200B}"], "anything", []), Row([], "anything", []), Row(["x"], "", []),
      Row(["👍"], "ok 👍 ok", [("👍", 3, 1)]), Row(["ban", "BAN"], "ban", [("ban", 0, 3)]),
    ])
  func found(_ row: Row) {
    let found = BannedWords(row.words).matches(in: row.text)
    #expect(found == row.found.map { BannedWordMatch(word: $0.0, start: $0.1, length: $0.2) })
  }

  @Test("one pass with thousands of words finds what looking for each finds")
  func manyWords() {
    var seed: UInt64 = 42
    func next(_ bound: Int) -> Int {
      seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(seed >> 33) % bound
    }
    let letters = Array("abc가나")
    let words = Array(Set((0..<3_000).map { _ in String((0...next(7)).map { _ in letters[next(letters.count)] }) }))
    let text = String((0..<60).map { _ in letters[next(letters.count)] })
    let matcher = BannedWords(words)
    let scalars = Array(text)
    var expected: Set<String> = []
    for word in words {
      let letters = Array(word)
      for start in 0..<max(0, scalars.count - letters.count + 1)
      where Array(scalars[start..<start + letters.count]) == letters {
        expected.insert("\(word) \(start)")
      }
    }
    let found = matcher.matches(in: text)
    #expect(found.count == min(expected.count, BannedWords.matchesMax))
    #expect(found.allSatisfy { expected.contains("\($0.word) \($0.start)") })
  }
}
