import HandoffAPI
import HandoffTestKit
import Postgres
import RPC
import RPCProtos
import ServiceKit
import Testing
import TicketLedger

@testable import Tickets

/// What belongs to another service is not there, whichever way it is asked for.
@Suite struct ReachTests {
  @Test("a ticket is not found by who is no member of its service, nor under another service's name")
  func tickets() async throws {
    let world = try await TicketWorld()
    let ticket = try await world.ticket(.resolved)
    let own = world.name(ticket)
    // The agent of another service; the same ticket under a service that the caller belongs to; and no ticket at all.
    let ways: [(String, AgentID)] = [
      (own, TicketWorld.stranger), ("services/other/tickets/\(ticket.id)", TicketWorld.stranger),
      ("services/bugs/tickets/\(ticket.id)", TicketWorld.boss), ("services/care/tickets/99999999", TicketWorld.boss),
      ("services/nowhere/tickets/\(ticket.id)", TicketWorld.boss), (own, TicketWorld.gone),
    ]
    for (name, agent) in ways {
      let caller = world.by(agent)
      let client = world.client
      let refusals = [
        await refusal { try await client.getTicket(GetTicketRequest(name: name), caller) },
        await refusal { try await client.listEntries(ListEntriesRequest(parent: name), caller) },
        await refusal { try await client.listEvents(ListEventsRequest(parent: name), caller) },
        await refusal { try await client.listActs(ListActsRequest(parent: name), caller) },
        await refusal { try await client.verifyHistory(VerifyHistoryRequest(name: name), caller) },
        await refusal { try await client.completeTicket(CompleteTicketRequest(name: name), caller) },
        await refusal { try await client.appendInquiry(AppendInquiryRequest(parent: name, text: "x"), caller) },
        await refusal {
          try await client.processTicket(ProcessTicketRequest(name: name, act: .comment, text: "x"), caller)
        },
        await refusal { try await client.starTicket(StarTicketRequest(name: name), caller) },
        await refusal { try await client.unstarTicket(UnstarTicketRequest(name: name), caller) },
        await refusal { try await client.restoreTicket(RestoreTicketRequest(name: name), caller) },
        await refusal { try await client.deleteTicket(DeleteTicketRequest(name: name), caller) },
        await refusal { try await client.listSourceEntries(ListSourceEntriesRequest(parent: name), caller) },
        await refusal {
          try await client.updateTicket(
            UpdateTicketRequest(ticket: Ticket(name: name, title: "x"), updateMask: FieldMask(paths: ["title"])), caller
          )
        },
        await refusal {
          try await client.escalateTicket(
            EscalateTicketRequest(
              name: name, targetService: "services/bugs", submissionType: "services/bugs/submissionTypes/20",
              title: "x", text: "x"), caller)
        },
      ]
      #expect(
        refusals.map { $0?.reason } == Array(repeating: .ticketNotFound, count: refusals.count),
        "\(name) by \(agent)")
    }
    #expect(try await world.eventCodes(own).count == 2)
  }

  @Test("a service is not found by who is no member of it")
  func services() async throws {
    let world = try await TicketWorld()
    for name in ["services/other", "services/nowhere"] {
      let caller = world.by(TicketWorld.kim)
      let client = world.client
      let refusals = [
        await refusal { try await client.getService(GetServiceRequest(name: name), caller) },
        await refusal { try await client.getCounters(GetCountersRequest(parent: name), caller) },
        await refusal { try await client.listTickets(ListTicketsRequest(parent: name), caller) },
        await refusal { try await client.listSubmissionTypes(ListSubmissionTypesRequest(parent: name), caller) },
        await refusal { try await client.listProcessingTypes(ListProcessingTypesRequest(parent: name), caller) },
        await refusal {
          try await client.updateService(
            UpdateServiceRequest(service: Service(name: name), updateMask: FieldMask(paths: ["assignee_only"])), caller)
        },
        await refusal { try await client.listEscalationTargets(ListEscalationTargetsRequest(parent: name), caller) },
      ]
      #expect(
        refusals.map { $0?.reason } == Array(repeating: .serviceNotFound, count: refusals.count), "\(name)")
    }
  }

  @Test("who lacks the ticket right sees no tickets, but the service")
  func ticketRight() async throws {
    let world = try await TicketWorld()
    let name = world.name(try await world.ticket())
    let caller = world.by(TicketWorld.guest)
    let client = world.client
    let refusals = [
      await refusal { try await client.getTicket(GetTicketRequest(name: name), caller) },
      await refusal { try await client.listEntries(ListEntriesRequest(parent: name), caller) },
      await refusal { try await client.listEvents(ListEventsRequest(parent: name), caller) },
      await refusal { try await client.verifyHistory(VerifyHistoryRequest(name: name), caller) },
      await refusal { try await client.listTickets(ListTicketsRequest(parent: "services/care"), caller) },
      await refusal { try await client.getCounters(GetCountersRequest(parent: "services/care"), caller) },
    ]
    #expect(refusals.map { $0?.reason } == Array(repeating: .permissionDenied, count: 6))
    #expect(await refusal { try await client.getService(GetServiceRequest(name: "services/care"), caller) } == nil)
  }

  @Test("daemons call what the allow-list gives them")
  func allowList() async throws {
    let world = try await TicketWorld()
    let name = world.name(try await world.ticket())
    for caller in ["mail", "assignment", "gateway", "operator"] {
      #expect(await refusal { try await world.client.getTicket(GetTicketRequest(name: name), world.by(caller)) } == nil)
    }
    for caller in ["mail", "assignment", "masking"] {
      let error = await refusal {
        try await world.client.listEvents(ListEventsRequest(parent: name), world.by(caller))
      }
      // A caller understands the refusal as a fault of its own configuration.
      #expect(error?.reason == .internal)
    }
  }
}
