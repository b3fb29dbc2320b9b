import EventLoop
import HandoffAPI
import HandoffTestKit
import Postgres
import ServiceKit
import Testing
import TicketLedger

@testable import Mail

@Suite("accounts of the mails that came in")
struct InboundAccountsTests {
  /// What the database says about the rows themselves, however the accounts were kept.
  private func counted(_ world: InboundWorld) async throws -> InboundAccounts {
    let row = try await world.mail.database.pool.query(
      """
      SELECT count(*), count(*) FILTER (WHERE state = 'WAITING'), count(*) FILTER (WHERE state = 'TICKET'),
        count(*) FILTER (WHERE state = 'REPLY'), count(*) FILTER (WHERE state = 'SUPPRESSED'),
        count(*) FILTER (WHERE state = 'QUARANTINED')
      FROM inbound_mail
      """, deadline: TestDatabase.deadline)[0]
    return InboundAccounts(
      received: try row.int64(0), waiting: try row.int64(1), tickets: try row.int64(2), replies: try row.int64(3),
      suppressed: try row.int64(4), quarantined: try row.int64(5))
  }

  private func look(_ world: InboundWorld, _ upkeep: InboundUpkeep) async throws -> InboundAccounts {
    try await upkeep.look(deadline: TestDatabase.deadline)
    var accounts = upkeep.accounts
    (accounts.waitingSeconds, accounts.rawSeconds) = (0, 0)
    return accounts
  }

  @Test("they add up whatever mails come in, wait, are fed again, let in and turned away, and the metrics say so")
  func identity() async throws {
    let world = try await InboundWorld()
    let unreachable = try await InboundWorld(isTicketsReachable: false, sharing: world)
    let metrics = Metrics()
    let upkeep = InboundUpkeep(
      store: world.mail.store, retention: .seconds(86_400), prints: MailPrintKey(world.mail.ledger.key),
      metrics: metrics)
    let agent = world.mail.asAgent
    var random = SeededGenerator(seed: TestScale.seed)
    var letters: [InboundWorld.Letter] = []
    for await round in TestScale.rounds(usual: 6, all: 60) {
      var batch = (0..<12).map { number -> InboundWorld.Letter in
        var letter = InboundWorld.Letter(from: "c\(Int.random(in: 0..<40, using: &random))@example.com")
        switch Int.random(in: 0..<5, using: &random) {
        case 0: letter.headers = ["Auto-Submitted: auto-replied"]
        case 1: letter.from = "nobody"
        case 2: letter.subject = "Re: [#\(Int.random(in: 1...5, using: &random))]"
        case 3: letter.headers = ["In-Reply-To: <\(letters.randomElement(using: &random)?.id ?? "none")>"]
        default: break
        }
        return letter
      }
      batch += letters.shuffled(using: &random).prefix(4)
      letters += batch
      let lost = Int.random(in: 0..<batch.count, using: &random)
      try await withThrowingTaskGroup(of: Void.self) { group in
        for (number, letter) in batch.enumerated() {
          group.addTask { _ = try await (number == lost ? unreachable : world).take(letter) }
        }
        try await group.waitForAll()
      }
      let held = try await world.service.listInboundMails(ListInboundMailsRequest(parent: "services/care"), agent)
      for mail in held.inboundMails.shuffled(using: &random).prefix(3) {
        if Bool.random(using: &random) {
          _ = try await world.service.acceptInboundMail(AcceptInboundMailRequest(name: mail.name), agent)
        } else {
          _ = try await world.service.rejectInboundMail(RejectInboundMailRequest(name: mail.name), agent)
        }
      }
      let accounts = try await look(world, upkeep)
      #expect(try await accounts == counted(world), "\(TestScale.place(round))")
    }
    // One that comes behind another of its ticket waits a second longer than that one.
    for _ in 0..<letters.count where try await look(world, upkeep).waiting > 0 {
      _ = try await world.mail.database.pool.query(
        "UPDATE inbound_mail SET due_time = clock_timestamp() WHERE state = 'WAITING'", deadline: TestDatabase.deadline)
      while try await world.inbound.runOnce(deadline: TestDatabase.deadline) > 0 {}
    }
    let all = try await look(world, upkeep)
    #expect(all.waiting == 0 && all.received > 0)
    #expect(all.received == all.tickets + all.replies + all.suppressed + all.quarantined)
    // Every ticket and every entry is one mail's.
    #expect(try await world.number("SELECT count(*) FROM ticket") == all.tickets)
    #expect(try await world.number("SELECT count(*) FROM ticket_entry") == all.tickets + all.replies)
    let lines = Set(metrics.exposition().split(separator: "\n"))
    #expect(lines.contains("handoff_mail_received_total \(all.received)"))
    #expect(lines.contains("handoff_mail_inbound{state=\"ticket\"} \(all.tickets)"))
    #expect(lines.contains("handoff_mail_inbound{state=\"waiting\"} 0"))
  }

  @Test("numbers that do not add up are refused by the database")
  func refusedNumbers() async throws {
    let world = try await InboundWorld()
    _ = try await world.take(.init())
    await #expect(throws: PostgresError.self) {
      try await world.mail.database.pool.query(
        "UPDATE inbound_mail_count SET tickets = tickets + 1", deadline: TestDatabase.deadline)
    }
  }

  @Test("bytes go when their time is over; what became of the mail stays known, and nobody can let it in any more")
  func retention() async throws {
    let world = try await InboundWorld()
    let upkeep = InboundUpkeep(
      store: world.mail.store, retention: .seconds(86_400), prints: MailPrintKey(world.mail.ledger.key),
      metrics: Metrics())
    let made = InboundWorld.Letter()
    let ticket = try await world.take(made)
    let held = try await world.take(.init(from: "nobody"))
    let young = try await world.take(.init(from: "young"))
    #expect(try await upkeep.removeRawMails(deadline: TestDatabase.deadline) == 0)
    _ = try await world.mail.database.pool.query(
      "UPDATE inbound_mail SET decide_time = decide_time - interval '25 hours' WHERE id <> \(young.id)",
      deadline: TestDatabase.deadline)
    #expect(try await upkeep.removeRawMails(deadline: TestDatabase.deadline) == 2)
    #expect(try await upkeep.removeRawMails(deadline: TestDatabase.deadline) == 0)
    #expect(try await world.number("SELECT count(DISTINCT mail_id) FROM inbound_mail_piece") == 1)
    #expect(try await world.take(made).id == ticket.id)
    let name = "services/care/inboundMails/\(held.id)"
    let shown = try await world.service.getInboundMail(GetInboundMailRequest(name: name), world.mail.asAgent)
    #expect(shown.state == .suppressed && shown.reason == "EXPIRED" && shown.text.isEmpty)
    let late = await refusal {
      try await world.service.acceptInboundMail(AcceptInboundMailRequest(name: name), world.mail.asAgent)
    }
    #expect(late?.reason == .transitionNotAllowed)
    #expect(try await look(world, upkeep) == counted(world))
    #expect(upkeep.accounts.suppressed == 1 && upkeep.accounts.quarantined == 1 && upkeep.accounts.tickets == 1)
  }
}
