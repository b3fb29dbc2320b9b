import ClusterTestKit
import HandoffTestKit
import Testing

extension ClusterTests {
  @Suite("a cluster whose processes are killed")
  struct KilledProcesses {
    @Test("tells watchers everything once, in order, and acts once on each ticket of a batch")
    func killed() async throws {
      let cluster = try TestCluster()
      _ = try await cluster.up()
      try await PythonClient.expect("live", cluster, rows: 3)
      try await PythonClient.expect("batch", cluster, rows: 2)
      #expect(try await cluster.program.end().code == 0)
    }
  }
}
