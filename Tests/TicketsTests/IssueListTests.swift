import HandoffAPI
import HandoffTestKit
import RPC
import ServiceKit
import Testing
import TicketLedger

@testable import Tickets

@Suite("lists of an issue service") struct IssueListTests {
  @Test("the menus of an issue service show its own tickets in the same way")
  func issueMenus() async throws {
    let world = try await TicketWorld()
    var words: [String: String] = [:]
    func make(
      _ word: String, _ state: TicketState, agent: AgentID? = TicketWorld.kim, isSpam: Bool = false
    ) async throws {
      let ticket = try await world.ticket(.init(service: "bugs", state: state, agent: agent, isSpam: isSpam))
      words[world.name(ticket)] = word
    }
    try await make("unassigned", .unassigned, agent: nil)
    for (word, state) in [
      ("processing", TicketState.processing), ("pending", .pending), ("resolved", .resolved), ("completed", .completed),
      ("dooray", .doorayInProgress),
    ] { try await make(word, state) }
    try await make("boss's", .processing, agent: TicketWorld.boss)
    try await make("spam", .processing, isSpam: true)
    let (_, issue) = try await world.escalation()
    words[world.name(issue)] = "escalated to it"
    _ = try await world.ticket()
    let rows: [(ListTicketsRequest.Menu, [String])] = [
      (.unassigned, ["unassigned"]), (.myProcessing, ["escalated to it", "processing"]), (.myPending, ["pending"]),
      (.myResolved, ["resolved"]), (.myCompleted, ["completed"]), (.escalated, ["dooray"]), (.spam, ["spam"]),
      (
        .all,
        ["escalated to it", "boss's", "dooray", "completed", "resolved", "pending", "processing", "unassigned"]
      ),
    ]
    for (menu, expected) in rows {
      let page = try await world.client.listTickets(
        ListTicketsRequest(parent: "services/bugs", menu: menu), world.by(TicketWorld.kim))
      #expect(page.tickets.map { words[$0.name] } == expected, "\(menu)")
    }
    let found = try await world.client.searchTickets(
      SearchTicketsRequest(parent: "services/bugs", text: "지난주에", states: [.processing]), world.by(TicketWorld.kim))
    #expect(found.tickets.map { words[$0.name] } == ["escalated to it", "boss's", "processing"])
  }
}
