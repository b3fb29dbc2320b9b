import HandoffAPI
import HandoffTestKit
import Postgres
import Testing
import TicketLedger

@testable import Mail

@Suite("what a ticket says of the mail that made it")
struct InboundTextTests {
  /// Subjects in which there is nothing to read, and what they are.
  private static let unreadable: [(what: String, subject: String?)] = [
    ("no field", nil), ("white space", " \t "), ("a zero-width space", "\u{200B}"),
    ("Hangul fillers", "\u{3164} \u{3164}"), ("an encoded space", "=?utf-8?B?IA==?="),
    ("an encoded Hangul filler", "=?utf-8?B?44Wk?="), ("encoded control characters", "=?utf-8?B?AQc=?="),
  ]

  @Test("a mail in whose subject there is nothing to read makes a ticket that says so, in its service's language")
  func noSubject() async throws {
    let world = try await InboundWorld()
    let pool = world.mail.database.pool
    _ = try await pool.query(
      "UPDATE service SET language = 'en' WHERE code = 'other'", deadline: TestDatabase.deadline)
    for (service, title) in [("care", "(제목 없음)"), ("other", "(no subject)")] {
      for (number, (what, subject)) in Self.unreadable.enumerated() {
        let letter = InboundWorld.Letter(from: "c\(number)@example.com", subject: subject)
        let made = try await world.take(letter, service: service)
        #expect(made.state == .ticket, "\(what) in \(service): \(made.reason)")
        let rows = try await pool.query(
          "SELECT title FROM ticket WHERE id = \(made.ticketID)", deadline: TestDatabase.deadline)
        #expect(try rows.map { try $0.string(0) } == [title], "\(what) in \(service)")
      }
    }
  }

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
