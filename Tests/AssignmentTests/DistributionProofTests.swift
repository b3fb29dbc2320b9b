import EventLoop
import HandoffAPI
import HandoffTestKit
import LedgerTestKit
import Postgres
import ServiceKit
import Testing
import TicketLedger

@testable import Assignment

/// Smoke by default; `HANDOFF_TEST_ALL=1` makes them long.
@Suite("Distribution with many workers and daemons")
struct DistributionProofTests {
  private let office: Office

  init() async throws { office = try await Office.open() }

  /// Orders passes of many tickets and has workers of three daemons run them; some claim work and die.
  private func distribute(_ count: Int, workers: Int) async throws {
    let daemons = [office, try Office(desk: office.desk), try Office(desk: office.desk)]
    try await withThrowingTaskGroup(of: Void.self) { group in
      for lane in 0..<8 {
        group.addTask(executorPreference: TestLoops.group.next()) {
          for _ in stride(from: lane, to: count, by: 8) { _ = try await office.ticket() }
        }
      }
      try await group.waitForAll()
    }
    // Daemons that died after they had claimed work, whose leases have run out.
    for _ in 0..<3 { _ = try await office.runner.outbox.claim(deadline: office.desk.deadline) }
    try await office.execute("UPDATE outbox SET lease_time = clock_timestamp(), due_time = clock_timestamp()")
    try await withThrowingTaskGroup(of: Void.self) { group in
      for worker in 0..<workers {
        let daemon = daemons[worker % daemons.count]
        group.addTask(executorPreference: TestLoops.group.next()) {
          while try await daemon.runner.worker.runOnce(deadline: daemon.desk.deadline) > 0 {}
        }
      }
      try await group.waitForAll()
    }
  }

  private func counts(_ agents: [AgentID]) async throws -> [Int64] {
    var counts: [Int64] = []
    for agent in agents {
      counts.append(try await office.desk.number("SELECT count(*) FROM ticket WHERE agent_id = \(agent)"))
    }
    return counts
  }

  @Test("in turn: nobody gets two more than anybody, no ticket twice or lost, and each is explained")
  func sequential() async throws {
    let count = TestScale.count(usual: 150, all: 100_000)
    let agents = try await office.hire(11...17)
    try await office.trigger([.isNew], .assign(.sequential, agents))
    try await distribute(count, workers: TestScale.count(usual: 6, all: 64))
    let counts = try await counts(agents)
    #expect(counts.reduce(0, +) == Int64(count), "lost or given twice: \(counts)")
    #expect((counts.max() ?? 0) - (counts.min() ?? 0) <= 1, "\(counts)")
    let desk = office.desk
    #expect(try await desk.number("SELECT turn FROM trigger_cursor") == Int64(count))
    #expect(try await desk.number("SELECT count(*) FROM ticket_event WHERE code = 'ASSIGNED'") == Int64(count))
    #expect(try await desk.number("SELECT count(*) FROM assignment_record") == Int64(count))
    #expect(try await desk.number("SELECT count(*) FROM outbox") == 0)
    print("sequential: \(count) tickets, \(agents.count) agents, spread \((counts.max() ?? 0) - (counts.min() ?? 0))")
  }

  @Test("agents who come and go while tickets are given out neither lose one nor get one they cannot take")
  func comingAndGoing() async throws {
    let count = TestScale.count(usual: 90, all: 10_000)
    let agents = try await office.hire(11...14)
    try await office.trigger([.isNew], .assign(.sequential, agents))
    let flipping = Task {
      var isOn = false
      while !Task.isCancelled {
        for agent in agents {
          try await office.execute("UPDATE service_member SET is_assignable = \(isOn) WHERE agent_id = \(agent)")
        }
        isOn.toggle()
        await Task.yield()
      }
    }
    try await distribute(count, workers: 6)
    flipping.cancel()
    _ = await flipping.result
    try await office.execute("UPDATE service_member SET is_assignable = true WHERE service_id = 1")
    office.runner.store.forget()
    _ = try await office.waiting.runOnce(deadline: office.desk.deadline)
    #expect(try await counts(agents).reduce(0, +) == Int64(count))
    #expect(try await office.desk.number("SELECT count(*) FROM assignment_wait") == 0)
    #expect(try await office.desk.number("SELECT count(*) FROM outbox") == 0)
  }

  @Test("at random: the shares pass a chi-square test")
  func random() async throws {
    let count = TestScale.count(usual: 150, all: 20_000)
    let agents = try await office.hire(11...15)
    try await office.trigger([.isNew], .assign(.random, agents))
    try await distribute(count, workers: 6)
    let counts = try await counts(agents)
    let expected = Double(count) / Double(agents.count)
    let chiSquare = counts.reduce(0.0) { $0 + (Double($1) - expected) * (Double($1) - expected) / expected }
    // Four degrees of freedom: beyond 44 lies one run in a hundred million.
    #expect(counts.reduce(0, +) == Int64(count) && chiSquare < 44, "\(counts): \(chiSquare)")
    print("random: \(count) tickets, chi-square \(chiSquare) with \(agents.count - 1) degrees of freedom")
  }
}
