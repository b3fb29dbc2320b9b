import EventLoop
import Foundation
import HandoffAPI
import HandoffTestKit
import Outbound
import Postgres
import RPCProtos
import ServiceKit
import Testing
import TicketLedger

@testable import Mail

@Suite("mailboxes on Dovecot")
struct MailboxTests {
  @Test(
    "what is in a mailbox becomes tickets of the account's type, once, however often it is read",
    arguments: [true, false])
  func imports(isTLS: Bool) async throws {
    let world = try await MailboxWorld()
    var account = world.account()
    account.submissionType = "services/care/submissionTypes/1"
    if !isTLS { (account.security, account.port) = (.starttls, Int32(world.server.port)) }
    account = try await world.create(account)
    try world.deliver(1...7)
    try world.server.deliver(world.letter(8, headers: ["Auto-Submitted: auto-replied"]).bytes, to: "care")
    for round in 0..<TestScale.count(usual: 10, all: 100) {
      if round == 5 { try world.server.renumber("care") }
      #expect(try await world.read() == 1)
      if round == 3 { try world.deliver(1...3) }
    }
    #expect(try await world.accounts() == "true received=8 tickets=7 replies=0 suppressed=1 quarantined=0")
    #expect(try await world.world.number("SELECT count(*) FROM ticket WHERE submission_type_id = 1") == 7)
    account = try await world.get(account)
    #expect(account.state == .ready && account.readTime != nil)
    #expect(account.counts == MailAccount.Counts(received: 8, tickets: 7, suppressed: 1))
    #expect(try world.server.count(of: "care") == 11)
    let upkeep = InboundUpkeep(
      store: world.world.mail.store, retention: .seconds(86_400), prints: MailPrintKey(world.world.mail.ledger.key),
      metrics: world.metrics)
    try await upkeep.look(deadline: TestDatabase.deadline)
    let lines = Set(world.metrics.exposition().split(separator: "\n"))
    #expect(lines.contains("handoff_mail_account_received_total{account=\"\(account.name)\"} 8"))
    #expect(lines.contains("handoff_mail_account_inbound{account=\"\(account.name)\",state=\"ticket\"} 7"))
    #expect(lines.contains("handoff_mail_accounts{state=\"ready\"} 1"))
    #expect(lines.contains { $0.hasPrefix("handoff_mail_account_visits_total{outcome=\"read\"}") })
    #expect(lines.contains { $0.hasPrefix("handoff_mail_account_unread_seconds{account=") })
  }

  @Test("mails from before an account began are left alone, also when the server numbers them anew")
  func startTime() async throws {
    let world = try await MailboxWorld()
    for number in 1...5 {
      try world.server.deliver(
        world.letter(number).bytes, to: "care", arrival: Date(timeIntervalSinceNow: number == 3 ? 3_600 : -86_400))
    }
    var account = world.account()
    account.startTime = nil
    account = try await world.create(account)
    try await world.read()
    try world.server.renumber("care")
    try await world.read()
    try await world.read()
    #expect(try await world.accounts() == "true received=1 tickets=1 replies=0 suppressed=0 quarantined=0")
    #expect(try world.server.readCount(of: "care") == 1)
  }

  @Test("a mail above the limit waits for an agent with its header, stays where it is, and the mailbox goes on")
  func oversized() async throws {
    var limits = ParseLimits()
    limits.messageBytesMax = 20_000
    let world = try await MailboxWorld(limits: limits)
    var account = world.account()
    account.deleteImported = true
    account = try await world.create(account)
    try world.deliver(1...1)
    let large = world.letter(2, body: String(repeating: "가나다라마바사\r\n", count: 1_000))
    try world.server.deliver(large.bytes, to: "care")
    try world.deliver(3...3)
    for _ in 0..<2 { try await world.read() }
    #expect(try await world.accounts() == "true received=3 tickets=2 replies=0 suppressed=0 quarantined=1")
    #expect(try world.server.count(of: "care") == 1)
    let agent = world.world.mail.asAgent
    let held = try await world.service.listInboundMails(ListInboundMailsRequest(parent: "services/care"), agent)
    let mail = try #require(held.inboundMails.first)
    #expect(mail.reason == "TOO_LARGE" && mail.sender == "c2@example.com" && mail.subject == "문의 2")
    #expect(mail.sizeBytes == Int64(large.bytes.count) && mail.account == account.name)
    let rerun = try await world.service.rerunInboundMail(RerunInboundMailRequest(name: mail.name), agent)
    #expect(rerun.state == .quarantined && rerun.reason == "TOO_LARGE")
    let opened = try await world.service.acceptInboundMail(AcceptInboundMailRequest(name: mail.name), agent)
    let ticket = try #require(TicketName(opened.ticket))
    #expect(try await world.world.texts(ticket.id) == [InboundWords(language: "ko").tooLarge])
  }

  @Test("a mail that the server does not hand out waits for an agent after some tries, and the mailbox goes on")
  func unfetchable() async throws {
    let world = try await MailboxWorld()
    let account = try await world.create(world.account())
    try world.deliver(1...1)
    try world.server.deliver(world.letter(2).bytes, to: "care", claimedSize: 9_999)
    for round in 0..<MailboxVisit.fetchesMax {
      // The others have their places by then.
      if round == 1 { try world.deliver(3...3) }
      try await world.read()
      let failing = try await world.get(account)
      #expect(failing.state == .failing && failing.problem == .server, "\(failing.problemText)")
    }
    try await world.read()
    #expect(try await world.get(account).state == .ready)
    #expect(try await world.accounts() == "true received=3 tickets=2 replies=0 suppressed=0 quarantined=1")
    #expect(try await world.world.number("SELECT count(*) FROM inbound_mail WHERE reason = 'UNFETCHABLE'") == 1)
  }

  @Test("a mailbox that cannot be read says why, waits longer and longer, and holds up no other")
  func broken() async throws {
    let world = try await MailboxWorld(users: ["care", "good"])
    let broken = try await world.create(world.account("care"))
    let good = try await world.create(world.account("good"))
    try world.deliver(1...2, to: "good")
    try await world.sql("UPDATE mail_account SET mailbox = 'Gone' WHERE user_name = 'care'")
    var waits: [Int64] = []
    for _ in 0..<3 {
      #expect(try await world.read() == 2)
      waits.append(
        try await world.world.number(
          """
          SELECT extract(epoch FROM due_time - check_time)::bigint FROM mail_account WHERE user_name = 'care'
          """))
    }
    #expect(waits[0] >= 14 && waits[1] >= waits[0] && waits[2] > waits[1] / 2 && waits[2] >= 59, "\(waits)")
    let failing = try await world.get(broken)
    #expect(failing.state == .failing && failing.problem == .mailbox && !failing.problemText.isEmpty)
    #expect(try await world.get(good).counts?.tickets == 2)
    // An administrator mends it, and sees so at once.
    try await world.sql("UPDATE mail_account SET mailbox = 'INBOX' WHERE user_name = 'care'")
    let mended = try await world.service.checkMailAccount(
      CheckMailAccountRequest(name: broken.name), world.administrator)
    #expect(mended.state == .ready && mended.problemText.isEmpty)
  }

  @Test("a password that the server takes no longer is told, and mails wait until the new one is given")
  func password() async throws {
    let world = try await MailboxWorld()
    var account = try await world.create(world.account())
    try world.deliver(1...1)
    try await world.read()
    try world.server.setPassword("another one", of: "care")
    // Within the second in which it last did, the server does not look whether its passwords have changed.
    let patience = TestDatabase.deadline
    repeat { try await world.read() } while try await world.get(account).state != .failing && !patience.hasPassed
    try world.deliver(2...3)
    try await world.read()
    let failing = try await world.get(account)
    #expect(failing.state == .failing && failing.problem == .signIn)
    #expect(failing.problemText.contains("AUTHENTICATIONFAILED"), "\(failing.problemText)")
    account.password = "another one"
    #expect(try await world.update(account, ["password"]).state == .ready)
    try await world.read()
    #expect(try await world.accounts() == "true received=3 tickets=3 replies=0 suppressed=0 quarantined=0")
  }

  @Test("a password that masking cannot open is told, is not asked for all the time, and is given anew")
  func passwordLost() async throws {
    let world = try await MailboxWorld()
    var account = try await world.create(world.account())
    try world.deliver(1...1)
    try await world.sql("UPDATE mail_account SET sealed_password = sealed_password || '\\x00'")
    try await world.read()
    let failing = try await world.get(account)
    #expect(failing.state == .failing && failing.problem == .signIn && failing.problemText.contains("anew"))
    #expect(
      try await world.world.number("SELECT extract(epoch FROM due_time - check_time)::bigint FROM mail_account") >= 149)
    let checked = try await world.service.checkMailAccount(
      CheckMailAccountRequest(name: account.name), world.administrator)
    #expect(checked.state == .failing && checked.problem == .signIn)
    account.user = "other"
    let refused = await refusal { try await world.update(account, ["user"]) }
    #expect(refused?.reason == .requestInvalid || refused?.reason == .mailboxUnreadable)
    account.user = "care"
    account.password = MailboxWorld.password
    #expect(try await world.update(account, ["password"]).state == .ready)
    try await world.read()
    #expect(try await world.accounts() == "true received=1 tickets=1 replies=0 suppressed=0 quarantined=0")
  }

  @Test("a mail that could not be fetched for long comes in when its server hands out mails again")
  func fetchableAgain() async throws {
    let world = try await MailboxWorld()
    _ = try await world.create(world.account())
    try world.deliver(1...1)
    try await world.read()
    try world.deliver(2...3)
    try await world.sql(
      "UPDATE mail_account SET stuck_uid = last_uid + 1, stuck_count = \(MailboxVisit.lastFetchesMax)")
    try await world.read()
    #expect(try await world.accounts() == "true received=3 tickets=3 replies=0 suppressed=0 quarantined=0")
  }

  @Test("two mails one behind the other that cannot be fetched block their mailbox for a time only")
  func neighboursUnfetchable() async throws {
    let world = try await MailboxWorld()
    _ = try await world.create(world.account())
    for number in 1...2 { try world.server.deliver(world.letter(number).bytes, to: "care", claimedSize: 9_999) }
    for _ in 0...MailboxVisit.fetchesMax { try await world.read() }
    for _ in 1...2 {
      try await world.sql("UPDATE mail_account SET stuck_count = \(MailboxVisit.lastFetchesMax)")
      try await world.read()
      try await world.read()
    }
    #expect(try await world.world.number("SELECT count(*) FROM inbound_mail WHERE reason = 'UNFETCHABLE'") == 2)
  }

  @Test("the last mail of a mailbox is passed over later than others: the server may hand out nothing at all")
  func lastUnfetchable() async throws {
    let world = try await MailboxWorld()
    _ = try await world.create(world.account())
    try world.server.deliver(world.letter(1).bytes, to: "care", claimedSize: 9_999)
    for _ in 0..<MailboxVisit.fetchesMax + 2 { try await world.read() }
    #expect(try await world.world.number("SELECT count(*) FROM inbound_mail") == 0)
    try await world.sql("UPDATE mail_account SET stuck_count = \(MailboxVisit.lastFetchesMax)")
    try await world.read()
    #expect(try await world.world.number("SELECT count(*) FROM inbound_mail WHERE reason = 'UNFETCHABLE'") == 1)
  }

  @Test("a server that is away is told, costs no mail, and is read on when it is back", arguments: [true, false])
  func away(isTLS: Bool) async throws {
    let world = try await MailboxWorld()
    var account = world.account()
    account.deleteImported = true
    if !isTLS { (account.security, account.port) = (.starttls, Int32(world.server.port)) }
    account = try await world.create(account)
    try world.deliver(1...2)
    try await world.read()
    try world.server.stop()
    for _ in 0..<2 { try await world.read() }
    let failing = try await world.get(account)
    #expect(failing.state == .failing && failing.problem == .host, "\(failing.problemText)")
    try world.deliver(2...4)
    try world.server.start()
    try await world.read()
    #expect(try await world.get(account).state == .ready)
    #expect(try await world.accounts() == "true received=4 tickets=4 replies=0 suppressed=0 quarantined=0")
    #expect(try world.server.count(of: "care") == 0)
  }

  @Test("a server that lies is told, ends no daemon, keeps no reader busy, and holds up no other mailbox")
  func liar() async throws {
    let world = try await MailboxWorld(users: ["good"])
    let server = try LyingIMAPServer(world.certificate)
    var accounts: [MailAccount] = []
    for lie in LyingIMAPServer.lies {
      var account = world.account(lie)
      account.port = Int32(server.port)
      accounts.append(try await world.create(account))
    }
    let good = try await world.create(world.account("good"))
    for round in 1...2 {
      try world.deliver(round...round, to: "good")
      #expect(try await world.read() == LyingIMAPServer.lies.count + 1)
    }
    for account in accounts {
      let failing = try await world.get(account)
      #expect(failing.state == .failing && failing.problem == .server, "\(account.user): \(failing.problemText)")
    }
    #expect(try await world.get(good).counts?.tickets == 2)
    #expect(try await world.accounts() == "true received=2 tickets=2 replies=0 suppressed=0 quarantined=0")
  }

  @Test("several daemons share the mailboxes: each is read by one at a time, and nothing is taken twice")
  func shared() async throws {
    let world = try await MailboxWorld(users: ["a", "b", "c"])
    let other = try await MailboxWorld(sharing: world)
    for (index, user) in ["a", "b", "c"].enumerated() {
      var account = world.account(user)
      account.deleteImported = true
      _ = try await world.create(account)
      try world.deliver((index * 10 + 1)...(index * 10 + 4), to: user)
    }
    for _ in 0..<3 { #expect(try await world.read([world.worker, other.worker, world.worker]) == 3) }
    #expect(try await world.accounts() == "true received=12 tickets=12 replies=0 suppressed=0 quarantined=0")
    #expect(try await world.world.number("SELECT count(*) FROM ticket") == 12)
    for user in ["a", "b", "c"] { #expect(try world.server.count(of: user) == 0) }
  }

  @Test("whoever has lost the lease writes nothing more")
  func lease() async throws {
    let world = try await MailboxWorld()
    _ = try await world.create(world.account())
    let store = world.world.mail.store
    let first = try #require(
      try await store.claimMailboxes(isFailing: false, limit: 5, deadline: TestDatabase.deadline).first)
    #expect(try await store.claimMailboxes(isFailing: false, limit: 5, deadline: TestDatabase.deadline).isEmpty)
    #expect(try await store.passMail(first, uid: 3, isToDelete: true, deadline: TestDatabase.deadline))
    try await world.sql("UPDATE mail_account SET lease_end_time = clock_timestamp()")
    let second = try #require(
      try await store.claimMailboxes(isFailing: false, limit: 5, deadline: TestDatabase.deadline).first)
    #expect(second.lastUID == 3 && second.uidsToDelete == [3])
    #expect(try await store.passMail(first, uid: 9, isToDelete: false, deadline: TestDatabase.deadline) == false)
    try await store.endReading(first, wait: .zero, deadline: TestDatabase.deadline)
    #expect(try await store.passMail(second, uid: 4, isToDelete: false, deadline: TestDatabase.deadline))
  }

  @Test("what is out of reach here puts a mailbox off and is not blamed on its account")
  func ownTrouble() async throws {
    let world = try await MailboxWorld()
    let account = try await world.create(world.account())
    try world.deliver(1...2)
    try await world.sql("REVOKE INSERT ON inbound_mail FROM handoff_mail")
    try await world.read()
    #expect(try await world.get(account).state == .ready)
    #expect(try await world.get(account).readTime == nil)
    try await world.sql("GRANT INSERT ON inbound_mail TO handoff_mail")
    try await world.read()
    #expect(try await world.accounts() == "true received=2 tickets=2 replies=0 suppressed=0 quarantined=0")
  }
}
