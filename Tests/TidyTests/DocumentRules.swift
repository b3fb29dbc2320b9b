extension Rule {
  static let documents: [Rule] = [
    Rule("relative links lead somewhere") { file in
      guard file.path.hasSuffix(".md") else { return [] }
      return file.lines.enumerated().flatMap { index, line in
        links(line).filter { !leadsSomewhere($0, from: file.path) }
          .map { Finding(line: index + 1, text: "\($0) is not there") }
      }
    }
  ]

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
