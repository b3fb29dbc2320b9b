import HandoffAPI
import HandoffTestKit
import Postgres
import ServiceKit
import Testing
import TicketLedger

@testable import Tickets

/// Batches of many tickets.
@Suite(.timeLimit(.minutes(20))) struct LargeBatchTests {
  @Test("ten thousand tickets are one request")
  func tenThousand() async throws {
    let all = try await BatchWorld()
    defer { all.close() }
    let names = (1...10_000).map { "services/care/tickets/\($0 + 5_000_000)" }
    let made = try await all.client.createBatch(
      CreateBatchRequest(parent: "services/care", batch: Batch(act: .comment, text: "x"), tickets: names),
      all.world.by(TicketWorld.kim))
    #expect(made.ticketCount == 10_000)
    #expect(try await all.runner.runOnce() == BatchRunner.takenMax)
    let progress = try await all.client.getBatch(GetBatchRequest(name: made.name), all.world.by(TicketWorld.kim))
    #expect(progress.state == .running && progress.failedCount == Int32(BatchRunner.takenMax))
  }

  @Test("a large batch keeps no other one waiting, whoever ordered it")
  func fairness() async throws {
    let all = try await BatchWorld()
    defer { all.close() }
    var tickets: [TicketRecord] = []
    for _ in 0..<4 { tickets.append(try await all.world.ticket()) }
    let names = (1...1_000).map { "services/care/tickets/\($0 + 5_000_000)" }
    let large = try await all.client.createBatch(
      CreateBatchRequest(parent: "services/care", batch: Batch(act: .comment, text: "x"), tickets: names),
      all.world.by(TicketWorld.kim))
    let small = try await all.create(Batch(act: .comment, text: "y"), tickets, by: TicketWorld.lee)
    #expect(try await all.runner.runOnce() == BatchRunner.takenMax / 2 + 4)
    #expect(try await all.results(small).map(\.outcome) == [.succeeded, .succeeded, .succeeded, .succeeded])
    // Alone, it gets all there is again.
    #expect(try await all.runner.runOnce() == BatchRunner.takenMax)
    let progress = try await all.client.getBatch(GetBatchRequest(name: large.name), all.world.by(TicketWorld.kim))
    #expect(progress.failedCount == Int32(BatchRunner.takenMax * 3 / 2))
  }

  @Test("every ticket of a batch of ten thousand is acted on once, also when a runner ends in the middle of it")
  func wholeBatch() async throws {
    let all = try await BatchWorld()
    defer { all.close() }
    let world = all.world
    let count = TestScale.count(usual: 200, all: 10_000)
    let tickets = try await withThrowingTaskGroup(of: [TicketRecord].self) { group in
      for part in 0..<8 {
        group.addTask {
          var made: [TicketRecord] = []
          for _ in stride(from: part, to: count, by: 8) { made.append(try await world.ticket()) }
          return made
        }
      }
      return try await group.reduce(into: []) { $0 += $1 }
    }
    let ordered = try await all.create(
      Batch(act: .resolve, text: "배송이 완료되었습니다.", processingType: "services/care/processingTypes/2"), tickets)
    let begun = ContinuousClock.now
    // One runner dies with what it has taken, one ends in the middle.
    let lost = try await all.service.batches.take(
      limit: BatchRunner.takenMax, holder: "dead", deadline: TestDatabase.deadline)
    #expect(lost.count == BatchRunner.takenMax)
    let (short, long) = (all.runner("short"), all.runner("long"))
    let first = Task { while !Task.isCancelled { _ = try? await short.runOnce() } }
    let second = Task { while !Task.isCancelled { _ = try? await long.runOnce() } }
    while try await all.pendingCount > count / 2 {}
    first.cancel()
    await first.value
    while try await all.pendingCount > 0 {
      // Their leases are not waited for.
      try await world.run(
        """
        UPDATE ticket_batch_item SET due_time = now() WHERE outcome = 'PENDING'
          AND (lease_holder = 'dead' OR lease_holder LIKE 'short/%')
        """)
    }
    second.cancel()
    await second.value
    let ended = try await all.end(ordered)
    #expect(ended.state == .done && ended.failedCount == 0 && ended.succeededCount == Int32(count))
    print("a batch of \(count) tickets: \(ContinuousClock.now - begun)")
    let acts = try await world.rows(
      "SELECT count(*), count(DISTINCT ticket_id) FROM ticket_event WHERE code = 'RESOLVED'")[0]
    #expect(try acts.int(0) == count && acts.int(1) == count)
    let mails = try await world.rows(
      "SELECT count(*), count(DISTINCT ticket_id) FROM outbox WHERE topic = 'MAIL'")[0]
    #expect(try mails.int(0) == count && mails.int(1) == count)
  }
}
