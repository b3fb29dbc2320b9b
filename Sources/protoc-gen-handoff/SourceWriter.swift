/// Swift source being written, line by line, indented by two spaces a level.
struct SourceWriter {
  private(set) var text = ""
  private var level = 0
  private static let columns = 118

  mutating func line(_ line: String = "") {
    if !line.isEmpty { text += String(repeating: "  ", count: level) + line }
    text += "\n"
  }

  /// Writes `head {`, what `body` writes one level deeper, and `}`.
  mutating func block(_ head: String, _ body: (inout SourceWriter) throws -> Void) rethrows {
    line(head + " {")
    level += 1
    try body(&self)
    level -= 1
    line("}")
  }

  mutating func indented(_ body: (inout SourceWriter) throws -> Void) rethrows {
    level += 1
    try body(&self)
    level -= 1
  }

  /// Writes a call or declaration on one line when it fits, else with its arguments on lines of their own.
  mutating func list(_ open: String, _ items: [String], _ close: String) {
    let flat = open + items.joined(separator: ", ") + close
    if flat.count + level * 2 <= Self.columns + 2 {
      line(flat)
      return
    }
    line(open)
    indented { writer in
      for (index, item) in items.enumerated() {
        writer.line(index == items.count - 1 ? item : item + ",")
      }
    }
    line(close)
  }

  /// Writes a doc comment, rewrapped when a line is too long; `fallback` stands in for a comment nobody wrote.
  mutating func doc(_ comment: String, fallback: String) {
    let lines = comment.split(separator: "\n", omittingEmptySubsequences: false).map { trim($0) }
    let used = lines.drop { $0.isEmpty }.reversed().drop { $0.isEmpty }.reversed()
    guard !used.isEmpty else {
      line("/// " + fallback)
      return
    }
    for sentence in used { wrapped(sentence) }
  }

  private mutating func wrapped(_ sentence: String) {
    let room = Self.columns - level * 2 - 4
    var current = ""
    for word in sentence.split(separator: " ") {
      if !current.isEmpty && current.count + 1 + word.count > room {
        line("/// " + current)
        current = ""
      }
      current += current.isEmpty ? String(word) : " " + word
    }
    line(current.isEmpty ? "///" : "/// " + current)
  }

  private func trim(_ line: Substring) -> String {
    var rest = line
    while rest.first?.isWhitespace == true { rest.removeFirst() }
    while rest.last?.isWhitespace == true { rest.removeLast() }
    return String(rest)
  }
}
