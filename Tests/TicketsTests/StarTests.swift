import HandoffAPI
import HandoffTestKit
import Postgres
import RPC
import ServiceKit
import Testing
import TicketLedger

@testable import Tickets

@Suite struct StarTests {
  private func starred(_ world: TicketWorld, _ request: ListTicketsRequest, by agent: AgentID) async throws -> [Int] {
    var request = request
    request.parent = "services/care"
    request.starred = true
    request.pageSize = 2
    var ids: [Int] = []
    repeat {
      let page = try await world.client.listTickets(request, world.by(agent))
      #expect(page.tickets.allSatisfy { $0.starred })
      ids += page.tickets.compactMap { Int($0.name.split(separator: "/").last ?? "") }
      request.pageToken = page.nextPageToken
    } while !request.pageToken.isEmpty
    return ids
  }

  @Test("each agent has stars of their own, which every answer shows and no event tells")
  func own() async throws {
    let world = try await TicketWorld()
    let ticket = try await world.ticket()
    let name = world.name(ticket)
    let star = StarTicketRequest(name: name)
    for _ in 0..<2 {
      #expect(try await world.client.starTicket(star, world.by(TicketWorld.kim)).starred)
    }
    let mine = try await world.client.getTicket(GetTicketRequest(name: name), world.by(TicketWorld.kim))
    let theirs = try await world.client.getTicket(GetTicketRequest(name: name), world.by(TicketWorld.lee))
    #expect(mine.starred && !theirs.starred && mine.version == ticket.version)
    let commented = try await world.client.processTicket(
      ProcessTicketRequest(name: name, act: .comment, text: "x"), world.by(TicketWorld.kim))
    #expect(commented.starred)
    #expect(try await world.eventCodes(name) == ["CREATED", "COMMENTED"])
    let unstar = UnstarTicketRequest(name: name)
    for _ in 0..<2 {
      #expect(try await !world.client.unstarTicket(unstar, world.by(TicketWorld.kim)).starred)
    }
    let daemon = await refusal { try await world.client.starTicket(star, world.by("operator")) }
    #expect(daemon?.reason == .permissionDenied)
  }

  @Test("the star filter goes with every menu and its pages")
  func filter() async throws {
    let world = try await TicketWorld()
    var ids: [TicketState: [Int]] = [:]
    for state in [TicketState.processing, .pending, .processing, .unassigned, .processing, .resolved] {
      let ticket = try await world.ticket(state)
      _ = try await world.client.starTicket(
        StarTicketRequest(name: world.name(ticket)), world.by(TicketWorld.kim))
      ids[state, default: []].insert(Int(ticket.id.rawValue), at: 0)
    }
    _ = try await world.ticket()
    let all = ids.values.joined().sorted(by: >)
    #expect(try await starred(world, ListTicketsRequest(), by: TicketWorld.kim) == all)
    #expect(
      try await starred(world, ListTicketsRequest(menu: .myProcessing), by: TicketWorld.kim) == ids[.processing])
    #expect(try await starred(world, ListTicketsRequest(menu: .unassigned), by: TicketWorld.kim) == ids[.unassigned])
    #expect(
      try await starred(world, ListTicketsRequest(group: "services/care/groups/1"), by: TicketWorld.kim) == all)
    #expect(try await starred(world, ListTicketsRequest(menu: .spam), by: TicketWorld.kim).isEmpty)
    #expect(try await starred(world, ListTicketsRequest(), by: TicketWorld.lee).isEmpty)
    let daemon = await refusal {
      try await world.client.listTickets(
        ListTicketsRequest(parent: "services/care", starred: true), world.by("operator"))
    }
    #expect(daemon?.violations.map(\.field) == ["starred"])
  }

  @Test("an agent's stars have a limit, and the refusal says what to do")
  func limit() async throws {
    let world = try await TicketWorld()
    let ticket = try await world.ticket()
    try await world.run(
      """
      INSERT INTO ticket (service_id, id, state, channel, language, title, organization_id, event_hash, event_seal,
        create_time, update_time)
      SELECT 1, 100000 + n, 'UNASSIGNED', 'EMAIL', 'ko', 'T', 1, '\\x00', '\\x00', now(), now()
      FROM generate_series(1, \(TicketStore.starsMax)) AS n
      """)
    try await world.run(
      "INSERT INTO ticket_star (service_id, agent_id, ticket_id) SELECT 1, 1, id FROM ticket WHERE id > 100000")
    let error = await refusal {
      try await world.client.starTicket(StarTicketRequest(name: world.name(ticket)), world.by(TicketWorld.kim))
    }
    #expect(error?.reason == .limitReached)
    // A star of a ticket that was deleted is in nobody's way.
    try await world.run(
      """
      UPDATE ticket SET state = 'RESOLVED', resolve_time = now(), internal_reason = 'SPAM', is_spam = true,
        state_before_spam = 'PENDING', delete_time = now()
      WHERE id = 100001
      """)
    let starred = try await world.client.starTicket(
      StarTicketRequest(name: world.name(ticket)), world.by(TicketWorld.kim))
    #expect(starred.starred)
    #expect(try await world.count("SELECT count(*) FROM ticket_star WHERE agent_id = 1") == Int(TicketStore.starsMax))
  }
}
