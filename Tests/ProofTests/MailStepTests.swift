import ClusterTestKit
import HandoffTestKit
import Testing

extension ProofTests {
  @Suite("mail killed between its steps")
  struct MailSteps {
    @Test(
      "whichever step a kill comes before or after, each mail makes what it is to make, once, and the accounts add up")
    func steps() async throws {
      let cluster = try await ProofCluster.shared()
      let some = TestScale.isAll ? [] : ["--some", "4"]
      let report = try await PythonClient.report(
        "\(ProofScale.clients)/steps.py", cluster, ["--seed", "\(TestScale.seed)"] + some, within: 3600)
      print(report.output)
      PythonClient.record(report.rows)
      #expect(report.rows.count == (TestScale.isAll ? 32 : 4), "\(report.output)")
    }
  }
}
