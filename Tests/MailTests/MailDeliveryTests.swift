import EventLoop
import Foundation
import HandoffAPI
import HandoffTestKit
import Outbound
import Postgres
import Protobuf
import ServiceKit
import Synchronization
import Testing
import TicketLedger

@testable import Mail

@Suite("answers on their way", .timeLimit(.minutes(5)))
struct MailDeliveryTests {
  @Test("the mail is the preview, byte for byte, and the ticket says that it was sent")
  func previewIsTheMail() async throws {
    let world = try await MailWorld()
    let ticket = try await world.ticket()
    let text = "내일 <b>도착</b>\n\n  합니다 & 감사합니다"
    let preview = try await world.service.previewAnswer(
      PreviewAnswerRequest(
        ticket: world.name(ticket), act: .resolve, text: text, processingType: "services/care/processingTypes/1"),
      world.asAgent)
    let order = try await world.act(ticket, .resolve, text, processingType: ProcessingTypeID(1))
    let version = try await world.ledger.ticket(ticket.id, of: ticket.serviceID, deadline: TestDatabase.deadline)
      .version
    #expect(try await world.spooled().carryOut(order, deadline: TestDatabase.deadline) == .done)

    let mail = try #require(try world.mails().first)
    #expect(mail.defects == [])
    #expect(mail["Subject"] == preview.subject)
    #expect(mail.parts.map(\.normalized.text) == [preview.text, preview.html])
    #expect(mail["From"] == "행복상점 <care@shop.example>")
    let replies = try #require(mail["Reply-To"]?.split(separator: "<").last?.dropLast())
    #expect(
      ReplyTokens(world.ledger.key).ticket(inAddress: String(replies))
        == .ticket(TicketLink(serviceID: ticket.serviceID, ticketID: ticket.id)))
    #expect(mail["To"] == "김철수 <kim@example.com>")
    #expect(mail["X-Handoff-Ticket"] == world.name(ticket))
    let messageID = try #require(mail["Message-ID"]).dropFirst().dropLast()

    let messages = try await world.messages(ticket)
    #expect(messages.count == 1)
    #expect(messages.first?.state == .sent)
    #expect(messages.first?.messageId == String(messageID))
    #expect(messages.first?.subject == preview.subject)
    #expect(messages.first?.text == preview.text)
    #expect(messages.first?.serverReply == "stored as \(messageID).eml")
    #expect(messages.first?.sendTime != nil)
    #expect(
      try await world.mailEvents(ticket) == [
        "MAIL_SENT 2 SYSTEM [{\"field\":\"message_id\",\"before\":\"\",\"after\":\"\(messageID)\"}]"
      ])
    // An agent who saw the ticket before the mail left may still act on it.
    let now = try await world.ledger.ticket(ticket.id, of: ticket.serviceID, deadline: TestDatabase.deadline)
    #expect(now.version == version)
    #expect(now.eventCount == 3)
  }

  @Test("whichever layout an answer takes, and without any, its preview is its mail")
  func everyPreview() async throws {
    let world = try await MailWorld()
    let delivery = try world.spooled()
    let shapes = [
      MailWorld.Shape(), .init(language: "en"), .init(language: "ja"), .init(channel: .manual),
      .init(service: "bugs", language: "en"),
    ]
    var previews: [String: AnswerPreview] = [:]
    for shape in shapes {
      for act in [AnswerAct.resolve, .hold] {
        let ticket = try await world.ticket(shape)
        // What looks like a code or the end of a mail in an answer is the agent's own words.
        let text = "답 <i>\(act.rawValue)</i> #{content} #{subject}\n\n  --\n.\n& 끝"
        previews[world.name(ticket)] = try await world.service.previewAnswer(
          PreviewAnswerRequest(ticket: world.name(ticket), act: act, text: text), world.asAgent)
        let order = try await world.act(ticket, act, text)
        #expect(try await delivery.carryOut(order, deadline: TestDatabase.deadline) == .done)
      }
    }
    let mails = try world.mails()
    #expect(mails.count == 10)
    for mail in mails {
      let ticket = try #require(mail["X-Handoff-Ticket"])
      let shown = previews.removeValue(forKey: ticket)
      let preview = try #require(shown)
      #expect(mail["Subject"] == preview.subject, "\(ticket)")
      #expect(mail.parts.map(\.normalized.text) == [preview.text, preview.html], "\(ticket)")
      #expect(mail["To"]?.contains("<\(preview.recipient)>") == true, "\(ticket)")
      #expect(preview.text.contains("#{content} #{subject}"))
    }
  }

  @Test("a second answer continues the thread of the first")
  func threading() async throws {
    let world = try await MailWorld()
    let ticket = try await world.ticket()
    let delivery = try world.spooled()
    var ids: [String] = []
    for (act, text) in [(AnswerAct.hold, "확인하고 있습니다."), (.hold, "아직입니다."), (.resolve, "도착했습니다.")] {
      let order = try await world.act(ticket, act, text)
      #expect(try await delivery.carryOut(order, deadline: TestDatabase.deadline) == .done)
      ids.append("<" + (try await world.messages(ticket).last?.messageId ?? "") + ">")
    }
    let mails = try world.mails()
    let last = try #require(mails.first { $0["Message-ID"] == ids[2] })
    #expect(last["In-Reply-To"] == ids[1])
    #expect(last["References"]?.split { " \t".contains($0) }.map(String.init) == Array(ids.prefix(2)))
    let first = try #require(mails.first { $0["Message-ID"] == ids[0] })
    #expect(first["In-Reply-To"] == nil)
  }

  /// Dies after the mail was handed on, before anybody could note it.
  struct DyingTransport: MailTransport {
    let transport: any MailTransport

    func send(_ mail: EnvelopedMail, deadline: Deadline) async throws -> String {
      _ = try await transport.send(mail, deadline: deadline)
      throw CancellationError()
    }
  }

  @Test("a process that dies between sending and recording sends the same bytes again, and records once")
  func diesBetweenSendingAndRecording() async throws {
    let world = try await MailWorld()
    let ticket = try await world.ticket()
    let order = try await world.act(ticket)
    let spool = try SpoolTransport(directory: world.spool, pool: world.blocking)
    await #expect(throws: CancellationError.self) {
      try await world.delivery(DyingTransport(transport: spool)).carryOut(order, deadline: TestDatabase.deadline)
    }
    let name = try #require(try FileManager.default.contentsOfDirectory(atPath: world.spool).first)
    let before = try Data(contentsOf: URL(filePath: "\(world.spool)/\(name)"))
    #expect(try await world.messages(ticket).map(\.state) == [.queued])
    #expect(try await world.mailEvents(ticket).isEmpty)

    for _ in 1...3 {
      #expect(try await world.delivery(spool).carryOut(order, deadline: TestDatabase.deadline) == .done)
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: world.spool) == [name])
    #expect(try Data(contentsOf: URL(filePath: "\(world.spool)/\(name)")) == before)
    #expect(try await world.mailEvents(ticket).count == 1)
    #expect(try await world.messages(ticket).map(\.attemptCount) == [2])
  }

  @Test("what was masked meanwhile is not mailed")
  func masked() async throws {
    let world = try await MailWorld()
    let ticket = try await world.ticket()
    let order = try await world.act(ticket, .hold, "번호 010-1234-5678 맞나요?")
    _ = try await world.database.pool.query(
      "UPDATE ticket_entry SET body = '번호 ************* 맞나요?' WHERE ticket_id = \(ticket.id) AND kind = 'REPLY'",
      deadline: TestDatabase.deadline)
    _ = try await world.spooled().carryOut(order, deadline: TestDatabase.deadline)
    #expect(try world.mails().first?.parts.first?.normalized.text == "번호 ************* 맞나요? (추가 확인)\n")
  }

  /// A mail server that takes so long that the customer is masked meanwhile, and then refuses the mail in its words.
  struct SlowServer: MailTransport {
    let world: MailWorld
    let ticket: TicketRecord

    func send(_ mail: EnvelopedMail, deadline: Deadline) async throws -> String {
      let address = mail.recipients[0]
      let stars = String(repeating: "*", count: address.count)
      let queries: [Query] = [
        "UPDATE ticket SET customer_email = \(stars), version = version + 1 WHERE id = \(ticket.id)",
        "UPDATE mail_message SET recipient = \(stars) WHERE ticket_id = \(ticket.id)",
        """
        INSERT INTO mask_place (service_id, mask_id, number, place_count, owner_ticket_id, ticket_service_id,
          ticket_id, text_column, row_key, span_start, span_length, sealed_original, key_id)
        SELECT 1, 70, v.number, 2, \(ticket.id), 1, \(ticket.id), v.text_column, v.row_key, 0,
          \(Int32(stars.count)), '\\x00', 'k'
        FROM (SELECT 0, 'ticket.customer_email', '' UNION ALL
          SELECT 1, 'mail_message.recipient', m.id::text FROM mail_message AS m WHERE m.ticket_id = \(ticket.id))
          AS v (number, text_column, row_key)
        """,
      ]
      _ = try await world.database.pool.transactionBatch(queries, deadline: deadline)
      throw DeliveryFailure(
        isPermanent: true, replyCode: 550, words: "550 5.1.1 <\(address)>: 김철수 is unknown", recipient: address)
    }
  }

  @Test("an address that is masked while its mail is on the way does not come back with the server's refusal")
  func maskedOnTheWay() async throws {
    let world = try await MailWorld()
    let ticket = try await world.ticket()
    let order = try await world.act(ticket)
    let done = try await world.delivery(SlowServer(world: world, ticket: ticket))
      .carryOut(order, deadline: TestDatabase.deadline)
    guard case .givenUp = done else { throw CancellationError() }
    let message = try #require(try await world.messages(ticket).last)
    #expect(message.state == .failed && message.serverReply == "550 5.1.1")
    #expect(message.bounces.map(\.serverReply) == ["550 5.1.1"])
    let clear = try await world.database.pool.query(
      """
      SELECT count(*) FROM mail_message AS m FULL JOIN mail_bounce AS b ON b.mail_message_id = m.id
      WHERE strpos(concat_ws(' ', m.recipient, m.server_reply, b.recipient, b.server_reply), 'kim@example.com') > 0
        OR strpos(concat_ws(' ', m.server_reply, b.server_reply), '김철수') > 0
      """, deadline: TestDatabase.deadline)
    #expect(try clear[0].int64(0) == 0)
    let noted = try await world.database.pool.query(
      "SELECT recipient FROM mail_bounce", deadline: TestDatabase.deadline)
    #expect(try noted.map { try $0.string(0) } == ["***************"])
  }

  @Test("words that were read before the ticket changed are not written down: a mask may cover them")
  func outdatedWords() async throws {
    let world = try await MailWorld()
    let ticket = try await world.ticket()
    let order = try await world.act(ticket, .hold)
    let now = try await world.ledger.ticket(ticket.id, of: ticket.serviceID, deadline: TestDatabase.deadline)
    func begin(_ version: Int64) async throws -> MailStore.Beginning {
      let attempt = MailStore.Attempt(
        service: ticket.serviceID, ticket: ticket.id, entry: EntryID(1), eventSequence: order.eventSequence,
        ticketVersion: version, messageID: "a@example.org", recipient: "hong@example.com", subject: "s", text: "t",
        payload: [])
      return try await world.store.begin(attempt, unlessBlocked: [], deadline: TestDatabase.deadline)
    }
    guard case .outdated = try await begin(now.version - 1) else { throw CancellationError() }
    #expect(try await world.messages(ticket).isEmpty)
    guard case .begun = try await begin(now.version) else { throw CancellationError() }
    #expect(try await world.messages(ticket).map(\.attemptCount) == [1])
  }

  @Test("a layout that is changed after the act does not change the mail")
  func layoutVersion() async throws {
    let world = try await MailWorld()
    let ticket = try await world.ticket()
    let order = try await world.act(ticket, .hold)
    _ = try await world.database.pool.transactionBatch(
      [
        "UPDATE mail_layout SET is_current = false WHERE id = 2",
        """
        INSERT INTO mail_layout (service_id, id, kind, language, version, subject, body)
        VALUES (1, 5, 'PENDING', 'ko', 2, 'new', 'new #{content}')
        """,
      ], deadline: TestDatabase.deadline)
    _ = try await world.spooled().carryOut(order, deadline: TestDatabase.deadline)
    #expect(try world.mails().first?["Subject"] == "[보류] 배송이 안 와요 <급함>")
  }

  @Test("an act without an address is recorded as skipped, once")
  func skipped() async throws {
    let world = try await MailWorld()
    let delivery = try world.spooled()
    let silent = try await world.ticket(MailWorld.Shape(email: ""))
    let late = try await world.ticket()
    let orders = [try await world.act(silent), try await world.act(late)]
    // Masked between the act and the mail.
    _ = try await world.database.pool.query(
      "UPDATE ticket SET customer_email = '***@*******.***' WHERE id = \(late.id)", deadline: TestDatabase.deadline)
    for order in orders + orders {
      #expect(try await delivery.carryOut(order, deadline: TestDatabase.deadline) == .done)
    }
    for ticket in [silent, late] {
      #expect(
        try await world.mailEvents(ticket) == [
          "MAIL_SKIPPED 2 SYSTEM [{\"field\":\"reason\",\"before\":\"\",\"after\":\"NO_ADDRESS\"}]"
        ])
      #expect(try await world.messages(ticket).isEmpty)
    }
    #expect(try world.mails().isEmpty)
  }

  @Test("a relay that is busy delays the mail; one that refuses ends it; both are seen on the ticket")
  func refusals() async throws {
    let world = try await MailWorld()
    let server = try SMTPTestServer()
    let client = SMTPClient(server: try SMTPServer(url: "smtp://127.0.0.1:\(server.port)"), pool: world.blocking)
    let delivery = world.delivery(SMTPTransport(client: client))

    let busy = try await world.ticket(MailWorld.Shape(email: "busy@example.com"))
    var order = try await world.act(busy)
    for attempt in 1...2 {
      let verdict = try await delivery.carryOut(order, deadline: TestDatabase.deadline)
      guard case .again(let words) = verdict else {
        Issue.record("\(verdict)")
        return
      }
      #expect(words == "the mail server answered 450 4.2.1")
      let message = try await world.messages(busy).first
      #expect(message?.state == .queued)
      #expect(message?.attemptCount == Int32(attempt))
      #expect(message?.serverReply.contains("450 4.2.1 mailbox is busy") == true)
    }
    #expect(try await world.mailEvents(busy).isEmpty)
    order = MailDelivery.Order(
      service: order.service, ticket: order.ticket, eventSequence: order.eventSequence, payload: order.payload,
      isLastAttempt: true)
    guard case .givenUp = try await delivery.carryOut(order, deadline: TestDatabase.deadline) else {
      Issue.record("the last attempt ends the mail")
      return
    }
    #expect(try await world.messages(busy).map(\.state) == [.failed])
    #expect(try await world.mailEvents(busy).count == 1)

    let unknown = try await world.ticket(MailWorld.Shape(email: "unknown@example.com"))
    let verdict = try await delivery.carryOut(try await world.act(unknown), deadline: TestDatabase.deadline)
    #expect(verdict == .givenUp("the mail server answered 550 5.1.1"))
    let event = try #require(try await world.mailEvents(unknown).first)
    #expect(event.hasPrefix("MAIL_FAILED 2 SYSTEM "))
    #expect(event.contains("{\"field\":\"reply_code\",\"before\":\"\",\"after\":\"550\"}"))
    #expect(try await world.messages(unknown).first?.serverReply == "550 5.1.1 no such user here")

    let kim = try await world.ticket()
    #expect(try await delivery.carryOut(try await world.act(kim), deadline: TestDatabase.deadline) == .done)
    #expect(try server.nextDelivered().recipients == ["kim@example.com"])
    #expect(try await world.messages(kim).first?.serverReply == "250 2.0.0 queued as 4711")
  }

  @Test("an order that nobody can carry out is given up in words")
  func hopeless() async throws {
    let world = try await MailWorld()
    let ticket = try await world.ticket()
    let delivery = try world.spooled()
    let garbage = MailDelivery.Order(
      service: ticket.serviceID, ticket: ticket.id, eventSequence: 1, payload: [0xFF, 0xFF], isLastAttempt: false)
    guard case .givenUp = try await delivery.carryOut(garbage, deadline: TestDatabase.deadline) else {
      Issue.record("garbage was taken")
      return
    }
    let gone = MailDelivery.Order(
      service: ticket.serviceID, ticket: TicketID(1), eventSequence: 1,
      payload: try PreparedAnswer(messageId: "a@b", act: .hold, entryId: 5).serialized(), isLastAttempt: false)
    #expect(
      try await delivery.carryOut(gone, deadline: TestDatabase.deadline) == .givenUp("the ticket or its answer is gone")
    )
  }

  @Test("mails are listed page by page")
  func pages() async throws {
    let world = try await MailWorld()
    let ticket = try await world.ticket()
    let delivery = try world.spooled()
    for number in 1...3 {
      _ = try await delivery.carryOut(
        try await world.act(ticket, .hold, "답변 \(number)"), deadline: TestDatabase.deadline)
    }
    var texts: [String] = []
    var token = ""
    repeat {
      let page = try await world.service.listMailMessages(
        ListMailMessagesRequest(parent: world.name(ticket), pageSize: 2, pageToken: token), world.asAgent)
      texts += page.mailMessages.map(\.text)
      token = page.nextPageToken
    } while !token.isEmpty
    #expect(texts == (1...3).map { "답변 \($0) (추가 확인)\n" })
    for bad in ["x", "2", String(repeating: "A", count: 22)] {
      let request = ListMailMessagesRequest(parent: world.name(ticket), pageToken: bad)
      #expect(
        await refusal { try await world.service.listMailMessages(request, world.asAgent) }?.reason == .pageTokenInvalid)
    }
  }
}
