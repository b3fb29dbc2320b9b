import EventLoop
import HandoffTestKit
import Postgres
import ServiceKit
import Testing
import TicketLedger

@testable import Mail

@Suite("mails that are written together")
struct InboundWritesTests {
  private let world: MailWorld
  private var deadline: Deadline { TestDatabase.deadline }

  init() async throws { world = try await MailWorld() }

  private func arrived(_ number: UInt8, account: Int64 = 0, body: UInt8 = 1) -> InboundWrites.Arrived {
    let prints = MessageIdentity.Prints(
      identity: [UInt8](repeating: number, count: 32), bodyHash: [UInt8](repeating: body, count: 32),
      contentHash: [UInt8](repeating: number, count: 32))
    return InboundWrites.Arrived(
      arrival: MailStore.Arrival(service: ServiceID(1), account: account, prints: prints, sizeBytes: 3),
      pieces: [RawMailVault.Piece(sealed: [number, UInt8(account)], keyID: "")])
  }

  private func stored(_ items: [InboundWrites.Arrived]) async throws -> [InboundRecord?] {
    try await InboundWrites.store(items, world.mailPool, deadline)
  }

  private func number(_ query: Query) async throws -> Int64 {
    try await world.database.pool.query(query, deadline: deadline)[0].int64(0)
  }

  @Test("one mail to two of our accounts is stored with the others of its moment, twice, each with its own bytes")
  func accounts() async throws {
    let mails = try await stored([arrived(1), arrived(1, account: 7), arrived(2, account: 7)])
    #expect(mails.map { $0?.accountID } == [0, 7, 7])
    #expect(Set(mails.compactMap { $0?.id }).count == 3)
    for (mail, sealed) in zip(mails, [[UInt8]]([[1, 0], [1, 7], [2, 7]])) {
      #expect(try await world.store.pieces(of: try #require(mail), deadline: deadline) == [sealed])
    }
    // What is there already is known, and the others with it are stored all the same.
    let again = try await stored([arrived(1, account: 7), arrived(3)])
    #expect(again.map { $0 == nil } == [true, false])
  }

  @Test("two mails of one Message-ID by one account are stored one after the other, and the second knows the first")
  func namesakes() async throws {
    let first = arrived(1)
    let second = arrived(1, body: 2)
    await #expect(throws: (any Error).self) { try await stored([first, second]) }
    #expect(try await number("SELECT count(*) FROM inbound_mail") == 0)
    let store = world.store
    let mails = try await withThrowingTaskGroup(of: InboundRecord.self) { group in
      for arrived in [first, second, first, second] {
        group.addTask {
          try await store.storeInbound(arrived.arrival, pieces: arrived.pieces, deadline: TestDatabase.deadline).mail
        }
      }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(Set(mails.map(\.id)).count == 2)
    #expect(try await number("SELECT count(*) FROM inbound_mail") == 2)
    let ids = Set(mails.map(\.id)).sorted()
    let read = try #require(try await store.inbound(ids[1], of: ServiceID(1), deadline: deadline))
    #expect(read.isNamesake)
  }

  @Test("who has lost a mail to another attempt is not told what that one's plan and decision came to")
  func attempts() async throws {
    let stale = try #require(try await stored([arrived(1)])[0])
    _ = try await world.database.pool.query(
      "UPDATE inbound_mail SET attempt_count = attempt_count + 1", deadline: deadline)
    let held = try #require(try await world.store.inbound(stale.id, of: ServiceID(1), deadline: deadline))
    #expect(held.attemptCount == stale.attemptCount + 1)
    let planned = [stale, held, stale].map { InboundWrites.Planned(mail: $0, sender: [1]) }
    #expect(try await InboundWrites.plan(planned, world.mailPool, deadline) == [false, true, false])
    let decided = [stale, held, stale].map {
      InboundWrites.Decided(mail: $0, decision: .init(state: .quarantined, reason: "REFUSED"))
    }
    let times = try await InboundWrites.decide(decided, world.mailPool, deadline)
    #expect(times.map { $0 != nil } == [false, true, false])
    #expect(try await InboundWrites.decide(decided, world.mailPool, deadline).allSatisfy { $0 == nil })
  }

  @Test("mails from several blocked addresses end the blocks in one order, so that nobody waits in a circle")
  func unblocking() async throws {
    let hashes = (1...8).map { [UInt8](repeating: $0, count: 32) }
    let loop = TestLoops.group.next()
    let ticket = try await world.ticket()
    // Against the order, and without the reports that such blocks come from.
    _ = try await world.database.pool.transactionBatch(
      [
        "SET LOCAL session_replication_role = replica",
        """
        INSERT INTO mail_address_block (organization_id, address_hash, service_id, bounce_id, block_time)
        SELECT 1, h, 1, 1, now() FROM unnest(\(Array(hashes.reversed()))) AS h
        """,
      ], deadline: deadline)
    for (round, order) in [hashes, hashes.reversed()].enumerated() {
      _ = try await world.database.pool.query("UPDATE mail_address_block SET end_time = NULL", deadline: deadline)
      let mails = try await stored((1...8).map { arrived(UInt8(round * 8 + $0)) })
      let items = try zip(mails, order).map { mail, hash in
        InboundWrites.Decided(
          mail: try #require(mail), decision: .init(state: .ticket, ticketID: ticket.id, senderHash: hash))
      }
      let pool = world.mailPool
      let deciding = try await world.database.pool.transaction(deadline: deadline) { other in
        _ = try await other.query("SELECT 1 FROM mail_address_block WHERE address_hash = \(hashes[0]) FOR UPDATE")
        let deciding = Task { try await InboundWrites.decide(items, pool, TestDatabase.deadline) }
        let waiting: Query = """
          SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
          """
        while try await number(waiting) == 0 { try await loop.sleep(for: .milliseconds(10)) }
        // Whoever waits for the first one has none of the others yet.
        let free: Query = """
          WITH free AS (SELECT 1 FROM mail_address_block FOR UPDATE SKIP LOCKED) SELECT count(*) FROM free
          """
        #expect(try await number(free) == 7)
        return deciding
      }
      #expect(try await deciding.value.allSatisfy { $0 != nil })
      #expect(try await number("SELECT count(*) FROM mail_address_block WHERE end_time IS NULL") == 0)
    }
  }
}
