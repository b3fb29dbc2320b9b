import HandoffAPI
import HandoffTestKit
import Postgres
import Protobuf
import RPC
import ServiceKit
import Testing
import TicketLedger

@testable import Tickets

@Suite struct DirectoryTests {
  @Test("an agent sees their own services in the order of their names, page by page")
  func services() async throws {
    let world = try await TicketWorld()
    var names: [String] = []
    var request = ListServicesRequest(pageSize: 1)
    repeat {
      let page = try await world.client.listServices(request, world.by(TicketWorld.kim))
      names += page.services.map(\.name)
      request.pageToken = page.nextPageToken
    } while !request.pageToken.isEmpty
    #expect(names == ["services/bugs", "services/care"])
    let strangers = try await world.client.listServices(ListServicesRequest(), world.by(TicketWorld.stranger))
    #expect(strangers.services.map(\.name) == ["services/other"])
    #expect(try await world.client.listServices(ListServicesRequest(), world.by(TicketWorld.gone)).services.isEmpty)
    #expect(try await world.client.listServices(ListServicesRequest(), world.by("operator")).services.count == 3)
  }

  @Test("a service tells what it is")
  func service() async throws {
    let world = try await TicketWorld()
    let service = try await world.client.getService(
      GetServiceRequest(name: "services/bugs"), world.by(TicketWorld.kim))
    #expect(service.displayName == "Bugs" && service.kind == .issue && service.language == "en")
    #expect(service.timeZone == "Asia/Seoul" && service.autoCompleteDays == 14 && service.securityEnabled)
  }

  @Test("types come as a tree, each behind its parent, siblings in their order")
  func types() async throws {
    let world = try await TicketWorld()
    let submission = try await world.client.listSubmissionTypes(
      ListSubmissionTypesRequest(parent: "services/care"), world.by(TicketWorld.kim)
    ).submissionTypes
    #expect(submission.map(\.displayName) == ["환불", "배송", "배송 지연", "예전 유형"])
    #expect(submission.map(\.active) == [true, true, true, false])
    #expect(submission[2].parent == submission[1].name && submission[2].level == 2)
    let processing = try await world.client.listProcessingTypes(
      ListProcessingTypesRequest(parent: "services/care"), world.by(TicketWorld.kim)
    ).processingTypes
    #expect(processing.map(\.name) == ["services/care/processingTypes/1", "services/care/processingTypes/2"])
  }

  @Test("counters tell the service's numbers and the caller's own")
  func counters() async throws {
    let world = try await TicketWorld()
    for state in [TicketState.unassigned, .unassigned, .processing, .pending, .resolved] {
      _ = try await world.ticket(state)
    }
    _ = try await world.ticket(TicketWorld.Shape(agent: TicketWorld.lee))
    _ = try await world.ticket(TicketWorld.Shape(isSpam: true))
    for isFolded in [false, true] {
      if isFolded { _ = try await CounterFolder(pool: world.ledger.pool).foldAll(deadline: TestDatabase.deadline) }
      let counters = try await world.client.getCounters(
        GetCountersRequest(parent: "services/care"), world.by(TicketWorld.kim))
      #expect(counters.agentCount == 4)
      #expect(counters.receivedToday == 6 && counters.unassignedToday == 2 && counters.unassignedTotal == 2)
      #expect(counters.resolvedPercent == 17)
      #expect(
        counters.stateCounts == [
          StateCount(state: .unassigned, count: 2), StateCount(state: .processing, count: 2),
          StateCount(state: .pending, count: 1), StateCount(state: .resolved, count: 1),
        ])
      #expect(
        counters.myStateCounts == [
          StateCount(state: .processing, count: 1), StateCount(state: .pending, count: 1),
          StateCount(state: .resolved, count: 1),
        ])
    }
  }

  @Test("a history that was edited in the database is found out")
  func verification() async throws {
    let world = try await TicketWorld()
    let ticket = try await world.ticket()
    let request = VerifyHistoryRequest(name: world.name(ticket))
    let intact = try await world.client.verifyHistory(request, world.by(TicketWorld.kim))
    #expect(intact.intact && intact.eventCount == 1 && intact.firstBadSequence == 0)
    try await world.run("UPDATE ticket_event SET actor_name = 'agents/2' WHERE ticket_id = \(ticket.id)")
    let edited = try await world.client.verifyHistory(request, world.by(TicketWorld.kim))
    #expect(!edited.intact && edited.firstBadSequence == 1 && !edited.finding.isEmpty)
  }
}
