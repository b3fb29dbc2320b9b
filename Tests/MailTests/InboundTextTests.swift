import HandoffAPI
import HandoffTestKit
import Testing
import TicketLedger

@testable import Mail

@Suite("what a ticket says of the mail that made it")
struct InboundTextTests {
  @Test("a mail whose sender's address is none can be let in, and the ticket tells who wrote")
  func badSender() async throws {
    let world = try await InboundWorld()
    let letter = InboundWorld.Letter(from: "김철수 <kim@예시>")
    let held = try await world.take(letter)
    #expect(held.state == .quarantined)
    let opened = try await world.service.acceptInboundMail(
      AcceptInboundMailRequest(name: InboundMailName(service: "care", id: held.id).description), world.mail.asAgent)
    #expect(opened.state == .ticket, "\(opened)")
    let texts = try await world.texts(TicketName(opened.ticket)?.id)
    #expect(texts == ["[보낸 사람: kim@예시]\n\n언제 오나요?"])
  }

  @Test("a long text with many files that cannot be attached still makes a ticket, which names ten of them")
  func manyFiles() async throws {
    let world = try await InboundWorld()
    var letter = InboundWorld.Letter()
    letter.headers = ["MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=b"]
    letter.body =
      "--b\r\nContent-Type: text/plain\r\n\r\n" + String(repeating: "words \r\n", count: 9_000)
    for number in 1...40 {
      let name = "\(String(repeating: "n", count: 70))\(number).exe"
      letter.body += "\r\n--b\r\nContent-Type: application/octet-stream; name=\(name)\r\n\r\n\u{1}binary"
    }
    letter.body += "\r\n--b--\r\n"
    let made = try await world.take(letter)
    #expect(made.state == .ticket, "\(made)")
    let text = try await world.texts(made.ticketID).first ?? ""
    #expect(text.ranges(of: ".exe]").count == 10)
    #expect(text.hasSuffix("[첨부하지 못한 다른 파일 수: 30]"))
  }

  @Test("two mails whose Message-IDs differ only in what is no ASCII are two inquiries")
  func foreignIdentifiers() async throws {
    let world = try await InboundWorld()
    let first = try await world.take(InboundWorld.Letter(id: "문의", body: "첫 번째"))
    let second = try await world.take(InboundWorld.Letter(id: "질문", body: "두 번째"))
    #expect(first.ticketID != nil && second.ticketID != nil && first.ticketID != second.ticketID)
    let again = try await world.take(InboundWorld.Letter(id: "질문", body: "두 번째"))
    #expect(again.id == second.id)
  }
}
