import Foundation
import Testing

/// gRPC's interoperability cases with grpcio at one end and our client or server at the other. The tables of
/// docs/rpc.md are compared with what comes out.
@Suite("gRPC's interoperability cases", .serialized)
struct InteropTests {
  @Test("pass with our client against a server in grpcio", .timeLimit(.minutes(5)))
  func ourClient() async throws {
    let server = try Program.python("interop_server.py").serving()
    defer { server.stop() }
    let arguments = ["--host", "127.0.0.1", "--port", server.port, "--case", "all"]
    let report = try await Program.ours("rpc-interop-client", arguments).run()
    try compare(report, with: .ourClient)
  }

  @Test("pass with a client in grpcio against our server", .timeLimit(.minutes(5)))
  func ourServer() async throws {
    let server = try Program.ours("rpc-interop-server", ["--port", "0", "--attended"]).serving()
    defer { server.stop() }
    let report = try await Program.python("interop_client.py", ["127.0.0.1:\(server.port)", "all"]).run()
    try compare(report, with: .ourServer)
  }

  /// Each line of a report is a case and how it ended; the page says the same of it.
  private func compare(_ report: Program.Report, with column: InteropTable.Column) throws {
    let ended = Dictionary(
      report.output.split(separator: "\n").compactMap { line -> (String, String)? in
        guard let space = line.firstIndex(of: " ") else { return nil }
        return (String(line[..<space]), String(line[line.index(after: space)...]))
      }, uniquingKeysWith: { first, _ in first })
    for row in try InteropTable.read() {
      switch row.cells[column.rawValue] {
      case "passes": #expect(ended[row.name] == "ok", "\(row.name)")
      default: #expect(ended[row.name] == nil, "\(row.name) is said not to be run")
      }
    }
    #expect(report.status == 0, "\(report.output)")
  }
}

/// The table of docs/rpc.md.
struct InteropTable {
  /// The cells behind the name of the case.
  enum Column: Int {
    case ourClient = 0
    case ourServer = 1
  }

  let name: String
  let cells: [String]

  static func read() throws -> [InteropTable] {
    let page = try String(contentsOf: Program.root.appending(path: "docs/rpc.md"), encoding: .utf8)
    let rows = page.split(separator: "\n").drop { !$0.hasPrefix("| case |") }.dropFirst(2).prefix { $0.hasPrefix("|") }
    try #require(!rows.isEmpty, "docs/rpc.md has no table of cases")
    return rows.map { row in
      let cells = row.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
      return InteropTable(name: cells[0].replacing("`", with: ""), cells: Array(cells.dropFirst()))
    }
  }
}
