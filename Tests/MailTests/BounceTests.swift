import EventLoop
import HandoffAPI
import HandoffTestKit
import Outbound
import Postgres
import RPC
import ServiceKit
import Testing
import TicketLedger

@testable import Mail

@Suite("mails that come back")
struct BounceTests {
  /// A mail that was sent to kim@example.com, with the words that name it.
  private struct Sent {
    let world: InboundWorld
    let ticket: TicketID
    let id: String
    let reply: String

    init(_ letter: InboundWorld.Letter = .init(), in world: InboundWorld) async throws {
      let (ticket, answer) = try await world.answered(letter)
      self.world = world
      self.ticket = ticket
      id = try #require(answer["Message-ID"])
      reply = String(try #require(answer["Reply-To"]?.split(separator: "<").last?.dropLast()))
    }

    var name: String { "services/care/tickets/\(ticket)" }

    func take(_ form: BounceForm, to: String = "kim@example.com") async throws -> InboundRecord {
      let service = try await world.mail.ledger.directory.service(code: "care", deadline: TestDatabase.deadline)
      return try await world.inbound.take(form.bytes(id: id, reply: reply, to: to), for: service, world.options)
    }

    func take(_ name: String) async throws -> InboundRecord {
      try await take(try #require(BounceForm.all.first { $0.name == name }))
    }

    func message() async throws -> MailMessage {
      let request = ListMailMessagesRequest(parent: name)
      return try #require(
        try await world.mail.service.listMailMessages(request, world.mail.asAgent).mailMessages.last)
    }

    func events() async throws -> [String] {
      try await world.mail.database.pool.query(
        """
        SELECT code || ' ' || cause_sequence || ' ' || changes FROM ticket_event
        WHERE ticket_id = \(ticket) AND code IN ('MAIL_BOUNCED', 'MAIL_RESENT', 'ADDRESS_UNBLOCKED') ORDER BY sequence
        """, deadline: TestDatabase.deadline
      ).map { try $0.string(0) }
    }

    func address() async throws -> CustomerAddress {
      try await world.service.getCustomerAddress(
        GetCustomerAddressRequest(name: "\(name)/customerAddress"), world.mail.asAgent)
    }

    func prepare() async throws -> String {
      try await world.service.prepareAnswer(
        PrepareAnswerRequest(ticket: name, act: .resolve, text: "곧 도착합니다."), world.mail.asTickets
      ).skipReason
    }

    func unblock() async throws -> CustomerAddress {
      try await world.service.unblockCustomerAddress(
        UnblockCustomerAddressRequest(name: "\(name)/customerAddress"), world.mail.asAgent)
    }
  }

  @Test("every form of a report is read as it is meant", arguments: BounceForm.all)
  func forms(_ form: BounceForm) throws {
    let read = try MIMEReader.read(form.bytes(id: "<00ff.t1-9-abc@shop.example>", reply: "care+t1-9-abc@shop.example"))
    let reason = SuppressionTable.row(for: read.headers.map { ($0.name, $0.value) }, hasToken: true)?.reason
    #expect(reason == (form.name.hasPrefix("an automatic reply") ? .autoReply : .bounce))
    let reading = BounceReading(read)
    let drafts = reading.drafts(of: ["kim@example.com"])
    #expect(drafts.first.map { "\($0.kind.rawValue) \($0.status)" } == form.noted)
    #expect(drafts.allSatisfy { $0.recipient == "kim@example.com" && !$0.words.contains("@") })
    #expect(
      reading.messageIDs.contains("00ff.t1-9-abc@shop.example")
        || reading.replyAddresses.contains("care+t1-9-abc@shop.example"))
  }

  @Test("a mail that came back is read with the asterisks of its ticket once the customer is masked there")
  func masked() async throws {
    let world = try await InboundWorld()
    let sent = try await Sent(in: world)
    let taken = try await sent.take("qmail")
    let read = GetInboundMailRequest(name: "services/care/inboundMails/\(taken.id)")
    #expect(try await world.service.getInboundMail(read, world.mail.asAgent).text.contains("kim@example.com"))
    _ = try await world.maskingForAgents.createMasks(
      CreateMasksRequest(parent: sent.name, spans: [TextSpan(start: 0, length: 15, field: "customer.email")]),
      CallOptions(
        deadline: TestDatabase.deadline, metadata: Metadata([("handoff-agent", MailWorld.agent.description)])))
    let shown = try await world.service.getInboundMail(read, world.mail.asAgent)
    #expect(!shown.text.contains("kim@example.com") && shown.text.contains("***************"))
    #expect(!shown.text.isEmpty && !shown.subject.isEmpty)
  }

  @Test("the ticket shows it with the server's words, and no further mail goes there until an agent says so")
  func block() async throws {
    let world = try await InboundWorld()
    let sent = try await Sent(in: world)
    let taken = try await sent.take("Postfix")
    #expect(taken.reason == "BOUNCE" && taken.ticketID == sent.ticket)
    let id = sent.id.dropFirst().dropLast()
    let event = """
      [{"field":"message_id","before":"","after":"\(id)"},{"field":"bounce","before":"","after":"ADDRESS_FAILED"},\
      {"field":"status","before":"","after":"5.1.1"}]
      """
    #expect(try await sent.events() == ["MAIL_BOUNCED 3 \(event)"])
    let message = try await sent.message()
    #expect(message.state == .sent && !message.resent)
    #expect(
      message.bounces.map(\.serverReply) == ["550 5.1.1 <the recipient>: Recipient address rejected: User unknown"])
    // The act goes through, and says that no mail went.
    let blocked = try await sent.address()
    #expect(blocked.email == "kim@example.com" && blocked.block?.status == "5.1.1")
    #expect(blocked.block?.mailMessage == message.name && blocked.block?.serverReply.contains("User unknown") == true)
    let preview = try await world.service.previewAnswer(
      PreviewAnswerRequest(ticket: sent.name, act: .resolve, text: "곧 도착합니다."), world.mail.asAgent)
    #expect(preview.skipReason == "ADDRESS_BLOCKED")
    // The same report, handed over again and judged anew, changes nothing.
    _ = try await sent.take("Postfix")
    let again = try await world.service.rerunInboundMail(
      RerunInboundMailRequest(name: "services/care/inboundMails/\(taken.id)"), world.mail.asAgent)
    #expect(again.state == .suppressed)
    #expect(try await sent.message().bounces.count == 1)

    let stranger = world.mail.call(agent: MailWorld.outsider)
    let name = "\(sent.name)/customerAddress"
    let hidden = await refusal {
      try await world.service.getCustomerAddress(GetCustomerAddressRequest(name: name), stranger)
    }
    let denied = await refusal {
      try await world.service.unblockCustomerAddress(UnblockCustomerAddressRequest(name: name), stranger)
    }
    #expect(hidden?.reason == .ticketNotFound && denied?.reason == .ticketNotFound)
    #expect(try await sent.unblock().block == nil)
    #expect(try await sent.unblock().block == nil)
    #expect(try await sent.prepare() == "")
    #expect(try await sent.events().last == "ADDRESS_UNBLOCKED 0 []")
    // A late report of the same mail does not block the address anew; one of a mail that was sent since does.
    _ = try await sent.take("Exim's status says nothing, its words do")
    #expect(try await sent.prepare() == "")
    let second = try await Sent(.init(id: "second@example.com"), in: world)
    _ = try await second.take("qmail")
    #expect(try await second.prepare() == "ADDRESS_BLOCKED")
    #expect(try await sent.prepare() == "ADDRESS_BLOCKED")
  }

  @Test("a made-up report changes nothing, and one of the service next door neither")
  func forged() async throws {
    let world = try await InboundWorld()
    let sent = try await Sent(in: world)
    let form = try #require(BounceForm.all.first)
    let service = try await world.mail.ledger.directory.service(code: "care", deadline: TestDatabase.deadline)
    let other = try await world.mail.ledger.directory.service(code: "other", deadline: TestDatabase.deadline)
    let number = String(sent.ticket.rawValue, radix: 36)
    let flipped = sent.id.dropFirst().first == "0" ? "1" : "0"
    let ids = [
      "<00ff.t1-\(number)-aaaaaaaaaaaaaaaa@shop.example>", "<\(flipped)\(sent.id.dropFirst(2))",
      "<made-up@shop.example>",
      "<>",
    ]
    for (place, form) in BounceForm.all.enumerated() {
      let mail = form.bytes(id: ids[place % ids.count], reply: "care+t1-\(number)-aaaaaaaaaaaaaaaa@shop.example")
      #expect(try await world.inbound.take(mail, for: service, world.options).state == .suppressed, "\(form.name)")
    }
    _ = try await world.inbound.take(form.bytes(id: sent.id), for: other, world.options)
    #expect(try await sent.message().bounces.isEmpty)
    #expect(try await sent.events().isEmpty)
    #expect(try await sent.prepare() == "")
    #expect(try await world.number("SELECT count(*) FROM mail_address_block") == 0)
  }

  @Test("a customer who mails again is answered there again")
  func customerWrites() async throws {
    let world = try await InboundWorld()
    let sent = try await Sent(in: world)
    _ = try await sent.take("only the address for replies is left of our mail")
    #expect(try await sent.prepare() == "ADDRESS_BLOCKED")
    // A mail that only claims to be the customer's waits, and unblocks nothing.
    let denied = try await world.take(
      .init(
        subject: "[#\(sent.ticket)]", headers: ["Authentication-Results: mx.shop.example; dmarc=fail", "References: "]))
    #expect(denied.state == .quarantined)
    #expect(try await sent.prepare() == "ADDRESS_BLOCKED")
    _ = try await world.take(.init(headers: ["In-Reply-To: \(sent.id)"], body: "다시 됩니다."))
    #expect(try await sent.prepare() == "")
  }

  @Test("a mail that waits when its address is blocked is skipped, and copies go to those who get mails")
  func delivery() async throws {
    let world = try await InboundWorld()
    var letter = InboundWorld.Letter()
    letter.headers = ["Cc: Lee <lee@example.com>, Park <park@example.com>"]
    let sent = try await Sent(letter, in: world)
    let both = BounceForm(
      name: "Lee's copy",
      mail: BounceForm.report("Final-Recipient: rfc822; lee@example.com\nAction: failed\nStatus: 5.1.1"), noted: nil)
    _ = try await sent.take(both)
    #expect(try await sent.message().bounces.map(\.recipient) == ["lee@example.com"])
    #expect(try await sent.prepare() == "")
    let record = try await world.mail.ledger.ticket(
      TicketName(service: "care", id: sent.ticket),
      access: Access(
        actor: .service("mail"),
        service: try await world.mail.ledger.directory.service(code: "care", deadline: TestDatabase.deadline),
        member: nil),
      deadline: TestDatabase.deadline)
    let delivery = try world.mail.spooled()
    #expect(
      try await delivery.carryOut(try await world.mail.act(record, .hold), deadline: TestDatabase.deadline) == .done)
    #expect(try await sent.message().recipient == "kim@example.com, park@example.com")
    let waiting = try await world.mail.act(record, .hold)
    _ = try await sent.take("Postfix")
    #expect(try await delivery.carryOut(waiting, deadline: TestDatabase.deadline) == .done)
    #expect(try await world.mail.mailEvents(record).last?.contains("ADDRESS_BLOCKED") == true)
    #expect(try world.mail.mails().count == 2)
  }

  @Test("the first mail server's own word about the address counts, too")
  func refusedAtOnce() async throws {
    let world = try await MailWorld()
    let server = try SMTPTestServer()
    let delivery = world.delivery(
      SMTPTransport(client: .init(server: try .init(url: "smtp://127.0.0.1:\(server.port)"), pool: world.blocking)))
    let ticket = try await world.ticket(MailWorld.Shape(email: "unknown@Example.com"))
    let verdict = try await delivery.carryOut(try await world.act(ticket), deadline: TestDatabase.deadline)
    #expect(verdict == .givenUp("the mail server answered 550 5.1.1"))
    #expect(try await world.prepare(ticket, .hold).skipReason == "ADDRESS_BLOCKED")
    let message = try #require(try await world.messages(ticket).first)
    #expect(message.state == .failed)
    #expect(message.bounces.map { "\($0.kind.protoName ?? "") \($0.status)" } == ["ADDRESS_FAILED 5.1.1"])
    #expect(try await world.mailEvents(ticket).count == 1)
  }
}

@Suite("mails that are sent again")
struct ResendTests {
  private func resend(
    _ message: MailMessage, _ world: MailWorld, id: String = "", as agent: AgentID = MailWorld.agent
  ) async throws -> MailMessage {
    let call = CallContext(
      service: "MailService", method: "ResendMailMessage", path: "/test",
      metadata: Metadata([("handoff-agent", "\(agent)")]), deadline: TestDatabase.deadline, peer: "test")
    call.caller = "gateway"
    return try await world.service.resendMailMessage(
      ResendMailMessageRequest(name: message.name, requestId: id), call)
  }

  @Test("a mail that was given up is sent again to the address that the ticket has by now, once")
  func failed() async throws {
    let world = try await MailWorld()
    let server = try SMTPTestServer()
    let delivery = world.delivery(
      SMTPTransport(client: .init(server: try .init(url: "smtp://127.0.0.1:\(server.port)"), pool: world.blocking)))
    let worker = delivery.worker(pool: world.mailPool, holder: "test", log: OutboxDeliveryTests.log)
    let ticket = try await world.ticket(MailWorld.Shape(email: "unknown@example.com"))
    _ = try await world.act(ticket)
    _ = try await worker.runOnce(deadline: TestDatabase.deadline)
    let old = try #require(try await world.messages(ticket).first)
    #expect(old.state == .failed)
    #expect(await refusal { try await resend(old, world) }?.reason == .transitionNotAllowed, "the address is blocked")
    _ = try await world.database.pool.query(
      "UPDATE ticket SET customer_email = 'kim@example.com' WHERE id = \(ticket.id)", deadline: TestDatabase.deadline)
    #expect(await refusal { try await resend(old, world, as: MailWorld.outsider) }?.reason == .messageNotFound)
    let new = try await resend(old, world, id: "again-1")
    #expect(new.state == .queued && new.messageId != old.messageId && new.attemptCount == 0)
    #expect(try await resend(old, world, id: "again-1").name == new.name)
    #expect(await refusal { try await resend(old, world, id: "again-2") }?.reason == .transitionNotAllowed)
    #expect(await refusal { try await resend(new, world) }?.reason == .transitionNotAllowed, "it is on its way")
    _ = try await worker.runOnce(deadline: TestDatabase.deadline)
    #expect(try server.nextDelivered().recipients == ["kim@example.com"])
    let after = try await world.messages(ticket)
    #expect(after.map(\.state) == [.failed, .sent] && after.map(\.resent) == [true, false])
    #expect(after.map(\.text).allSatisfy { $0 == after[0].text })
    let codes = try await world.mailEvents(ticket).map { $0.prefix { $0 != " " } }
    #expect(codes == ["MAIL_FAILED", "MAIL_RESENT", "MAIL_SENT"])
    let rows = try await world.database.pool.query(
      "SELECT count(*) FROM outbox WHERE topic = 'MAIL'", deadline: TestDatabase.deadline)
    #expect(try rows[0].int64(0) == 0)
    #expect(await refusal { try await resend(after[1], world) }?.reason == .transitionNotAllowed, "it has arrived")
  }

  @Test("a mail that came back goes to the customer alone")
  func bounced() async throws {
    let world = try await InboundWorld()
    var letter = InboundWorld.Letter()
    letter.headers = ["Cc: Lee <lee@example.com>"]
    let (ticket, answer) = try await world.answered(letter)
    let service = try await world.mail.ledger.directory.service(code: "care", deadline: TestDatabase.deadline)
    let full = try #require(BounceForm.all.first { $0.name == "Gmail: full" })
    let id = try #require(answer["Message-ID"])
    _ = try await world.inbound.take(full.bytes(id: id), for: service, world.options)
    let request = ListMailMessagesRequest(parent: "services/care/tickets/\(ticket)")
    let old = try #require(
      try await world.mail.service.listMailMessages(request, world.mail.asAgent).mailMessages.first)
    #expect(old.recipient == "kim@example.com, lee@example.com")
    _ = try await resend(old, world.mail)
    let worker = try world.mail.spooled().worker(
      pool: world.mail.mailPool, holder: "test", log: OutboxDeliveryTests.log)
    // The outbox has the first order, too; it was carried out, so nothing follows from it.
    _ = try await worker.runOnce(deadline: TestDatabase.deadline)
    let mails = try world.mail.mails()
    #expect(mails.count == 2)
    let again = try #require(mails.first { $0["Message-ID"] != id })
    #expect(again["To"]?.contains("kim@example.com") == true && again["Cc"] == nil)
    #expect(again["In-Reply-To"] == id)
  }
}
