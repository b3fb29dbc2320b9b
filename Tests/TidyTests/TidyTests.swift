import Testing

@Suite("The tree is tidy")
struct TidyTests {
  @Test("the tree keeps to the rule", arguments: Rule.all)
  func rule(rule: Rule) {
    let broken = SourceTree.current.files.flatMap { file in
      rule.findings(file).map { "\(file.path):\($0.line): \(rule.name): \($0.text)" }
    }
    #expect(broken.isEmpty, "\n\(broken.joined(separator: "\n"))")
  }

  @Test("the tree that is looked at is this one")
  func tree() {
    #expect(SourceTree.current.files.contains { $0.path == "Tests/TidyTests/TidyTests.swift" })
    #expect(SourceTree.current.files.count > 100)
  }
}
