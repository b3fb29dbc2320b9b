import MessageJSON
import Testing

@Suite("JSON texts are read strictly")
struct JSONParserTests {
  private func parse(_ text: String) throws -> JSONValue { try JSONParser.parse(Array(text.utf8)) }

  @Test("values of every kind keep what was written")
  func values() throws {
    #expect(try parse(" null ") == .null)
    #expect(try parse("[true,false]") == .array([.bool(true), .bool(false)]))
    #expect(try parse("9223372036854775807") == .number("9223372036854775807"))
    #expect(try parse("-0.5e+10") == .number("-0.5e+10"))
    #expect(try parse(#""가 \" \\ \/ \b\f\n\r\t \uAC00 \ud83d\ude00""#) == .string("가 \" \\ / \u{8}\u{c}\n\r\t 가 😀"))
    #expect(
      try parse(#"{"a":{"b":[]},"c":{}}"#)
        == .object([
          .init(name: "a", value: .object([.init(name: "b", value: .array([]))])),
          .init(name: "c", value: .object([])),
        ]))
  }

  @Test(
    "what is no JSON is refused at its place",
    arguments: [
      ("", "at line 1, column 1: a value is missing"),
      ("{", "at line 1, column 2: a member's name in quotes is missing"),
      ("{\"a\"}", "at line 1, column 5: a colon is missing"),
      ("{\"a\":1,}", "at line 1, column 8: a member's name in quotes is missing"),
      ("{\"a\":1,\"a\":2}", "at line 1, column 8: the name \"a\" stands here twice"),
      ("[1 2]", "at line 1, column 4: a comma or \"]\" is missing"),
      ("[1,]", "at line 1, column 4: a value cannot begin like this"),
      ("01", "at line 1, column 2: nothing may follow the value"),
      ("1.", "at line 1, column 3: a digit is missing"),
      ("-", "at line 1, column 2: a digit is missing"),
      ("nul", "at line 1, column 1: a value cannot begin like this"),
      ("\"a", "at line 1, column 3: the text does not end"),
      ("\"\u{1}\"", "at line 1, column 2: a control character must be escaped"),
      ("\"\\x\"", "at line 1, column 3: there is no such escape"),
      ("\"\\u12\"", "at line 1, column 4: four hexadecimal digits are missing"),
      ("\"\\u+123\"", "at line 1, column 4: four hexadecimal digits are missing"),
      ("\"\\ud800\"", "at line 1, column 8: half of a surrogate pair is missing"),
      ("\"\\udc00\"", "at line 1, column 8: half of a surrogate pair is missing"),
      ("// x", "at line 1, column 1: a value cannot begin like this"),
    ])
  func problems(text: String, expected: String) {
    #expect { try parse(text) } throws: { "\($0)" == expected }
  }

  @Test("a place is told by its line and its column in characters, however many bytes they have")
  func places() {
    let rows = [
      ("{\n  \"title\": \"\u{AC00}\u{1F600}\",\n  \"text\" \"a\"}", "at line 3, column 10: a colon is missing"),
      ("[\"\u{AC00}\u{1F600}\" 1]", "at line 1, column 7: a comma or \"]\" is missing"),
      ("[1,\r\n2,\r\n", "at line 3, column 1: a value is missing"),
      ("\n\n\n", "at line 4, column 1: a value is missing"),
    ]
    for (text, expected) in rows { #expect { try parse(text) } throws: { "\($0)" == expected } }
  }

  @Test("values may be nested 64 deep, and a hundred levels are refused where they pass that")
  func nesting() throws {
    func nested(_ depth: Int, _ open: String, _ inside: String, _ close: String) -> String {
      String(repeating: open, count: depth) + inside + String(repeating: close, count: depth)
    }
    _ = try parse(nested(64, "[", "", "]"))
    _ = try parse(nested(64, "{\"a\":", "1", "}"))
    #expect { try parse(nested(100, "[", "", "]")) } throws: {
      "\($0)" == "at line 1, column 65: values are nested more than 64 deep"
    }
    #expect { try parse(nested(100, "{\"a\":", "1", "}")) } throws: {
      "\($0)" == "at line 1, column 321: values are nested more than 64 deep"
    }
  }

  @Test("bytes that are no UTF-8, and nesting without end, are refused")
  func hostile() {
    #expect(throws: JSONSyntaxError(line: 1, column: 1, problem: "the text is not UTF-8")) {
      try JSONParser.parse([0x22, 0xFF, 0x22])
    }
    #expect(throws: JSONSyntaxError.self) { try parse(String(repeating: "[", count: 100_000)) }
    #expect(throws: JSONSyntaxError.self) { try parse(String(repeating: "{\"a\":", count: 100_000)) }
  }
}
