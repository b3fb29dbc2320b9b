import ClusterTestKit
import HandoffTestKit
import Testing

extension ClusterTests {
  @Suite("a cluster with a Dooray! beside it")
  struct DoorayCluster {
    @Test("shows an escalation in the demo, hears hooks, makes one task however it is killed, waits for no slow one")
    func dooray() async throws {
      // Looks at tasks that no hook asked for come too late for anything here.
      let cluster = try TestCluster(environment: ["HANDOFF_DOORAY_POLL_INTERVAL": "24h"])
      #expect(try await cluster.up(["--with-fake-dooray", "--copies", "tickets=2"]).contains("a fake one"))
      let demo = try await cluster.handoff("demo")
      #expect(demo.code == 0 && demo.output.contains("DOORAY_ANSWERED"), "\(demo.output)")
      let report = try await PythonClient.report("\(Place.clients)/dooray.py", cluster, [])
      PythonClient.record(report.rows)
      #expect(report.rows.count == 3)
      for line in report.output.split(separator: "\n") where line.hasPrefix("dooray: ") { print(line) }
      #expect(try await cluster.program.end().code == 0)
    }
  }
}
