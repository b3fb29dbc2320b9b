import Crypto
import EventLoop
import HandoffTestKit
import Postgres
import ServiceKit
import Testing

@testable import TicketLedger

@Suite struct IdempotencyTests {
  @Test("a repeated creation answers with the first ticket and writes nothing")
  func repeatedCreation() async throws {
    let fixture = try await Fixture.make()
    let claim = try fixture.claim("one")
    let first = try await fixture.ledger.create(fixture.draft(claim: claim), deadline: fixture.deadline)
    let second = try await fixture.ledger.create(fixture.draft(claim: claim), deadline: fixture.deadline)
    #expect(second.isRepeat && second.ticket.id == first.ticket.id && second.resultIDs == first.resultIDs)
    #expect(try await fixture.count("ticket") == 1)
    #expect(try await fixture.count("outbox") == 1)
  }

  @Test("duplicates in flight all answer with the one ticket that was created")
  func racingCreations() async throws {
    let fixture = try await Fixture.make()
    let claim = try fixture.claim("race")
    // All are past the look for an earlier request before the first writes.
    var openings: [CreateOpening] = []
    for _ in 0..<12 { openings.append(try await fixture.ledger.open(claim, deadline: fixture.deadline)) }
    let written = try await withThrowingTaskGroup(of: Written.self) { group in
      for opening in openings {
        group.addTask {
          try await fixture.ledger.create(
            fixture.draft(claim: claim), opening: opening, deadline: fixture.deadline)
        }
      }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(Set(written.map(\.ticket.id)).count == 1)
    #expect(written.count { !$0.isRepeat } == 1)
    for table in ["ticket", "ticket_entry", "ticket_event", "outbox", "ticket_count_change", "idempotency_key"] {
      #expect(try await fixture.count(table) == 1, "\(table)")
    }
  }

  @Test("duplicates of an act in flight act once, and a later one sees the ticket as it is then")
  func racingActs() async throws {
    let fixture = try await Fixture.make()
    let ticket = try await fixture.ticket()
    let claim = try fixture.claim("comment")
    let written = try await withThrowingTaskGroup(of: Written.self) { group in
      for _ in 0..<8 {
        group.addTask { try await fixture.comment(ticket, version: 1, claim: claim) }
      }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(written.count { !$0.isRepeat } == 1)
    #expect(Set(written.map(\.resultIDs)).count == 1)
    #expect(try await fixture.count("ticket_entry") == 2)
    _ = try await fixture.keep(ticket)
    // Its version is old and the act's turn is over; a repetition is answered nevertheless.
    let late = try await fixture.comment(ticket, version: 1, claim: claim)
    #expect(late.isRepeat && late.ticket.state == .processing && late.resultIDs == written[0].resultIDs)
  }

  @Test("the same request id with another request is refused, on the same ticket and on another")
  func reusedID() async throws {
    let fixture = try await Fixture.make()
    let ticket = try await fixture.ticket()
    let other = try await fixture.ticket("Another")
    _ = try await fixture.comment(ticket, claim: try fixture.claim("id", body: "first"))
    for target in [ticket, other] {
      let error = await #expect(throws: ServiceError.self) {
        try await fixture.comment(target, claim: try fixture.claim("id", body: "second"))
      }
      #expect(error?.reason == .requestIDReused)
    }
    let creation = await #expect(throws: ServiceError.self) {
      try await fixture.ledger.create(
        fixture.draft(claim: try fixture.claim("id", body: "third")), deadline: fixture.deadline)
    }
    #expect(creation?.reason == .requestIDReused)
    #expect(try await fixture.count("ticket_entry") == 3)
  }

  @Test("a failed act does not keep its request id")
  func failedAct() async throws {
    let fixture = try await Fixture.make()
    let ticket = try await fixture.ticket()
    let claim = try fixture.claim("keep")
    _ = try await fixture.keep(ticket, by: Fixture.lee)
    await #expect(throws: LifecycleRefusal.alreadyHeld) { try await fixture.keep(ticket, claim: claim) }
    await #expect(throws: ServiceError.self) { try await fixture.comment(ticket, version: 1, claim: claim) }
    // A write whose guard finds the ticket changed takes its claim back with everything else.
    var change = TicketChange(EventDraft(.commented, by: .system))
    change.idempotency = claim
    await #expect(throws: ServiceError.self) {
      try await fixture.ledger.write(change, on: ticket, deadline: fixture.deadline)
    }
    change.companions = ["SELECT 1"]
    await #expect(throws: ServiceError.self) {
      try await fixture.ledger.write(change, on: ticket, deadline: fixture.deadline)
    }
    #expect(try await fixture.count("idempotency_key") == 0)
    #expect(!(try await fixture.comment(ticket, claim: claim)).isRepeat)
  }

  @Test("request ids are forgotten after a day")
  func retention() async throws {
    let fixture = try await Fixture.make()
    let ticket = try await fixture.ticket()
    _ = try await fixture.comment(ticket, claim: try fixture.claim("old"))
    _ = try await fixture.comment(ticket, claim: try fixture.claim("new"))
    _ = try await fixture.pool.query(
      """
      UPDATE idempotency_key SET create_time = clock_timestamp() - interval '24 hours 1 second'
      WHERE request_id = 'old'
      """, deadline: fixture.deadline)
    #expect(try await fixture.ledger.removeOldIdempotencyKeys(deadline: fixture.deadline) == 1)
    #expect(try await fixture.comment(ticket, claim: try fixture.claim("new")).isRepeat)
    #expect(!(try await fixture.comment(ticket, claim: try fixture.claim("old")).isRepeat))
  }

  @Test(
    "a request id is visible ASCII of at most 128 characters",
    arguments: [
      (String(repeating: "x", count: 128), true), (String(repeating: "x", count: 129), false), ("a b", false),
      ("é", false),
    ])
  func requestIDs(_ id: String, _ isFine: Bool) {
    let check = Result { try IdempotencyClaim.check(requestID: id) }
    #expect(((try? check.get()) != nil) == isFine)
  }

  @Test("what is kept of a request cannot be found by hashing it, and what earlier versions kept is the same request")
  func keyed() async throws {
    let fixture = try await Fixture.make()
    let claim = try fixture.claim("once")
    let first = try await fixture.ledger.create(fixture.draft(claim: claim), deadline: fixture.deadline)
    let kept = try await fixture.pool.query("SELECT request_hash FROM idempotency_key", deadline: fixture.deadline)
    let plain = SHA256.hash(Array("body".utf8))
    #expect(try kept[0].bytes(0) != plain && kept[0].bytes(0).count == 32)
    _ = try await fixture.pool.query("UPDATE idempotency_key SET request_hash = \(plain)", deadline: fixture.deadline)
    let again = try await fixture.ledger.create(fixture.draft(claim: claim), deadline: fixture.deadline)
    #expect(again.isRepeat && again.ticket.id == first.ticket.id)
  }
}
