import HandoffAPI
import HandoffTestKit
import Postgres
import RPC
import RPCProtos
import ServiceKit
import Testing
import TicketLedger

@testable import Tickets

@Suite("What agents are offered to do", .timeLimit(.minutes(10)))
struct OfferedActsTests {
  private typealias Act = ListActsResponse.Act

  private func offered(
    on ticket: TicketRecord, to agent: AgentID, _ client: TicketServiceClient, _ world: TicketWorld
  ) async throws -> ListActsResponse {
    try await client.listActs(ListActsRequest(parent: world.name(ticket)), world.by(agent))
  }

  private func acts(_ ticket: TicketRecord, _ agent: AgentID, _ world: EscalatingWorld) async throws -> [Act] {
    try await offered(on: ticket, to: agent, world.base.client, world.base.world).acts
  }

  @Test("while Dooray! is paused, escalating to it is hidden from all; what waits there can still be talked about")
  func paused() async throws {
    let world = try await EscalatingWorld()
    let open = try await world.base.world.ticket()
    let waiting = try await world.escalated().ticket
    let people = [TicketWorld.kim, TicketWorld.lee, TicketWorld.boss]
    func pause(_ state: DooraySettings.State) async throws {
      _ = try await world.base.client.updateDooraySettings(
        UpdateDooraySettingsRequest(
          dooraySettings: DooraySettings(name: "services/care/dooraySettings", state: state),
          updateMask: .init(paths: ["state"])), world.base.boss)
    }
    for person in people {
      #expect(try await acts(open, person, world).contains(.escalateToDooray))
      let there = try await acts(waiting, person, world).filter { $0 != .forward }
      #expect(there == [.comment, .commentOnDooray, .update])
    }
    try await pause(.paused)
    for person in people {
      let shown = try await acts(open, person, world)
      #expect(!shown.contains(.escalateToDooray) && shown.contains(.escalate))
      #expect(try await acts(waiting, person, world).contains(.commentOnDooray))
    }
    #expect(await refusal { try await world.escalate(open) }?.reason == .doorayOff)
    try await world.comment("잠시 멈췄습니다.", on: waiting)
    try await pause(.active)
    #expect(try await acts(open, TicketWorld.kim, world).contains(.escalateToDooray))
    #expect(try await world.escalate(open).state == .doorayEscalated)
  }

  @Test("without Dooray!, a project of its own or an issue service, nothing is offered that leads there")
  func nowhere() async throws {
    let world = try await EscalatingWorld()
    let ticket = try await world.base.world.ticket()
    #expect(try await acts(ticket, TicketWorld.kim, world).contains(.escalateToDooray))
    try await world.base.world.run("DELETE FROM dooray_project")
    #expect(try await !acts(ticket, TicketWorld.kim, world).contains(.escalateToDooray))
    let bugs = try await world.base.world.ticket(.processing, service: "bugs")
    let shown = try await acts(bugs, TicketWorld.kim, world)
    #expect(shown == [.resolve, .hold, .comment, .resolveInternally, .update])
    let plain = try await TicketWorld()
    let elsewhere = try await plain.ticket()
    #expect(
      try await offered(on: elsewhere, to: TicketWorld.lee, plain.client, plain).acts
        == [.forward, .resolve, .hold, .comment, .resolveInternally, .escalate, .update])
  }

  @Test("they follow the ticket's life and the caller's rights")
  func life() async throws {
    let world = try await TicketWorld()
    let process: [Act] = [.resolve, .hold, .comment, .resolveInternally, .escalate, .update]
    let expected: [(TicketState, agent: [Act], administrator: [Act])] = [
      (.unassigned, [.keep, .comment, .update], [.keep, .forward, .comment, .update]),
      (.processing, process, [.forward] + process),
      (.pending, process, [.forward] + process),
      (.escalating, [.comment, .update], [.forward, .comment, .update]),
      (.doorayAnswered, process, [.forward] + process),
      (.resolved, [.comment, .update], [.comment, .complete, .update]),
      (.completed, [], []),
    ]
    for (state, agent, administrator) in expected {
      let ticket = try await world.ticket(state)
      #expect(try await offered(on: ticket, to: TicketWorld.kim, world.client, world).acts == agent, "\(state)")
      let shown = try await offered(on: ticket, to: TicketWorld.boss, world.client, world).acts
      #expect(shown == administrator, "\(state)")
    }
    let spam = try await world.ticket(.init(isSpam: true))
    #expect(try await offered(on: spam, to: TicketWorld.kim, world.client, world).acts == [])
    #expect(try await offered(on: spam, to: TicketWorld.boss, world.client, world).acts == [.restore, .delete])
    let (_, issue) = try await world.escalation()
    let reasons = try await offered(on: issue, to: TicketWorld.kim, world.client, world).internalReasons
    #expect(reasons == [.test, .chatSolved, .callSolved, .others], "a customer's ticket is not ended as spam there")
    #expect(await refusal { try await offered(on: spam, to: TicketWorld.guest, world.client, world) } != nil)
  }

  @Test("every act of the table is offered once, in the order of the API")
  func table() {
    let acts = TicketService.offeredActs.map(\.act)
    #expect(acts.map(\.rawValue) == Array(1...acts.count).map(Int32.init))
    #expect(Set(TicketService.offeredActs.flatMap(\.rules)).count == TicketService.offeredActs.flatMap(\.rules).count)
  }
}
