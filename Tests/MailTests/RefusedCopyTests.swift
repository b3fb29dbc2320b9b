import EventLoop
import HandoffAPI
import HandoffTestKit
import Outbound
import Postgres
import Protobuf
import ServiceKit
import Testing
import TicketLedger

@testable import Mail

@Suite("copies that the mail server refuses", .timeLimit(.minutes(5)))
struct RefusedCopyTests {
  /// A ticket of kim's with others in Cc, and what sends its mails to a real server.
  private struct Desk {
    let world: MailWorld
    let server: SMTPTestServer
    let delivery: MailDelivery
    let ticket: TicketRecord

    init(customer: String = "kim@example.com", others: [String]) async throws {
      world = try await MailWorld()
      server = try SMTPTestServer()
      let client = SMTPClient(server: try SMTPServer(url: "smtp://127.0.0.1:\(server.port)"), pool: world.blocking)
      delivery = world.delivery(SMTPTransport(client: client))
      ticket = try await world.ticket(MailWorld.Shape(email: customer))
      for other in others {
        _ = try await world.database.pool.query(
          """
          INSERT INTO mail_participant (service_id, ticket_id, display_name, address)
          VALUES (1, \(ticket.id), '', \(other))
          """, deadline: TestDatabase.deadline)
      }
    }

    func carryOut(_ order: MailDelivery.Order) async throws -> MailDelivery.Verdict {
      try await delivery.carryOut(order, deadline: TestDatabase.deadline)
    }

    func message() async throws -> MailMessage { try #require(try await world.messages(ticket).first) }

    func events() async throws -> [Substring] { try await world.mailEvents(ticket).map { $0.prefix { $0 != " " } } }
  }

  @Test("a Cc that is refused for good keeps nobody else from theirs, and the ticket tells of it")
  func refusedCopy() async throws {
    let desk = try await Desk(others: ["lee@example.com", "unknown@example.com", "park@example.com"])
    #expect(try await desk.carryOut(try await desk.world.act(desk.ticket)) == .done)
    let sent = try desk.server.nextDelivered()
    #expect(sent.recipients == ["kim@example.com", "lee@example.com", "park@example.com"])
    let message = try await desk.message()
    #expect(sent.content.contains("<\(message.messageId)>"))
    #expect(message.state == .sent && message.recipient == "kim@example.com, lee@example.com, park@example.com")
    #expect(
      message.bounces.map { "\($0.kind.protoName ?? "") \($0.recipient) \($0.status) \($0.serverReply)" }
        == ["ADDRESS_FAILED unknown@example.com 5.1.1 550 5.1.1 no such user here"])
    #expect(try await desk.events() == ["MAIL_SENT", "MAIL_BOUNCED"])
    // The next answer does not ask for it again.
    #expect(try await desk.carryOut(try await desk.world.act(desk.ticket, .hold)) == .done)
    #expect(
      try desk.server.nextDelivered().recipients == ["kim@example.com", "lee@example.com", "park@example.com"])
    #expect(try await desk.events() == ["MAIL_SENT", "MAIL_BOUNCED", "MAIL_SENT"])
  }

  @Test("a Cc that is put off is waited for at the first attempts, and then left out")
  func busyCopy() async throws {
    let desk = try await Desk(others: ["busy@example.com"])
    let order = try await desk.world.act(desk.ticket)
    guard case .again = try await desk.carryOut(order) else {
      Issue.record("the first attempt waits")
      return
    }
    _ = try await desk.world.database.pool.query(
      "UPDATE mail_message SET attempt_count = \(MailDelivery.copyAttemptsMax - 1)", deadline: TestDatabase.deadline)
    #expect(try await desk.carryOut(order) == .done)
    #expect(try desk.server.nextDelivered().recipients == ["kim@example.com"])
    let message = try await desk.message()
    #expect(message.recipient == "kim@example.com")
    #expect(message.bounces.map { "\($0.kind.protoName ?? "") \($0.status)" } == ["FAILED 4.2.1"])
  }

  @Test("when the customer's own copy is refused nobody gets one, and the address is blocked though others were there")
  func refusedCustomer() async throws {
    let desk = try await Desk(customer: "unknown@example.com", others: ["lee@example.com"])
    #expect(
      try await desk.carryOut(try await desk.world.act(desk.ticket)) == .givenUp("the mail server answered 550 5.1.1"))
    let message = try await desk.message()
    #expect(message.state == .failed && message.bounces.map(\.recipient) == ["unknown@example.com"])
    #expect(try await desk.events() == ["MAIL_FAILED"])
    #expect(try await desk.world.prepare(desk.ticket, .hold).skipReason == "ADDRESS_BLOCKED")
  }
}

@Suite("mails that end without being sent", .timeLimit(.minutes(5)))
struct EndedMailTests {
  private func resend(_ message: MailMessage, _ world: MailWorld) async throws -> MailMessage {
    try await world.service.resendMailMessage(ResendMailMessageRequest(name: message.name), world.asAgent)
  }

  private func worker(_ world: MailWorld, _ server: SMTPTestServer) throws -> OutboxWorker {
    world.delivery(
      SMTPTransport(
        client: SMTPClient(server: try SMTPServer(url: "smtp://127.0.0.1:\(server.port)"), pool: world.blocking))
    ).worker(pool: world.mailPool, holder: "test", log: OutboxDeliveryTests.log)
  }

  @Test("a mail that was to be sent again and is skipped waits no longer, says why, and can be sent again")
  func skippedAgain() async throws {
    let world = try await MailWorld()
    let server = try SMTPTestServer()
    let worker = try worker(world, server)
    let ticket = try await world.ticket(MailWorld.Shape(email: "spam@example.com"))
    _ = try await world.act(ticket)
    _ = try await worker.runOnce(deadline: TestDatabase.deadline)
    let new = try await resend(try #require(try await world.messages(ticket).first), world)
    func address(_ address: String) async throws {
      _ = try await world.database.pool.query(
        "UPDATE ticket SET customer_email = \(address) WHERE id = \(ticket.id)", deadline: TestDatabase.deadline)
    }
    try await address("***@*******.***")
    _ = try await worker.runOnce(deadline: TestDatabase.deadline)
    let skipped = try #require(try await world.messages(ticket).last)
    #expect(skipped.name == new.name && skipped.state == .failed)
    #expect(skipped.serverReply == "not sent: the ticket has no address that a mail can be sent to")
    try await address("kim@example.com")
    _ = try await resend(skipped, world)
    _ = try await worker.runOnce(deadline: TestDatabase.deadline)
    #expect(try server.nextDelivered().recipients == ["kim@example.com"])
    #expect(try await world.messages(ticket).map(\.state) == [.failed, .failed, .sent])
  }

  @Test("a trigger's mail that is sent again is known by the Message-ID that it has")
  func messageIDOfTriggers() async throws {
    let world = try await MailWorld()
    let server = try SMTPTestServer()
    let worker = try worker(world, server)
    let ticket = try await world.ticket(MailWorld.Shape(email: "spam@example.com"))
    let payload = try PreparedAnswer(
      messageId: "00aa",
      triggerMail: TriggerMail(
        trigger: "services/care/triggers/1", recipient: .customer, language: "en", subject: "s", body: "b")
    ).serialized()
    _ = try await world.ledger.perform(on: ticket.id, of: ticket.serviceID, deadline: TestDatabase.deadline) { _ in
      var event = EventDraft(.commented, by: .system)
      event.outbox = [OutboxDraft(.mail, payload: payload)]
      return TicketChange(event)
    }
    _ = try await worker.runOnce(deadline: TestDatabase.deadline)
    let failed = try #require(try await world.messages(ticket).first)
    #expect(failed.state == .failed)
    _ = try await world.database.pool.query(
      "UPDATE ticket SET customer_email = 'kim@example.com' WHERE id = \(ticket.id)", deadline: TestDatabase.deadline)
    _ = try await resend(failed, world)
    _ = try await worker.runOnce(deadline: TestDatabase.deadline)
    let sent = try #require(try await world.messages(ticket).last)
    #expect(try server.nextDelivered().content.contains("<\(sent.messageId)>"))
    #expect(sent.state == .sent && sent.messageId.hasSuffix("@shop.example"))
  }

  /// Fails in a way that nobody foresaw.
  private struct BrokenTransport: MailTransport {
    struct Broken: Error {}
    func send(_ mail: EnvelopedMail, deadline: Deadline) async throws -> String { throw Broken() }
  }

  @Test("whatever an order is given up for, the ticket tells, and its mail waits no longer")
  func givenUp() async throws {
    let world = try await MailWorld()
    let ticket = try await world.ticket()
    let garbage = MailDelivery.Order(
      service: ticket.serviceID, ticket: ticket.id, eventSequence: 1, payload: [0xFF, 0xFF], isLastAttempt: false)
    let delivery = world.delivery(BrokenTransport())
    #expect(
      try await delivery.carryOut(garbage, deadline: TestDatabase.deadline) == .givenUp("the order cannot be read"))
    #expect(try await world.mailEvents(ticket).count == 1)
    let order = try await world.act(ticket)
    await #expect(throws: BrokenTransport.Broken.self) {
      try await delivery.carryOut(order, deadline: TestDatabase.deadline)
    }
    #expect(try await world.messages(ticket).map(\.state) == [.queued])
    let last = MailDelivery.Order(
      service: order.service, ticket: order.ticket, eventSequence: order.eventSequence, payload: order.payload,
      isLastAttempt: true)
    guard case .givenUp = try await delivery.carryOut(last, deadline: TestDatabase.deadline) else {
      Issue.record("the last attempt ends the mail")
      return
    }
    let message = try #require(try await world.messages(ticket).first)
    #expect(message.state == .failed && message.serverReply == "it could not be written or noted: Broken")
    #expect(try await world.mailEvents(ticket).map { $0.prefix { $0 != " " } } == ["MAIL_FAILED", "MAIL_FAILED"])
  }
}
