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

@Suite("mails become tickets and replies")
struct InboundTests {
  @Test("an inquiry makes a ticket, with its words, its writer and its files")
  func inquiry() async throws {
    let world = try await InboundWorld()
    var letter = InboundWorld.Letter(subject: "=?euc-kr?B?vsiz58fPvLy/5A==?=")
    letter.headers = ["MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=b"]
    letter.body = """
      --b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n영수증을 보냅니다.\r\n
      --b\r\nContent-Type: application/pdf; name=r.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBERi0xLjQKeA==\r\n
      --b\r\nContent-Type: application/octet-stream; name="setup.exe"\r\n\r\nMZ\r\n
      --b\r\nContent-Type: text/calendar\r\n\r\nBEGIN:VCALENDAR\r\n--b--\r\n
      """
    _ = try await world.mail.database.pool.query(
      """
      INSERT INTO trigger_rule (service_id, display_name, position, conditions, results)
      VALUES (1, 'Nothing', 1, '', '')
      """, deadline: TestDatabase.deadline)
    let taken = try await world.take(letter)
    try #require(taken.state == .ticket)
    let rows = try await world.mail.database.pool.query(
      """
      SELECT title || '|' || channel || '|' || state || '|' || customer_name || '|' || customer_email FROM ticket
      WHERE id = \(taken.ticketID)
      """, deadline: TestDatabase.deadline)
    #expect(try rows[0].string(0) == "안녕하세요|EMAIL|UNASSIGNED|김철수|kim@example.com")
    let text = try await world.texts(taken.ticketID)[0]
    #expect(text.hasPrefix("영수증을 보냅니다."))
    #expect(text.contains("setup.exe") && !text.contains("r.pdf"))
    let files = try await world.mail.database.pool.query(
      "SELECT file_name FROM attachment WHERE ticket_id = \(taken.ticketID) ORDER BY id",
      deadline: TestDatabase.deadline)
    #expect(try files.map { try $0.string(0) } == ["r.pdf", "attachment-3.ics.txt"])
    #expect(try await world.number("SELECT count(*) FROM outbox WHERE topic = 'TRIGGERS'") == 1)
  }

  @Test("the same mail, fed again and again and at once, makes nothing new")
  func idempotence() async throws {
    let world = try await InboundWorld()
    let letters = (0..<4).map { InboundWorld.Letter(from: "c\($0)@example.com", id: "same\($0)@example.com") }
    for round in 0..<TestScale.count(usual: 10, all: 100) {
      try await withThrowingTaskGroup(of: Void.self) { group in
        for letter in letters + letters { group.addTask { _ = try await world.take(letter) } }
        try await group.waitForAll()
      }
      // Nothing but other headers on the way of the same mail.
      var relayed = letters[1]
      relayed.headers = ["Received: from relay\(round).example by mx.example"]
      _ = try await world.take(relayed)
    }
    #expect(try await world.accounts() == "true received=4 tickets=4 replies=0 suppressed=0 quarantined=0")
    #expect(try await world.number("SELECT count(*) FROM ticket") == 4)
    #expect(try await world.number("SELECT count(*) FROM ticket_entry") == 4)
  }

  @Test("a customer's reply opens the resolved ticket again, whichever of the marks the client keeps")
  func threading() async throws {
    for lost in ["nothing", "address", "references", "address and references"] {
      let world = try await InboundWorld()
      let inquiry = InboundWorld.Letter()
      let (ticket, answer) = try await world.answered(inquiry)
      #expect(answer["In-Reply-To"] == "<\(inquiry.id)>" && answer["References"] == "<\(inquiry.id)>")
      #expect(try await world.state(ticket) == "RESOLVED")
      var reply = InboundWorld.Letter(subject: "Re: 배송 문의", body: "아직 안 왔어요.\r\n\r\n> 곧 도착합니다.")
      let replyTo = try #require(answer["Reply-To"]?.split(separator: "<").last?.dropLast())
      let id = try #require(answer["Message-ID"])
      #expect(replyTo.hasPrefix("care+t"))
      if !lost.contains("address") { reply.to = String(replyTo) }
      if !lost.contains("references") { reply.headers = ["In-Reply-To: \(id)", "References: <x@example.com> \(id)"] }
      let taken = try await world.take(reply)
      if lost == "address and references" {
        // Nothing points to the ticket any more.
        #expect(taken.state == .ticket && taken.ticketID != ticket, "without \(lost)")
      } else {
        #expect(taken.state == .reply && taken.ticketID == ticket, "without \(lost)")
        #expect(try await world.state(ticket) == "PROCESSING", "without \(lost)")
        #expect(try await world.texts(ticket).last == "아직 안 왔어요.\n\n> 곧 도착합니다.")
      }
    }
  }

  @Test("with proof anybody may reply; without it only those who take part; others wait for an agent")
  func strangers() async throws {
    let world = try await InboundWorld()
    var inquiry = InboundWorld.Letter()
    inquiry.headers = ["Cc: Lee <lee@example.com>, care@shop.example"]
    let (ticket, answer) = try await world.answered(inquiry)
    #expect(answer["Cc"] == "Lee <lee@example.com>")
    let replyTo = String(try #require(answer["Reply-To"]?.split(separator: "<").last?.dropLast()))
    let tag = "Re: [#\(ticket)] 문의"

    func state(_ letter: InboundWorld.Letter) async throws -> String {
      let taken = try await world.take(letter)
      return "\(taken.state.rawValue) \(taken.reason)"
    }
    // The number alone, by a stranger: forged.
    #expect(try await state(.init(from: "eve@evil.example", subject: tag)) == "QUARANTINED UNKNOWN_SENDER")
    // References to the customer's own mail, by a stranger.
    #expect(
      try await state(.init(from: "eve@evil.example", headers: ["References: <\(inquiry.id)>"]))
        == "QUARANTINED UNKNOWN_SENDER")
    // A Message-ID that looks like ours.
    let forged = "0011.t1-\(String(ticket.rawValue, radix: 36))-aaaaaaaaaaaaaaaa@shop.example"
    #expect(
      try await state(.init(from: "kim@example.com", headers: ["References: <\(forged)>"])) == "QUARANTINED FORGED_MARK"
    )
    // An address of ours with a mark of somebody's own.
    #expect(
      try await state(
        .init(
          from: "eve@evil.example", to: "care+t1-\(String(ticket.rawValue, radix: 36))-aaaaaaaaaaaaaaaa@shop.example"))
        == "QUARANTINED FORGED_MARK")
    // The customer's address, made up, as the receiving server found out.
    #expect(
      try await state(
        .init(subject: tag, headers: ["Authentication-Results: mx.shop.example; dmarc=fail header.from=example.com"]))
        == "QUARANTINED SENDER_DENIED")
    #expect(try await world.state(ticket) == "RESOLVED")
    #expect(try await world.texts(ticket).count == 2)
    // A ticket of another service, by its number, also by its own customer.
    let other = try #require(try await world.take(.init(from: "dora@example.com"), service: "other").ticketID)
    #expect(try await state(.init(from: "dora@example.com", subject: "[#\(other)] hello")) == "TICKET ")
    #expect(try await world.texts(other).count == 1)
    // Somebody who takes part, by number; a colleague who got the answer, by its mark.
    #expect(try await state(.init(from: "Lee <lee@example.com>", subject: tag)) == "REPLY ")
    #expect(try await world.state(ticket) == "PROCESSING")
    #expect(try await state(.init(from: "colleague@example.com", to: replyTo)) == "REPLY ")
    #expect(try await world.texts(ticket).count == 4)
    #expect(
      try await world.accounts() == "true received=10 tickets=3 replies=2 suppressed=0 quarantined=5")
  }

  @Test("automatic replies, mailings, bounces and our own mails make nothing, and a list's members can reply")
  func suppression() async throws {
    let world = try await InboundWorld()
    let (ticket, answer) = try await world.answered()
    let id = try #require(answer["Message-ID"])
    let replyTo = String(try #require(answer["Reply-To"]?.split(separator: "<").last?.dropLast()))
    func reason(_ letter: InboundWorld.Letter) async throws -> String {
      let taken = try await world.take(letter)
      return taken.state == .suppressed ? taken.reason : taken.state.rawValue
    }
    #expect(try await reason(.init(to: replyTo, headers: ["Auto-Submitted: auto-replied"])) == "AUTO_REPLY")
    #expect(try await reason(.init(headers: ["List-Id: <news.example.com>"])) == "LIST")
    #expect(try await reason(.init(headers: ["X-Handoff-Ticket: services/care/tickets/1"])) == "OWN_MAIL")
    #expect(try await reason(.init(from: "care@shop.example")) == "OWN_MAIL")
    #expect(try await reason(.init(id: String(id.dropFirst().dropLast()))) == "OWN_MAIL")
    #expect(try await world.state(ticket) == "RESOLVED")
    #expect(
      try await reason(.init(to: replyTo, headers: ["List-Id: <team.example.com>", "Precedence: list"])) == "REPLY")
    var bounce = InboundWorld.Letter(from: "MAILER-DAEMON@mx.example")
    bounce.headers = ["MIME-Version: 1.0", "Content-Type: multipart/report; report-type=delivery-status; boundary=b"]
    bounce.body = """
      --b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r
      Final-Recipient: rfc822; kim@example.com\r\nAction: failed\r\nStatus: 5.1.1\r\n\r
      --b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: \(id)\r\n--b--\r\n
      """
    let bounced = try await world.take(bounce)
    #expect(bounced.reason == "BOUNCE" && bounced.ticketID == ticket)
  }

  @Test("what mails say is found by search and told to who watches, and what only waits is not")
  func search() async throws {
    let world = try await InboundWorld()
    let (ticket, answer) = try await world.answered(.init(subject: "주문 확인", body: "자전거가 도착하지 않았습니다."))
    let id = try #require(answer["Message-ID"])
    func changes() async throws -> Int64 {
      try await world.number("SELECT count(*) FROM ticket_change WHERE ticket_id = \(ticket)")
    }
    let before = try await changes()
    _ = try await world.take(.init(headers: ["In-Reply-To: \(id)"], body: "안장도 빠져 있습니다."))
    #expect(try await changes() == before + 1)
    _ = try await world.take(.init(from: "eve@evil.example", subject: "[#\(ticket)]", body: "몰래 쓴 헬멧"))
    let options = CallOptions(
      deadline: TestDatabase.deadline, metadata: Metadata([("handoff-agent", "\(MailWorld.agent.rawValue)")]))
    for (words, found) in [("자전거", 1), ("주문 확인", 1), ("안장도", 1), ("헬멧", 0), ("evil", 0)] {
      let tickets = try await world.tickets.searchTickets(
        SearchTicketsRequest(parent: "services/care", words: words), options
      ).tickets
      #expect(tickets.map(\.name) == Array(repeating: "services/care/tickets/\(ticket)", count: found), "\(words)")
    }
    #expect(try await changes() == before + 1)
  }

  @Test("two programs that answer each other's mails stop within five")
  func loop() async throws {
    let world = try await InboundWorld()
    let (ticket, answer) = try await world.answered()
    let replyTo = String(try #require(answer["Reply-To"]?.split(separator: "<").last?.dropLast()))
    var taken = 0
    for _ in 0..<20 {
      let reply = try await world.take(.init(to: replyTo, body: "I am a program."))
      if reply.state == .reply { taken += 1 }
    }
    #expect(taken == 5)
    #expect(try await world.texts(ticket).count == 7)
    var opened = 0
    for _ in 0..<20 {
      let inquiry = try await world.take(.init(from: "robot@example.com"))
      if inquiry.state == .ticket { opened += 1 }
    }
    #expect(opened == 5)
    #expect(try await world.number("SELECT count(*) FROM inbound_mail WHERE reason = 'TOO_MANY_MAILS'") == 30)
  }

  @Test("mails of one sender that come in at the same moment are counted one after the other")
  func sameMoment() async throws {
    let world = try await InboundWorld()
    let other = try await InboundWorld(sharing: world)
    let (ticket, answer) = try await world.answered()
    let replyTo = String(try #require(answer["Reply-To"]?.split(separator: "<").last?.dropLast()))
    for await round in TestScale.rounds(usual: 3, all: 50) {
      let taken = try await withThrowingTaskGroup(of: InboundState.self) { group in
        for number in 0..<16 {
          let letter = InboundWorld.Letter(from: "robot\(round)@example.com")
          group.addTask { try await (number.isMultiple(of: 2) ? world : other).take(letter).state }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(taken.count { $0 == .ticket } == 5 && taken.count { $0 == .quarantined } == 11, "round \(round)")
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<16 {
        let letter = InboundWorld.Letter(to: replyTo, body: "\(number)")
        group.addTask { _ = try await (number.isMultiple(of: 2) ? world : other).take(letter) }
      }
      try await group.waitForAll()
    }
    // Replies that collide on the ticket are tried again.
    repeat {
      _ = try await world.mail.database.pool.query(
        "UPDATE inbound_mail SET due_time = clock_timestamp() WHERE state = 'WAITING'",
        deadline: TestDatabase.deadline)
    } while try await world.inbound.runOnce(deadline: TestDatabase.deadline) > 0
    #expect(try await world.number("SELECT count(*) FROM inbound_mail WHERE state = 'REPLY'") == 5)
    #expect(try await world.texts(ticket).count == 7)
  }

  @Test("what cannot be read waits with its reason, and the next mail is taken")
  func unreadable() async throws {
    let world = try await InboundWorld()
    var deep = InboundWorld.Letter()
    deep.headers = ["MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=n0"]
    deep.body = (0..<1000).map { "--n\($0)\r\nContent-Type: multipart/mixed; boundary=n\($0 + 1)\r\n\r\n" }.joined()
    #expect(try await world.take(deep).reason == "TOO_DEEP")
    var many = InboundWorld.Letter()
    many.headers = ["Cc: " + (0..<10_000).map { "u\($0)@example.com" }.joined(separator: ",\r\n ")]
    #expect(try await world.take(many).reason == "TOO_MANY_RECIPIENTS")
    var bomb = InboundWorld.Letter()
    bomb.headers = (0..<20_000).map { "X-Bomb-\($0): x" }
    #expect(try await world.take(bomb).reason == "HEADER_TOO_LARGE")
    #expect(try await world.take(.init(from: "nobody")).reason == "NO_SENDER")
    #expect(try await world.take(.init()).state == .ticket)
    #expect(try await world.accounts() == "true received=5 tickets=1 replies=0 suppressed=0 quarantined=4")
  }

  @Test("a mail of 50 MB is refused while it comes in, and the next one is taken")
  func huge() async throws {
    let world = try await InboundWorld()
    func hand(_ mail: [UInt8], times: Int) async throws -> InboundMail {
      try await world.api.ingestMessage(world.options) { writer in
        try await writer.send(IngestMessageRequest(part: .header(IngestMessageRequest.Header(parent: "services/care"))))
        for _ in 0..<times { try await writer.send(IngestMessageRequest(part: .chunk(mail))) }
      }
    }
    let piece = Array(repeating: UInt8(ascii: "x"), count: 250_000)
    let refused = await #expect(throws: RPCError.self) { try await hand(piece, times: 200) }
    #expect(refused.map { ServiceError($0).reason } == .bodyTooLarge)
    #expect(try await hand(InboundWorld.Letter().bytes, times: 1).state == .ticket)
    #expect(try await world.accounts() == "true received=1 tickets=1 replies=0 suppressed=0 quarantined=0")
  }

  @Test("a process that dies at any step leaves a mail that the next one finishes, once")
  func deaths() async throws {
    let world = try await InboundWorld()
    let unreachable = try await InboundWorld(isTicketsReachable: false, sharing: world)
    let service = try await world.mail.ledger.directory.service(code: "care", deadline: TestDatabase.deadline)
    func expireLeases() async throws {
      _ = try await world.mail.database.pool.query(
        "UPDATE inbound_mail SET due_time = clock_timestamp() WHERE state = 'WAITING'", deadline: TestDatabase.deadline)
    }
    // After the mail was stored: nobody has looked at it.
    let first = try await unreachable.take(.init(body: "first"))
    #expect(first.state == .waiting)
    // After the ticket was made, before the row says so.
    let second = try await world.take(.init(from: "b@example.com", body: "second"))
    _ = try await world.mail.database.pool.query(
      """
      UPDATE inbound_mail SET state = 'WAITING', decide_time = NULL, plan = 'TICKET', ticket_id = NULL
      WHERE id = \(second.id)
      """, deadline: TestDatabase.deadline)
    // While it was read, again and again: the mail is the cause.
    let third = try await unreachable.take(.init(from: "c@example.com", body: "third"))
    _ = try await world.mail.database.pool.query(
      "UPDATE inbound_mail SET attempt_count = 9, failure_count = 0 WHERE id = \(third.id)",
      deadline: TestDatabase.deadline)
    try await expireLeases()
    #expect(try await world.inbound.runOnce(deadline: TestDatabase.deadline) == 3)
    #expect(try await world.accounts() == "true received=3 tickets=2 replies=0 suppressed=0 quarantined=1")
    #expect(try await world.number("SELECT count(*) FROM ticket") == 2)
    let poisonous = try await world.mail.store.inbound(third.id, of: service.id, deadline: TestDatabase.deadline)
    #expect(poisonous?.reason == "POISONOUS")
    #expect(try await world.inbound.runOnce(deadline: TestDatabase.deadline) == 0)
  }

  @Test("an agent sees what waits, and lets it in, turns it away or has it judged anew")
  func quarantine() async throws {
    let world = try await InboundWorld()
    let (ticket, _) = try await world.answered()
    let tag = "Re: [#\(ticket)] 문의"
    for name in ["one", "two", "three"] {
      _ = try await world.take(
        .init(from: "Eve \(name) <\(name)@evil.example>", subject: tag, body: "words of \(name)"))
    }
    let agent = world.mail.asAgent
    let list = try await world.service.listInboundMails(ListInboundMailsRequest(parent: "services/care"), agent)
    #expect(list.inboundMails.map(\.sender) == ["three@evil.example", "two@evil.example", "one@evil.example"])
    #expect(list.inboundMails.allSatisfy { $0.subject == tag && $0.reason == "UNKNOWN_SENDER" && $0.text.isEmpty })
    #expect(list.inboundMails.allSatisfy { $0.ticket == "services/care/tickets/\(ticket)" })
    let names = list.inboundMails.map(\.name)
    let read = try await world.service.getInboundMail(GetInboundMailRequest(name: names[0]), agent)
    #expect(read.text == "words of three")
    // The words stand nowhere in clear.
    #expect(
      try await world.number(
        "SELECT count(*) FROM inbound_mail AS i WHERE i::text ILIKE '%evil%' OR i::text LIKE '%6576696c%'") == 0)
    #expect(
      try await world.number("SELECT count(*) FROM inbound_mail_piece AS p WHERE p::text LIKE '%6576696c%'") == 0)
    #expect(try await world.number("SELECT count(DISTINCT mail_id) FROM inbound_mail_piece") == 4)

    let joined = try await world.service.acceptInboundMail(
      AcceptInboundMailRequest(name: names[0], ticket: "services/care/tickets/\(ticket)"), agent)
    #expect(joined.state == .reply && joined.decider == "agents/1")
    #expect(try await world.texts(ticket).last == "words of three")
    let opened = try await world.service.acceptInboundMail(AcceptInboundMailRequest(name: names[1]), agent)
    #expect(opened.state == .ticket && opened.ticket != "services/care/tickets/\(ticket)")
    let rerun = try await world.service.rerunInboundMail(RerunInboundMailRequest(name: names[2]), agent)
    #expect(rerun.state == .quarantined && rerun.reason == "UNKNOWN_SENDER")
    let rejected = try await world.service.rejectInboundMail(RejectInboundMailRequest(name: names[2]), agent)
    #expect(rejected.state == .suppressed && rejected.reason == "REJECTED")
    let again = await refusal {
      try await world.service.acceptInboundMail(AcceptInboundMailRequest(name: names[0]), agent)
    }
    #expect(again?.reason == .transitionNotAllowed)
    let stranger = world.mail.call(agent: MailWorld.outsider)
    let hidden = await refusal {
      try await world.service.getInboundMail(GetInboundMailRequest(name: names[0]), stranger)
    }
    #expect(hidden?.reason == .messageNotFound)
    #expect(try await world.accounts() == "true received=4 tickets=2 replies=1 suppressed=1 quarantined=0")
  }
}

@Suite("the list of mails that wait")
struct InboundListTests {
  @Test("a mail whose summary cannot be opened any more is listed without it, and the others with theirs")
  func unopenable() async throws {
    let world = try await InboundWorld()
    let (ticket, _) = try await world.answered()
    var ids: [Int64] = []
    for name in ["one", "two", "three", "four"] {
      ids.append(
        try await world.take(.init(from: "\(name)@evil.example", subject: "Re: [#\(ticket)]")).id)
    }
    for (id, seal) in [(ids[1], "0104393939390000"), (ids[2], "0104303030310000")] {
      _ = try await world.mail.database.pool.query(
        "UPDATE inbound_mail SET sealed_summary = decode(\(seal), 'hex') WHERE id = \(id)",
        deadline: TestDatabase.deadline)
    }
    let list = try await world.service.listInboundMails(
      ListInboundMailsRequest(parent: "services/care"), world.mail.asAgent)
    #expect(list.inboundMails.map(\.sender) == ["four@evil.example", "", "", "one@evil.example"])
    #expect(list.inboundMails.allSatisfy { $0.reason == "UNKNOWN_SENDER" && $0.state == .quarantined })
  }
}
