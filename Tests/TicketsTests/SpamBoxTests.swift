import HandoffAPI
import HandoffTestKit
import Postgres
import RPC
import RPCProtos
import ServiceKit
import Testing
import TicketLedger

@testable import Tickets

@Suite struct SpamBoxTests {
  @Test("an administrator restores spam to where it stood; agents do not, and nothing but spam is restored")
  func restore() async throws {
    let world = try await TicketWorld()
    for state in [TicketState.processing, .pending, .escalationAnswered] {
      let spam = try await world.ticket(TicketWorld.Shape(state: state, isSpam: true))
      let request = RestoreTicketRequest(name: world.name(spam), version: spam.version, requestId: "r\(spam.id)")
      let byAgent = await refusal { try await world.client.restoreTicket(request, world.by(TicketWorld.lee)) }
      #expect(byAgent?.reason == .permissionDenied)
      let restored = try await world.client.restoreTicket(request, world.by(TicketWorld.boss))
      #expect(restored.state.rawValue == state.number && !restored.spam && restored.internalReason.rawValue == 0)
      #expect(try await world.client.restoreTicket(request, world.by(TicketWorld.boss)) == restored)
      #expect(try await world.eventCodes(restored.name).last == "SPAM_RESTORED")
      let twice = await refusal {
        try await world.client.restoreTicket(
          RestoreTicketRequest(name: world.name(spam)), world.by(TicketWorld.boss))
      }
      #expect(twice?.metadata["refusal"] == "NOT_IN_SPAM_BOX")
    }
    for state in [TicketState.processing, .pending, .escalationAnswered] {
      let gone = try await world.ticket(TicketWorld.Shape(state: state, agent: TicketWorld.gone, isSpam: true))
      let restored = try await world.client.restoreTicket(
        RestoreTicketRequest(name: world.name(gone)), world.by(TicketWorld.boss))
      #expect(restored.state == .unassigned && restored.agent.isEmpty, "\(state), whose agent has left")
    }
  }

  @Test("deleted spam is found by nobody on any path, and its events stay on record")
  func delete() async throws {
    let world = try await TicketWorld()
    let spam = try await world.ticket(TicketWorld.Shape(isSpam: true))
    let name = world.name(spam)
    let boss = world.by(TicketWorld.boss)
    let client = world.client
    let request = DeleteTicketRequest(name: name, version: spam.version, requestId: "delete")
    let byAgent = await refusal { try await client.deleteTicket(request, world.by(TicketWorld.kim)) }
    #expect(byAgent?.reason == .permissionDenied)
    let live = try await world.ticket()
    let notSpam = await refusal {
      try await client.deleteTicket(DeleteTicketRequest(name: world.name(live)), boss)
    }
    #expect(notSpam?.reason == .transitionNotAllowed)
    _ = try await client.deleteTicket(request, boss)
    // A repeated request is answered as the first was; another one finds nothing.
    _ = try await client.deleteTicket(request, boss)
    let refusals = [
      await refusal { try await client.deleteTicket(DeleteTicketRequest(name: name), boss) },
      await refusal { try await client.restoreTicket(RestoreTicketRequest(name: name), boss) },
      await refusal { try await client.getTicket(GetTicketRequest(name: name), boss) },
      await refusal { try await client.listEntries(ListEntriesRequest(parent: name), boss) },
      await refusal { try await client.listEvents(ListEventsRequest(parent: name), boss) },
      await refusal { try await client.listSourceEntries(ListSourceEntriesRequest(parent: name), boss) },
      await refusal { try await client.verifyHistory(VerifyHistoryRequest(name: name), boss) },
      await refusal { try await client.starTicket(StarTicketRequest(name: name), boss) },
      await refusal { try await client.appendInquiry(AppendInquiryRequest(parent: name, text: "x"), world.by("mail")) },
      await refusal {
        try await client.processTicket(ProcessTicketRequest(name: name, act: .comment, text: "x"), boss)
      },
      await refusal {
        try await client.updateTicket(
          UpdateTicketRequest(ticket: Ticket(name: name, title: "x"), updateMask: FieldMask(paths: ["title"])), boss)
      },
      await refusal {
        try await client.escalateTicket(
          EscalateTicketRequest(
            name: name, targetService: "services/bugs", submissionType: "services/bugs/submissionTypes/3", title: "x",
            text: "x"), boss)
      },
      await refusal { try await client.completeTicket(CompleteTicketRequest(name: name), boss) },
      await refusal { try await client.unstarTicket(UnstarTicketRequest(name: name), boss) },
      await refusal { try await client.listActs(ListActsRequest(parent: name), boss) },
      await refusal { try await client.listCustomerTickets(ListCustomerTicketsRequest(parent: name), boss) },
      await refusal { try await client.listTranscriptLines(ListTranscriptLinesRequest(parent: name), boss) },
      await refusal { try await client.getCallRecord(GetCallRecordRequest(ticket: name), boss) },
      await refusal { try await client.getTicketForm(GetTicketFormRequest(ticket: name), boss) },
    ]
    #expect(refusals.map { $0?.reason } == Array(repeating: .ticketNotFound, count: refusals.count))
    let list = try await client.listTickets(ListTicketsRequest(parent: "services/care", menu: .spam), boss)
    #expect(list.tickets.isEmpty)
    for search in [
      SearchTicketsRequest(parent: "services/care", menu: .spam),
      SearchTicketsRequest(parent: "services/care", title: "택배"),
      SearchTicketsRequest(parent: "services/care", menu: .spam, ticketId: spam.id.rawValue),
    ] {
      let found = try await client.searchTickets(search, boss).tickets.map(\.name)
      #expect(!found.contains(name))
    }
    #expect(
      try await world.rows("SELECT code FROM ticket_event WHERE ticket_id = \(spam.id) ORDER BY sequence")
        .map { try $0.string(0) }.last == "SPAM_DELETED")
    #expect(try await world.ledger.verify(spam.id, of: spam.serviceID, deadline: TestDatabase.deadline).isIntact)
  }
}
