import ClusterTestKit
import Foundation
import HandoffTestKit
import Testing

extension ClusterTests {
  @Suite("the life of a cluster")
  struct Life {
    @Test("mails through SMTP, restarts what dies, stops without a trace, and has everything when it starts again")
    func life() async throws {
      let inbox = try TestInbox()
      let cluster = try TestCluster(environment: ["HANDOFF_MAIL_SMTP_URL": inbox.relay])
      let screen = try await cluster.up()
      #expect(screen.contains("Mails       to \(inbox.relay)"), "\(screen)")
      #expect(screen.contains("seoyeon.kim@example.com"), "the sign-ins are shown at the first start")

      let demo = try await cluster.handoff("demo", ["--mails", inbox.url])
      #expect(demo.code == 0, "\(demo.output)")
      // The customer replies to the address that the mail gave, as the mail server has it, and the ticket opens again.
      for words in ["It lies in \(inbox.url)", "To: care+t", "REPLY to services/care/tickets/", "PROCESSING again"] {
        #expect(demo.output.contains(words), "\(words) is not in:\n\(demo.output)")
      }
      // The interim reply, the answer, that of the other ticket, and the answer to the reply.
      for number in 1...4 {
        let mail = try await run("/usr/bin/curl", ["-sS", "--fail", "\(inbox.url)/mails/\(number)"])
        #expect(mail.code == 0 && mail.output.contains(", from care@example.com to "), "\(mail.output)")
      }

      try await Self.killed(cluster)
      let doctor = try await cluster.handoff("doctor")
      #expect(doctor.code == 0, "\(doctor.output)")
      for daemon in ConfigurationTests.daemons + ["edge"] {
        #expect(doctor.output.contains("ok    \(daemon) serves at 127.0.0.1:"), "\(doctor.output)")
      }
      // Counted from what is connected: who was killed a moment ago may not be yet, or still with its old connections.
      #expect(doctor.output.contains("ok    The daemons together may open "), "\(doctor.output)")

      let second = try await run(Place.handoff, ["up", "--data", cluster.data])
      #expect(second.code == 1)
      #expect(second.output.contains("is run by process \(try cluster.program.pid) already"), "\(second.output)")

      let tickets = try await Self.tickets(cluster)
      try await Self.stopped(cluster)
      try await Self.neglected(cluster)

      let again = try await cluster.up()
      print(again.split(separator: "\n").first { $0.contains("ready after") } ?? "")
      #expect(!again.contains("(shown once"), "\(again)")
      #expect(try await Self.tickets(cluster) == tickets)
      #expect(try await cluster.program.end(SIGKILL).code == -SIGKILL)
      try await PythonClient.expect("await_end", cluster, rows: 1)

      _ = try await cluster.up()
      #expect(try await Self.tickets(cluster) == tickets)
      try await Self.stopped(cluster, by: SIGINT)
      #expect(try await cluster.handoff("demo").output.contains("no cluster runs"))
    }

    /// Kills every daemon, the edge and at last PostgreSQL, one after the other; each must come back by itself.
    private static func killed(_ cluster: TestCluster) async throws {
      let program = try cluster.program
      // PostgreSQL's first process is the one whose id it has written down; the others are its children.
      let first = try #require(Int32(try cluster.read("postgres/postmaster.pid").split(separator: "\n")[0]))
      for (name, pid) in Array(cluster.processes) + [("postgres", first)] {
        let offset = program.output.count
        kill(pid, SIGKILL)
        let short = name == "nghttpx" ? "edge" : name.replacing("handoff-", with: "")
        let said = try await program.wait(for: "\(short) is started again\n", from: offset)
        #expect(said.contains("\(short) was ended by signal 9 (Killed); it is started again in"), "\(said)")
      }
      try await PythonClient.expect("await_serving", cluster, rows: 6)
      #expect(cluster.processes.count == 6)
    }

    private static func stopped(_ cluster: TestCluster, by signal: Int32 = SIGTERM) async throws {
      let ended = try await cluster.program.end(signal)
      #expect(ended.code == 0)
      #expect(ended.output.contains("Everything is stopped; the data stays in \(cluster.data)"), "\(ended.output)")
      // In reverse order of the start.
      let order = ["edge", "gateway", "tickets", "assignment", "mail", "masking", "postgres"]
      let said = ended.output.split(separator: "\n").compactMap { line in
        line.range(of: "Stopping ").map { String(line[$0.upperBound...]) }
      }
      #expect(said == order)
      let left = cluster.everyProcess.map { "\($0.name) (\($0.pid))" }
      #expect(left == [], "left behind")
      #expect(!FileManager.default.fileExists(atPath: "\(cluster.data)/addresses"))
    }

    /// The doctor names what is wrong with an installation, and how to mend it.
    private static func neglected(_ cluster: TestCluster) async throws {
      let files = FileManager.default
      let keys = "\(cluster.data)/keys"
      try files.setAttributes([.posixPermissions: 0o755], ofItemAtPath: keys)
      let ended = try await cluster.handoff("doctor")
      #expect(ended.code == 1)
      #expect(ended.output.contains("\(keys) is open to other users\n      → chmod 700 \(keys)"), "\(ended.output)")
      #expect(ended.output.contains("1 thing keeps a cluster from running"), "\(ended.output)")
      try files.setAttributes([.posixPermissions: 0o700], ofItemAtPath: keys)
      #expect(try await cluster.handoff("doctor").code == 0)
    }

    /// What is in the cluster, as a client sees it.
    private static func tickets(_ cluster: TestCluster) async throws -> [String] {
      try await PythonClient.rows("list_everything", cluster).map(\.name)
    }
  }
}
