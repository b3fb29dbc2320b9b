import ClusterTestKit
import Foundation
import HandoffTestKit
import Testing

extension ClusterTests {
  @Suite("a cluster with a Dooray! beside it")
  struct DoorayCluster {
    @Test("shows it in the demo, hears hooks, tells a channel, makes one task though killed, waits for no slow one")
    func dooray() async throws {
      // Looks at tasks that no hook asked for come too late for anything here.
      let cluster = try TestCluster(
        environment: ["HANDOFF_DOORAY_POLL_INTERVAL": "24h", "HANDOFF_DOORAY_URL": ""])
      #expect(try await cluster.up(["--with-fake-dooray", "--copies", "tickets=2"]).contains("a fake one"))
      let demo = try await cluster.handoff("demo")
      #expect(demo.code == 0 && demo.output.contains("DOORAY_ANSWERED"), "\(demo.output)")
      let report = try await PythonClient.report("\(Place.clients)/dooray.py", cluster, [])
      PythonClient.record(report.rows)
      #expect(report.rows.count == 4)
      for line in report.output.split(separator: "\n") where line.hasPrefix("dooray: ") { print(line) }
      #expect(try await cluster.program.end().code == 0)
      try await otherPassword(cluster)
      try await elsewhere(cluster)
    }

    /// As after somebody has set another password for the administrator: the cluster starts all the same.
    private func otherPassword(_ cluster: TestCluster) async throws {
      let (path, signIns) = ("\(cluster.data)/sign-ins.txt", try cluster.read("sign-ins.txt"))
      let others = signIns.split(separator: "\n").map { line in
        line.hasPrefix("jihye.yoon@") ? "jihye.yoon@example.com another-password 윤지혜" : String(line)
      }
      try others.joined(separator: "\n").write(toFile: path, atomically: false, encoding: .utf8)
      let printed = try await cluster.up(["--with-fake-dooray"])
      #expect(printed.contains("is not set up: the password of") && printed.contains("sign-ins.txt"), "\(printed)")
      #expect(try await cluster.program.end().code == 0)
      try signIns.write(toFile: path, atomically: false, encoding: .utf8)
    }

    /// As in containers: TLS everywhere, and the demo connects it through the edge.
    private func elsewhere(_ cluster: TestCluster) async throws {
      let tls = "\(cluster.data)/tls"
      // The edge's certificate is for this machine, too.
      let fake = try RunningProgram(
        try TestPython.path(),
        [
          "\(Place.project)/scripts/fake-dooray", "--serve", "--tls", "--certificate", "\(tls)/edge.pem", "--key",
          "\(tls)/edge-key.pem", "--authorities", "\(tls)/ca.pem",
        ], environment: Place.plainEnvironment)
      do {
        let started = try await fake.wait(for: "messengerPort")
        let port = try #require(started.firstMatch(of: /"port": ([0-9]+)/)).1
        try await demo(cluster, "https://127.0.0.1:\(port)")
      } catch {
        _ = try await fake.end()
        throw error
      }
      #expect(try await fake.end().code == 0)
    }

    /// The demo against the cluster's edge with a fake Dooray! somewhere.
    private func demo(_ cluster: TestCluster, _ url: String) async throws {
      let tls = "\(cluster.data)/tls"
      let authority = "\(tls)/ca.pem"
      _ = try await cluster.up(environment: [
        "HANDOFF_DOORAY_URL": url, "HANDOFF_DOORAY_CA_FILE": authority, "HANDOFF_CALLBACK_CA_FILE": authority,
        "HANDOFF_CALLBACK_ALLOWED_ADDRESSES": "127.0.0.1",
      ])
      let demo = try await run(
        Place.handoff,
        [
          "demo", "--edge", try cluster.address("edge-tls"), "--certificates", tls, "--sign-ins",
          "\(cluster.data)/sign-ins.txt", "--mails", "\(cluster.data)/mail", "--dooray", url,
        ])
      #expect(demo.code == 0 && demo.output.contains("messenger channel"), "\(demo.output)")
      #expect(try await cluster.program.end().code == 0)
    }
  }
}
