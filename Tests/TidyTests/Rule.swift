import Testing

/// One rule of the tree, and how to find what breaks it.
struct Rule: Sendable, CustomTestStringConvertible {
  /// Completes "every file …".
  let name: String
  /// Answers the lines of a file that break the rule.
  let findings: @Sendable (SourceFile) -> [Finding]

  var testDescription: String { name }

  init(_ name: String, _ findings: @escaping @Sendable (SourceFile) -> [Finding]) {
    self.name = name
    self.findings = findings
  }

  /// A rule about single lines of Swift code that people wrote, without strings and comments.
  static func aboutCode(
    _ name: String, in scope: Scope = .everywhere,
    _ breaks: @escaping @Sendable (SourceFile, Int, String) -> String?
  ) -> Rule {
    Rule(name) { file in
      guard file.isSwift, !file.isGenerated, scope.holds(file) else { return [] }
      return file.code.enumerated().compactMap { index, line in
        breaks(file, index, line).map { Finding(line: index + 1, text: $0) }
      }
    }
  }

  /// The files a rule is about.
  enum Scope: Sendable {
    case everywhere
    case sources
    case tests
    case target(String, except: Set<String>)

    func holds(_ file: SourceFile) -> Bool {
      switch self {
      case .everywhere: true
      case .sources: file.path.hasPrefix("Sources/")
      case .tests: file.path.hasPrefix("Tests/")
      case .target(let target, let exceptions): file.target == target && !exceptions.contains(file.path)
      }
    }
  }

  static let all = imports + safety + form + documents

  struct Finding: Equatable, Sendable {
    let line: Int
    let text: String
  }
}
