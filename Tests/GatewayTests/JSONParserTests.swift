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
      ("", "at byte 0: a value is missing"),
      ("{", "at byte 1: a member's name in quotes is missing"),
      ("{\"a\"}", "at byte 4: a colon is missing"),
      ("{\"a\":1,}", "at byte 7: a member's name in quotes is missing"),
      ("{\"a\":1,\"a\":2}", "at byte 7: the name \"a\" stands here twice"),
      ("[1 2]", "at byte 3: a comma or \"]\" is missing"),
      ("[1,]", "at byte 3: a value cannot begin like this"),
      ("01", "at byte 1: nothing may follow the value"),
      ("1.", "at byte 2: a digit is missing"),
      ("-", "at byte 1: a digit is missing"),
      ("nul", "at byte 0: a value cannot begin like this"),
      ("\"a", "at byte 2: the text does not end"),
      ("\"\u{1}\"", "at byte 1: a control character must be escaped"),
      ("\"\\x\"", "at byte 2: there is no such escape"),
      ("\"\\u12\"", "at byte 3: four hexadecimal digits are missing"),
      ("\"\\u+123\"", "at byte 3: four hexadecimal digits are missing"),
      ("\"\\ud800\"", "at byte 7: half of a surrogate pair is missing"),
      ("\"\\udc00\"", "at byte 7: half of a surrogate pair is missing"),
      ("// x", "at byte 0: a value cannot begin like this"),
    ])
  func problems(text: String, expected: String) {
    #expect { try parse(text) } throws: { "\($0)" == expected }
  }

  @Test("bytes that are no UTF-8, and nesting without end, are refused")
  func hostile() {
    #expect(throws: JSONSyntaxError(offset: 0, problem: "the text is not UTF-8")) {
      try JSONParser.parse([0x22, 0xFF, 0x22])
    }
    #expect(throws: JSONSyntaxError.self) { try parse(String(repeating: "[", count: 100_000)) }
    #expect(throws: JSONSyntaxError.self) { try parse(String(repeating: "{\"a\":", count: 100_000)) }
  }
}
