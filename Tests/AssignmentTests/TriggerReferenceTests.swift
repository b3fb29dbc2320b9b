import HandoffAPI
import HandoffTestKit
import LedgerTestKit
import Postgres
import RPCProtos
import ServiceKit
import Synchronization
import Testing
import TicketLedger

@testable import Assignment

@Suite("What triggers refer to")
struct TriggerReferenceTests {
  private let office: Office

  init() async throws { office = try await Office.open() }

  /// What tickets' statements of deletion do: whether they are refused.
  private func isKept(_ deletion: Query) async throws -> Bool {
    do {
      _ = try await office.desk.database.pool.query(deletion, deadline: office.desk.deadline)
      return false
    } catch let error as PostgresError where error.sqlState == "23503" {
      return true
    }
  }

  @Test("types that an active trigger names cannot be deleted; once it is off they can, and it cannot be activated")
  func types() async throws {
    try await office.execute(
      "INSERT INTO submission_type (service_id, id, display_name) VALUES (1, 7, '가'), (1, 8, '나')")
    try await office.execute("INSERT INTO processing_type (service_id, id, display_name) VALUES (1, 7, '다')")
    let trigger = try await office.trigger(
      [
        TriggerCondition(target: .submissionType, operator: .in, values: ["services/care/submissionTypes/7"]),
        TriggerCondition(
          group: ConditionGroup(
            kind: .none,
            conditions: [
              TriggerCondition(
                target: .processingType, operator: .in, values: ["services/care/processingTypes/7"])
            ])),
      ], .submissionType("services/care/submissionTypes/8"))
    let deletions: [Query] = [
      "DELETE FROM submission_type WHERE service_id = 1 AND id = 7",
      "DELETE FROM submission_type WHERE service_id = 1 AND id = 8",
      "DELETE FROM processing_type WHERE service_id = 1 AND id = 7",
    ]
    for deletion in deletions { #expect(try await isKept(deletion)) }
    _ = try await office.service.updateTrigger(
      UpdateTriggerRequest(
        trigger: Trigger(name: trigger.name, results: [TriggerResult(result: .priority(.high))]),
        updateMask: FieldMask(paths: ["results"])), office.call("UpdateTrigger", by: Desk.boss))
    #expect(try await !isKept(deletions[1]), "an edit lets go of what it names no more")
    _ = try await office.service.deactivateTrigger(
      DeactivateTriggerRequest(name: trigger.name), office.call("DeactivateTrigger", by: Desk.boss))
    for deletion in [deletions[0], deletions[2]] { #expect(try await !isKept(deletion)) }
    let error = await refusal {
      _ = try await office.service.activateTrigger(
        ActivateTriggerRequest(name: trigger.name), office.call("ActivateTrigger", by: Desk.boss))
    }
    #expect(
      error?.violations.map(\.field) == [
        "trigger.conditions[0].values[0]", "trigger.conditions[1].group.conditions[0].values[0]",
      ])
  }

  @Test("fields decide like any other line: texts, choices, and what is not filled in")
  func fields() async throws {
    try await office.execute(
      """
      INSERT INTO ticket_field (service_id, id, code, kind, audience, display_name, options) VALUES
        (1, 1, 'order_number', 'TEXT', 'CUSTOMER', '주문 번호', '{}'),
        (1, 2, 'products', 'CHECKBOX', 'CUSTOMER', '제품', ARRAY['세탁기', '냉장고', '건조기'])
      """)
    let line = { (comparison: TriggerCondition.Operator, field: Int, values: [String]) in
      TriggerCondition(target: .field, operator: comparison, values: values, field: "services/care/fields/\(field)")
    }
    let rows: [(TriggerCondition, Bool)] = [
      (line(.in, 1, ["A-17"]), true), (line(.contains, 1, ["a-1"]), true), (line(.notContains, 1, ["B"]), true),
      (line(.in, 1, ["A"]), false), (line(.in, 2, ["냉장고"]), true), (line(.in, 2, ["건조기"]), false),
      (line(.notIn, 2, ["건조기"]), true), (line(.isEmpty, 2, []), false), (line(.isNotEmpty, 1, []), true),
    ]
    for (condition, fires) in rows {
      let trigger = try await office.trigger([.isNew, condition], .priority(.urgent))
      let name = try await office.ticket()
      try await office.execute(
        """
        INSERT INTO ticket_field_value (service_id, ticket_id, field_id, value)
        VALUES (1, \(name.id), 1, 'A-17'), (1, \(name.id), 2, \("세탁기\n냉장고"))
        """)
      let simulated = try await office.service.simulateTriggers(
        SimulateTriggersRequest(parent: "services/care", ticket: name.description),
        office.call("SimulateTriggers", by: Desk.boss))
      #expect(simulated.tickets.isEmpty != fires, "\(condition)")
      let ticket = try await office.run(name)
      #expect((ticket?.priority == .urgent) == fires, "\(condition)")
      _ = try await office.service.deactivateTrigger(
        DeactivateTriggerRequest(name: trigger.name), office.call("DeactivateTrigger", by: Desk.boss))
    }
    let bare = try await office.trigger([.isNew, line(.isEmpty, 1, [])], .priority(.low))
    #expect(try await office.run(try await office.ticket())?.priority == .low)
    #expect(try await isKept("DELETE FROM ticket_field WHERE service_id = 1 AND id = 1"), "\(bare.name) names it")
  }

  @Test("what was active before names were noted is noted when a daemon starts, and is off when a name is gone")
  func upgraded() async throws {
    try await office.execute(
      "INSERT INTO submission_type (service_id, id, display_name) VALUES (1, 7, '가'), (1, 8, '나')")
    try await office.trigger([.isNew], .priority(.high))
    try await office.trigger([.isNew], .submissionType("services/care/submissionTypes/7"))
    let dangling = try await office.trigger([.isNew], .submissionType("services/care/submissionTypes/8"))
    try await office.execute("DELETE FROM trigger_reference")
    try await office.execute("DELETE FROM submission_type WHERE id = 8")

    let note = {
      try await office.runner.store.noteReferences(office.desk.ledger.directory, within: .seconds(60))
    }
    let found = try await note()
    #expect(found.map(\.trigger.description) == [dangling.name])
    #expect(try await isKept("DELETE FROM submission_type WHERE service_id = 1 AND id = 7"))
    let off = try await office.service.getTrigger(
      GetTriggerRequest(name: dangling.name), office.call("GetTrigger", by: Desk.boss))
    #expect(!off.active && off.notice == "NAME_GONE services/care/submissionTypes/8")

    let generation: Query = "SELECT generation FROM trigger_setting WHERE service_id = 1"
    let before = try await office.desk.database.pool.query(generation, deadline: office.desk.deadline)
    #expect(try await note().isEmpty)
    let after = try await office.desk.database.pool.query(generation, deadline: office.desk.deadline)
    #expect(try after.first?.int64(0) == before.first?.int64(0), "there was nothing more to note")
  }

  @Test("a random assignment is drawn with the generator that it is given: one seed, one sequence")
  func seeded() async throws {
    let agents = try await office.hire(11...17)
    try await office.trigger([.isNew], .assign(.random, agents))
    func holders(seed: UInt64) async throws -> [String] {
      let generator = Mutex(SeededGenerator(seed: seed))
      let runner = TriggerRunner(
        ledger: try office.desk.ledger(as: "handoff_assignment"),
        log: Logger(service: "tests", level: .error, output: .standardError), metrics: Metrics(),
        chance: Chance { generator.withLock { $0.next() } })
      var holders: [String] = []
      for _ in 0..<12 {
        let name = try await office.ticket()
        let ticket = try await runner.runWaiting(name.id, of: ServiceID(1), deadline: office.desk.deadline)
        holders.append(ticket?.agentID?.description ?? "")
      }
      return holders
    }
    let first = try await holders(seed: 7)
    #expect(try await holders(seed: 7) == first)
    #expect(try await holders(seed: 8) != first)
    #expect(Set(first).isSubset(of: Set(agents.map(\.description))) && Set(first).count > 1)
  }
}
