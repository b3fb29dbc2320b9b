import ClusterTestKit
import HandoffTestKit
import Testing

extension ProofTests {
  @Suite("broken bytes")
  struct Fuzz {
    @Test(
      "broken TCP, HTTP/2, gRPC and JSON into every port kill nobody, keep no innocent call waiting and write nothing",
      arguments: ProofScale.seeds.prefix(1))
    func fuzz(seed: UInt64) async throws {
      let cluster = try TestCluster()
      _ = try await cluster.up()
      let report = try await PythonClient.report(
        "\(ProofScale.clients)/fuzz.py", cluster, ["--seed", "\(seed)", "--seconds", "\(ProofScale.seconds)"],
        within: ProofScale.seconds + 1800)
      print(report.output)
      PythonClient.record(report.rows)
      #expect(report.rows.count == 3, "\(report.output)")
      #expect(!(try cluster.program.output.contains("is started again")), "a process died and came back")
      #expect(try await cluster.program.end().code == 0)
    }
  }
}
