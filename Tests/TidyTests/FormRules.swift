extension Rule {
  private static let lineCharactersMax = 120
  private static let fileLinesMax = 400
  private static let functionLinesMax = 70
  private static let mainLinesMax = 60

  // This file names them in order to find them.
  private static let bannedWords: [StaticString] = ["FIXME", "XXX", "TODO"]
  private static let bannedWordsFiles: Set<String> = [
    "Tests/TidyTests/FormRules.swift", "Tests/TidyTests/RuleTests.swift",
  ]

  static let form: [Rule] = [
    Rule("lines are at most 120 characters long") { file in
      guard file.isSwift, !file.isGenerated else { return [] }
      return file.lines.enumerated().compactMap { index, line in
        line.utf8.count > lineCharactersMax && line.count > lineCharactersMax
          ? Finding(line: index + 1, text: "\(line.count) characters") : nil
      }
    },
    Rule("files are at most 400 lines long") { file in
      guard file.isSwift, !file.isGenerated, file.lines.count > fileLinesMax + 1 else { return [] }
      return [Finding(line: file.lines.count, text: "\(file.lines.count) lines")]
    },
    Rule("functions are at most 70 lines long") { file in
      guard file.isSwift, !file.isGenerated else { return [] }
      return SwiftCode.functions(file.code).filter { $0.lineCount > functionLinesMax }
        .map { Finding(line: $0.line, text: "\($0.lineCount) lines") }
    },
    Rule("main.swift is a parts list of at most 60 lines") { file in
      guard file.name == "main.swift", file.target.hasPrefix("handoff"), file.lines.count > mainLinesMax + 1
      else { return [] }
      return [Finding(line: file.lines.count, text: "\(file.lines.count) lines")]
    },
    .aboutCode("every package declaration has a doc comment", in: .sources) {
      file, index, line in
      guard line.trimmed.hasPrefix("package "), !SwiftCode.contains(line, word: "import") else { return nil }
      // An assignment to a property of that name.
      if line.trimmed.hasPrefix("package = ") { return nil }
      // Members of such an extension carry their own comments.
      if line.trimmed.hasPrefix("package extension") { return nil }
      var above = index - 1
      while above >= 0, file.lines[above].trimmed.hasPrefix("@") || isPlainComment(file.lines[above]) { above -= 1 }
      return above >= 0 && file.lines[above].trimmed.hasPrefix("///") ? nil : "has no doc comment"
    },
    Rule("work left to do is done, or says why not") { file in
      guard !bannedWordsFiles.contains(file.path) else { return [] }
      return file.lines.enumerated().compactMap { index, line in
        // A name or a reason in parentheses makes it a plan.
        guard let word = bannedWords.first(where: { SwiftCode.contains(line, word: $0) }), !line.contains("TODO(")
        else { return nil }
        return Finding(line: index + 1, text: word.description)
      }
    },
  ]

  private static func isPlainComment(_ line: String) -> Bool {
    line.trimmed.hasPrefix("//") && !line.trimmed.hasPrefix("///")
  }
}
