import ClusterTestKit
import Foundation
import HandoffTestKit
import Testing

extension ClusterTests {
  @Suite("an upgrade")
  struct Upgrade {
    @Test("may bring the schema first: a daemon serves on one version newer, and refuses two with words")
    func schemaFirst() async throws {
      let cluster = try TestCluster()
      _ = try await cluster.up()
      try await PythonClient.expect("newer_schema", cluster, ["1"], rows: 1)
      try await Self.restart("handoff-tickets", cluster)
      try await PythonClient.expect("await_serving", cluster, rows: 6)
      #expect(try await cluster.handoff("demo").code == 0)

      try await PythonClient.expect("newer_schema", cluster, ["2"], rows: 1)
      let offset = try cluster.program.output.count
      kill(try #require(cluster.processes["handoff-tickets"]), SIGKILL)
      let said = try await cluster.program.wait(for: "tickets ended with code 78", from: offset)
      #expect(said.contains("tickets ended with code 78; it is started again in"), "\(said)")
      let log = try cluster.read("logs/tickets.log")
      #expect(log.contains("service.failed") && log.contains("newer"), "\(log.suffix(2000))")

      // With the newest one gone again, the supervisor's next attempt succeeds.
      try await PythonClient.expect("newer_schema", cluster, ["1"], rows: 1)
      try await PythonClient.expect("await_serving", cluster, rows: 6)
      #expect(try await cluster.program.end().code == 0)
    }

    private static func restart(_ name: String, _ cluster: TestCluster) async throws {
      let offset = try cluster.program.output.count
      kill(try #require(cluster.processes[name]), SIGKILL)
      let short = name.replacing("handoff-", with: "")
      _ = try await cluster.program.wait(for: "\(short) is started again\n", from: offset)
    }
  }
}
