import EventLoop
import HandoffAPI
import HandoffTestKit
import Postgres
import RPC
import ServiceKit
import Testing
import TicketLedger

@testable import Mail

@Suite("mails under a new key", .timeLimit(.minutes(5)))
struct SealUpkeepTests {
  private func told(_ metrics: Metrics) -> String? {
    metrics.exposition().split(separator: "\n").first { $0.hasPrefix("handoff_mail_seals_of_old_keys ") }
      .map(String.init)
  }

  @Test("bytes, summaries and passwords of all mailboxes are sealed anew, and then the old key may go")
  func rotation() async throws {
    let world = try await InboundWorld()
    let metrics = Metrics()
    let store = world.mail.store
    let passwords = AccountPasswords(masking: world.masking)
    let upkeep = SealUpkeep(store: store, vault: world.inbound.vault, masking: world.masking, metrics: metrics)
    let (ticket, _) = try await world.answered()
    let waits = try await world.take(
      .init(from: "eve@evil.example", subject: "Re: [#\(ticket)]", body: "words of Eve"))
    // One that is paused, and one that fails and will not be read for a while.
    let purposes = ["paused", "failing"].map { user in
      AccountPasswords.Purpose(
        service: ServiceID(1), host: "mail.example.com", port: 993, security: .tls, user: user)
    }
    for purpose in purposes {
      let password = try await passwords.seal("secret word", for: purpose, deadline: TestDatabase.deadline)
      let isPaused = purpose.user == "paused"
      _ = try await world.mail.database.pool.query(
        """
        INSERT INTO mail_account (service_id, host, port, user_name, sealed_password, is_paused)
        VALUES (1, 'mail.example.com', 993, \(purpose.user), \(password), \(isPaused))
        """, deadline: TestDatabase.deadline)
    }
    #expect(told(metrics) == nil, "nobody has counted yet")
    #expect(try await upkeep.run(deadline: TestDatabase.deadline).made == 0)
    #expect(told(metrics) == "handoff_mail_seals_of_old_keys 0")

    try world.addKey("0002")
    let later = try await world.take(.init(from: "b@example.com"))
    #expect(try await store.oldSealCount(butOf: "0002", deadline: TestDatabase.deadline) == 3)
    #expect(try await upkeep.run(skipsMails: true, deadline: TestDatabase.deadline).made == 0)
    #expect(told(metrics) == "handoff_mail_seals_of_old_keys 3")
    let looked = try await upkeep.run(deadline: TestDatabase.deadline)
    #expect(looked.made == 3 && looked.left == 0)
    #expect(told(metrics) == "handoff_mail_seals_of_old_keys 0")
    #expect(try await upkeep.run(deadline: TestDatabase.deadline).made == 0)
    try world.removeKey("0001")
    let list = try await world.service.listInboundMails(
      ListInboundMailsRequest(parent: "services/care"), world.mail.asAgent)
    #expect(list.inboundMails.map(\.sender) == ["eve@evil.example"])
    let read = try await world.service.getInboundMail(
      GetInboundMailRequest(name: "services/care/inboundMails/\(waits.id)"), world.mail.asAgent)
    #expect(read.text == "words of Eve")
    for purpose in purposes {
      let sealed = try await world.mail.database.pool.query(
        "SELECT sealed_password FROM mail_account WHERE user_name = \(purpose.user)", deadline: TestDatabase.deadline
      )[0].bytes(0)
      let opened = try await passwords.open(sealed, for: purpose, deadline: TestDatabase.deadline)
      #expect(opened.password == "secret word" && opened.resealed == nil)
    }
    #expect(try await !world.inbound.opened(later, world.options).isEmpty)
  }

  @Test("what does not open any more is left as it is and counted, and the rest is sealed anew")
  func lostKey() async throws {
    let world = try await InboundWorld()
    let metrics = Metrics()
    let store = world.mail.store
    let upkeep = SealUpkeep(
      store: store, vault: world.inbound.vault, masking: world.masking, metrics: metrics)
    let lost = try await world.take(.init(from: "a@example.com"))
    try world.addKey("0002")
    let kept = try await world.take(.init(from: "b@example.com"))
    try world.removeKey("0001")
    try world.addKey("0003")
    let looked = try await upkeep.run(deadline: TestDatabase.deadline)
    #expect(looked.made == 1 && looked.left == 1)
    #expect(told(metrics) == "handoff_mail_seals_of_old_keys 1")
    #expect(try await !world.inbound.opened(kept, world.options).isEmpty)
    let error = await refusal { try await world.inbound.opened(lost, world.options) }
    #expect(error?.reason == .maskKeyLost)
    // The newest key is lost, too.
    try world.addKey("00025")
    try world.removeKey("0003")
    #expect(try await upkeep.run(deadline: TestDatabase.deadline).left == 2)
    #expect(told(metrics) == "handoff_mail_seals_of_old_keys 2")
  }

  @Test("seals are counted before any is made anew, which may take minutes, or fail")
  func countedFirst() async throws {
    let world = try await InboundWorld()
    let metrics = Metrics()
    _ = try await world.take(.init(from: "a@example.com"))
    try world.addKey("0002")
    let stuck = WithoutResealing(way: world.masking)
    let upkeep = SealUpkeep(
      store: world.mail.store, vault: RawMailVault(masking: stuck), masking: stuck, metrics: metrics)
    await #expect(throws: ServiceError.self) { try await upkeep.run(deadline: TestDatabase.deadline) }
    #expect(told(metrics) == "handoff_mail_seals_of_old_keys 1")
  }
}

/// A way to masking on which nothing comes back that was to be sealed anew.
private struct WithoutResealing: RPCTransport {
  let way: any RPCTransport

  func unary(_ path: String, _ request: [UInt8], _ options: CallOptions) async throws -> RawResponse {
    if path.hasSuffix("/ResealSecret") { throw RPCError(.unavailable, "the connection broke") }
    return try await way.unary(path, request, options)
  }

  func serverStreaming(_ path: String, _ request: [UInt8], _ options: CallOptions) async throws -> RawResponseStream {
    try await way.serverStreaming(path, request, options)
  }

  func clientStreaming(
    _ path: String, _ options: CallOptions, _ requests: @escaping @Sendable (RawRequestWriter) async throws -> Void
  ) async throws -> RawResponse {
    try await way.clientStreaming(path, options, requests)
  }

  func bidirectional(
    _ path: String, _ options: CallOptions, _ requests: @escaping @Sendable (RawRequestWriter) async throws -> Void
  ) async throws -> RawResponseStream {
    try await way.bidirectional(path, options, requests)
  }
}
