import ClusterTestKit
import Foundation
import HandoffTestKit
import Testing

extension ProofTests {
  @Suite("torture")
  struct Torture {
    @Test(
      "random acts by many clients survive kills, stops, restarts of PostgreSQL and cut connections, each exactly once",
      arguments: ProofScale.seeds)
    func torture(seed: UInt64) async throws {
      let cluster = try await ProofCluster.shared()
      let report = try await PythonClient.report(
        "\(ProofScale.clients)/torture.py", cluster,
        ["--seed", "\(seed)", "--seconds", "\(ProofScale.seconds)"], within: ProofScale.seconds + 1800)
      print(report.output)
      PythonClient.record(report.rows)
      #expect(report.rows.count == 9, "\(report.output)")
    }
  }
}
