import Crypto
import HandoffTestKit
import Postgres
import ServiceKit
import Testing
import TicketLedger

@testable import Mail

@Suite("by what mails are known again")
struct MailPrintTests {
  private let world: InboundWorld
  private var key: MailPrintKey { MailPrintKey(world.mail.ledger.key) }

  init() async throws { world = try await InboundWorld() }

  private func rows(_ query: Query) async throws -> Rows {
    try await world.mail.database.pool.query(query, deadline: TestDatabase.deadline)
  }

  private func stored(_ mail: InboundRecord) async throws -> [[UInt8]] {
    let row = try await rows("SELECT identity, body_hash, content_hash FROM inbound_mail WHERE id = \(mail.id)")[0]
    return [try row.value(0), try row.value(1), try row.value(2)]
  }

  /// Makes a mail one from before there was a key.
  private func unkey(_ letter: InboundWorld.Letter, _ mail: InboundRecord) async throws {
    _ = try await rows(
      """
      UPDATE inbound_mail SET identity = \(MessageIdentity.identity(of: letter.bytes)),
        body_hash = \(MessageIdentity.bodyHash(of: letter.bytes)), has_keyed_prints = false WHERE id = \(mail.id)
      """)
  }

  @Test("nothing is kept that somebody without the key could compute from a mail")
  func keyed() async throws {
    let letter = InboundWorld.Letter()
    let mail = try await world.take(letter)
    let plain = [
      MessageIdentity.identity(of: letter.bytes), MessageIdentity.bodyHash(of: letter.bytes),
      SHA256.hash(letter.bytes),
    ]
    let kept = try await stored(mail)
    #expect(Set(kept + plain).count == 6)
    #expect(kept == plain.map(key.keyed))
    let hex = Hex.encode(plain[0])
    let found = try await rows("SELECT count(*) FROM inbound_mail AS i WHERE i::text LIKE '%' || \(hex) || '%'")
    #expect(try found[0].int64(0) == 0)
  }

  @Test("mails from before are known, and so are those that follow them, until they are keyed and afterwards")
  func former() async throws {
    let letter = InboundWorld.Letter()
    let mail = try await world.take(letter)
    let kept = try await stored(mail)
    try await unkey(letter, mail)
    #expect(try await stored(mail) != kept)
    let upkeep = InboundUpkeep(store: world.mail.store, retention: .seconds(86_400), prints: key, metrics: Metrics())
    for round in 1...2 {
      #expect(try await world.take(letter).id == mail.id)
      let next = try await world.take(.init(headers: ["In-Reply-To: <\(letter.id)>"]))
      #expect(next.state == .reply && next.ticketID == mail.ticketID)
      if round == 1 { #expect(try await upkeep.keyPrints(deadline: TestDatabase.deadline) == 1) }
      #expect(try await stored(mail) == kept)
    }
    #expect(try await upkeep.keyPrints(deadline: TestDatabase.deadline) == 0)
  }

  @Test("one that waits is keyed when it is decided, and one that is there twice keeps being there")
  func waitingAndTwins() async throws {
    let (letter, other) = (InboundWorld.Letter(), InboundWorld.Letter())
    let (mail, waiting) = (try await world.take(letter), try await world.take(other))
    let kept = try await stored(mail)
    try await unkey(other, waiting)
    _ = try await rows("UPDATE inbound_mail SET state = 'WAITING', decide_time = NULL WHERE id = \(waiting.id)")
    // The same mail by a daemon of before, while the others are replaced.
    let twin = try await rows(
      """
      INSERT INTO inbound_mail (service_id, identity, body_hash, content_hash, size_bytes, state, ticket_id, due_time,
        decide_time)
      VALUES (1, \(MessageIdentity.identity(of: letter.bytes)), \(MessageIdentity.bodyHash(of: letter.bytes)), '\\x', 1,
        'TICKET', \(mail.ticketID), now(), now()) RETURNING id
      """)[0].int64(0)
    let store = world.mail.store
    #expect(try await store.keyPrints(key, deadline: TestDatabase.deadline) == 1)
    #expect(try await stored(mail) == kept)
    let bodies = try await rows("SELECT body_hash FROM inbound_mail WHERE id IN (\(mail.id), \(twin))")
    #expect(Set(try bodies.map { try $0.bytes(0) }).count == 2)
    _ = try await rows("UPDATE inbound_mail SET state = 'SUPPRESSED', decide_time = now() WHERE id = \(waiting.id)")
    #expect(try await store.keyPrints(key, deadline: TestDatabase.deadline) == 1)
    #expect(try await world.take(other).id == waiting.id)
  }
}
