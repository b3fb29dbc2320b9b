import HandoffAPI
import HandoffTestKit
import Postgres
import ServiceKit
import Testing
import TicketLedger

@testable import Mail

@Suite("answers before they are written", .timeLimit(.minutes(5)))
struct MailServiceTests {
  @Test("an answer that can be mailed gets a layout version and a Message-ID of the sender's domain")
  func prepares() async throws {
    let world = try await MailWorld()
    let ticket = try await world.ticket()
    let first = try await world.prepare(ticket)
    let second = try await world.prepare(ticket)
    #expect(first.skipReason == "")
    #expect(first.layout == "services/care/mailLayouts/1")
    #expect(first.act == .resolve)
    #expect(first.messageId.hasSuffix("@shop.example"))
    #expect(
      ReplyTokens(world.ledger.key).ticket(inMessageID: first.messageId)
        == .ticket(TicketLink(serviceID: ticket.serviceID, ticketID: ticket.id)))
    #expect(first.messageId != second.messageId)
    #expect(try await world.prepare(ticket, .hold).layout == "services/care/mailLayouts/2")
    let english = try await world.ticket(MailWorld.Shape(language: "en"))
    #expect(try await world.prepare(english).layout == "services/care/mailLayouts/3")
    let manual = try await world.ticket(MailWorld.Shape(channel: .manual))
    #expect(try await world.prepare(manual).layout == "services/care/mailLayouts/4")
    #expect(try await world.prepare(manual, .hold).layout == "services/care/mailLayouts/4")
  }

  @Test("a service without layouts and address mails all the same")
  func withoutLayouts() async throws {
    let world = try await MailWorld()
    let ticket = try await world.ticket(MailWorld.Shape(service: "bugs", language: "en"))
    let prepared = try await world.prepare(ticket)
    #expect(prepared.layout == "")
    #expect(prepared.messageId.hasSuffix("@localhost"))
    let preview = try await world.service.previewAnswer(
      PreviewAnswerRequest(ticket: world.name(ticket), act: .resolve, text: "done"), world.asAgent)
    #expect(preview.subject == "[Bugs] 배송이 안 와요 <급함>")
    #expect(preview.text == "done\n")
  }

  @Test(
    "nobody is mailed where there is no address, or where a consultation ticket waits",
    arguments: [
      (MailWorld.Shape(email: ""), "NO_ADDRESS"), (MailWorld.Shape(email: "***@*******.***"), "NO_ADDRESS"),
      (
        MailWorld.Shape(
          service: "bugs", channel: .escalation, source: TicketLink(serviceID: ServiceID(1), ticketID: TicketID(5))),
        "ESCALATED"
      ),
    ])
  func skips(_ shape: MailWorld.Shape, _ reason: String) async throws {
    let world = try await MailWorld()
    let ticket = try await world.ticket(shape)
    for act in [AnswerAct.resolve, .hold] {
      #expect(try await world.prepare(ticket, act) == PreparedAnswer(skipReason: reason, act: act))
    }
    let preview = try await world.service.previewAnswer(
      PreviewAnswerRequest(ticket: world.name(ticket), act: .hold, text: "Damn"), world.asAgent)
    #expect(preview.skipReason == reason)
    #expect(preview.text == "")
    #expect(preview.subject == "" && preview.html == "" && preview.recipient == "")
    let found = [BannedWordHit(word: "damn", start: 0, length: 4)]
    #expect(preview.bannedWords == (shape.service == "care" ? found : []))
    #expect(try await world.messages(ticket).isEmpty)
  }

  @Test("banned words stop an answer and are told with their places; a word added counts within a second")
  func bannedWords() async throws {
    let world = try await MailWorld()
    let ticket = try await world.ticket()
    let text = "환불은 절대\u{200B}불가, DAMN"
    let error = await refusal { try await world.prepare(ticket, .resolve, text) }
    #expect(error?.reason == .bannedWords)
    #expect(error?.metadata == ["words": "절대불가\ndamn", "spans": "4+5 11+4"])
    #expect(error?.violations.map(\.field) == ["text", "text"])
    let preview = try await world.service.previewAnswer(
      PreviewAnswerRequest(ticket: world.name(ticket), act: .resolve, text: text), world.asAgent)
    #expect(
      preview.bannedWords == [
        BannedWordHit(word: "절대불가", start: 4, length: 5), BannedWordHit(word: "damn", start: 11, length: 4),
      ])
    #expect(preview.subject != "")
  }

  @Test("wrong requests are told apart")
  func refusals() async throws {
    let world = try await MailWorld()
    let ticket = try await world.ticket()
    let name = world.name(ticket)
    let rows: [(PrepareAnswerRequest, Reason)] = [
      (PrepareAnswerRequest(ticket: "tickets/1", act: .resolve, text: "x"), .requestInvalid),
      (PrepareAnswerRequest(ticket: name, act: .unspecified, text: "x"), .requestInvalid),
      (PrepareAnswerRequest(ticket: name, act: AnswerAct(rawValue: 99), text: "x"), .requestInvalid),
      (PrepareAnswerRequest(ticket: name, act: .resolve, text: " \n"), .textRequired),
      (PrepareAnswerRequest(ticket: name, act: .resolve, text: "a\u{0}b"), .requestInvalid),
      (
        PrepareAnswerRequest(ticket: name, act: .resolve, text: String(repeating: "가", count: 20_001)), .requestInvalid
      ),
      (PrepareAnswerRequest(ticket: "services/care/tickets/99", act: .resolve, text: "x"), .ticketNotFound),
      (PrepareAnswerRequest(ticket: "services/other/tickets/\(ticket.id)", act: .resolve, text: "x"), .ticketNotFound),
      (
        PrepareAnswerRequest(ticket: "services/nowhere/tickets/\(ticket.id)", act: .resolve, text: "x"), .ticketNotFound
      ),
    ]
    for (request, reason) in rows {
      let error = await refusal { try await world.service.prepareAnswer(request, world.asTickets) }
      #expect(error?.reason == reason, "\(request.ticket) \(request.act)")
    }
    let outsider = world.call(agent: MailWorld.outsider)
    let preview = PreviewAnswerRequest(ticket: name, act: .resolve, text: "x")
    #expect(await refusal { try await world.service.previewAnswer(preview, outsider) }?.reason == .ticketNotFound)
    let list = ListMailMessagesRequest(parent: name)
    #expect(await refusal { try await world.service.listMailMessages(list, outsider) }?.reason == .ticketNotFound)
    let layouts = ListLayoutsRequest(parent: "services/care")
    #expect(await refusal { try await world.service.listLayouts(layouts, outsider) }?.reason == .serviceNotFound)
    let type = PreviewAnswerRequest(
      ticket: name, act: .resolve, text: "x", processingType: "services/care/processingTypes/9")
    #expect(await refusal { try await world.service.previewAnswer(type, world.asAgent) }?.reason == .typeNotFound)
  }

  @Test("a preview shows every code filled, flags the unknown one, and writes nothing")
  func preview() async throws {
    let world = try await MailWorld()
    let ticket = try await world.ticket()
    let before = try await Self.rowCounts(world)
    let preview = try await world.service.previewAnswer(
      PreviewAnswerRequest(
        ticket: world.name(ticket), act: .resolve, text: "내일 <b>도착</b>\n합니다",
        processingType: "services/care/processingTypes/2"), world.asAgent)
    #expect(preview.recipient == "kim@example.com")
    #expect(preview.subject == "[행복상점 고객센터] 배송이 안 와요 <급함>")
    #expect(
      preview.text == """
        김철수 님, 내일 <b>도착</b>
        합니다

        주문 4711이 아직 안 왔어요 & 언제 오나요? / 환불 / 이상담 / 배송 / 답변 완료 / \(ticket.id) #{typo}

        """)
    #expect(preview.html.contains("내일 &lt;b&gt;도착&lt;/b&gt;<br>\n합니다"))
    #expect(preview.unknownCodes == ["typo"])
    #expect(preview.skipReason == "")
    #expect(try await Self.rowCounts(world) == before)
  }

  @Test("layouts are listed by kind and language")
  func layouts() async throws {
    let world = try await MailWorld()
    let layouts = try await world.service.listLayouts(ListLayoutsRequest(parent: "services/care"), world.asAgent)
      .layouts
    #expect(layouts.map(\.name) == [4, 2, 3, 1].map { "services/care/mailLayouts/\($0)" })
    #expect(layouts.map(\.kind) == [.manual, .pending, .resolved, .resolved])
    #expect(layouts.map(\.language) == ["ko", "ko", "en", "ko"])
    #expect(layouts.last?.subject == "[#{serviceName}] #{subject}")
  }

  /// Rows of every table, and writes of the sequences.
  static func rowCounts(_ world: MailWorld) async throws -> [String] {
    let tables = try await world.database.pool.query(
      "SELECT tablename FROM pg_tables WHERE schemaname = 'handoff' ORDER BY tablename", deadline: TestDatabase.deadline
    )
    var counts: [String] = []
    for table in tables {
      let name = try table.string(0)
      let rows = try await world.database.pool.query(
        "SELECT count(*), coalesce(max(t::text), '') FROM \(identifier: name) t", deadline: TestDatabase.deadline)
      counts.append("\(name) \(try rows[0].int64(0)) \(try rows[0].string(1))")
    }
    return counts
  }
}
