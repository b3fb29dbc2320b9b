import Foundation
import Testing

/// The table of docs/rpc.md: a row for each case, a cell for each of ``InteropColumn/all``.
struct InteropTable {
  let name: String
  let cells: [String]

  static func read() throws -> [InteropTable] {
    let page = try String(contentsOf: Program.root.appending(path: "docs/rpc.md"), encoding: .utf8)
    let lines = page.split(separator: "\n").drop { !$0.hasPrefix("| case |") }.prefix { $0.hasPrefix("|") }
    let titles = try #require(lines.first.map(cells), "docs/rpc.md has no table of cases")
    #expect(Array(titles.dropFirst()) == InteropColumn.all.map(\.title))
    return lines.dropFirst(2).map { line in
      let cells = cells(line)
      return InteropTable(name: cells[0].replacing("`", with: ""), cells: Array(cells.dropFirst()))
    }
  }

  /// The table as it came out, for the page.
  static func text(_ reports: [InteropColumn: InteropReport], cases: [String]) -> String {
    let titles = ["case"] + InteropColumn.all.map(\.title)
    let rows = cases.map { name in
      ["`\(name)`"] + InteropColumn.all.map { reports[$0]?.cell(name) ?? "not run" }
    }
    return ([titles, titles.map { _ in "---" }] + rows).map { "| \($0.joined(separator: " | ")) |" }
      .joined(separator: "\n")
  }

  private static func cells(_ line: Substring) -> [String] {
    line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
  }
}
