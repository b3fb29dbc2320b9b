import ClusterTestKit
import Foundation
import HandoffTestKit
import Testing

/// gRPC's interoperability cases with our client or server at one end and gRPC's own at the other. The table of
/// docs/rpc.md is compared with what comes out.
@Suite("gRPC's interoperability cases", .serialized, .timeLimit(.minutes(60)))
struct InteropTests {
  @Test("end as docs/rpc.md says, in both directions, in the clear and over TLS")
  func cases() async throws {
    let files = try InteropFiles()
    defer { files.remove() }
    // Compiling takes a minute.
    let peers = TestScale.isAll ? Peer.allCases : [.grpcio]
    if peers.contains(.cpp) { try await Program.buildCPP() }
    let wanted = try InteropTable.read()
    var reports: [InteropColumn: InteropReport] = [:]
    for column in InteropColumn.all where peers.contains(column.peer) {
      reports[column] = try await column.run(files, cases: Set(wanted.map(\.name)))
    }
    print(InteropTable.text(reports, cases: wanted.map(\.name)))
    for row in wanted {
      for (column, said) in zip(InteropColumn.all, row.cells) {
        guard let report = reports[column] else { continue }
        let outcome = report.outcomes[row.name] ?? "not run"
        #expect(report.cell(row.name) == said, "\(row.name), \(column.title): \(outcome)")
      }
    }
    // Also when a case failed that the table does not know.
    for (column, report) in reports { #expect(report.status == 0, "\(column.title)") }
  }

  @Test("let grpcurl, which has no proto files, describe our server and find it healthy", arguments: [false, true])
  func grpcurl(isSecure: Bool) async throws {
    let files = try InteropFiles()
    defer { files.remove() }
    let program = Program.ours("rpc-interop-server", ["--port", "0", "--attended"] + files.server(isSecure))
    let server = try await program.serving()
    defer { server.stop() }
    let security = isSecure ? ["-cacert", files.authority] : ["-plaintext"]
    func ask(_ options: [String], _ words: String...) async throws -> String {
      let ended = try await ClusterTestKit.run(
        try Place.pythonTool("grpcurl"), security + options + ["127.0.0.1:\(server.port)"] + words, within: 120)
      #expect(ended.code == 0, "\(ended.output)")
      return ended.output
    }
    let services = try await ask([], "list").split(separator: "\n").map(String.init)
    #expect(
      services == [
        "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection",
        "grpc.testing.TestService",
      ])
    let described = try await ask([], "describe", "grpc.testing.TestService")
    let method = "rpc EmptyCall ( .grpc.testing.Empty ) returns ( .grpc.testing.Empty );"
    #expect(described.contains(method), "\(described)")
    let health = try await ask(["-d", #"{"service": "grpc.testing.TestService"}"#], "grpc.health.v1.Health/Check")
    #expect(health.contains("SERVING") && !health.contains("NOT_SERVING"), "\(health)")
    let answer = try await ask(["-d", #"{"response_size": 3}"#], "grpc.testing.TestService/UnaryCall")
    #expect(answer.contains(#""body": "AAAA""#), "\(answer)")
  }
}
