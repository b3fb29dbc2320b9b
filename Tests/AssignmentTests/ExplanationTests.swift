import HandoffAPI
import HandoffTestKit
import LedgerTestKit
import Postgres
import RPCProtos
import ServiceKit
import Testing
import TicketLedger

@testable import Assignment

@Suite("Explaining assignments, simulating triggers, and tickets that wait")
struct ExplanationTests {
  private let office: Office

  init() async throws { office = try await Office.open() }

  private func explain(
    _ name: TicketName, _ language: String = "", by agent: AgentID = Desk.kim
  ) async throws -> AssignmentExplanation {
    try await office.service.explainAssignment(
      ExplainAssignmentRequest(name: name.description, language: language), office.call("ExplainAssignment", by: agent))
  }

  private func simulate(
    ticket: TicketName? = nil, _ trigger: Trigger? = nil, cause: TriggerPass.Cause = .created,
    by agent: AgentID = Desk.boss
  ) async throws -> SimulateTriggersResponse {
    try await office.service.simulateTriggers(
      SimulateTriggersRequest(
        parent: "services/care", ticket: ticket?.description ?? "", cause: cause, trigger: trigger),
      office.call("SimulateTriggers", by: agent))
  }

  @Test("an automatic assignment is explained in both languages, with those who were passed over and why")
  func automatic() async throws {
    try await office.trigger([.isNew], .assign(.sequential, [Desk.away, Desk.kim, Desk.lee]))
    try await office.run(try await office.ticket())
    let name = try await office.ticket()
    #expect(try await office.run(name)?.agent == "agents/2")
    let korean = try await explain(name)
    #expect(
      korean.text
        == "트리거 '배정'(버전 1): 'Front' 그룹의 이상담 님에게 할당했습니다(순차 배분 2번째 순번). 후보 3명 중 제외: 정부재(티켓 할당 꺼짐).")
    let english = try await explain(name, "en")
    #expect(
      english.text
        == "Trigger “배정” (version 1) gave it to 이상담 in the group Front: turn 2 of its list. "
        + "Of 3 agents, passed over: 정부재 (assign switch off).")
    let record = try #require(english.record)
    #expect(record.mode == .sequential && record.turn == 1 && record.triggerVersion == 1 && !record.waited)
    #expect(record.candidates.map(\.obstacle) == [.switchedOff, .unspecified, .unspecified])
    #expect(english.eventSequence == 3)
  }

  @Test("what agents did is told, too; a language without words and a stranger are refused")
  func byHand() async throws {
    let name = try await office.ticket(cause: nil)
    #expect(try await explain(name, "en").text == "Nobody has held it yet, and no trigger has tried to assign it.")
    _ = try await office.service.keepTicket(
      KeepTicketRequest(name: name.description), office.call("KeepTicket", by: Desk.kim))
    #expect(try await explain(name, "ko").text == "김상담 님이 직접 가져왔습니다.")
    _ = try await office.service.forwardTicket(
      ForwardTicketRequest(name: name.description, group: "services/care/groups/2", agent: "agents/2"),
      office.call("ForwardTicket", by: Desk.boss))
    #expect(try await explain(name, "en").text == "박관리 forwarded it to 이상담.")
    #expect(await refusal { _ = try await explain(name, "fr") }?.reason == .requestInvalid)
    #expect(await refusal { _ = try await explain(name, by: Desk.stranger) }?.reason == .ticketNotFound)
  }

  @Test("tickets that nobody could take go to whoever can, oldest first, as soon as somebody can")
  func waiting() async throws {
    try await office.execute("UPDATE service_member SET is_assignable = false WHERE service_id = 1")
    try await office.trigger([.isNew], .assign(.sequential, [Desk.kim, Desk.lee]))
    var names: [TicketName] = []
    for _ in 0..<5 {
      let name = try await office.ticket()
      #expect(try await office.run(name)?.state == .unassigned)
      names.append(name)
    }
    #expect(try await explain(names[0], "en").text.hasPrefix("Trigger “배정” (version 1) found nobody"))
    #expect(try await office.waiting.runOnce(deadline: office.desk.deadline) == 0)
    // One is kept by hand meanwhile: it waits no longer.
    _ = try await office.service.keepTicket(
      KeepTicketRequest(name: names[1].description), office.call("KeepTicket", by: Desk.kim))
    _ = try await office.service.updateMember(
      UpdateMemberRequest(
        member: Member(assignable: true, name: "services/care/members/2"), updateMask: .init(paths: ["assignable"])),
      office.call("UpdateMember", by: Desk.boss))
    let other = try Office(desk: office.desk)
    let counts = try await withThrowingTaskGroup(of: Int.self) { group in
      for daemon in [office, other] {
        group.addTask { try await daemon.waiting.runOnce(deadline: daemon.desk.deadline) }
      }
      return try await group.reduce(0, +)
    }
    #expect(counts == 4)
    for name in names where name != names[1] {
      #expect(try await office.record(name).agentID == Desk.lee)
      #expect(try await office.events(name) == ["TRIGGER_FIRED", "ASSIGNMENT_FAILED", "ASSIGNED"])
    }
    let times = try await office.desk.database.pool.query(
      "SELECT ticket_id FROM ticket_event WHERE code = 'ASSIGNED' ORDER BY create_time", deadline: office.desk.deadline
    ).map { try $0.value(0) as TicketID }
    #expect(times == times.sorted(), "the oldest goes first")
    #expect(try await office.desk.number("SELECT count(*) FROM assignment_wait") == 0)
    #expect(try await explain(names[4], "en").text.contains("It had waited until somebody could be given tickets."))
    #expect(try await explain(names[4]).record?.waited == true)
  }

  @Test("tickets stop waiting when the trigger is deactivated, and stay in their group")
  func waitingForNothing() async throws {
    try await office.execute("UPDATE service_member SET is_assignable = false WHERE service_id = 1")
    let trigger = try await office.trigger([.isNew], .assign(.random, [Desk.kim]))
    let name = try await office.ticket()
    try await office.run(name)
    _ = try await office.service.deactivateTrigger(
      DeactivateTriggerRequest(name: trigger.name), office.call("DeactivateTrigger", by: Desk.boss))
    try await office.execute("UPDATE service_member SET is_assignable = true")
    #expect(try await office.waiting.runOnce(deadline: office.desk.deadline) == 0)
    let ticket = try await office.record(name)
    #expect(ticket.state == .unassigned && ticket.groupID == Desk.front)
    #expect(try await office.desk.number("SELECT count(*) FROM assignment_wait") == 0)
  }

  @Test("a simulation says what would fire, in order, and what each would change, and writes nothing")
  func simulation() async throws {
    let first = try await office.trigger(
      [.isNew, TriggerCondition(target: .content, operator: .contains, values: ["물"])], .priority(.urgent),
      .assign(.sequential, [Desk.kim, Desk.lee]))
    let loop = try await office.trigger(
      [TriggerCondition(target: .priority, operator: .changedTo, values: ["URGENT"])], .priority(.normal))
    let wet = try await office.ticket(content: "물이 새요")
    let alsoWet = try await office.ticket(content: "물이 나와요")
    _ = try await office.ticket(content: "불이 나요")
    let rows: Query = "SELECT (SELECT count(*) FROM ticket_event) + (SELECT count(*) FROM outbox) * 1000"
    let before = try await office.desk.number(rows)
    let one = try await simulate(ticket: wet)
    #expect(one.ticketCount == 1 && one.tickets.map(\.ticket) == [wet.description])
    let firing = try #require(one.tickets.first?.firings.first)
    #expect(firing.trigger == first.name && firing.triggerVersion == 1)
    #expect(
      firing.changes.map { "\($0.field) \($0.before)>\($0.after)" } == [
        "priority NORMAL>URGENT", "state UNASSIGNED>PROCESSING", "agent >1", "group >1",
      ])
    #expect(one.tickets[0].heldBack == [loop.name])
    let all = try await simulate()
    #expect(all.ticketCount == 3 && all.tickets.map(\.ticket) == [alsoWet.description, wet.description])
    #expect(all.tickets.map { $0.firings[0].changes[2].after } == ["1", "2"])
    let draft = Trigger(
      displayName: "불", conditions: [TriggerCondition(target: .content, operator: .contains, values: ["불"])],
      results: [TriggerResult(result: .assign(.specific, [Desk.lee]))])
    let withDraft = try await simulate(draft)
    #expect(withDraft.tickets.count == 3)
    #expect(withDraft.tickets[0].firings.map(\.trigger) == [""] && withDraft.tickets[0].firings[0].triggerVersion == 0)
    var edited = draft
    edited.name = first.name
    #expect(try await simulate(edited).tickets.map { $0.firings.map(\.triggerDisplayName) } == [["불"]])
    #expect(try await office.desk.number(rows) == before)
    #expect(try await office.desk.number("SELECT count(*) FROM trigger_cursor") == 0)
    #expect(await refusal { _ = try await simulate(by: Desk.lee) }?.reason == .permissionDenied)
    #expect(await refusal { _ = try await simulate(cause: .init(rawValue: 77)) }?.reason == .requestInvalid)
    #expect(await refusal { _ = try await simulate(Trigger(displayName: "x")) }?.reason == .requestInvalid)
  }

  @Test("triggers that would set each other off for ever stop after one pass, which says what it held back")
  func loops() async throws {
    let high = try await office.trigger(
      [TriggerCondition(target: .priority, operator: .in, values: ["NORMAL", "URGENT"])], .priority(.high))
    let urgent = try await office.trigger(
      [TriggerCondition(target: .priority, operator: .in, values: ["HIGH"])], .priority(.urgent))
    let name = try await office.ticket()
    #expect(try await simulate(ticket: name).tickets[0].heldBack == [high.name])
    #expect(try await office.run(name)?.priority == .urgent)
    #expect(try await office.events(name) == ["TRIGGER_FIRED", "FIELDS_SAVED", "TRIGGER_FIRED", "FIELDS_SAVED"])
    #expect(try await office.desk.number("SELECT count(*) FROM outbox") == 0)
    #expect(urgent.position == 2)
    let last = try await office.desk.database.pool.query(
      "SELECT changes FROM ticket_event WHERE ticket_id = \(name.id) ORDER BY sequence DESC LIMIT 1",
      deadline: office.desk.deadline)
    let changes = try #require(CodeChange.decode(try last[0].string(0)))
    #expect(changes.last == CodeChange("held_back", "", high.name))
  }

  @Test("where the first match ends the pass, only the first one would have run again, and is held back")
  func firstHeldBack() async throws {
    _ = try await office.service.updateTriggerSettings(
      UpdateTriggerSettingsRequest(
        triggerSettings: TriggerSettings(name: "services/care/triggerSettings", mode: .firstMatch)),
      office.call("UpdateTriggerSettings", by: Desk.boss))
    let urgent = TriggerCondition(target: .priority, operator: .in, values: ["URGENT"])
    try await office.trigger([.isNew], .priority(.urgent))
    let second = try await office.trigger([urgent], .priority(.high))
    try await office.trigger([urgent], .priority(.low))
    #expect(try await simulate(ticket: try await office.ticket()).tickets[0].heldBack == [second.name])
  }

  @Test("who asks why a ticket is held hears of the triggers that were held back, ten of them by name")
  func heldBack() async throws {
    try await office.trigger([.isNew], .assign(.specific, [Desk.kim]))
    var names: [String] = []
    for number in 1...12 {
      let trigger = Trigger(
        displayName: "연쇄 \(number)",
        conditions: [TriggerCondition(target: .state, operator: .changedTo, values: ["PROCESSING"])],
        results: [TriggerResult(result: .priority(.urgent))])
      names.append(
        try await office.service.createTrigger(
          CreateTriggerRequest(parent: "services/care", trigger: trigger), office.call("CreateTrigger", by: Desk.boss)
        ).name)
    }
    let name = try await office.ticket()
    #expect(try await office.run(name)?.priority == .normal)
    #expect(try await office.events(name) == ["TRIGGER_FIRED", "ASSIGNED"])
    let explained = try await explain(name, "ko")
    #expect(explained.record?.heldBack.map(\.trigger) == Array(names.prefix(10)))
    #expect(explained.record?.heldBackCount == 12)
    #expect(explained.text.hasSuffix("'연쇄 9', '연쇄 10' 외 2개."))
    let english = try await explain(name, "en").text
    #expect(english.contains("starts no further triggers; held back: “연쇄 1”, “연쇄 2”"))
    #expect(english.hasSuffix("“연쇄 10” and 2 more."))
  }

  @Test("a pass that grows beyond what one may do is cut, and the history says so")
  func cut() async throws {
    // Each fires once and saves twenty times.
    let results = (0..<20).map { TriggerResult(result: .priority($0.isMultiple(of: 2) ? .high : .urgent)) }
    for _ in 0..<11 {
      let trigger = Trigger(displayName: "반복", conditions: [.isNew], results: results)
      _ = try await office.service.createTrigger(
        CreateTriggerRequest(parent: "services/care", trigger: trigger), office.call("CreateTrigger", by: Desk.boss))
    }
    let name = try await office.ticket()
    try await office.run(name)
    #expect(try await office.events(name).count { $0 == "TRIGGER_FIRED" } == 10)
    let cuts = try await office.desk.number(
      """
      SELECT count(*) FROM ticket_event WHERE changes LIKE '%{"field":"pass","before":"","after":"CUT"}%'
      """)
    #expect(cuts == 1)
  }
}
