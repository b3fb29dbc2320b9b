import ServiceKit
import Testing
import TicketLedger

@Suite struct CanonicalTextTests {
  @Test(
    "texts are brought into one form",
    arguments: [
      ("plain", "plain"), ("a\r\nb\rc\n", "a\nb\nc\n"), ("tab\there", "tab\there"),
      ("cafe\u{301}", "caf\u{e9}"), ("\u{1112}\u{1161}\u{11ab}\u{ae00}", "한글"), ("한글 문의", "한글 문의"),
      ("\u{212b}", "\u{c5}"), ("か\u{3099}", "が"), ("\u{2000}", "\u{2002}"), ("q\u{307}\u{323}", "q\u{323}\u{307}"),
      ("👩🏽‍🚀 ok", "👩🏽‍🚀 ok"),
    ])
  func canonical(_ text: String, _ expected: String) throws {
    let canonical = try CanonicalText.canonical(text)
    // Swift compares by canonical equivalence; here every scalar counts.
    #expect(Array(canonical.unicodeScalars) == Array(expected.unicodeScalars))
    #expect(Array(try CanonicalText.canonical(canonical).unicodeScalars) == Array(expected.unicodeScalars))
  }

  @Test("control characters are refused, or dropped from what others wrote")
  func controls() throws {
    for control in ["\u{0}", "\u{1b}", "\u{7f}", "\u{85}", "\u{9f}"] {
      #expect(throws: CanonicalText.Problem.controlCharacter(index: 1)) {
        try CanonicalText.canonical("a" + control + "b")
      }
      #expect(try CanonicalText.canonical("a" + control + "b", controls: .dropped) == "ab")
    }
    #expect(try CanonicalText.canonical("5 £ · 6 €") == "5 £ · 6 €")
  }

  @Test("requests are told which text is wrong")
  func requests() throws {
    #expect(try CanonicalText.line("  A title \u{3000}", field: "title", charactersMax: 7) == "A title")
    #expect(try CanonicalText.text("한".uni(200), field: "text", charactersMax: 200).unicodeScalars.count == 200)
    #expect(throws: ServiceError.self) { try CanonicalText.text("한".uni(201), field: "text", charactersMax: 200) }
    #expect(throws: ServiceError.self) { try CanonicalText.line("a\nb", field: "title", charactersMax: 200) }
    let blank = #expect(throws: ServiceError.self) { try CanonicalText.text(" \n", field: "text", charactersMax: 9) }
    #expect(blank?.reason == .textRequired)
    #expect(try CanonicalText.text("", field: "text", charactersMax: 9, mayBeBlank: true) == "")
  }

  @Test(
    "what nobody can read is blank, and a text with anything to read is not",
    arguments: [
      ("", true), (" \t\n", true), ("\u{A0}\u{3000}", true), ("\u{3164}", true), ("\u{115F}\u{1160}\u{FFA0}", true),
      ("\u{200B}\u{200D}\u{2060}\u{FEFF}", true), ("\u{AD}\u{180E}\u{FE0F}", true), ("\u{E0041}", true),
      (".", false), ("\u{200B}가", false), ("❤\u{FE0F}", false), ("ㅎ", false),
    ])
  func blank(_ text: String, _ isBlank: Bool) throws {
    #expect(CanonicalText.isBlank(text) == isBlank)
    let line = try? CanonicalText.line(text, field: "title", charactersMax: 9)
    let body = try? CanonicalText.text(text, field: "text", charactersMax: 9)
    #expect((line == nil) == isBlank && (body == nil) == isBlank)
  }
}

extension String {
  fileprivate func uni(_ count: Int) -> String { String(repeating: self, count: count) }
}
