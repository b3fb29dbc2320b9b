import Testing

/// The targets of the package as `Package.swift` declares them.
struct Manifest {
  struct Target {
    let name: String
    let dependencies: Set<String>
  }

  let targets: [Target]

  /// Reads the calls that declare targets; the package's own helpers take the dependencies as their second argument.
  init(_ file: SourceFile) {
    let call =
      #/(?:fence|library|executable|tests|arget)\(\s*(?:name: )?"([^"]+)"(?:,\s*(?:dependencies: )?\[([^\]]*)\])?/#
    let text = file.lines.filter { !$0.trimmed.hasPrefix("//") }.joined(separator: "\n")
    targets = text.matches(of: call).map { match in
      Target(name: String(match.1), dependencies: Set(Self.quoted(match.2 ?? "", by: "\"")))
    }
  }

  /// What stands between pairs of `mark`.
  static func quoted(_ text: Substring, by mark: Character) -> [String] {
    let parts = text.split(separator: mark, omittingEmptySubsequences: false)
    return parts.indices.filter { $0 % 2 == 1 }.map { String(parts[$0]) }
  }

  /// The targets whose sources lie in a directory of their own name under `Sources`.
  static func inSources(of tree: SourceTree) throws -> [Target] {
    let file = try #require(tree.files.first { $0.path == "Package.swift" })
    return Manifest(file).targets.filter { tree.paths.contains("Sources/\($0.name)") }
  }
}
