import HandoffAPI
import HandoffTestKit
import LedgerTestKit
import Postgres
import RPC
import RPCProtos
import ServiceKit
import Testing
import TicketLedger

@testable import Assignment

@Suite("Changing, ordering and deleting triggers")
struct TriggerSettingsTests {
  private let office: Office

  init() async throws { office = try await Office.open() }

  private func call(_ method: String, by agent: AgentID = Desk.boss) -> CallContext { office.call(method, by: agent) }

  private func update(_ trigger: Trigger, _ paths: String...) async throws -> Trigger {
    try await office.service.updateTrigger(
      UpdateTriggerRequest(trigger: trigger, updateMask: FieldMask(paths: paths)), call("UpdateTrigger"))
  }

  private func names() async throws -> [String] {
    try await office.service.listTriggers(ListTriggersRequest(parent: "services/care"), call("ListTriggers"))
      .triggers.map { "\($0.name.split(separator: "/").last ?? "") \($0.active)" }
  }

  @Test("an edit makes a new version, which the events of later passes name; who saw an old one is told")
  func versions() async throws {
    var trigger = try await office.trigger([.isNew], .priority(.high))
    let before = try await office.ticket()
    try await office.run(before)
    trigger.results = [TriggerResult(result: .priority(.urgent))]
    trigger.displayName = "긴급"
    let updated = try await update(trigger, "results")
    #expect(updated.version == 2 && updated.displayName == "배정" && updated.results == trigger.results)
    let stale = await refusal { _ = try await update(trigger, "display_name") }
    #expect(stale?.reason == .staleVersion && stale?.metadata["current_version"] == "2")
    trigger.version = 0
    #expect(try await update(trigger, "display_name").displayName == "긴급")
    let after = try await office.ticket()
    #expect(try await office.run(after)?.priority == .urgent)
    let notes = try await office.desk.database.pool.query(
      "SELECT changes FROM ticket_event WHERE code = 'TRIGGER_FIRED' ORDER BY ticket_id", deadline: office.desk.deadline
    ).map { CodeChange.decode(try $0.string(0))?.first { $0.field == "trigger_version" }?.after }
    #expect(notes == ["1", "3"])
    trigger.conditions = []
    #expect(await refusal { _ = try await update(trigger) }?.violations.map(\.field) == ["trigger.conditions"])
  }

  @Test("triggers run in the order that was given, and only a list of all active ones is an order")
  func order() async throws {
    let first = try await office.trigger([.isNew], .priority(.high))
    let second = try await office.trigger([.isNew], .priority(.urgent))
    let reorder = { (triggers: [String]) in
      try await office.service.reorderTriggers(
        ReorderTriggersRequest(parent: "services/care", triggers: triggers), call("ReorderTriggers"))
    }
    #expect(try await office.run(try await office.ticket())?.priority == .urgent)
    let ordered = try await reorder([second.name, first.name])
    #expect(ordered.triggers.map(\.name) == [second.name, first.name])
    #expect(try await office.run(try await office.ticket())?.priority == .high)
    for (list, reason) in [
      ([first.name], Reason.staleVersion), ([first.name, "services/care/triggers/999"], .staleVersion),
      ([first.name, first.name], .requestInvalid), ([first.name, "services/tech/triggers/1"], .requestInvalid),
      ([], .staleVersion),
    ] as [([String], Reason)] {
      #expect(await refusal { _ = try await reorder(list) }?.reason == reason, "\(list)")
    }
  }

  @Test("an active trigger is deactivated before it is deleted; activated again it is last, and checked again")
  func areas() async throws {
    let first = try await office.trigger([.isNew], .assign(.specific, [Desk.kim]))
    let second = try await office.trigger([.isNew], .priority(.urgent))
    let delete = { (name: String) in
      await refusal { _ = try await office.service.deleteTrigger(DeleteTriggerRequest(name: name), call("Delete")) }
    }
    let activate = {
      try await office.service.activateTrigger(ActivateTriggerRequest(name: first.name), call("ActivateTrigger"))
    }
    #expect(await delete(first.name)?.reason == .inUse)
    let off = try await office.service.deactivateTrigger(
      DeactivateTriggerRequest(name: first.name), call("DeactivateTrigger"))
    #expect(!off.active)
    #expect(try await office.run(try await office.ticket())?.agent == "")
    #expect(try await activate().active)
    #expect(try await names().last == "\(first.name.split(separator: "/").last ?? "") true")
    _ = try await office.service.deactivateTrigger(DeactivateTriggerRequest(name: first.name), call("Deactivate"))
    try await office.execute("DELETE FROM group_member WHERE agent_id = 1")
    let refused = await refusal { _ = try await activate() }
    #expect(refused?.violations.map(\.field) == ["trigger.results[0].assign.agents[0]"])
    #expect(await delete(first.name) == nil)
    #expect(await delete(first.name)?.reason == .triggerNotFound)
    #expect(await delete("services/tech/triggers/1")?.reason == .triggerNotFound)
    #expect(try await names() == ["\(second.name.split(separator: "/").last ?? "") true"])
  }

  @Test("a trigger whose group is gone says why it is off")
  func notice() async throws {
    let trigger = try await office.trigger([.isNew], .group("services/care/groups/2"))
    _ = try await office.service.deleteGroup(
      DeleteGroupRequest(name: "services/care/groups/2", deactivate: true), call("DeleteGroup"))
    let off = try await office.service.getTrigger(GetTriggerRequest(name: trigger.name), call("GetTrigger"))
    #expect(!off.active && off.notice == "GROUP_GONE services/care/groups/2")
    let name = try await office.ticket()
    try await office.run(name)
    #expect(try await office.record(name).groupID == nil)
  }

  @Test("a service can let the first match end the pass")
  func firstMatch() async throws {
    let settings = { (mode: TriggerSettings.Mode) in
      try await office.service.updateTriggerSettings(
        UpdateTriggerSettingsRequest(
          triggerSettings: TriggerSettings(name: "services/care/triggerSettings", mode: mode)),
        call("UpdateTriggerSettings"))
    }
    try await office.trigger(
      [TriggerCondition(target: .title, operator: .contains, values: ["없음"])], .priority(.low))
    try await office.trigger([.isNew], .assign(.specific, [Desk.kim]))
    try await office.trigger([.isNew], .assign(.specific, [Desk.lee]))
    #expect(try await office.run(try await office.ticket())?.agent == "agents/2")
    #expect(try await settings(.firstMatch).mode == .firstMatch)
    #expect(try await office.run(try await office.ticket())?.agent == "agents/1")
    let read = try await office.service.getTriggerSettings(
      GetTriggerSettingsRequest(name: "services/care/triggerSettings"), call("GetTriggerSettings"))
    #expect(read.mode == .firstMatch)
    #expect(await refusal { _ = try await settings(.unspecified) }?.reason == .requestInvalid)
    #expect(try await settings(.allMatches).mode == .allMatches)
    #expect(try await office.run(try await office.ticket())?.agent == "agents/2")
  }

  @Test("groups of conditions, and what an event has changed, decide like any other line")
  func changesAndGroups() async throws {
    let urgentOrForeign = TriggerCondition(
      group: ConditionGroup(
        kind: .any,
        conditions: [
          TriggerCondition(target: .priority, operator: .in, values: ["URGENT"]),
          TriggerCondition(
            group: ConditionGroup(
              kind: .none, conditions: [TriggerCondition(target: .language, operator: .in, values: ["ko"])])),
        ]))
    let kept = TriggerCondition(target: .state, operator: .changedTo, values: ["PROCESSING"])
    let trigger = try await office.trigger([urgentOrForeign, kept], .group("services/care/groups/2"), .priority(.low))
    #expect(trigger.conditions[0].group?.conditions.count == 2)
    let name = try await office.ticket(cause: nil)
    // Not urgent, and Korean.
    _ = try await office.service.keepTicket(
      KeepTicketRequest(name: name.description), office.call("KeepTicket", by: Desk.kim))
    #expect(try await office.run(name)?.priority == .normal)
    let urgent = try await office.ticket(cause: nil)
    try await office.execute("UPDATE ticket SET priority = 'URGENT' WHERE id = \(urgent.id)")
    _ = try await office.service.keepTicket(
      KeepTicketRequest(name: urgent.description), office.call("KeepTicket", by: Desk.kim))
    #expect(try await office.run(urgent)?.priority == .low)
    // A creation changes nothing, whatever it sets.
    let fresh = try await office.ticket()
    try await office.execute("UPDATE ticket SET priority = 'URGENT' WHERE id = \(fresh.id)")
    #expect(try await office.run(fresh)?.priority == .urgent)
  }

  @Test("what another daemon knows of triggers and people is half a second old at most, and read anew by then")
  func propagation() async throws {
    let trigger = try await office.trigger([.isNew], .assign(.specific, [Desk.kim]))
    let clock = ManualClock()
    let ledger = try office.desk.ledger(as: "handoff_assignment")
    let other = TriggerCache(pool: ledger.pool, clock: { clock.now })
    let service = try await ledger.directory.service(code: "care", deadline: office.desk.deadline)
    /// The triggers, and why kim cannot be given tickets.
    func known() async throws -> [String] {
      let set = try await other.set(of: service, deadline: office.desk.deadline)
      let obstacle = set.obstacle(Desk.kim, in: Desk.front)
      return set.triggers.map(\.name.description) + [obstacle.map { "\($0)" } ?? "can be"]
    }
    #expect(try await known() == [trigger.name, "can be"])
    _ = try await office.service.updateMember(
      UpdateMemberRequest(
        member: Member(assignable: false, name: "services/care/members/1"),
        updateMask: FieldMask(paths: ["assignable"])), call("UpdateMember"))
    let added = try await office.trigger([.isNew], .priority(.high))
    clock.advance(by: TriggerCache.lifetime - .nanoseconds(1))
    #expect(try await known() == [trigger.name, "can be"])
    clock.advance(by: .nanoseconds(1))
    #expect(try await known() == [trigger.name, added.name, "switchedOff"])
    // The rest of the second is for reading it, and for a pass that is under way.
    #expect(TriggerCache.lifetime <= .milliseconds(500))
  }

  @Test("triggers are compiled once for each change of them, however often people and tickets are read anew")
  func compiledOnce() async throws {
    let trigger = try await office.trigger([.isNew], .assign(.specific, [Desk.kim]))
    let clock = ManualClock()
    let ledger = try office.desk.ledger(as: "handoff_assignment")
    let cache = TriggerCache(pool: ledger.pool, clock: { clock.now })
    let service = try await ledger.directory.service(code: "care", deadline: office.desk.deadline)
    func program() async throws -> TriggerProgram {
      clock.advance(by: TriggerCache.lifetime)
      return try await cache.set(of: service, deadline: office.desk.deadline).program
    }
    let first = try await program()
    try await office.execute("UPDATE service_member SET is_assignable = false WHERE agent_id = 1")
    #expect(try await program() === first)
    cache.forget()
    #expect(try await program() === first)
    _ = try await update(trigger, "results")
    let second = try await program()
    #expect(second !== first)
    #expect(try await program() === second)
  }

  @Test("a pass reads of a ticket what some condition looks at, and nothing else")
  func reading() async throws {
    try await office.execute(
      """
      INSERT INTO ticket_field (service_id, id, code, kind, audience, display_name)
      VALUES (1, 1, 'memo', 'TEXT', 'AGENT', 'M')
      """)
    let ticket = try await office.record(try await office.ticket())
    let ledger = office.runner.ledger
    let service = try await ledger.directory.service(code: "care", deadline: office.desk.deadline)
    /// Statements for a pass with one trigger.
    func statements(_ condition: TriggerCondition, _ cause: TriggerCause = .created) async throws -> Int {
      let trigger = try await office.trigger([condition], .priority(.high))
      let set = try await office.runner.store.active(of: service, deadline: office.desk.deadline)
      let before = ledger.pool.metrics.queries
      _ = try await office.runner.read(
        PassContext(ticket: ticket, service: service, set: set, cause: cause, causeSequence: 1), office.desk.deadline)
      let count = ledger.pool.metrics.queries - before
      _ = try await office.service.deactivateTrigger(
        DeactivateTriggerRequest(name: trigger.name), call("DeactivateTrigger"))
      return Int(count)
    }
    let content = TriggerCondition(target: .content, operator: .contains, values: ["물"])
    let memo = TriggerCondition(target: .field, operator: .isEmpty, field: "services/care/fields/1")
    let change = TriggerCondition(target: .state, operator: .changed)
    #expect(try await statements(.isNew) == 0)
    #expect(try await statements(content) == 1)
    #expect(try await statements(memo) == 1)
    #expect(try await statements(change) == 0, "a creation changes nothing")
    #expect(try await statements(change, .processed) == 1)
  }

  @Test(
    "what an administrator changes counts in the daemon that changed it at once, and in others without a word",
    .timeLimit(.minutes(5)))
  func otherDaemons() async throws {
    let other = try Office(desk: office.desk)
    let trigger = try await office.trigger([.isNew], .priority(.high))
    #expect(try await other.run(try await office.ticket())?.priority == .high)
    _ = try await office.service.deactivateTrigger(DeactivateTriggerRequest(name: trigger.name), call("Deactivate"))
    #expect(try await office.run(try await office.ticket())?.priority == .normal)
    while try await other.run(try await office.ticket())?.priority == .high {}
    #expect(try await other.run(try await office.ticket())?.priority == .normal)
  }
}
