import EventLoop
import Foundation
import HandoffAPI
import HandoffTestKit
import Postgres
import RPC
import ServiceKit
import Testing
import TicketLedger

@testable import Mail

@Suite("mails that belong together", .timeLimit(.minutes(5)))
struct ConversationTests {
  /// Decides all that waits.
  private func finish(_ world: InboundWorld) async throws {
    var rounds = 0
    while rounds < 20, try await world.number("SELECT count(*) FROM inbound_mail WHERE state = 'WAITING'") > 0 {
      rounds += 1
      _ = try await world.mail.database.pool.query(
        "UPDATE inbound_mail SET due_time = clock_timestamp() WHERE state = 'WAITING'",
        deadline: TestDatabase.deadline)
      _ = try await world.inbound.runOnce(deadline: TestDatabase.deadline)
    }
  }

  /// Keeps a mail from being taken up by itself.
  private func putOff(_ mail: InboundRecord, _ world: InboundWorld) async throws {
    _ = try await world.mail.database.pool.query(
      "UPDATE inbound_mail SET due_time = clock_timestamp() + interval '1 hour' WHERE id = \(mail.id)",
      deadline: TestDatabase.deadline)
  }

  private func complete(_ ticket: TicketID, _ world: InboundWorld) async throws {
    _ = try await world.mail.database.pool.query(
      "UPDATE ticket SET state = 'COMPLETED', complete_time = now() WHERE id = \(ticket)",
      deadline: TestDatabase.deadline)
  }

  private func participants(_ ticket: TicketID?, _ world: InboundWorld) async throws -> [String] {
    try await world.mail.database.pool.query(
      "SELECT address FROM mail_participant WHERE ticket_id = \(ticket) ORDER BY id", deadline: TestDatabase.deadline
    ).map { try $0.string(0) }
  }

  @Test("another mail under a known Message-ID waits for an agent, and the same mail again makes nothing new")
  func namesakes() async throws {
    let world = try await InboundWorld()
    var first = InboundWorld.Letter(id: "form@shop.example")
    first.body = "Where is it?\r\n\r\nAlice\r\n"
    #expect(try await world.take(first).state == .ticket)
    var relayed = first
    relayed.headers = ["Received: from relay.example by mx.example"]
    relayed.body = "Where is it? \r\n\r\nAlice \t\r\n\r\n"
    var unix = first
    unix.body = "Where is it?\n\nAlice"
    for same in [first, relayed, unix] { #expect(try await world.take(same).state == .ticket) }
    var other = first
    other.from = "bob@example.com"
    other.body = "I want my money back."
    let waits = try await world.take(other)
    #expect(waits.state == .quarantined && waits.reason == "REPEATED_MESSAGE_ID")
    #expect(try await world.take(other).id == waits.id)
    #expect(try await world.accounts() == "true received=2 tickets=1 replies=0 suppressed=0 quarantined=1")
    let name = "services/care/inboundMails/\(waits.id)"
    let rerun = try await world.service.rerunInboundMail(RerunInboundMailRequest(name: name), world.mail.asAgent)
    #expect(rerun.reason == "REPEATED_MESSAGE_ID")
    let accepted = try await world.service.acceptInboundMail(
      AcceptInboundMailRequest(name: name), world.mail.asAgent)
    #expect(accepted.state == .ticket)
    // A mail that came in before bodies were kept is known by its Message-ID.
    _ = try await world.mail.database.pool.query(
      "UPDATE inbound_mail SET body_hash = '\\x' WHERE state = 'TICKET' AND id <> \(waits.id)",
      deadline: TestDatabase.deadline)
    other.body = "Yet another one."
    #expect(try await world.take(other).state == .ticket)
    #expect(try await world.number("SELECT count(*) FROM inbound_mail") == 2)
  }

  @Test("replies that wait are written in the order in which they came in")
  func order() async throws {
    let world = try await InboundWorld()
    let unreachable = try await InboundWorld(isTicketsReachable: false, sharing: world)
    let (ticket, answer) = try await world.answered()
    let replyTo = String(try #require(answer["Reply-To"]?.split(separator: "<").last?.dropLast()))
    let first = try await unreachable.take(.init(to: replyTo, body: "one"))
    #expect(first.state == .waiting)
    try await putOff(first, world)
    for word in ["two", "three"] {
      #expect(try await world.take(.init(to: replyTo, body: word)).state == .waiting, "\(word)")
    }
    // Of another ticket, so it waits for nobody.
    #expect(try await world.take(.init(from: "b@example.com")).state == .ticket)
    // The second is due first, and comes to nothing.
    _ = try await world.mail.database.pool.query(
      "UPDATE inbound_mail SET due_time = clock_timestamp() WHERE state = 'WAITING' AND id > \(first.id)",
      deadline: TestDatabase.deadline)
    #expect(try await world.inbound.runOnce(deadline: TestDatabase.deadline) == 2)
    #expect(try await world.texts(ticket).count == 2)
    // The first brings the others with it.
    _ = try await world.mail.database.pool.query(
      "UPDATE inbound_mail SET due_time = clock_timestamp() WHERE id = \(first.id)", deadline: TestDatabase.deadline)
    for _ in 1...3 { #expect(try await world.inbound.runOnce(deadline: TestDatabase.deadline) == 1) }
    #expect(try await world.texts(ticket).suffix(3) == ["one", "two", "three"])
  }

  @Test("a mail that follows one that waits becomes a reply to its ticket, and none of its own")
  func follows() async throws {
    let world = try await InboundWorld()
    let unreachable = try await InboundWorld(isTicketsReachable: false, sharing: world)
    let inquiry = InboundWorld.Letter(body: "first")
    #expect(try await unreachable.take(inquiry).state == .waiting)
    let more = InboundWorld.Letter(subject: "Re: 배송 문의", headers: ["In-Reply-To: <\(inquiry.id)>"], body: "second")
    #expect(try await world.take(more).state == .waiting)
    try await finish(world)
    #expect(try await world.accounts() == "true received=2 tickets=1 replies=1 suppressed=0 quarantined=0")
    #expect(try await world.number("SELECT count(*) FROM ticket") == 1)
    #expect(
      try await world.mail.database.pool.query(
        "SELECT body FROM ticket_entry ORDER BY create_time, id", deadline: TestDatabase.deadline
      ).map { try $0.string(0) } == ["first", "second"])
  }

  @Test("an earlier mail that cannot be decided holds the later ones up for an hour at most")
  func patience() async throws {
    let world = try await InboundWorld()
    let unreachable = try await InboundWorld(isTicketsReachable: false, sharing: world)
    let (ticket, answer) = try await world.answered()
    let replyTo = String(try #require(answer["Reply-To"]?.split(separator: "<").last?.dropLast()))
    let first = try await unreachable.take(.init(to: replyTo, body: "one"))
    #expect(first.state == .waiting)
    try await putOff(first, world)
    let second = try await world.take(.init(to: replyTo, body: "two"))
    #expect(second.state == .waiting)
    _ = try await world.mail.database.pool.query(
      """
      UPDATE inbound_mail SET due_time = clock_timestamp(), receive_time = receive_time - interval '61 minutes'
      WHERE id = \(second.id)
      """, deadline: TestDatabase.deadline)
    #expect(try await world.inbound.runOnce(deadline: TestDatabase.deadline) == 1)
    #expect(try await world.texts(ticket).last == "two")
  }

  @Test("two programs that answer each other on a completed ticket stop within five, whatever tickets follow it")
  func loopOfFollowUps() async throws {
    let world = try await InboundWorld()
    let (ticket, answer) = try await world.answered()
    let replyTo = String(try #require(answer["Reply-To"]?.split(separator: "<").last?.dropLast()))
    try await complete(ticket, world)
    var last = replyTo
    var taken = 0
    for round in 0..<20 {
      // To the first ticket or to the newest one, which is completed, too.
      let reply = try await world.take(.init(to: round.isMultiple(of: 2) ? replyTo : last, body: "I am a program."))
      guard reply.state == .reply, let next = reply.ticketID else { continue }
      taken += 1
      try await complete(next, world)
      let sender = try #require(MailAddress("care@shop.example"))
      last = world.tokens.replyAddress(sender, for: TicketLink(serviceID: ServiceID(1), ticketID: next)).address
    }
    #expect(taken == 5)
    #expect(try await world.number("SELECT count(*) FROM ticket") == 6)
    #expect(
      try await world.number("SELECT count(*) FROM ticket WHERE previous_ticket_id <> \(ticket)") > 0,
      "they followed one another, too")
    #expect(try await world.number("SELECT count(*) FROM inbound_mail WHERE reason = 'TOO_MANY_MAILS'") == 15)
  }

  @Test("what was made under other words than would be written now is found, and not made again")
  func reusedRequest() async throws {
    let world = try await InboundWorld()
    let (ticket, answer) = try await world.answered()
    let replyTo = String(try #require(answer["Reply-To"]?.split(separator: "<").last?.dropLast()))
    try await complete(ticket, world)
    let inquiry = try await world.take(.init(from: "b@example.com"))
    let followUp = try await world.take(.init(to: replyTo, body: "again"))
    #expect(followUp.state == .reply && followUp.ticketID != ticket)
    // Both died before they were noted, and their requests were of other bytes than they are now.
    let died: [(Int64, String, TicketID?)] = [(inquiry.id, "TICKET", nil), (followUp.id, "REPLY", ticket)]
    for (id, plan, planned) in died {
      _ = try await world.mail.database.pool.query(
        """
        UPDATE inbound_mail SET state = 'WAITING', decide_time = NULL, plan = \(plan), ticket_id = \(planned)
        WHERE id = \(id)
        """, deadline: TestDatabase.deadline)
    }
    _ = try await world.mail.database.pool.query(
      "UPDATE idempotency_key SET request_hash = '\\x00' WHERE caller = 'mail'", deadline: TestDatabase.deadline)
    let count = try await world.number("SELECT count(*) FROM ticket")
    try await finish(world)
    for mail in [inquiry, followUp] {
      let now = try await world.mail.store.inbound(mail.id, of: ServiceID(1), deadline: TestDatabase.deadline)
      #expect(now?.state == mail.state && now?.ticketID == mail.ticketID)
    }
    #expect(try await world.number("SELECT count(*) FROM ticket") == count)
    #expect(try await world.number("SELECT count(*) FROM ticket_entry WHERE body = 'again'") == 1)
  }

  @Test("who takes part in a completed ticket takes part in the one that follows it; addresses of ours never do")
  func takingPart() async throws {
    let world = try await InboundWorld()
    _ = try await world.mail.database.pool.query(
      "UPDATE service SET mail_sender_address = 'Bugs@shop.example' WHERE id = 2", deadline: TestDatabase.deadline)
    var inquiry = InboundWorld.Letter()
    inquiry.headers = [
      "Delivered-To: <Sales@shop.example>",
      "Cc: Lee <lee@example.com>, sales@shop.example, bugs+urgent@shop.example, handoff@localhost, care+x@shop.example",
    ]
    let (ticket, answer) = try await world.answered(inquiry)
    #expect(answer["Cc"] == "Lee <lee@example.com>")
    #expect(try await participants(ticket, world) == ["lee@example.com"])
    try await complete(ticket, world)
    let reply = try await world.take(
      .init(
        from: "lee@example.com", subject: "Re: [#\(ticket)]",
        headers: ["Cc: Park <park@example.com>, kim@example.com, bugs@shop.example"]))
    #expect(reply.state == .reply && reply.ticketID != ticket)
    #expect(
      try await participants(reply.ticketID, world) == ["lee@example.com", "park@example.com", "kim@example.com"])
    // The customer is one, and gets the answer once.
    let next = try await world.mail.ledger.ticket(
      try #require(reply.ticketID), of: ServiceID(1), deadline: TestDatabase.deadline)
    let order = try await world.mail.act(next, .hold)
    #expect(try await world.mail.spooled().carryOut(order, deadline: TestDatabase.deadline) == .done)
    let sent = try #require(try await world.mail.messages(next).first)
    #expect(sent.recipient == "kim@example.com, lee@example.com, park@example.com")
  }
}
