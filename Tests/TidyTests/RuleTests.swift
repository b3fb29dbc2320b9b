import Testing

/// A file that breaks a rule, or just does not.
struct Specimen: Sendable, CustomTestStringConvertible {
  let rule: String
  let path: String
  let text: String
  let lines: [Int]

  var testDescription: String { "\(rule): \(path)" }

  init(_ rule: String, _ path: String, _ text: String, _ lines: Int...) {
    self.rule = rule
    self.path = path
    self.text = text
    self.lines = lines
  }

  private static let sharing = "sharing is unchecked only at the fences, and with a reason"
  private static let documented = "every package declaration has a doc comment"
  private static let unfinished = "work left to do is done, or says why not"

  static let all: [Specimen] = [
    Specimen(
      "a service never imports another service", "Sources/Mail/A.swift", "import Mail\npackage import Tickets", 2),
    Specimen("a service never imports another service", "Sources/RPC/A.swift", "import Gateway", 1),
    Specimen(
      "an executable imports no service but its own", "Sources/handoff-mail/main.swift", "import Mail\nimport Tickets",
      2),
    Specimen("each C library is imported by its fence only", "Sources/RPC/A.swift", "import CZlib\nimport COpenSSL", 2),
    Specimen(
      "each C library is imported by its fence only", "Sources/A/B.swift", "@preconcurrency internal import CLibpq", 1),
    Specimen("files under Rules/ import nothing", "Sources/Mail/Rules/A.swift", "// import A\nimport Glibc", 2),
    Specimen("files under Rules/ import nothing", "Sources/Mail/A.swift", "import Glibc"),
    Specimen(
      "HTTP2 imports libnghttp2 and nothing else", "Sources/HTTP2/A.swift", "import CNghttp2\nimport EventLoop", 2),
    Specimen(
      "the framing of RPC never touches a socket", "Sources/RPC/Core/A.swift", "Socket.send()\nlet a: SocketAddress",
      1),
    Specimen(
      "nothing is public", "Sources/A/B.swift", "func a(public b: Int)\nlet a = \"public\"\n@C static public let b = 1",
      3),
    Specimen(
      "no error is met with a crash", "Sources/A/B.swift", "try! f()\nlet a = \"try!\"\nfatalError(\"\")\nb as! C", 1,
      3, 4),
    Specimen(
      sharing, "Sources/Mail/A.swift", "// why\nclass A: @unchecked Sendable {}\nclass B: @unchecked Sendable {}", 3),
    Specimen(sharing, "Sources/Crypto/A.swift", "// why\n@frozen\nclass A: @unchecked Sendable {}"),
    Specimen(sharing, "Sources/Tickets/A.swift", "// why\nnonisolated(unsafe) var a = 1", 2),
    Specimen("no test sleeps", "Tests/A/B.swift", "try await Task.sleep(for: .seconds(1))", 1),
    Specimen("no test sleeps", "Sources/A/B.swift", "try await Task.sleep(for: .seconds(1))"),
    Specimen("lines are at most 120 characters long", "Sources/A/B.swift", String(repeating: "ö", count: 120)),
    Specimen("lines are at most 120 characters long", "Sources/A/B.swift", String(repeating: "a", count: 121), 1),
    Specimen("files are at most 400 lines long", "Sources/A/B.swift", String(repeating: "\n", count: 400)),
    Specimen("files are at most 400 lines long", "Sources/A/B.swift", String(repeating: "\n", count: 401), 402),
    Specimen("functions are at most 70 lines long", "Sources/A/B.swift", function(lines: 70)),
    Specimen("functions are at most 70 lines long", "Sources/A/B.swift", function(lines: 71), 2),
    Specimen(
      "main.swift is a parts list of at most 60 lines", "Sources/handoff/main.swift",
      String(repeating: "\n", count: 61), 62),
    Specimen(
      documented, "Sources/A/B.swift", "package let a = 1\n/// A.\n@inlinable\npackage let b = 2\npackage import C", 1),
    Specimen(documented, "Sources/A/B.swift", "package = text(a)"),
    Specimen(documented, "Sources/A/Generated/B.swift", "package let a = 1"),
    Specimen(unfinished, "docs/a.md", "TODO: this\nTODO(after the first release): that\nFIXME", 1, 3),
    Specimen(
      "relative links lead somewhere", "docs/a.md", "[a](../Sources) [b](https://x) [c](#d)\n[e](nowhere.md)", 2),
    Specimen(
      "tests that a page names are there", "docs/a.md", "`TidyTests.rule` and `Tests.swift`\n`TidyTests.nothing`", 2),
  ]

  private static func function(lines: Int) -> String {
    "struct A {\n  package init(_ a: () -> Void = { }) where B: C {\n" + String(repeating: "\n", count: lines - 2)
      + "  }\n}"
  }
}

@Suite("The rules find what they are for")
struct RuleTests {
  @Test("a specimen is found on the right lines", arguments: Specimen.all)
  func specimen(specimen: Specimen) throws {
    let rule = try #require(Rule.all.first { $0.name == specimen.rule })
    let findings = rule.findings(SourceFile(path: specimen.path, text: specimen.text))
    #expect(findings.map(\.line) == specimen.lines)
  }

  @Test(
    "strings and comments are no code",
    arguments: [
      ("a // b", "a "), ("a /* b", "a "), ("a /* /* b */ c */ d", "a  d"), (#"a "b" c"#, #"a "" c"#),
      (#"a "b \" c" d"#, #"a "" d"#), (##"a #"b " c"# d"##, #"a "" d"#), (#"a "\(b("c")) // d" e"#, #"a "" e"#),
      (#"a "\(b)" c "d""#, #"a "" c """#),
    ])
  func stripping(line: String, code: String) {
    #expect(SwiftCode.strip([line]) == [code])
  }

  @Test("a string in three quotes spans lines")
  func multilineStrings() {
    #expect(SwiftCode.strip(["a = \"\"\"", "  try! \"b\" {", "  \"\"\" + c"]) == ["a = \"\"", "", " + c"])
  }

  @Test("functions are measured from their first to their last brace")
  func functions() {
    let code = [
      "protocol A {", "  func b()", "  init()", "}", "struct C {", "  static func d(", "    e: () -> Void = {}",
      "  ) async {", "    if f { self.init() }", "  }", "  var g: Int {", "    1", "  }", "  deinit { h() }", "}",
    ]
    #expect(SwiftCode.functions(code) == [.init(line: 6, lineCount: 3), .init(line: 14, lineCount: 1)])
  }
}
