import EventLoop
import HandoffAPI
import HandoffTestKit
import LedgerTestKit
import Postgres
import ServiceKit
import Synchronization
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
    let count = TestScale.count(usual: 150, all: 20_000)
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

  @Test(
    "daemons that are killed again and again while agents come and go give every ticket to one agent",
    .timeLimit(.minutes(60)))
  func killed() async throws {
    let count = TestScale.count(usual: 150, all: 100_000)
    let stable = try await office.hire(11...17)
    let restless = try await office.hire(21...24)
    let drawn = try await office.hire(31...35)
    for (word, mode, agents) in [
      ("turn", AssignResult.Mode.sequential, stable), ("restless", .sequential, restless), ("chance", .random, drawn),
    ] {
      try await office.trigger(
        [.isNew, TriggerCondition(target: .title, operator: .contains, values: [word])], .assign(mode, agents))
    }
    let creating = Task {
      try await withThrowingTaskGroup(of: Void.self) { group in
        for lane in 0..<8 {
          group.addTask(executorPreference: TestLoops.group.next()) {
            for number in stride(from: lane, to: count, by: 8) {
              _ = try await office.ticket(title: ["turn", "restless", "chance"][number % 3])
            }
          }
        }
        try await group.waitForAll()
      }
    }
    let commotion = Task { try await self.comeAndGo(restless) }
    let kills = try await runDaemons(until: creating)
    commotion.cancel()
    _ = await commotion.result
    try await office.execute("UPDATE service_member SET is_assignable = true WHERE service_id = 1")
    for agent in restless {
      try await office.execute(
        """
        INSERT INTO group_member (service_id, group_id, agent_id) VALUES (1, 1, \(agent)) ON CONFLICT DO NOTHING
        """)
    }
    office.runner.store.forget()
    _ = try await office.waiting.runOnce(deadline: .after(.seconds(600)))
    try await report(count, stable, drawn, kills: kills)
  }

  /// Agents who are switched off and on, and leave the group and come back.
  private func comeAndGo(_ agents: [AgentID]) async throws {
    let loop = TestLoops.group.next()
    while !Task.isCancelled {
      for agent in agents {
        try await office.execute("UPDATE service_member SET is_assignable = false WHERE agent_id = \(agent)")
        try await office.execute("DELETE FROM group_member WHERE agent_id = \(agent)")
        try await loop.sleep(for: .milliseconds(50))
        try await office.execute("UPDATE service_member SET is_assignable = true WHERE agent_id = \(agent)")
        try await office.execute(
          """
          INSERT INTO group_member (service_id, group_id, agent_id) VALUES (1, 1, \(agent)) ON CONFLICT DO NOTHING
          """)
      }
    }
  }

  /// Runs three daemons with 64 workers between them until everything that is created is given out. Every few seconds
  /// one of them ends in the middle of its work, with a claim that nobody settles, and another one starts.
  private func runDaemons(until creating: Task<Void, any Error>) async throws -> Int {
    let workers = TestScale.count(usual: 6, all: 64) / 3
    let lifetime: Duration = TestScale.isAll ? .seconds(3) : .milliseconds(300)
    let loop = TestLoops.group.next()
    func start() throws -> Task<Void, Never> {
      let daemon = try Office(desk: office.desk)
      return Task {
        await withTaskGroup(of: Void.self) { group in
          for _ in 0..<workers {
            group.addTask(executorPreference: TestLoops.group.next()) {
              while !Task.isCancelled {
                let done = (try? await daemon.runner.worker.runOnce(deadline: daemon.desk.deadline)) ?? 0
                // A daemon with nothing to do waits, too: asking again and again is time that creating has not.
                if done == 0 { try? await loop.sleep(for: .milliseconds(20)) }
              }
            }
          }
        }
        // The last claim of a daemon that is killed.
        _ = try? await Task { try await daemon.runner.outbox.claim(limit: 3, deadline: daemon.desk.deadline) }.value
      }
    }
    var daemons = try (0..<3).map { _ in try start() }
    let created = Mutex(false)
    let watching = Task {
      try await creating.value
      created.withLock { $0 = true }
    }
    var kills = 0
    let minimum = 3
    while true {
      try await loop.sleep(for: lifetime)
      let isOver = created.withLock { $0 }
      if isOver, kills >= minimum, try await office.desk.number("SELECT count(*) FROM outbox") == 0 { break }
      let victim = kills % daemons.count
      if !isOver || kills < minimum {
        daemons[victim].cancel()
        daemons[victim] = try start()
        kills += 1
      }
    }
    try await watching.value
    for daemon in daemons { daemon.cancel() }
    for daemon in daemons { await daemon.value }
    return kills
  }

  private func report(_ count: Int, _ stable: [AgentID], _ drawn: [AgentID], kills: Int) async throws {
    let desk = office.desk
    let lost = try await desk.number("SELECT count(*) FROM ticket WHERE agent_id IS NULL")
    let doubles = try await desk.number(
      """
      SELECT count(*) FROM (
        SELECT 1 FROM ticket_event WHERE code = 'ASSIGNED' GROUP BY ticket_id HAVING count(*) > 1) AS d
      """)
    let unexplained = try await desk.number(
      """
      SELECT count(*) FROM ticket_event AS e LEFT JOIN assignment_record AS r ON r.service_id = e.service_id
        AND r.ticket_id = e.ticket_id AND r.event_sequence = e.sequence
      WHERE e.code = 'ASSIGNED' AND r.ticket_id IS NULL
      """)
    let turns = try await counts(stable)
    let spread = (turns.max() ?? 0) - (turns.min() ?? 0)
    let shares = try await counts(drawn)
    let expected = Double(shares.reduce(0, +)) / Double(drawn.count)
    let chiSquare = shares.reduce(0.0) { $0 + (Double($1) - expected) * (Double($1) - expected) / expected }
    #expect(try await desk.number("SELECT count(*) FROM ticket") == Int64(count))
    #expect([lost, doubles, unexplained] == [0, 0, 0], "lost, with two holders, not explained")
    #expect(spread <= 1, "\(turns)")
    #expect(chiSquare < 44, "\(shares)")
    print(
      "killed daemons: \(count) tickets, \(kills) kills, \(doubles) double holders, \(lost) lost, spread \(spread)"
        + " over \(stable.count) agents, chi-square \(chiSquare) with \(drawn.count - 1) degrees of freedom")
  }
}
