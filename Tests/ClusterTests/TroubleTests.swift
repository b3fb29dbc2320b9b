import ClusterTestKit
import HandoffTestKit
import Testing

extension ClusterTests {
  @Suite("a cluster in trouble")
  struct Trouble {
    @Test("names the service that is down while the rest works, and tells who asks too much when to come back")
    func trouble() async throws {
      let cluster = try TestCluster(environment: ["HANDOFF_CALLS_PER_SECOND": "30"])
      _ = try await cluster.up()
      try await PythonClient.expect("trouble", cluster, rows: 6)
      #expect(try await cluster.program.end().code == 0)
    }

    @Test("lets no address have more than its share, and believes nobody but the edge where a call comes from")
    func addresses() async throws {
      let cluster = try TestCluster(environment: ["HANDOFF_CALLS_PER_SECOND_AND_ADDRESS": "1"])
      _ = try await cluster.up()
      try await PythonClient.expect("addresses", cluster, rows: 4)
      #expect(try await cluster.program.end().code == 0)
    }
  }
}
