import HandoffAPI
import HandoffTestKit
import LedgerTestKit
import Postgres
import Protobuf
import ServiceKit
import Testing
import TicketLedger

@testable import Assignment

@Suite("Keeping and forwarding tickets")
struct HoldingTests {
  private let office: Office

  init() async throws { office = try await Office.open() }

  private func keep(
    _ name: TicketName, by agent: AgentID? = Desk.kim, group: String = "", version: Int64 = 0, requestID: String = ""
  ) async throws -> Ticket {
    try await office.service.keepTicket(
      KeepTicketRequest(name: name.description, group: group, version: version, requestId: requestID),
      office.call("KeepTicket", by: agent))
  }

  private func forward(
    _ name: TicketName, by agent: AgentID? = Desk.lee, to receiver: String = "agents/1",
    group: String = "services/care/groups/1", version: Int64 = 0, requestID: String = ""
  ) async throws -> Ticket {
    try await office.service.forwardTicket(
      ForwardTicketRequest(
        name: name.description, group: group, agent: receiver, version: version, requestId: requestID),
      office.call("ForwardTicket", by: agent))
  }

  @Test("an unassigned ticket is kept by the agent, in the agent's group, and the triggers are told")
  func keeping() async throws {
    let name = try await office.ticket(cause: nil)
    let ticket = try await keep(name, version: 1)
    #expect(ticket.state == .processing && ticket.version == 2)
    #expect(ticket.agent == "agents/1" && ticket.agentDisplayName == "김상담")
    #expect(ticket.group == "services/care/groups/1")
    #expect(try await office.events(name) == ["KEPT"])
    let items = try await office.runner.outbox.claim(deadline: office.desk.deadline)
    #expect(items.map(\.eventSequence) == [2])
    #expect(try TriggerPass(serialized: items[0].payload).cause == .changed)
  }

  @Test(
    "the group is one of the agent's own, and named by those who are in several",
    arguments: [
      (Desk.lee, "", Reason.groupRequired, ""),
      (Desk.lee, "services/care/groups/2", nil, "services/care/groups/2"),
      (Desk.kim, "services/care/groups/2", .groupNotFound, ""),
      (Desk.kim, "services/care/groups/99", .groupNotFound, ""),
      (Desk.kim, "services/tech/groups/3", .groupNotFound, ""),
      (Desk.kim, "care/1", .requestInvalid, ""),
      (Desk.boss, "", nil, ""),
    ] as [(AgentID, String, Reason?, String)])
  func groups(agent: AgentID, group: String, reason: Reason?, result: String) async throws {
    let name = try await office.ticket()
    let error = await refusal {
      let kept = try await keep(name, by: agent, group: group)
      #expect(kept.group == result)
    }
    #expect(error?.reason == reason)
    #expect(try await office.record(name).version == (reason == nil ? 2 : 1))
  }

  @Test("of many agents who keep the same ticket one gets it, and the others learn who and when")
  func race() async throws {
    let agents = try await office.hire(11...Int64(10 + TestScale.count(usual: 16, all: 100)))
    let name = try await office.ticket()
    let results = await withTaskGroup(of: (AgentID, ServiceError?).self) { group in
      for (index, agent) in agents.enumerated() {
        // Half of them know the version, which does not make their loss another one.
        group.addTask {
          (agent, await refusal { _ = try await keep(name, by: agent, version: index.isMultiple(of: 2) ? 1 : 0) })
        }
      }
      return await group.reduce(into: [AgentID: ServiceError?]()) { $0[$1.0] = .some($1.1) }
    }
    let winners = results.filter { $0.value == nil }.map(\.key)
    let winner = try #require(winners.first)
    #expect(winners.count == 1)
    #expect(try await office.record(name).agentID == winner)
    #expect(try await office.events(name) == ["KEPT"])
    let time = try await office.service.agents.holdTime(
      of: try await office.record(name), deadline: office.desk.deadline)
    for case let error? in results.values {
      #expect(error.reason == .ticketAlreadyHeld)
      #expect(error.metadata["agent"] == AgentName(id: winner).description)
      #expect(error.metadata["agent_display_name"] == "Agent \(winner)")
      #expect(error.metadata["hold_time"] == time)
      #expect(error.message.hasPrefix("Agent \(winner) has held the ticket since 2"))
    }
    print("keep: \(agents.count) agents at once, \(winners.count) got the ticket, the others were told who and when")
  }

  @Test("a repeated request is answered as the first was, also when the agent could not do it again")
  func repeats() async throws {
    let name = try await office.ticket()
    let kept = try await keep(name, requestID: "keep-1")
    #expect(try await keep(name, requestID: "keep-1") == kept)
    #expect(await refusal { _ = try await keep(name, version: 9, requestID: "keep-1") }?.reason == .requestIDReused)
    let forwarded = try await forward(name, to: "agents/2", group: "services/care/groups/2", requestID: "forward-1")
    try await office.execute("UPDATE service_member SET is_assignable = false WHERE agent_id = 2")
    let other = try Office(desk: office.desk)
    let again = try await other.service.forwardTicket(
      ForwardTicketRequest(
        name: name.description, group: "services/care/groups/2", agent: "agents/2", requestId: "forward-1"),
      office.call("ForwardTicket", by: Desk.lee))
    #expect(again == forwarded)
    #expect(try await office.events(name) == ["KEPT", "FORWARDED"])
  }

  /// A refused request to forward, and why it is refused.
  enum Refused: String, CaseIterable {
    case noForwardRight, noAgent, stranger, groupUnknown, groupOfOtherService, notInGroup, agentUnknown
    case agentOfOtherService, notAssignable, inactive, noTicketRight, staleVersion, resolved, nameMalformed

    var reason: Reason {
      switch self {
      case .noForwardRight, .noAgent: .permissionDenied
      case .stranger: .ticketNotFound
      case .groupUnknown, .groupOfOtherService: .groupNotFound
      case .notInGroup, .agentUnknown, .agentOfOtherService, .notAssignable, .inactive, .noTicketRight:
        .agentNotAssignable
      case .staleVersion: .staleVersion
      case .resolved: .transitionNotAllowed
      case .nameMalformed: .requestInvalid
      }
    }
  }

  @Test("forwarding is refused with its reason, and changes nothing", arguments: Refused.allCases)
  func refusals(_ row: Refused) async throws {
    let name = try await office.ticket()
    let desk = office
    let error = await refusal {
      switch row {
      case .noForwardRight: _ = try await forward(name, by: Desk.kim, to: "agents/2")
      case .noAgent: _ = try await forward(name, by: nil)
      case .stranger: _ = try await forward(name, by: Desk.stranger)
      case .groupUnknown: _ = try await forward(name, group: "services/care/groups/99")
      case .groupOfOtherService: _ = try await forward(name, group: "services/tech/groups/3")
      case .notInGroup: _ = try await forward(name, group: "services/care/groups/2")
      case .agentUnknown: _ = try await forward(name, to: "agents/999")
      case .agentOfOtherService: _ = try await forward(name, to: "agents/4")
      case .notAssignable: _ = try await forward(name, to: "agents/5")
      case .inactive:
        try await desk.execute("UPDATE agent SET is_active = false WHERE id = 1")
        _ = try await forward(name)
      case .noTicketRight:
        try await desk.execute("UPDATE service_member SET has_ticket_right = false WHERE agent_id = 1")
        _ = try await forward(name)
      case .staleVersion: _ = try await forward(name, version: 7)
      case .resolved:
        try await desk.execute("UPDATE ticket SET state = 'RESOLVED', resolve_time = now() WHERE id = \(name.id)")
        _ = try await forward(name)
      case .nameMalformed: _ = try await forward(name, to: "agents/01")
      }
    }
    #expect(error?.reason == row.reason)
    #expect(try await office.events(name).isEmpty)
  }

  @Test(
    "who may forward gives the ticket to an agent of a group; an administrator may", arguments: [Desk.lee, Desk.boss])
  func forwarding(by agent: AgentID) async throws {
    let name = try await office.ticket()
    _ = try await keep(name)
    let ticket = try await forward(
      name, by: agent, to: "agents/2", group: "services/care/groups/2", version: 2)
    #expect(ticket.state == .processing && ticket.version == 3)
    #expect(ticket.agent == "agents/2" && ticket.group == "services/care/groups/2")
    #expect(try await office.events(name) == ["KEPT", "FORWARDED"])
  }

  @Test("while the ticket is escalated, forwarding changes the holder and nothing else")
  func forwardingEscalated() async throws {
    let name = try await office.ticket()
    _ = try await keep(name)
    try await office.execute("UPDATE ticket SET state = 'ESCALATING' WHERE id = \(name.id)")
    let ticket = try await forward(name, to: "agents/2", group: "services/care/groups/2")
    #expect(ticket.state == .escalating && ticket.agent == "agents/2")
  }

  @Test("tickets of other services are not found, and ids that are none are named")
  func otherServices() async throws {
    let name = try await office.ticket()
    let elsewhere = TicketName(service: "tech", id: name.id)
    #expect(await refusal { _ = try await keep(elsewhere, by: Desk.stranger) }?.reason == .ticketNotFound)
    #expect(await refusal { _ = try await forward(elsewhere, by: Desk.stranger) }?.reason == .ticketNotFound)
    #expect(await refusal { _ = try await keep(name, by: Desk.stranger) }?.reason == .ticketNotFound)
    #expect(await refusal { _ = try await keep(name, by: nil) }?.reason == .permissionDenied)
    let malformed = await refusal {
      _ = try await office.service.keepTicket(KeepTicketRequest(), office.call("KeepTicket", by: Desk.kim))
    }
    #expect(malformed?.violations.map(\.field) == ["name"])
    #expect(await refusal { _ = try await keep(name, version: 4) }?.reason == .staleVersion)
  }
}
