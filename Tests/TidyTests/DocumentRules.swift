extension Rule {
  static let documents: [Rule] = [
    Rule("relative links lead somewhere") { file in
      guard file.path.hasSuffix(".md") else { return [] }
      return file.lines.enumerated().flatMap { index, line in
        links(line).filter { !leadsSomewhere($0, from: file.path) }
          .map { Finding(line: index + 1, text: "\($0) is not there") }
      }
    },
    Rule("tests that a page names are there") { file in
      guard file.path.hasSuffix(".md") else { return [] }
      return file.lines.enumerated().flatMap { index, line in
        namedTests(line).filter { !tests.contains($0) }.map { Finding(line: index + 1, text: "there is no test \($0)") }
      }
    },
  ]

  /// The names of the form `SomeTests.function` in backticks.
  static func namedTests(_ line: String) -> [String] {
    line.split(separator: "`").map(String.init).filter { word in
      let parts = word.split(separator: ".", omittingEmptySubsequences: false)
      return parts.count == 2 && parts[0].hasSuffix("Tests") && parts[0].count > 5
        && parts.allSatisfy { !$0.isEmpty && $0.allSatisfy { $0.isLetter || $0.isNumber } }
    }
  }

  /// Every function of every suite, as `SomeTests.function`.
  private static let tests: Set<String> = {
    var tests: Set<String> = []
    for file in SourceTree.current.files where file.path.hasPrefix("Tests/") && file.isSwift {
      var suite = ""
      for line in file.code {
        let words = line.split { !$0.isLetter && !$0.isNumber }
        for (keyword, name) in zip(words, words.dropFirst()) {
          if keyword == "struct", name.hasSuffix("Tests") { suite = String(name) }
          if keyword == "func" { tests.insert("\(suite).\(name)") }
        }
      }
    }
    return tests
  }()

  /// The targets of `[text](target)`.
  static func links(_ line: String) -> [String] {
    line.split(separator: "](").dropFirst().compactMap { rest in
      rest.firstIndex(of: ")").map { String(rest[..<$0]) }
    }
  }

  private static func leadsSomewhere(_ link: String, from path: String) -> Bool {
    let target = String(link.prefix { $0 != "#" })
    if target.isEmpty || target.contains("://") || target.hasPrefix("mailto:") { return true }
    var parts = path.split(separator: "/").dropLast().map(String.init)
    for part in target.split(separator: "/") where part != "." {
      if part == ".." {
        guard parts.popLast() != nil else { return false }
      } else {
        parts.append(String(part))
      }
    }
    return parts.isEmpty || SourceTree.current.paths.contains(parts.joined(separator: "/"))
  }
}
