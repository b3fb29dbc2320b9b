import EventLoop
import HandoffAPI
import HandoffTestKit
import Postgres
import ServiceKit
import Testing
import TicketLedger

@testable import Mail

@Suite("mails under a new key", .timeLimit(.minutes(5)))
struct SealUpkeepTests {
  @Test("bytes, summaries and paused accounts' passwords are sealed anew, and then the old key may go")
  func rotation() async throws {
    let world = try await InboundWorld()
    let metrics = Metrics()
    let store = world.mail.store
    let passwords = AccountPasswords(masking: world.masking)
    let upkeep = SealUpkeep(store: store, vault: world.inbound.vault, passwords: passwords, metrics: metrics)
    let (ticket, _) = try await world.answered()
    let waits = try await world.take(
      .init(from: "eve@evil.example", subject: "Re: [#\(ticket)]", body: "words of Eve"))
    let purpose = AccountPasswords.Purpose(
      service: ServiceID(1), host: "mail.example.com", port: 993, security: .tls, user: "care")
    let password = try await passwords.seal("secret word", for: purpose, deadline: TestDatabase.deadline)
    _ = try await world.mail.database.pool.query(
      """
      INSERT INTO mail_account (service_id, host, port, user_name, sealed_password, is_paused)
      VALUES (1, 'mail.example.com', 993, 'care', \(password), true)
      """, deadline: TestDatabase.deadline)
    #expect(try await upkeep.run(deadline: TestDatabase.deadline) == 0)

    try world.addKey("0002")
    let later = try await world.take(.init(from: "b@example.com"))
    #expect(try await store.oldSealCount(before: "0002", deadline: TestDatabase.deadline) == 3)
    #expect(try await upkeep.run(deadline: TestDatabase.deadline) == 3)
    try await upkeep.resealPausedAccounts(deadline: TestDatabase.deadline)
    #expect(metrics.exposition().contains("handoff_mail_seals_of_old_keys 0"))
    #expect(try await upkeep.run(deadline: TestDatabase.deadline) == 0)
    try world.removeKey("0001")
    let list = try await world.service.listInboundMails(
      ListInboundMailsRequest(parent: "services/care"), world.mail.asAgent)
    #expect(list.inboundMails.map(\.sender) == ["eve@evil.example"])
    let read = try await world.service.getInboundMail(
      GetInboundMailRequest(name: "services/care/inboundMails/\(waits.id)"), world.mail.asAgent)
    #expect(read.text == "words of Eve")
    let account = try #require(try await store.pausedMailAccounts(deadline: TestDatabase.deadline).first)
    let opened = try await passwords.open(account.sealedPassword, for: purpose, deadline: TestDatabase.deadline)
    #expect(opened.password == "secret word" && opened.resealed == nil)
    #expect(try await !world.inbound.opened(later, world.options).isEmpty)
  }

  @Test("what does not open any more is left as it is and counted, and the rest is sealed anew")
  func lostKey() async throws {
    let world = try await InboundWorld()
    let metrics = Metrics()
    let store = world.mail.store
    let upkeep = SealUpkeep(
      store: store, vault: world.inbound.vault, passwords: AccountPasswords(masking: world.masking), metrics: metrics)
    let lost = try await world.take(.init(from: "a@example.com"))
    try world.addKey("0002")
    let kept = try await world.take(.init(from: "b@example.com"))
    try world.removeKey("0001")
    try world.addKey("0003")
    #expect(try await upkeep.run(deadline: TestDatabase.deadline) == 1)
    #expect(metrics.exposition().contains("handoff_mail_seals_of_old_keys 1"))
    #expect(try await !world.inbound.opened(kept, world.options).isEmpty)
    let error = await refusal { try await world.inbound.opened(lost, world.options) }
    #expect(error?.reason == .maskKeyLost)
  }
}
