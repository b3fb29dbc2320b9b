import ClusterTestKit
import HandoffTestKit
import Testing

extension ProofTests {
  @Suite("SIGTERM under load")
  struct Drain {
    @Test("no call fails that was carried out, whichever process is told to end, or all of them")
    func drain() async throws {
      let cluster = try await ProofCluster.shared()
      func report(_ arguments: [String]) async throws {
        let report = try await PythonClient.report("\(ProofScale.clients)/drain.py", cluster, arguments)
        print(report.output)
        PythonClient.record(report.rows)
        #expect(!report.rows.isEmpty, "\(report.output)")
      }
      try await report([])
      let program = try cluster.program
      try await report(["--up", "\(program.pid)"])
      #expect(try await program.end().code == 0)
      #expect(cluster.everyProcess.map { "\($0.name) (\($0.pid))" } == [], "left behind")
      _ = try await cluster.up()
      try await report(["--check"])
    }
  }
}
