import PersonalData
import Testing

@Suite("Patterns of a service")
struct TextPatternTests {
  private func found(_ pattern: String, in text: String) throws -> [String] {
    let scanner = PersonalDataScanner(patterns: [try TextPattern(pattern)])
    let scalars = Array(text.unicodeScalars)
    return scanner.findings(in: text).filter { $0.kind == .ownPattern }.map { finding in
      var view = String.UnicodeScalarView()
      view.append(contentsOf: scalars[finding.start..<finding.end])
      return String(view)
    }
  }

  @Test("a pattern finds whole words of its form, longest first, and nothing else")
  func matches() throws {
    let rows: [(String, String, [String])] = [
      ("MB-######", "회원 MB-000123입니다, mb-999999", ["MB-000123", "mb-999999"]),
      ("MB-######", "MB-0001234 XMB-000123 MB-00012", []),
      ("@@#{4,6}", "AB1234 AB123456 AB1234567 A1234", ["AB1234", "AB123456"]),
      ("가{2,4}동 #{1,4}-#{1,4}", "개나리동 12-345 살아요", ["개나리동 12-345"]),
      ("%{4}\\#", "ab12# abc#", ["ab12#"]),
      ("회원#####", "회원00001회원00002", ["회원00001", "회원00002"]),
      ("####-?", "1234-? 1234-", ["1234-?"]),
      ("MB-######", "", []),
    ]
    for (pattern, text, expected) in rows {
      #expect(try found(pattern, in: text) == expected, "\(pattern) in \(text)")
    }
  }

  @Test("what is no pattern is refused with its reason")
  func refusals() {
    let rows: [(String, TextPattern.Problem)] = [
      ("", .length), ("\\", .length), ("#{61}", .repetition(index: 1)), ("#{60}#", .length),
      ("#{a}", .repetition(index: 1)), ("#{3,2}", .repetition(index: 1)), ("####{", .repetition(index: 4)),
      ("###", .vague), ("#{0,9}", .vague),
    ]
    for (pattern, problem) in rows {
      #expect(throws: problem, "\(pattern)") { try TextPattern(pattern) }
    }
  }
}
