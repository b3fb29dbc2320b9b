import Foundation

/// A text file of the tree, cut into lines.
struct SourceFile: Sendable {
  /// Relative to the top of the repository, such as `Sources/RPC/RPCServer.swift`.
  let path: String
  let lines: [String]
  /// The lines of a Swift file without the contents of strings and comments; empty for other files.
  let code: [String]

  init(path: String, text: String) {
    self.path = path
    lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    code = path.hasSuffix(".swift") ? SwiftCode.strip(lines) : []
  }

  var isSwift: Bool { path.hasSuffix(".swift") }
  /// Written by a program: its form is the program's affair.
  var isGenerated: Bool { path.contains("/Generated/") }
  var name: String { String(path.split(separator: "/").last ?? "") }

  /// The target of a file under `Sources` or `Tests`.
  var target: String {
    let parts = path.split(separator: "/")
    return parts.count > 2 && (parts[0] == "Sources" || parts[0] == "Tests") ? String(parts[1]) : ""
  }

  /// What a Swift file imports, with the number of the line.
  var imports: [(line: Int, module: String)] {
    code.enumerated().compactMap { index, line in
      let words = line.split(separator: " ")
      guard let keyword = words.firstIndex(of: "import"), keyword <= 3, let module = words.dropFirst(keyword + 1).last
      else { return nil }
      return (index + 1, String(module.prefix { $0 != "." }))
    }
  }
}

/// The files of the repository that people write, read once.
struct SourceTree: Sendable {
  let files: [SourceFile]
  /// Every path there is, directories too, to check links against.
  let paths: Set<String>

  static let current = SourceTree()

  private static let suffixes = [".swift", ".md", ".proto", ".sql", ".c", ".h", ".sh"]
  // Not ours: build products, version control, Python's packages; and what `protoc-c` writes.
  private static let skippedNames: Set<String> = [".build", ".git", ".venv", "node_modules"]
  private static let skippedPaths: Set<String> = ["Sources/CHandoffProtos", "Sources/CDescriptorProtos"]

  private init() {
    let top = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    var files: [SourceFile] = []
    var paths: Set<String> = []
    var waiting = [""]
    while let directory = waiting.popLast() {
      let names = (try? FileManager.default.contentsOfDirectory(atPath: top.appending(path: directory).path)) ?? []
      for name in names.sorted() where !Self.skippedNames.contains(name) {
        let path = directory.isEmpty ? name : "\(directory)/\(name)"
        paths.insert(path)
        if Self.skippedPaths.contains(path) { continue }
        let url = top.appending(path: path)
        if (try? url.resourceValues(forKeys: [.isDirectoryKey]).isDirectory) == true {
          waiting.append(path)
        } else if Self.suffixes.contains(where: name.hasSuffix),
          let text = try? String(contentsOf: url, encoding: .utf8)
        {
          files.append(SourceFile(path: path, text: text))
        }
      }
    }
    self.files = files
    self.paths = paths
  }
}
