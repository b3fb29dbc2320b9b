import ClusterTestKit
import HandoffTestKit
import Testing

extension ProofTests {
  @Suite("heavy mails")
  struct HeavyMail {
    @Test(
      "mails that are made to use memory get a clear verdict, the daemon stays within a bound, and the next is taken")
    func heavy() async throws {
      let cluster = try await ProofCluster.shared()
      let report = try await PythonClient.report(
        "\(ProofScale.clients)/heavy.py", cluster, TestScale.isAll ? [] : ["--some"], within: 1800)
      print(report.output)
      PythonClient.record(report.rows)
      #expect(report.rows.count == (TestScale.isAll ? 13 : 4), "\(report.output)")
    }
  }
}
