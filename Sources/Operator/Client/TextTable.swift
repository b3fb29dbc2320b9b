/// Columns of text for a terminal.
enum TextTable {
  /// Lines of cells, each column as wide as its widest cell; the last one is cut where the terminal ends.
  ///
  /// - Parameter width: columns of the terminal; nil: nothing is cut, as when the output is a file.
  static func lines(_ head: [String], _ rows: [[String]], width: Int?) -> [String] {
    let all = [head] + rows
    let widths = head.indices.map { column in all.map { displayWidth($0[column]) }.max() ?? 0 }
    return all.map { row in
      var line = ""
      for (column, cell) in row.enumerated() {
        let text = oneLine(cell)
        if column == row.count - 1 {
          let room = width.map { max(8, $0 - displayWidth(line)) }
          line += room.map { cut(text, $0) } ?? text
        } else {
          line += text + String(repeating: " ", count: widths[column] - displayWidth(text) + 2)
        }
      }
      while line.last == " " { line.removeLast() }
      return line
    }
  }

  /// Columns that a text takes: two for a wide character, none for one that stands upon another.
  static func displayWidth(_ text: String) -> Int {
    oneLine(text).unicodeScalars.reduce(0) { $0 + columns($1) }
  }

  /// A text in one line, without what moves a terminal's cursor.
  private static func oneLine(_ text: String) -> String {
    String(
      String.UnicodeScalarView(
        text.unicodeScalars.map { $0.value < 0x20 || (0x7F...0x9F).contains($0.value) ? " " : $0 }))
  }

  private static func cut(_ text: String, _ room: Int) -> String {
    guard displayWidth(text) > room else { return text }
    var (result, used) = ("", 0)
    for character in text {
      let width = character.unicodeScalars.reduce(0) { $0 + columns($1) }
      guard used + width < room else { break }
      result.append(character)
      used += width
    }
    return result + "…"
  }

  private static func columns(_ scalar: Unicode.Scalar) -> Int {
    switch scalar.value {
    case 0x0300...0x036F, 0x200B...0x200F, 0xFE00...0xFE0F: 0
    case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0x33FF, 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xA000...0xA4CF,
      0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE4F, 0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x1F300...0x1FAFF,
      0x20000...0x3FFFD:
      2
    default: 1
    }
  }
}
