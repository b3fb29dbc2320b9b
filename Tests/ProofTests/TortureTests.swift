import ClusterTestKit
import Foundation
import HandoffTestKit
import Testing

extension ProofTests {
  @Suite("torture")
  struct Torture {
    @Test(
      "random acts by many clients survive kills, stops, restarts of PostgreSQL and cut connections, each exactly once",
      arguments: ProofScale.seeds.prefix(1))
    func torture(seed: UInt64) async throws {
      try await Self.torture(try await ProofCluster.shared(), seed, [])
    }

    @Test(
      "so do those on several copies, whose connections to one another and to their mail server are cut, too",
      arguments: ProofScale.seeds)
    func tortureOfCopies(seed: UInt64) async throws {
      let cluster = try TestCluster(environment: [:])
      let copies = ["--copies", "tickets=3,mail=2,assignment=2,gateway=2,masking=2"]
      let surroundings = try RunningProgram(
        try TestPython.path(), ["\(ProofScale.clients)/surroundings.py", cluster.data] + copies,
        environment: PythonClient.environment)
      let said = try await surroundings.wait(for: "\nready\n")
      var variables: [String: String] = [:]
      for line in said.split(separator: "\n") where line.hasPrefix("HANDOFF_") {
        let words = line.split(separator: "=", maxSplits: 1).map(String.init)
        variables[words[0]] = words[1]
      }
      let control = try #require(said.firstMatch(of: /control (\S+)\n/)?.1)
      _ = try await cluster.up(copies, environment: variables)
      try await Self.torture(cluster, seed, ["--control", "\(control)"])
      #expect(try await cluster.program.end().code == 0)
      _ = try await surroundings.end()
    }

    private static func torture(_ cluster: TestCluster, _ seed: UInt64, _ options: [String]) async throws {
      let report = try await PythonClient.report(
        "\(ProofScale.clients)/torture.py", cluster,
        ["--seed", "\(seed)", "--seconds", "\(ProofScale.seconds)"] + options, within: ProofScale.seconds + 1800)
      print(report.output)
      PythonClient.record(report.rows)
      #expect(report.rows.count == 10, "\(report.output)")
    }
  }
}
