import HandoffTestKit

/// Whose implementation stands at the other end.
enum Peer: CaseIterable {
  case grpcio
  case cpp

  var name: String { self == .grpcio ? "grpcio" : "gRPC C++" }
}

/// One column of the table: who calls whom, and over what.
struct InteropColumn: Hashable {
  let peer: Peer
  /// Whether our client calls the peer's server, or the peer's client ours.
  let isOurClient: Bool
  let isSecure: Bool

  static let all = [true, false].flatMap { isOurClient in
    Peer.allCases.flatMap { peer in
      [false, true].map { InteropColumn(peer: peer, isOurClient: isOurClient, isSecure: $0) }
    }
  }

  var title: String {
    let transport = isSecure ? "TLS" : "h2c"
    return isOurClient
      ? "our client, \(peer.name) server, \(transport)" : "\(peer.name) client, our server, \(transport)"
  }

  /// What cannot be run: a server in grpcio does not see whether a request was compressed.
  private var skipped: [String] {
    isOurClient && peer == .grpcio ? ["client_compressed_unary", "client_compressed_streaming"] : []
  }

  /// Runs all cases, whose names are `cases`.
  func run(_ files: InteropFiles, cases: Set<String>) async throws -> InteropReport {
    let ours = Program.ours("rpc-interop-server", ["--port", "0", "--attended"] + files.server(isSecure))
    let server = try await (isOurClient ? Program.server(of: peer, files.server(of: peer, isSecure)) : ours).serving()
    defer { server.stop() }
    var arguments = ["--host", "127.0.0.1", "--port", server.port, "--case", "all"]
    if isSecure { arguments += ["--tls-ca", files.authority] }
    arguments += ["--concurrent-calls", "\(TestScale.count(usual: 100, all: 1000))"]
    arguments += ["--soak-iterations", "\(TestScale.count(usual: 20, all: 1000))"]
    // The machine may be busy with other tests: what is bounded here is a call that hangs.
    arguments += ["--soak-milliseconds-max", "60000"]
    if !skipped.isEmpty { arguments += ["--skip", skipped.joined(separator: ",")] }
    let client = try isOurClient ? Program.ours("rpc-interop-client", arguments) : Program.client(of: peer, arguments)
    return InteropReport(try await client.run(), cases: cases)
  }
}

/// How the cases of one column ended.
struct InteropReport {
  /// "ok" or what went wrong, by the name of the case.
  let outcomes: [String: String]
  let status: Int32

  /// A line that begins with the name of a case says how it ended; the others are what libraries have to say.
  init(_ report: Program.Report, cases: Set<String>) {
    outcomes = Dictionary(
      report.output.split(separator: "\n").compactMap { line -> (String, String)? in
        guard let space = line.firstIndex(of: " "), cases.contains(String(line[..<space])) else { return nil }
        return (String(line[..<space]), String(line[line.index(after: space)...]))
      }, uniquingKeysWith: { first, _ in first })
    status = report.status
  }

  /// What the table says of a case.
  func cell(_ name: String) -> String {
    switch outcomes[name] {
    case "ok": "passes"
    case nil: "–"
    default: "fails"
    }
  }
}
