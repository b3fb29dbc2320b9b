import EventLoop
import HandoffTestKit
import Testing

@testable import Outbound

@Suite("SMTP against aiosmtpd", .timeLimit(.minutes(2)))
struct SMTPClientTests {
  static let pool = BlockingPool(name: "smtp", threads: 4, queueMax: 16)

  func client(
    _ url: String, password: String? = nil, certificates: TestCertificate? = nil
  ) throws -> SMTPClient {
    let server = try SMTPServer(
      url: url, password: password, clientName: "desk.example.org", certificatesFile: certificates?.certificate)
    return SMTPClient(server: server, pool: Self.pool)
  }

  func mail(to recipients: String..., content: String = "Subject: hello\r\n\r\nhello\r\n") throws -> SMTPMessage {
    try SMTPMessage(sender: "desk@example.org", recipients: recipients, content: Array(content.utf8))
  }

  /// The failure of sending `message`.
  func failure(
    _ client: SMTPClient, _ message: SMTPMessage, deadline: Deadline = .after(.seconds(30))
  ) async throws -> SMTPFailure {
    try await #require(throws: SMTPFailure.self) { try await client.send(message, deadline: deadline) }
  }

  @Test("a mail arrives with its envelope and every byte of its lines, over one kept connection")
  func delivery() async throws {
    let server = try SMTPTestServer()
    let client = try client("smtp://127.0.0.1:\(server.port)")
    let first = try mail(
      to: "a@example.com", "b@example.com", content: "Subject: dots\n\n.\n..\n.hidden\r\nbare\rreturn\n한국어")
    let reply = try await client.send(first, deadline: .after(.seconds(30)))
    #expect(reply == SMTPReply(code: 250, text: "2.0.0 queued as 4711"))
    let taken = try server.nextDelivered()
    #expect(taken.hello == "desk.example.org")
    #expect(taken.sender == "desk@example.org")
    #expect(taken.recipients == ["a@example.com", "b@example.com"])
    let text = String(decoding: taken.content.unicodeScalars.map { UInt8($0.value) }, as: UTF8.self)
    #expect(text == "Subject: dots\r\n\r\n.\r\n..\r\n.hidden\r\nbare\r\nreturn\r\n한국어\r\n")

    _ = try await client.send(mail(to: "c@example.com"), deadline: .after(.seconds(30)))
    #expect(try server.nextDelivered().connection == taken.connection)
  }

  @Test("mails that are sent at once share as many connections as there may be")
  func connections() async throws {
    let server = try SMTPTestServer()
    let pool = BlockingPool(name: "two", threads: 2, queueMax: 32)
    let client = SMTPClient(server: try SMTPServer(url: "smtp://127.0.0.1:\(server.port)"), pool: pool)
    let message = try mail(to: "a@example.com")
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<20 { group.addTask { _ = try await client.send(message, deadline: .after(.seconds(60))) } }
      try await group.waitForAll()
    }
    let used = try (0..<20).map { _ in try server.nextDelivered().connection }
    #expect(Set(used).count <= 2)
    try await client.close()
  }

  @Test("an empty sender is sent as the null path")
  func nullSender() async throws {
    let server = try SMTPTestServer()
    let message = try SMTPMessage(sender: "", recipients: ["a@example.com"], content: Array("x: y\r\n\r\n".utf8))
    _ = try await client("smtp://127.0.0.1:\(server.port)").send(message, deadline: .after(.seconds(30)))
    #expect(try server.nextDelivered().sender == "")
  }

  @Test(
    "refusals say whether another try makes sense, in the server's words",
    arguments: [
      ("busy@example.com", SMTPReply(code: 450, text: "4.2.1 mailbox is busy"), false),
      ("full@example.com", SMTPReply(code: 452, text: "4.3.1 no room for this mail"), false),
      ("unknown@example.com", SMTPReply(code: 550, text: "5.1.1 no such user here"), true),
      ("spam@example.com", SMTPReply(code: 554, text: "5.7.1 this looks like advertising"), true),
    ])
  func refusals(recipient: String, reply: SMTPReply, isPermanent: Bool) async throws {
    let server = try SMTPTestServer()
    let client = try client("smtp://127.0.0.1:\(server.port)")
    switch try await failure(client, mail(to: "a@example.com", recipient)) {
    case .permanent(let found): #expect(isPermanent && found == reply)
    case .transient(_, let found): #expect(!isPermanent && found == reply)
    case .recipientRefused(let index, let found): #expect(index == 1 && found == reply)
    }
    // A refused mail does not spoil the next one.
    _ = try await client.send(mail(to: "a@example.com"), deadline: .after(.seconds(30)))
    #expect(try server.nextDelivered().recipients == ["a@example.com"])
  }

  @Test("which recipient was refused is known, on a new connection and on a kept one, in clear and signed in")
  func refusedRecipient() async throws {
    let certificate = try TestCertificate()
    let plain = try SMTPTestServer()
    let secured = try SMTPTestServer("--certificate", certificate.certificate, "--key", certificate.key, "--sign-in")
    let clients = [
      try client("smtp://127.0.0.1:\(plain.port)"),
      try client(
        "smtp://desk%40example.org@127.0.0.1:\(secured.port)?starttls=required", password: "s3cret word",
        certificates: certificate),
    ]
    for client in clients {
      for refused in [0, 3, 1] {
        var recipients = ["a@example.com", "b@example.com", "c@example.com"]
        recipients.insert(refused == 1 ? "busy@example.com" : "unknown@example.com", at: refused)
        let message = try SMTPMessage(
          sender: "desk@example.org", recipients: recipients, content: Array("Subject: x\r\n\r\nx\r\n".utf8))
        guard case .recipientRefused(let index, let reply) = try await failure(client, message) else {
          Issue.record("it is not known that a recipient was refused")
          continue
        }
        #expect(index == refused && reply.code == (refused == 1 ? 450 : 550))
        _ = try await client.send(mail(to: "a@example.com"), deadline: .after(.seconds(30)))
      }
    }
  }

  @Test(
    "recipients are counted by the replies up to the refusal",
    arguments: [
      ([220, 250, 250], 0), ([220, 250, 250, 250, 251], 2), ([250], 0), ([250, 250], 1), ([250, 252, 250], 2),
      ([220, 250, 220, 250, 334, 235, 250], 0), ([220, 250, 220, 250, 235, 250, 250], 1),
      ([220, 502, 250, 250, 250], 1), ([], 0), ([220], 0),
    ])
  func countedRecipients(_ codes: [Int], _ count: Int) {
    #expect(SMTPReply.recipientsAccepted(in: codes.map { SMTPReply(code: $0, text: "") }) == count)
  }

  @Test("STARTTLS and sign-in are done before the mail, and TLS from the first byte works too")
  func protectedDelivery() async throws {
    let certificate = try TestCertificate()
    let files = ["--certificate", certificate.certificate, "--key", certificate.key]
    let startTLS = try SMTPTestServer(files[0], files[1], files[2], files[3], "--sign-in")
    let implicit = try SMTPTestServer(files[0], files[1], files[2], files[3], "--sign-in", "--implicit-tls")
    let rows = [
      ("smtp://desk%40example.org@127.0.0.1:\(startTLS.port)?starttls=required", startTLS),
      ("smtps://desk%40example.org@127.0.0.1:\(implicit.port)", implicit),
    ]
    for (url, server) in rows {
      let client = try client(url, password: "s3cret word", certificates: certificate)
      _ = try await client.send(mail(to: "a@example.com"), deadline: .after(.seconds(30)))
      let taken = try server.nextDelivered()
      #expect(taken.tls)
      #expect(taken.user == "desk@example.org")
    }
  }

  @Test("what the operator must mend is transient: password, certificate, missing STARTTLS")
  func operatorFaults() async throws {
    let certificate = try TestCertificate()
    let secured = try SMTPTestServer("--certificate", certificate.certificate, "--key", certificate.key, "--sign-in")
    let plain = try SMTPTestServer()
    let rows: [(SMTPClient, String)] = [
      (
        try client(
          "smtp://desk@127.0.0.1:\(secured.port)?starttls=required", password: "wrong", certificates: certificate),
        "sign-in"
      ),
      (try client("smtp://127.0.0.1:\(secured.port)?starttls=required", certificates: certificate), "530"),
      (try client("smtp://127.0.0.1:\(secured.port)?starttls=required"), "certificate is not trusted"),
      (try client("smtp://127.0.0.1:\(plain.port)?starttls=required"), "does not offer STARTTLS"),
    ]
    for (client, words) in rows {
      let failure = try await failure(client, mail(to: "a@example.com"))
      guard case .transient = failure else {
        Issue.record("\(failure) is not transient")
        continue
      }
      #expect("\(failure)".contains(words))
    }
  }

  @Test("a server that refuses connections, and one that stalls until the deadline, are transient")
  func unreachable() async throws {
    let bound = try Socket.listen(.ipv4(0x7f00_0001, port: 0))
    let port = try #require(try Socket.boundAddress(bound).port)
    Socket.close(bound)
    let refused = try await failure(client("smtp://127.0.0.1:\(port)"), mail(to: "a@example.com"))
    #expect("\(refused)".contains("connect"))

    let server = try SMTPTestServer()
    let stalled = try await failure(
      client("smtp://127.0.0.1:\(server.port)"), mail(to: "stall@example.com"), deadline: .after(.milliseconds(300)))
    #expect(stalled == .transient(reason: "the server did not answer in time", reply: nil))

    let late = try await failure(
      client("smtp://127.0.0.1:\(server.port)"), mail(to: "a@example.com"), deadline: .after(.zero))
    #expect(late == .transient(reason: "no time was left to send the mail", reply: nil))
  }

  @Test("cancelling the task ends a transfer that waits for the server")
  func cancellation() async throws {
    let server = try SMTPTestServer()
    let client = try client("smtp://127.0.0.1:\(server.port)")
    let message = try mail(to: "stall@example.com")
    let task = Task { try await client.send(message, deadline: .never) }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
  }

  @Test("a kept connection that the server closed meanwhile is replaced without an error")
  func closedWhileIdle() async throws {
    let server = try SMTPTestServer("--idle-seconds", "0.05")
    let client = try client("smtp://127.0.0.1:\(server.port)")
    for _ in 0..<3 {
      _ = try await client.send(mail(to: "a@example.com"), deadline: .after(.seconds(30)))
      _ = try server.nextDelivered()
    }
    try await client.close()
  }
}
