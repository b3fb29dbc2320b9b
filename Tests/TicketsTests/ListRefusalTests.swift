import HandoffAPI
import HandoffTestKit
import Postgres
import RPC
import ServiceKit
import Testing
import TicketLedger

@testable import Tickets

@Suite("what lists refuse") struct ListRefusalTests {
  @Test("a list tells all that is wrong with its request at once")
  func allAtOnce() async throws {
    let world = try await TicketWorld()
    let (client, caller) = (world.client, world.by(TicketWorld.kim))
    let refusals = [
      await refusal { try await client.listEntries(ListEntriesRequest(parent: "x", pageSize: 999), caller) },
      await refusal {
        try await client.listSourceEntries(ListSourceEntriesRequest(parent: "x", pageSize: 999), caller)
      },
      await refusal { try await client.listEvents(ListEventsRequest(parent: "x", pageSize: 999), caller) },
      await refusal {
        try await client.listCustomerTickets(ListCustomerTicketsRequest(parent: "x", pageSize: 999), caller)
      },
      await refusal {
        try await client.listTranscriptLines(ListTranscriptLinesRequest(parent: "x", pageSize: 999), caller)
      },
      await refusal { try await client.listBatches(ListBatchesRequest(parent: "x", pageSize: 999), caller) },
      await refusal { try await client.listTickets(ListTicketsRequest(parent: "x", pageSize: 999), caller) },
      await refusal {
        try await client.searchTickets(
          SearchTicketsRequest(parent: "x", fields: [FieldCondition(code: "no", text: "x")], pageSize: 999), caller)
      },
    ]
    for (index, error) in refusals.enumerated() {
      #expect(error?.reason == .requestInvalid, "row \(index)")
      #expect(error?.violations.map(\.field) == ["parent", "page_size"], "row \(index)")
    }
    let results = await refusal {
      try await client.listBatchResults(
        ListBatchResultsRequest(parent: "x", outcome: .init(rawValue: 99), pageSize: 999), caller)
    }
    #expect(results?.violations.map(\.field) == ["parent", "outcome", "page_size"])
  }

  @Test("a page size alone is refused with what it must be, also of a ticket that is not there")
  func pageSizes() async throws {
    let world = try await TicketWorld()
    let (client, caller) = (world.client, world.by(TicketWorld.kim))
    let there = world.name(try await world.ticket())
    for name in [there, "services/care/tickets/99999999"] {
      let entries = await refusal {
        try await client.listEntries(ListEntriesRequest(parent: name, pageSize: 201), caller)
      }
      #expect(entries?.violations == [FieldViolation("page_size", "must be 1 to 200; 0 is taken as 100")])
      let tickets = await refusal {
        try await client.listCustomerTickets(ListCustomerTicketsRequest(parent: name, pageSize: -1), caller)
      }
      #expect(tickets?.violations == [FieldViolation("page_size", "must be 1 to 200; 0 is taken as 50")])
    }
  }

  @Test("a group or agent that is not there is refused in every menu, and one who left the service is not")
  func unknownNames() async throws {
    let world = try await TicketWorld()
    try await world.run("INSERT INTO organization (id, code, display_name) VALUES (2, 'rival', 'Rival')")
    try await world.run(
      "INSERT INTO agent (id, organization_id, email, display_name) VALUES (50, 2, 'x@example.com', 'X')")
    func list(_ request: ListTicketsRequest, by agent: AgentID) async throws -> [String] {
      var request = request
      request.parent = "services/care"
      return try await world.client.listTickets(request, world.by(agent)).tickets.map(\.name)
    }
    // Boss is in no group, so that the menu of the own groups shows nothing.
    for menu: ListTicketsRequest.Menu in [.all, .unassigned, .myGroups, .spam] {
      for agent in [TicketWorld.kim, TicketWorld.boss] {
        for group in ["services/care/groups/99999", "services/care/groups/3", "services/other/groups/3"] {
          let error = await refusal { try await list(ListTicketsRequest(menu: menu, group: group), by: agent) }
          #expect(error?.reason == .groupNotFound, "\(group) in \(menu) by \(agent)")
        }
        for holder in ["agents/99999", "agents/50"] {
          let error = await refusal { try await list(ListTicketsRequest(menu: menu, agent: holder), by: agent) }
          #expect(error?.reason == .agentNotFound, "\(holder) in \(menu) by \(agent)")
        }
      }
    }
    let ticket = world.name(try await world.ticket(.init(agent: TicketWorld.lee, group: GroupID(2))))
    try await world.run("DELETE FROM group_member WHERE agent_id = 2")
    try await world.run("DELETE FROM service_member WHERE agent_id = 2")
    for agent in [TicketWorld.kim, TicketWorld.boss] {
      #expect(try await list(ListTicketsRequest(agent: "agents/2"), by: agent) == [ticket])
      #expect(try await list(ListTicketsRequest(group: "services/care/groups/2"), by: agent) == [ticket])
    }
    try await world.run("UPDATE agent_group SET is_active = false WHERE id = 2")
    #expect(
      try await list(ListTicketsRequest(group: "services/care/groups/2"), by: TicketWorld.boss) == [ticket],
      "what a group has stays to be found when it gets no more")
  }
}
