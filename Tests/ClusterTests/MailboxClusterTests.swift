import ClusterTestKit
import HandoffTestKit
import Testing

extension ClusterTests {
  @Suite("a mailbox of another mail server")
  struct MailboxCluster {
    @Test("is read by the daemons, which may be killed at any moment, and brings customers' replies to answers by SMTP")
    func killed() async throws {
      let certificate = try TestCertificate()
      let server = try DovecotServer(certificate, users: ["care": "s3cret word"])
      let inbox = try TestInbox()
      let cluster = try TestCluster(environment: [
        "HANDOFF_MAIL_SMTP_URL": inbox.relay,
        "HANDOFF_MAIL_ACCOUNT_ALLOWED_ADDRESSES": "127.0.0.0/8",
        "HANDOFF_MAIL_ACCOUNT_CA_FILE": certificate.certificate, "HANDOFF_MAIL_ACCOUNT_INTERVAL": "200ms",
      ])
      _ = try await cluster.up(["--copies", "mail=2"])
      try await PythonClient.expect(
        "mailbox", cluster,
        [String(server.securePort), certificate.certificate, "care", "s3cret word", inbox.url], rows: 3)
      #expect(try await cluster.program.end().code == 0)
      #expect(try server.count(of: "care") == 0)
    }
  }
}
