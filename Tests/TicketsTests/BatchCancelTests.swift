import HandoffAPI
import HandoffTestKit
import Postgres
import RPC
import ServiceKit
import Testing
import TicketLedger

@testable import Tickets

@Suite("Cancelling a batch") struct BatchCancelTests {
  @Test("cancelling leaves what was not begun alone")
  func cancel() async throws {
    let all = try await BatchWorld()
    defer { all.close() }
    var tickets: [TicketRecord] = []
    for _ in 0..<BatchRunner.takenMax + 10 { tickets.append(try await all.world.ticket()) }
    let made = try await all.create(Batch(act: .comment, text: "x"), tickets)
    #expect(try await all.runner.runOnce() == BatchRunner.takenMax)
    let cancelled = try await all.client.cancelBatch(CancelBatchRequest(name: made.name), all.world.by(TicketWorld.kim))
    #expect(cancelled.state == .cancelled && cancelled.endTime != nil && cancelled.cancelledCount == 10)
    #expect(cancelled.succeededCount == Int32(BatchRunner.takenMax) && cancelled.text.isEmpty)
    #expect(try await all.runner.runOnce() == 0)
    #expect(
      try await all.world.count("SELECT count(*) FROM ticket_event WHERE code = 'COMMENTED'") == BatchRunner.takenMax)
    let again = try await all.client.cancelBatch(CancelBatchRequest(name: made.name), all.world.by(TicketWorld.boss))
    #expect(again == cancelled)
  }

  @Test("what was taken and not begun is cancelled too, and whoever has it writes nothing")
  func cancelTaken() async throws {
    let all = try await BatchWorld()
    defer { all.close() }
    var tickets: [TicketRecord] = []
    for _ in 0..<3 { tickets.append(try await all.world.ticket()) }
    let made = try await all.create(Batch(act: .comment, text: "x"), tickets)
    let taken = try await all.service.batches.take(limit: 3, holder: "slow", deadline: TestDatabase.deadline)
    #expect(taken.count == 3)
    let record = try await all.service.batches.batch(
      taken[0].batchID, of: taken[0].serviceID, deadline: TestDatabase.deadline)
    try await all.service.act(record, on: taken[0], deadline: TestDatabase.deadline)
    let cancelled = try await all.client.cancelBatch(CancelBatchRequest(name: made.name), all.world.by(TicketWorld.kim))
    #expect(cancelled.state == .cancelled && cancelled.endTime != nil)
    #expect(cancelled.succeededCount == 1 && cancelled.cancelledCount == 2)
    for item in taken[1...] {
      await #expect(throws: ServiceError.self) {
        try await all.service.act(record, on: item, deadline: TestDatabase.deadline)
      }
      try await all.service.batches.settle(item, .failed, deadline: TestDatabase.deadline)
    }
    #expect(try await all.world.count("SELECT count(*) FROM ticket_event WHERE code = 'COMMENTED'") == 1)
    #expect(try await all.results(made).map(\.outcome) == [.succeeded, .cancelled, .cancelled])
  }

  @Test("of tickets that are to be forwarded, those that were not begun are cancelled; what was begun has its result")
  func cancelForwarding() async throws {
    let all = try await BatchWorld()
    defer { all.close() }
    let tickets = [try await all.world.ticket(), try await all.world.ticket(), try await all.world.ticket()]
    let order = Batch(act: .forward, group: "services/care/groups/1", agent: "agents/2")
    let made = try await all.create(order, tickets, by: TicketWorld.lee)
    // A copy has begun with the first, and died.
    #expect(try await all.service.batches.take(limit: 1, holder: "dead", deadline: TestDatabase.deadline).count == 1)
    let name = CancelBatchRequest(name: made.name)
    let cancelled = try await all.client.cancelBatch(name, all.world.by(TicketWorld.lee))
    #expect(cancelled.state == .cancelled && cancelled.endTime == nil && cancelled.cancelledCount == 2)
    try await all.world.run("UPDATE ticket_batch_item SET due_time = clock_timestamp() WHERE outcome = 'PENDING'")
    let ended = try await all.end(made)
    #expect(ended.state == .cancelled && ended.succeededCount == 1 && ended.cancelledCount == 2)
    // Taken in the moment of the cancelling.
    let late = try await all.create(order, [tickets[1]], by: TicketWorld.lee)
    try await all.world.run("UPDATE ticket_batch SET state = 'CANCELLED' WHERE end_time IS NULL")
    #expect(try await all.runner.runOnce() == 1)
    #expect(try await all.results(late).map(\.outcome) == [.cancelled])
    #expect(try await all.world.count("SELECT count(*) FROM ticket_event WHERE code = 'FORWARDED'") == 1)
  }
}
