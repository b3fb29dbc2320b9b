import ClusterTestKit
import Foundation
import HandoffTestKit
import Testing

extension ProofTests {
  @Suite("a full disk")
  struct DiskFull {
    @Test(
      "PostgreSQL and the spool without room say so, lose nothing, and go on by themselves when there is room",
      .enabled(if: geteuid() == 0, "only root can mount a file system that is small enough to fill"))
    func full() async throws {
      let cluster = try TestCluster(megabytes: 400)
      _ = try await cluster.up()
      // The spool gets a file system of its own, so that each can be full alone.
      let mail = "\(cluster.data)/mail"
      let owner = try FileManager.default.attributesOfItem(atPath: mail)
      let mounted = try await run(
        "/bin/mount",
        ["-t", "tmpfs", "-o", "size=1m,mode=0700,uid=\(owner[.ownerAccountID] ?? 0)", "tmpfs", mail])
      try #require(mounted.code == 0, "\(mounted.output)")
      let report = try await PythonClient.report("\(ProofScale.clients)/diskfull.py", cluster, [])
      print(report.output)
      PythonClient.record(report.rows)
      #expect(report.rows.count == 2, "\(report.output)")
      #expect(try await cluster.program.end().code == 0)
    }
  }
}
