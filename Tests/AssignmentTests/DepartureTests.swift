import EventLoop
import HandoffAPI
import LedgerTestKit
import Postgres
import ServiceKit
import Testing
import TicketLedger

@testable import Assignment

@Suite("What agents who leave leave behind")
struct DepartureTests {
  private let office: Office

  init() async throws {
    office = try await Office.open()
    try await office.execute("UPDATE agent SET is_organization_administrator = true WHERE id = 3")
  }

  private func leave(_ name: String, _ held: HeldTickets?, deactivateTriggers: Bool = false) async throws {
    _ = try await office.service.deleteMember(
      DeleteMemberRequest(name: name, heldTickets: held, deactivateTriggers: deactivateTriggers),
      office.call("DeleteMember", by: Desk.boss))
  }

  @Test("an agent who leaves keeps the tickets, lets go of them, or leaves them to a group, as was chosen")
  func leaving() async throws {
    let rows: [(HeldTickets, holder: AgentID?, group: GroupID, events: [String])] = [
      (HeldTickets(choice: .keep), Desk.kim, Desk.front, []),
      (HeldTickets(choice: .unassign), nil, Desk.front, ["RELEASED"]),
      (HeldTickets(choice: .handToGroup, groups: ["services/care/groups/2"]), nil, Desk.back, ["RELEASED"]),
    ]
    for row in rows {
      let office = try await Office.open()
      let names = try await held(by: office)
      _ = try await office.service.deleteMember(
        DeleteMemberRequest(name: "services/care/members/1", heldTickets: row.0),
        office.call("DeleteMember", by: Desk.boss))
      while try await office.departures.runOnce(deadline: office.desk.deadline) > 0 {}
      for (name, state) in zip(names, ["PROCESSING", "PENDING", "ESCALATING", "RESOLVED"]) {
        let ticket = try await office.record(name)
        let isReleased = row.holder == nil && state != "RESOLVED"
        #expect(ticket.agentID == (isReleased ? nil : Desk.kim), "\(row.0.choice) \(state)")
        #expect(ticket.groupID == (isReleased ? row.group : Desk.front), "\(row.0.choice) \(state)")
        let expected = isReleased && state != "ESCALATING" ? "UNASSIGNED" : state
        #expect(ticket.state.rawValue == expected, "\(row.0.choice) \(state)")
        #expect(try await office.events(name).filter { $0 == "RELEASED" } == (isReleased ? row.events : []))
      }
      #expect(try await office.desk.number("SELECT count(*) FROM agent_departure") == 0)
    }
  }

  /// Tickets that Kim holds, in four states.
  private func held(by office: Office) async throws -> [TicketName] {
    var names: [TicketName] = []
    for state in ["PROCESSING", "PENDING", "ESCALATING", "RESOLVED"] {
      let name = try await office.ticket(cause: nil)
      try await office.execute(
        """
        UPDATE ticket SET state = \(state), agent_id = 1, group_id = 1,
          resolve_time = CASE WHEN \(state) = 'RESOLVED' THEN now() END
        WHERE id = \(name.id)
        """)
      names.append(name)
    }
    return names
  }

  @Test("an agent with more tickets than a batch is released of all of them, by two daemons at a time")
  func batches() async throws {
    let count = DepartureWorker.batchMax + 20
    for _ in 0..<count { _ = try await office.ticket(cause: nil) }
    try await office.execute("UPDATE ticket SET state = 'PROCESSING', agent_id = 1, group_id = 1")
    _ = try await office.service.deactivateAgent(
      DeactivateAgentRequest(name: "agents/1", heldTickets: HeldTickets(choice: .unassign)),
      office.call("DeactivateAgent", by: Desk.boss))
    let other = try Office(desk: office.desk)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for daemon in [office, other] {
        group.addTask { while try await daemon.departures.runOnce(deadline: daemon.desk.deadline) > 0 {} }
      }
      try await group.waitForAll()
    }
    #expect(try await office.desk.number("SELECT count(*) FROM ticket WHERE agent_id IS NULL") == Int64(count))
    #expect(try await office.desk.number("SELECT count(*) FROM ticket_event WHERE code = 'RELEASED'") == Int64(count))
  }

  @Test("the last agent of a trigger is not taken away silently")
  func lastAgentOfATrigger() async throws {
    let alone = try await office.trigger([.isNew], .assign(.specific, [Desk.kim]))
    let pool = try await office.trigger([.isNew], .assign(.sequential, [Desk.kim, Desk.lee]))
    let keep = HeldTickets(choice: .keep)
    let refused = await refusal { try await leave("services/care/members/1", keep) }
    #expect(refused?.reason == .inUse && refused?.metadata["triggers"] == alone.name)
    try await leave("services/care/members/1", keep, deactivateTriggers: true)
    let states = try await office.service.listTriggers(
      ListTriggersRequest(parent: "services/care"), office.call("ListTriggers", by: Desk.boss)
    ).triggers.map { "\($0.name) \($0.active)" }
    #expect(states == ["\(pool.name) true", "\(alone.name) false"])
  }
}
