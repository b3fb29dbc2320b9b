import EventLoop
import HandoffAPI
import HandoffTestKit
import LedgerTestKit
import Postgres
import Protobuf
import ServiceKit
import Testing
import TicketLedger

@testable import Assignment

@Suite("Trigger passes")
struct TriggerPassTests {
  private let office: Office

  init() async throws { office = try await Office.open() }

  private func waiting() async throws -> Int64 { try await office.desk.number("SELECT count(*) FROM outbox") }

  @Test("a pass writes what the triggers do as one change: who fired, in which version, and what followed")
  func events() async throws {
    let urgent = try await office.trigger(
      [.isNew, TriggerCondition(target: .title, operator: .contains, values: ["긴급"])], .priority(.urgent),
      .submissionType("services/care/submissionTypes/1"))
    try await office.trigger(
      [TriggerCondition(target: .priority, operator: .in, values: ["URGENT"])], .assign(.specific, [Desk.lee]))
    let name = try await office.ticket(title: "긴급! 물이 새요")
    let ticket = try #require(try await office.run(name))
    #expect(ticket.state == .processing && ticket.agent == "agents/2" && ticket.group == "services/care/groups/1")
    #expect(ticket.priority == .urgent && ticket.submissionType == "services/care/submissionTypes/1")
    #expect(ticket.version == 2)
    let rows = try await office.desk.database.pool.query(
      """
      SELECT code, actor_kind, actor_name, cause_sequence, changes FROM ticket_event
      WHERE ticket_id = \(name.id) AND sequence > 1 ORDER BY sequence
      """, deadline: office.desk.deadline)
    #expect(
      try rows.map { try $0.string(0) } == [
        "TRIGGER_FIRED", "FIELDS_SAVED", "FIELDS_SAVED", "TRIGGER_FIRED", "ASSIGNED",
      ])
    #expect(try rows.map { try $0.int32(3) } == [1, 2, 2, 1, 5])
    #expect(try rows.allSatisfy { try $0.string(1) == "TRIGGER" })
    #expect(try rows[1].string(2) == urgent.name)
    let fired = try #require(CodeChange.decode(try rows[0].string(4)))
    #expect(fired == [CodeChange("trigger", "", urgent.name), CodeChange("trigger_version", "", "1")])
    // What triggers change starts no further pass.
    #expect(try await waiting() == 0)
    #expect(try await office.run(name) == ticket)
    let record = try await office.record(name)
    #expect(
      try await office.desk.ledger.verify(name.id, of: record.serviceID, deadline: office.desk.deadline).isIntact)
  }

  @Test("all triggers that match run from top to bottom, and the last assignment wins")
  func lastWins() async throws {
    try await office.trigger([.isNew], .assign(.specific, [Desk.kim]))
    try await office.trigger(
      [TriggerCondition(target: .agent, operator: .in, values: ["agents/1"])], .assign(.specific, [Desk.lee]))
    let name = try await office.ticket()
    #expect(try await office.run(name)?.agent == "agents/2")
    #expect(try await office.events(name) == ["TRIGGER_FIRED", "ASSIGNED", "TRIGGER_FIRED", "ASSIGNED"])
  }

  /// Conditions, and whether they hold on the ticket of the test.
  struct Row: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let conditions: [TriggerCondition]
    let fires: Bool

    init(_ name: String, _ fires: Bool, _ conditions: TriggerCondition...) {
      testDescription = name
      self.conditions = conditions
      self.fires = fires
    }

    private static func optional(_ target: TriggerCondition.Target, _ value: String) -> TriggerCondition {
      TriggerCondition(requirement: .optional, target: target, operator: .in, values: [value])
    }

    private static func required(_ target: TriggerCondition.Target, _ value: String) -> TriggerCondition {
      TriggerCondition(requirement: .required, target: target, operator: .in, values: [value])
    }

    static let all: [Row] = [
      Row(
        "one of two optional ones is enough", true, .isNew, optional(.state, "PENDING"),
        optional(.channel, "HELP_CENTER")),
      Row("one of the optional ones must hold", false, .isNew, optional(.state, "PENDING"), optional(.language, "en")),
      Row("all required ones must hold", false, .isNew, required(.priority, "HIGH")),
      Row("another cause", false, required(.cause, "PROCESSED")),
      Row("the type itself", true, required(.submissionType, "services/care/submissionTypes/3")),
      Row("an ancestor of the type", true, required(.submissionType, "services/care/submissionTypes/1")),
      Row("a child of the type", false, required(.submissionType, "services/care/submissionTypes/4")),
      Row("words of the inquiry", true, TriggerCondition(target: .content, operator: .contains, values: ["WATER"])),
      Row("no such words", false, TriggerCondition(target: .content, operator: .contains, values: ["fire"])),
      Row("the customer", true, required(.customerName, "홍길동")),
      Row("nobody holds it", true, TriggerCondition(target: .agent, operator: .isEmpty)),
      Row("some group", false, TriggerCondition(target: .group, operator: .isNotEmpty)),
      Row("no address", true, TriggerCondition(target: .customerEmail, operator: .isEmpty)),
    ]
  }

  @Test(
    "a trigger fires when its conditions hold on the ticket; else the pass ends without a trace", arguments: Row.all)
  func conditions(_ row: Row) async throws {
    try await office.execute(
      """
      INSERT INTO submission_type (service_id, id, parent_id, level, display_name)
      VALUES (1, 3, 1, 2, '누수'), (1, 4, 3, 3, '호스')
      """)
    try await office.trigger(row.conditions, .group("services/care/groups/2"))
    let name = try await office.ticket(content: "There is Water everywhere", type: SubmissionTypeID(3))
    let ticket = try #require(try await office.run(name))
    #expect(ticket.group == (row.fires ? "services/care/groups/2" : ""))
    #expect(try await office.events(name) == (row.fires ? ["TRIGGER_FIRED", "GROUP_SET"] : []))
    #expect(ticket.version == (row.fires ? 2 : 1))
    #expect(try await waiting() == 0)
  }

  @Test("what does not apply is left undone: other groups for a held ticket, values that stand already")
  func inapplicable() async throws {
    try await office.trigger(
      [.isNew], .assign(.specific, [Desk.kim]), .group("services/care/groups/2"), .priority(.normal))
    let name = try await office.ticket()
    #expect(try await office.run(name)?.group == "services/care/groups/1")
    #expect(try await office.events(name) == ["TRIGGER_FIRED", "ASSIGNED"])
    try await office.trigger(
      [TriggerCondition(target: .cause, operator: .in, values: ["PROCESSED"])], .assign(.specific, [Desk.lee]))
    try await office.execute("UPDATE ticket SET state = 'RESOLVED', resolve_time = now() WHERE id = \(name.id)")
    try await office.order(.processed, of: name)
    #expect(try await office.run(name)?.state == .resolved)
    #expect(try await office.record(name).agentID == Desk.kim)
  }

  /// How an agent comes to be unable to take tickets.
  enum Absence: String, CaseIterable {
    case inactive, notAssignable, noRight, leftGroup, leftService

    var statements: [Query] {
      switch self {
      case .inactive: ["UPDATE agent SET is_active = false WHERE id = 1"]
      case .notAssignable: ["UPDATE service_member SET is_assignable = false WHERE agent_id = 1"]
      case .noRight: ["UPDATE service_member SET has_ticket_right = false WHERE agent_id = 1"]
      case .leftGroup: ["DELETE FROM group_member WHERE agent_id = 1"]
      case .leftService:
        ["DELETE FROM group_member WHERE agent_id = 1", "DELETE FROM service_member WHERE agent_id = 1"]
      }
    }
  }

  @Test(
    "who cannot be given tickets is skipped; with nobody left the group waits for someone", arguments: Absence.allCases)
  func absences(_ row: Absence) async throws {
    for mode in [AssignResult.Mode.specific, .random, .sequential] {
      try await office.trigger(
        [TriggerCondition(target: .title, operator: .in, values: ["\(mode)"])], .assign(mode, [Desk.kim]))
    }
    try await office.trigger(
      [TriggerCondition(target: .title, operator: .in, values: ["both"])], .assign(.sequential, [Desk.kim, Desk.lee]))
    for statement in row.statements { try await office.execute(statement) }
    for title in ["SPECIFIC", "RANDOM", "SEQUENTIAL"] {
      let name = try await office.ticket(title: title)
      let ticket = try #require(try await office.run(name))
      #expect(ticket.state == .unassigned && ticket.agent.isEmpty && ticket.group == "services/care/groups/1")
      #expect(try await office.events(name) == ["TRIGGER_FIRED", "ASSIGNMENT_FAILED"])
    }
    for _ in 0..<3 {
      #expect(try await office.run(try await office.ticket(title: "both"))?.agent == "agents/2")
    }
    #expect(try await office.desk.number("SELECT count(*) FROM trigger_cursor") == 1)
  }

  @Test("a random assignment stays within the list")
  func random() async throws {
    let agents = try await office.hire(11...13)
    try await office.trigger([.isNew], .assign(.random, agents))
    var holders: Set<String> = []
    for _ in 0..<60 { holders.insert(try #require(try await office.run(try await office.ticket())).agent) }
    // That one of the three is never met has a probability of 10⁻¹⁰.
    #expect(holders == Set(agents.map { AgentName(id: $0).description }))
  }

  @Test("sixty tickets go to three agents in turn, twenty to each, with sixteen passes of two daemons at a time")
  func sequential() async throws {
    let agents = try await office.hire(11...13)
    try await office.trigger([.isNew], .assign(.sequential, agents))
    let other = try Office(desk: office.desk)
    var names: [TicketName] = []
    for _ in 0..<60 { names.append(try await office.ticket()) }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for lane in 0..<16 {
        let own = stride(from: lane, to: names.count, by: 16).map { names[$0] }
        let daemon = lane.isMultiple(of: 2) ? office : other
        group.addTask(executorPreference: TestLoops.group.next()) {
          for name in own {
            let ticket = try await daemon.run(name)
            #expect(ticket?.state == .processing)
          }
        }
      }
      try await group.waitForAll()
    }
    for agent in agents {
      #expect(try await office.desk.number("SELECT count(*) FROM ticket WHERE agent_id = \(agent)") == 20)
    }
    #expect(try await office.desk.number("SELECT turn FROM trigger_cursor") == 60)
  }

  @Test("passes of one ticket that get in one another's way each run once, and keep the turn they took")
  func retries() async throws {
    try await office.trigger(
      [TriggerCondition(target: .cause, operator: .in, values: ["CREATED", "CHANGED"])],
      .assign(.sequential, [Desk.kim, Desk.lee]))
    let name = try await office.ticket()
    try await office.order(.changed, of: name)
    try await office.order(.changed, of: name)
    #expect(try await office.runner.worker.runOnce(deadline: office.desk.deadline) == 3)
    let events = try await office.events(name)
    #expect(events.count { $0 == "TRIGGER_FIRED" } == 3 && events.count { $0 == "ASSIGNED" } == 3)
    #expect(try await office.desk.number("SELECT turn FROM trigger_cursor") == 3)
    #expect(try await waiting() == 0)
  }

  @Test("a pass runs once, whoever asks for it and whoever finds it")
  func once() async throws {
    try await office.trigger([.isNew], .assign(.sequential, [Desk.kim, Desk.lee]))
    let other = try Office(desk: office.desk)
    var names: [TicketName] = []
    for _ in 0..<20 { names.append(try await office.ticket()) }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for name in names {
        group.addTask { _ = try await office.run(name) }
        group.addTask { _ = try await other.run(name) }
      }
      for daemon in [office, other, office] {
        group.addTask { _ = try await daemon.runner.worker.runOnce(deadline: office.desk.deadline) }
      }
      try await group.waitForAll()
    }
    for name in names { #expect(try await office.events(name) == ["TRIGGER_FIRED", "ASSIGNED"]) }
    #expect(try await waiting() == 0)
    #expect(try await office.desk.number("SELECT turn FROM trigger_cursor") == 20)
  }

  @Test("tickets that take turns together keep them when one among them was changed meanwhile")
  func lostRace() async throws {
    try await office.trigger([.isNew], .assign(.sequential, [Desk.kim, Desk.lee]))
    let runner = office.runner
    var seen: [(OutboxItem, TicketRecord)] = []
    var names: [TicketName] = []
    for index in 0..<9 {
      let name = try await office.ticket()
      names.append(name)
      let found = try #require(
        try await runner.ledger.ticket(name.id, of: ServiceID(1), with: runner.outbox, deadline: office.desk.deadline))
      if index % 4 == 1 { try await office.order(.changed, of: name) }
      seen.append((found.work.free[0], found.ticket))
    }
    await withTaskGroup(of: Void.self) { group in
      for (item, ticket) in seen {
        group.addTask { #expect(await runner.attempt(item, on: ticket).ticket?.agentID != nil) }
      }
    }
    for name in names { _ = try await office.run(name) }
    #expect(try await office.desk.number("SELECT turn FROM trigger_cursor") == 9)
    let spread = try await office.desk.number(
      """
      SELECT max(n.count) - min(n.count)
      FROM (SELECT count(*) FROM ticket WHERE agent_id IS NOT NULL GROUP BY agent_id) AS n
      """)
    #expect(spread == 1)
    #expect(try await waiting() == 0)
  }

  @Test(
    "whoever asks for the passes of a ticket hears what they left, also when another runs them",
    .timeLimit(.minutes(5)))
  func waits() async throws {
    try await office.trigger([.isNew], .assign(.specific, [Desk.kim]))
    let name = try await office.ticket()
    let other = try Office(desk: office.desk)
    let taken = try await other.runner.outbox.claim(deadline: office.desk.deadline)
    // The other has claimed the pass and not begun it: the answer has to wait, and looks again and again.
    let pool = office.service.ledger.pool
    let before = pool.metrics.queries
    let answer = Task { try await office.run(name) }
    while pool.metrics.queries < before + 10 { await Task.yield() }
    #expect(await other.runner.attempt(taken[0]).verdict == .removed)
    #expect(try await answer.value?.agent == "agents/1")
    // Who never comes back is not waited for longer than the caller waits.
    let orphan = try await office.ticket()
    _ = try await other.runner.outbox.claim(deadline: office.desk.deadline)
    let refused = await refusal {
      _ = try await office.runner.runWaiting(orphan.id, of: ServiceID(1), deadline: .after(.milliseconds(30)))
    }
    #expect(refused?.reason == .deadlineExceeded)
  }

  @Test("a pass whose daemon died after the claim is run by another, and the dead one can write nothing any more")
  func crash() async throws {
    try await office.trigger([.isNew], .assign(.specific, [Desk.kim]), .priority(.high))
    let name = try await office.ticket()
    let lost = try await office.runner.outbox.claim(deadline: office.desk.deadline)
    try await office.execute("UPDATE outbox SET lease_time = clock_timestamp(), due_time = clock_timestamp()")
    let other = try Office(desk: office.desk)
    let taken = try await other.runner.outbox.claim(deadline: office.desk.deadline)
    #expect(taken.map(\.id) == lost.map(\.id))
    // The first one wakes up too late: while the other works, and again when it is done.
    #expect(await office.runner.attempt(lost[0]).verdict == .removed)
    #expect(try await office.events(name).isEmpty)
    #expect(await other.runner.attempt(taken[0]).verdict == .removed)
    #expect(await office.runner.attempt(lost[0]).verdict == .removed)
    #expect(try await office.events(name) == ["TRIGGER_FIRED", "ASSIGNED", "FIELDS_SAVED"])
    #expect(try await waiting() == 0)
  }

  @Test("the running worker does passes that nobody asks for, until it is told to stop", .timeLimit(.minutes(5)))
  func worker() async throws {
    try await office.trigger([.isNew], .assign(.specific, [Desk.kim]))
    let stop = office.runner.start(on: TestLoops.group)
    let name = try await office.ticket()
    while try await waiting() > 0 { await Task.yield() }
    await stop()
    #expect(try await office.events(name) == ["TRIGGER_FIRED", "ASSIGNED"])
  }

  @Test("spam, an order that cannot be read and a trigger that cannot be read harm nobody")
  func oddities() async throws {
    try await office.trigger([.isNew], .assign(.specific, [Desk.kim]))
    let spam = try await office.ticket()
    try await office.execute(
      """
      UPDATE ticket SET state = 'RESOLVED', is_spam = true, internal_reason = 'SPAM', resolve_time = now()
      WHERE id = \(spam.id)
      """)
    #expect(try await office.run(spam)?.spam == true)
    #expect(try await office.events(spam).isEmpty)
    let odd = try await office.ticket()
    try await office.execute("UPDATE outbox SET payload = '\\x08ff01'")
    #expect(try await office.run(odd)?.state == .unassigned)
    // Who asks for a pass leaves what cannot be done to the worker.
    _ = try await office.runner.worker.runOnce(deadline: office.desk.deadline)
    #expect(try await office.desk.number("SELECT count(*) FROM outbox WHERE dead_time IS NOT NULL") == 1)
    let later = try Trigger(conditions: [TriggerCondition(target: .init(rawValue: 77), operator: .in, values: ["x"])])
      .serialized()
    try await office.execute("UPDATE trigger_rule SET conditions = \(later)")
    let name = try await office.ticket()
    let other = try Office(desk: office.desk)
    #expect(try await other.run(name)?.state == .unassigned)
    // A newer daemon may understand it: the pass waits.
    #expect(try await office.desk.number("SELECT count(*) FROM outbox WHERE dead_time IS NULL") == 1)
  }

  @Test("tickets that want turns of one cursor at the same time are committed together, each with its turn")
  func sharedTransaction() async throws {
    let agents = try await office.hire(11...14)
    try await office.trigger([.isNew], .assign(.sequential, agents))
    for _ in 0..<32 { _ = try await office.ticket() }
    #expect(try await office.runner.worker.runOnce(deadline: office.desk.deadline) == 32)
    // The first may have gone alone; those that came while it was written went together.
    let transactions = try await office.desk.number("SELECT count(DISTINCT xmin::text) FROM ticket")
    #expect(transactions <= 4, "\(transactions) transactions for 32 tickets")
    for agent in agents {
      #expect(try await office.desk.number("SELECT count(*) FROM ticket WHERE agent_id = \(agent)") == 8)
    }
    #expect(try await office.desk.number("SELECT turn FROM trigger_cursor") == 32)
    #expect(try await office.desk.number("SELECT count(*) FROM assignment_record") == 32)
  }

  @Test("a ticket that cannot be written does not keep those beside it from being written")
  func poisoned() async throws {
    try await office.trigger([.isNew], .assign(.sequential, [Desk.kim, Desk.lee]))
    var names: [TicketName] = []
    for _ in 0..<6 { names.append(try await office.ticket()) }
    // Its next event is there already.
    try await office.execute(
      """
      INSERT INTO ticket_event (service_id, ticket_id, sequence, code, actor_kind, changes, create_time, hash)
      VALUES (1, \(names[2].id), 2, 'COMMENTED', 'SYSTEM', '[]', now(), '')
      """)
    _ = try await office.runner.worker.runOnce(deadline: office.desk.deadline)
    let assigned = try await office.desk.number("SELECT count(*) FROM ticket WHERE state = 'PROCESSING'")
    #expect(assigned == 5)
    #expect(try await office.desk.number("SELECT turn FROM trigger_cursor") == 5)
    #expect(try await office.desk.number("SELECT count(*) FROM outbox WHERE dead_time IS NULL") == 1)
  }
}
