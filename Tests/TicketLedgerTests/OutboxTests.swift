import EventLoop
import HandoffTestKit
import Postgres
import ServiceKit
import Synchronization
import Testing

@testable import TicketLedger

/// Lets nobody pass until it is open.
private final class Gate: Sendable {
  private let waiting = Mutex<[CheckedContinuation<Void, Never>]?>([])

  func pass() async {
    await withCheckedContinuation { continuation in
      let isOpen = waiting.withLock { waiting in
        waiting?.append(continuation)
        return waiting == nil
      }
      if isOpen { continuation.resume() }
    }
  }

  func open() {
    let passing = waiting.withLock { waiting in
      defer { waiting = nil }
      return waiting ?? []
    }
    for continuation in passing { continuation.resume() }
  }
}

@Suite struct OutboxTests {
  private func outbox(_ fixture: Fixture, attemptsMax: Int32 = 3) -> Outbox {
    Outbox(
      topic: .triggers, pool: fixture.pool, holder: "tests",
      backoff: Backoff(firstMilliseconds: 60_000, attemptsMax: attemptsMax))
  }

  private func worker(
    _ fixture: Fixture, _ handler: @escaping @Sendable (OutboxItem) async throws -> OutboxVerdict
  ) -> OutboxWorker {
    OutboxWorker(
      outbox(fixture), pool: fixture.pool, failed: { Issue.record("the worker failed: \($0)") }, each: handler)
  }

  private func execute(_ fixture: Fixture, _ query: Query) async throws {
    _ = try await fixture.pool.query(query, deadline: fixture.deadline)
  }

  @Test("claimed work carries what was ordered, is claimed once, and goes when it is done")
  func claims() async throws {
    let fixture = try await Fixture.make()
    let ticket = try await fixture.ticket()
    let outbox = outbox(fixture)
    let items = try await outbox.claim(deadline: fixture.deadline)
    #expect(items.map(\.ticketID) == [ticket.id] && items[0].payload == [1, 2, 3])
    #expect(items[0].attempt == 1 && items[0].eventSequence == 1)
    #expect(try await outbox.claim(deadline: fixture.deadline).isEmpty)
    try await outbox.settle([(items[0], .done)], deadline: fixture.deadline)
    #expect(try await fixture.count("outbox") == 0)
  }

  @Test("claimers at the same time share the work out")
  func concurrentClaims() async throws {
    let fixture = try await Fixture.make()
    for _ in 0..<40 { _ = try await fixture.ticket() }
    let ids = try await withThrowingTaskGroup(of: [Int64].self) { group in
      for _ in 0..<8 {
        group.addTask { try await outbox(fixture).claim(limit: 5, deadline: fixture.deadline).map(\.id) }
      }
      return try await group.reduce(into: []) { $0 += $1 }
    }
    #expect(ids.count == Set(ids).count && ids.count <= 40 && !ids.isEmpty)
  }

  @Test("work of a worker that died is taken over when its lease ends, and the dead one can settle nothing")
  func leaseExpiry() async throws {
    let fixture = try await Fixture.make()
    _ = try await fixture.ticket()
    let outbox = outbox(fixture)
    let lost = try await outbox.claim(deadline: fixture.deadline)
    try await execute(
      fixture, "UPDATE outbox SET due_time = clock_timestamp() - interval '1 second', lease_time = clock_timestamp()")
    let taken = try await outbox.claim(deadline: fixture.deadline)
    #expect(taken.map(\.id) == lost.map(\.id) && taken[0].attempt == 2)
    try await outbox.settle([(lost[0], .done)], deadline: fixture.deadline)
    try await outbox.settle([(lost[0], .failed("late"))], deadline: fixture.deadline)
    try await outbox.settle([(lost[0], .hopeless("late"))], deadline: fixture.deadline)
    #expect(try await fixture.ledger.depth(of: .triggers, deadline: fixture.deadline).waiting == 1)
    try await outbox.settle([(taken[0], .done)], deadline: fixture.deadline)
    #expect(try await fixture.count("outbox") == 0)
  }

  @Test("failed work waits longer each time, and is given up with its reason after the last attempt")
  func backoffAndDeath() async throws {
    let fixture = try await Fixture.make()
    _ = try await fixture.ticket()
    let worker = worker(fixture) { _ in throw ServiceError(.backendUnavailable, "quotes a customer") }
    for attempt in 1...3 {
      #expect(try await worker.runOnce(deadline: fixture.deadline) == 1)
      #expect(try await worker.runOnce(deadline: fixture.deadline) == 0)
      let row = try await fixture.pool.query(
        """
        SELECT attempt_count, due_time > clock_timestamp(), lease_holder IS NULL, dead_time IS NOT NULL,
          coalesce(dead_reason, ''), extract(epoch FROM due_time - clock_timestamp())::bigint FROM outbox
        """, deadline: fixture.deadline)[0]
      #expect(try row.int(0) == attempt)
      #expect(try row.bool(2))
      #expect(try row.bool(3) == (attempt == 3))
      if attempt < 3 {
        #expect(try row.bool(1))
        #expect(try row.int(5) <= 60 << (attempt - 1))
      } else {
        #expect(try row.string(4) == "BACKEND_UNAVAILABLE")
      }
      try await execute(fixture, "UPDATE outbox SET due_time = clock_timestamp()")
    }
    #expect(try await worker.runOnce(deadline: fixture.deadline) == 0)
    let depth = try await fixture.ledger.depth(of: .triggers, deadline: fixture.deadline)
    #expect(depth.dead == 1 && depth.waiting == 0)
    try await execute(fixture, "UPDATE outbox SET dead_time = clock_timestamp() - interval '31 days'")
    #expect(try await fixture.ledger.removeOldDeadWork(topic: .triggers, deadline: fixture.deadline) == 1)
  }

  @Test("the work of one ticket is found in the order of its events, even when it waits for another attempt")
  func standing() async throws {
    let fixture = try await Fixture.make()
    let ticket = try await fixture.ticket()
    _ = try await fixture.ticket("Another")
    var event = EventDraft(.customerReplied, by: .customer)
    event.outbox = [OutboxDraft(.triggers, payload: []), OutboxDraft(.mail, payload: [])]
    _ = try await fixture.ledger.write(TicketChange(event), on: ticket, deadline: fixture.deadline)
    try await execute(fixture, "UPDATE outbox SET due_time = clock_timestamp() + interval '1 hour'")
    let outbox = outbox(fixture)
    func found() async throws -> OutboxStanding? {
      try await fixture.ledger.ticket(
        ticket.id, of: fixture.care.id, with: outbox, deadline: fixture.deadline)?.work
    }
    let first = try #require(try await found())
    #expect(first.free.map(\.eventSequence) == [1, 2] && !first.isClaimed)
    // What somebody has claimed is not free, and who looked at it before can neither write with it nor remove it.
    try await execute(fixture, "UPDATE outbox SET due_time = clock_timestamp() WHERE event_sequence = 2")
    _ = try await outbox.claim(deadline: fixture.deadline)
    let second = try #require(try await found())
    #expect(second.free.map(\.eventSequence) == [1] && second.isClaimed)
    #expect(try await outbox.holds(first.free[0], deadline: fixture.deadline))
    #expect(try await !outbox.holds(first.free[1], deadline: fixture.deadline))
    for item in first.free { try await outbox.remove(item, deadline: fixture.deadline) }
    let third = try #require(try await found())
    #expect(third.free.isEmpty && third.isClaimed)
    let missing = try await fixture.ledger.ticket(
      TicketID(1), of: fixture.care.id, with: outbox, deadline: fixture.deadline)
    #expect(missing == nil)
  }

  @Test("work that ends with a change of its ticket ends with it in one transaction")
  func completion() async throws {
    let fixture = try await Fixture.make()
    let ticket = try await fixture.ticket()
    let items = try await outbox(fixture).claim(deadline: fixture.deadline)
    var change = TicketChange(EventDraft(.triggerFired, by: .system))
    change.companions = [items[0].completion]
    _ = try await fixture.ledger.write(change, on: ticket, deadline: fixture.deadline)
    #expect(try await fixture.count("outbox") == 0)
  }

  @Test("who has lost the lease writes nothing with the completion, and can see why")
  func lostCompletion() async throws {
    let fixture = try await Fixture.make()
    let ticket = try await fixture.ticket()
    let outbox = outbox(fixture)
    let lost = try await outbox.claim(deadline: fixture.deadline)[0]
    #expect(try await outbox.holds(lost, deadline: fixture.deadline))
    try await execute(fixture, "UPDATE outbox SET due_time = clock_timestamp(), lease_time = clock_timestamp()")
    let taken = try await outbox.claim(deadline: fixture.deadline)[0]
    var change = TicketChange(EventDraft(.triggerFired, by: .system))
    change.companions = [lost.completion]
    let late = change
    await #expect { _ = try await fixture.ledger.write(late, on: ticket, deadline: fixture.deadline) } throws: {
      ($0 as? ServiceError)?.reason == .conflict
    }
    #expect(try await fixture.count("ticket_event") == 1)
    #expect(try await !outbox.holds(lost, deadline: fixture.deadline))
    #expect(try await outbox.holds(taken, deadline: fixture.deadline))
  }

  @Test("a running worker does what is written while it runs, and stops when cancelled")
  func running() async throws {
    let fixture = try await Fixture.make()
    let (done, doer) = AsyncStream.makeStream(of: TicketID.self)
    let worker = OutboxWorker(
      outbox(fixture), pool: fixture.pool, pollInterval: .milliseconds(200),
      failed: { Issue.record("the worker failed: \($0)") },
      each: { item in
        doer.yield(item.ticketID)
        return .done
      })
    let task = Task { await worker.run(on: TestLoops.group.next()) }
    var tickets: Set<TicketID> = []
    for _ in 0..<5 { tickets.insert(try await fixture.ticket().id) }
    for await id in done {
      tickets.remove(id)
      if tickets.isEmpty { break }
    }
    #expect(tickets.isEmpty)
    task.cancel()
    await task.value
  }

  @Test("a piece that takes long holds up none of the others", .timeLimit(.minutes(5)))
  func slowPiece() async throws {
    let fixture = try await Fixture.make()
    let slow = try await fixture.ticket().id
    let done = Mutex<Set<TicketID>>([])
    let (released, release) = AsyncStream.makeStream(of: Void.self)
    let worker = OutboxWorker(
      outbox(fixture), pool: fixture.pool, pollInterval: .milliseconds(50),
      failed: { Issue.record("the worker failed: \($0)") },
      each: { item in
        if item.ticketID == slow { for await _ in released {} }
        _ = done.withLock { $0.insert(item.ticketID) }
        return .done
      })
    let task = Task { await worker.run(on: TestLoops.group.next()) }
    // More than are claimed at once.
    for _ in 0..<(2 * Outbox.claimMax) { _ = try await fixture.ticket() }
    while try await fixture.count("outbox") > 1 { await Task.yield() }
    #expect(done.withLock { $0.count } == 2 * Outbox.claimMax && !done.withLock { $0.contains(slow) })
    release.finish()
    while try await fixture.count("outbox") > 0 { await Task.yield() }
    task.cancel()
    await task.value
  }

  @Test("a worker does as many pieces side by side as it has places, and no more", .timeLimit(.minutes(5)))
  func places() async throws {
    let fixture = try await Fixture.make()
    let placesMax = Outbox.claimMax + 8
    let begun = Mutex(0)
    let gate = Gate()
    let worker = OutboxWorker(
      outbox(fixture), pool: fixture.pool, placesMax: placesMax, pollInterval: .milliseconds(50),
      failed: { Issue.record("the worker failed: \($0)") },
      each: { _ in
        begun.withLock { $0 += 1 }
        await gate.pass()
        return .done
      })
    for _ in 0..<(placesMax + 8) { _ = try await fixture.ticket() }
    let task = Task { await worker.run(on: TestLoops.group.next()) }
    while begun.withLock({ $0 }) < placesMax { await Task.yield() }
    let claimed = try await fixture.pool.query(
      "SELECT count(*) FROM outbox WHERE lease_holder IS NOT NULL", deadline: fixture.deadline)[0].int(0)
    #expect(claimed == placesMax && begun.withLock { $0 } == placesMax)
    gate.open()
    while try await fixture.count("outbox") > 0 { await Task.yield() }
    #expect(begun.withLock { $0 } == placesMax + 8)
    task.cancel()
    await task.value
  }

  @Test("a piece under way stays its worker's, and is given back when that is told to end", .timeLimit(.minutes(5)))
  func renewal() async throws {
    let fixture = try await Fixture.make()
    _ = try await fixture.ticket()
    let outbox = Outbox(topic: .triggers, pool: fixture.pool, holder: "tests", leaseDuration: .milliseconds(900))
    let worker = OutboxWorker(
      outbox, pool: fixture.pool, failed: { Issue.record("the worker failed: \($0)") },
      each: { _ in
        try await TestLoops.group.next().sleep(for: .seconds(3600))
        return .done
      })
    let task = Task { await worker.run(on: TestLoops.group.next()) }
    var leases: Set<String> = []
    while leases.count < 4 {
      let rows = try await fixture.pool.query(
        "SELECT lease_time::text FROM outbox WHERE lease_time IS NOT NULL", deadline: fixture.deadline)
      for row in rows { leases.insert(try row.string(0)) }
      await Task.yield()
    }
    task.cancel()
    await task.value
    let row = try await fixture.pool.query(
      "SELECT lease_holder IS NULL FROM outbox", deadline: fixture.deadline)[0]
    #expect(try row.bool(0))
  }

  @Test("keeping several pieces does not wait for one that is being settled, whose settler may wait for another")
  func renewalBesideSettling() async throws {
    let fixture = try await Fixture.make()
    for _ in 1...2 { _ = try await fixture.ticket() }
    let outbox = outbox(fixture)
    let items = try await outbox.claim(deadline: fixture.deadline)
    #expect(items.count == 2)
    try await execute(fixture, "UPDATE outbox SET lease_time = 'epoch'")
    try await fixture.pool.transaction(deadline: fixture.deadline) { transaction in
      _ = try await transaction.query("DELETE FROM outbox WHERE id = \(items[0].id)")
      try await outbox.renew(items, deadline: fixture.deadline)
    }
    let left = try await fixture.pool.query(
      "SELECT id, lease_time > clock_timestamp() FROM outbox", deadline: fixture.deadline)
    #expect(left.count == 1)
    #expect(try left[0].value(0) == items[1].id && left[0].bool(1))
  }

  @Test("a change with work hints at it, once it is committed")
  func hints() async throws {
    let fixture = try await Fixture.make()
    let (heard, hear) = AsyncStream.makeStream(of: Void.self)
    let listening = AsyncStream.makeStream(of: Void.self)
    let listener = Task {
      var isFirst = true
      for await _ in fixture.pool.listen(channel: OutboxTopic.triggers.channel) {
        if isFirst { listening.continuation.finish() } else { hear.yield() }
        isFirst = false
      }
    }
    for await _ in listening.stream {}
    _ = try await fixture.ticket()
    for await _ in heard { break }
    listener.cancel()
  }
}
