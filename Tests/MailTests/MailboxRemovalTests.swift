import EventLoop
import Foundation
import HandoffAPI
import HandoffTestKit
import Outbound
import Postgres
import ServiceKit
import Testing
import TicketLedger

@testable import Mail

@Suite("what is removed from mailboxes", .timeLimit(.minutes(5)))
struct MailboxRemovalTests {
  @Test("what is stored is removed from the mailbox when that is wished, also when it is known already")
  func deletes() async throws {
    let world = try await MailboxWorld()
    var account = world.account()
    account.deleteImported = true
    account = try await world.create(account)
    try world.deliver(1...3)
    try await world.read()
    #expect(try world.server.count(of: "care") == 0)
    try world.deliver(2...4)
    try await world.read()
    #expect(try world.server.count(of: "care") == 0)
    // Stored, and the process died before it removed it.
    try world.deliver(5...5)
    account.deleteImported = false
    _ = try await world.update(account, ["delete_imported"])
    try await world.read()
    #expect(try world.server.count(of: "care") == 1)
    try await world.sql("UPDATE mail_account SET uids_to_delete = ARRAY[last_uid], delete_imported = true")
    try await world.read()
    #expect(try world.server.count(of: "care") == 0)
    #expect(try await world.accounts() == "true received=5 tickets=5 replies=0 suppressed=0 quarantined=0")
  }

  @Test("what an earlier visit left to be removed goes, and the mails behind it come in")
  func leftOver() async throws {
    let world = try await MailboxWorld()
    let account = try await world.create(world.account())
    try world.deliver(1...3)
    try await world.read()
    try await world.sql("UPDATE mail_account SET uids_to_delete = ARRAY[1, 2], delete_imported = true")
    try world.deliver(4...5)
    try await world.read()
    #expect(try await world.get(account).state == .ready)
    #expect(try await world.accounts() == "true received=5 tickets=5 replies=0 suppressed=0 quarantined=0")
    #expect(try world.server.count(of: "care") == 1)
  }

  @Test("mails that were to be removed stay when that is wished no longer, also for a reading that is under way")
  func kept() async throws {
    let world = try await MailboxWorld()
    var account = try await world.create(world.account())
    try world.deliver(1...2)
    try await world.read()
    try await world.sql(
      """
      UPDATE mail_account SET uids_to_delete = ARRAY[1, 2], delete_imported = true, due_time = clock_timestamp()
      """)
    let mail = world.world.mail
    let reader = try #require(
      try await mail.store.claimMailboxes(isFailing: false, limit: 1, deadline: TestDatabase.deadline).first)
    #expect(reader.uidsToDelete == [1, 2])
    account.deleteImported = false
    _ = try await world.update(account, ["delete_imported"])
    let session = try world.mailboxes.session(reader, password: MailboxWorld.password)
    let visit = MailboxVisit(
      account: reader,
      service: try await mail.ledger.directory.service(code: "care", deadline: TestDatabase.deadline),
      session: session, store: mail.store, inbound: world.world.inbound)
    await #expect(throws: MailboxVisit.LeaseLost.self) { try await visit.run() }
    await session.close()
    try await world.read()
    #expect(try world.server.count(of: "care") == 2)
  }

  @Test("a mail that waits for an agent stays in its mailbox, though the others are removed")
  func quarantinedStays() async throws {
    let world = try await MailboxWorld()
    var account = world.account()
    account.deleteImported = true
    _ = try await world.create(account)
    try world.deliver(1...1)
    let nobody = InboundWorld.Letter(from: "nobody", subject: "문의", id: "n@example.com")
    try world.server.deliver(nobody.bytes, to: "care")
    try world.deliver(3...3)
    try await world.read()
    #expect(try await world.accounts() == "true received=3 tickets=2 replies=0 suppressed=0 quarantined=1")
    #expect(try world.server.count(of: "care") == 1)
  }

  @Test("a mail that is stored goes also when tickets is out of reach, and becomes a ticket from what is stored")
  func waitingGoes() async throws {
    let world = try await MailboxWorld()
    let away = try await MailboxWorld(isTicketsReachable: false, sharing: world)
    var account = world.account()
    account.deleteImported = true
    _ = try await world.create(account)
    try world.deliver(1...2)
    try await away.read()
    #expect(try world.server.count(of: "care") == 0)
    #expect(try await world.accounts() == "false received=2 tickets=0 replies=0 suppressed=0 quarantined=0")
    try await world.sql("UPDATE inbound_mail SET due_time = clock_timestamp()")
    #expect(try await world.world.inbound.runOnce(deadline: TestDatabase.deadline) == 2)
    #expect(try await world.accounts() == "true received=2 tickets=2 replies=0 suppressed=0 quarantined=0")
    #expect(try await world.world.number("SELECT count(*) FROM ticket_entry WHERE body = '언제 오나요?'") == 2)
  }
}
