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
      let cluster = try await ProofCluster.shared()
      let said = try cluster.program.output.count
      let report = try await PythonClient.report(
        "\(ProofScale.clients)/fuzz.py", cluster, ["--seed", "\(seed)", "--seconds", "\(ProofScale.seconds)"],
        within: ProofScale.seconds + 1800)
      print(report.output)
      PythonClient.record(report.rows)
      #expect(report.rows.count == 3, "\(report.output)")
      let since = try cluster.program.output.dropFirst(said)
      #expect(!since.contains("is started again"), "a process died and came back:\n\(since)")
    }
  }
}
