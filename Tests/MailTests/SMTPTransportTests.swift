import EventLoop
import HandoffTestKit
import Outbound
import Testing

@testable import Mail

@Suite("the SMTP relay", .timeLimit(.minutes(2)))
struct SMTPTransportTests {
  let pool = BlockingPool(name: "smtp", threads: 2, queueMax: 16)

  func transport(port: Int) throws -> SMTPTransport {
    SMTPTransport(client: SMTPClient(server: try SMTPServer(url: "smtp://127.0.0.1:\(port)"), pool: pool))
  }

  func enveloped(to recipient: String) throws -> EnvelopedMail {
    let from = try #require(MailAddress("care@shop.example", displayName: "고객센터"))
    let mail = OutgoingMail(
      from: from, replyTo: from, to: try #require(MailAddress(recipient, displayName: "김철수")),
      subject: "안녕하세요", text: "첫 줄\n.\n..끝\n", html: "<p>첫 줄</p>\n", messageID: "1a2b@shop.example",
      dateSeconds: 1_767_225_600, ticket: "services/care/tickets/1001")
    return EnvelopedMail(
      messageID: mail.messageID, sender: from.address, recipients: [recipient], content: try MIMEComposer.compose(mail))
  }

  @Test("a mail arrives byte for byte, and a foreign parser reads it there")
  func arrives() async throws {
    let server = try SMTPTestServer()
    let mail = try enveloped(to: "kim@example.com")
    let words = try await transport(port: server.port).send(mail, deadline: .after(.seconds(30)))
    #expect(words == "250 2.0.0 queued as 4711")
    let delivered = try server.nextDelivered()
    #expect(delivered.sender == "care@shop.example")
    #expect(delivered.recipients == ["kim@example.com"])
    let content = delivered.content.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) }
    #expect(content == mail.content)
    let parsed = try ParsedMail(content)
    #expect(parsed["Subject"] == "안녕하세요")
    #expect(parsed.parts.first?.normalized.text == "첫 줄\n.\n..끝\n")
  }

  @Test(
    "the server's words tell whether another attempt is of use",
    arguments: [
      ("busy@example.com", false, 450, "450 4.2.1 mailbox is busy"), ("full@example.com", false, 452, "452 4.3.1"),
      ("unknown@example.com", true, 550, "550 5.1.1 no such user here"), ("spam@example.com", true, 554, "554 5.7.1"),
    ])
  func refusals(_ recipient: String, _ isPermanent: Bool, _ code: Int, _ words: String) async throws {
    let server = try SMTPTestServer()
    let mail = try enveloped(to: recipient)
    let transport = try transport(port: server.port)
    let failure = await #expect(throws: DeliveryFailure.self) {
      try await transport.send(mail, deadline: .after(.seconds(30)))
    }
    #expect(failure?.isPermanent == isPermanent)
    #expect(failure?.replyCode == code)
    #expect(failure?.words.contains(words) == true)
  }

  @Test("a relay that is not there delays the mail; a mail that cannot be sent is given up")
  func otherFailures() async throws {
    let mail = try enveloped(to: "kim@example.com")
    let transport = try transport(port: 1)
    let unreachable = await #expect(throws: DeliveryFailure.self) {
      try await transport.send(mail, deadline: .after(.seconds(30)))
    }
    #expect(unreachable?.isPermanent == false)
    #expect(unreachable?.replyCode == 0)
    let empty = EnvelopedMail(messageID: "x@y", sender: "care@shop.example", recipients: [], content: [65])
    let refused = await #expect(throws: DeliveryFailure.self) {
      try await transport.send(empty, deadline: .after(.seconds(30)))
    }
    #expect(refused?.isPermanent == true)
  }
}
