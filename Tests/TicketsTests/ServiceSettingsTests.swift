import HandoffAPI
import HandoffTestKit
import Postgres
import RPC
import RPCProtos
import ServiceKit
import Testing
import TicketLedger

@testable import Tickets

@Suite struct ServiceSettingsTests {
  private func update(
    _ world: TicketWorld, _ service: Service, _ paths: [String], version: Int64 = 0,
    by agent: AgentID = TicketWorld.boss
  ) async throws -> Service {
    var service = service
    service.name = "services/care"
    return try await world.client.updateService(
      UpdateServiceRequest(service: service, updateMask: FieldMask(paths: paths), version: version), world.by(agent))
  }

  @Test("an administrator changes the settings that the mask names, and stale writers are told")
  func saves() async throws {
    let world = try await TicketWorld()
    let changed = try await update(
      world,
      Service(
        displayName: "고객 지원", timeZone: "Europe/Berlin", autoCompleteDays: 0, assigneeOnly: true,
        replyPolicy: .reopenWithinDays, reopenDays: 7),
      ["time_zone", "auto_complete_days", "assignee_only", "reply_policy", "reopen_days"], version: 1)
    #expect(changed.displayName == "고객센터" && changed.timeZone == "Europe/Berlin" && changed.version == 2)
    #expect(changed.autoCompleteDays == 0 && changed.assigneeOnly)
    #expect(changed.replyPolicy == .reopenWithinDays && changed.reopenDays == 7)
    let back = try await update(world, Service(replyPolicy: .newTicket), ["reply_policy"])
    #expect(back.replyPolicy == .newTicket && back.reopenDays == 0)
    let stale = await refusal { try await update(world, Service(language: "en"), ["language"], version: 2) }
    #expect(stale?.reason == .staleVersion)
    let byAgent = await refusal { try await update(world, Service(language: "en"), ["language"], by: TicketWorld.lee) }
    #expect(byAgent?.reason == .permissionDenied)
  }

  @Test("wrong settings are refused all at once, and change nothing")
  func violations() async throws {
    let world = try await TicketWorld()
    let wrong = Service(
      displayName: " ", language: "xx1", autoCompleteDays: 4000, replyPolicy: .reopen, reopenDays: 3)
    let error = await refusal {
      try await update(
        world, wrong,
        ["display_name", "language", "auto_complete_days", "reply_policy", "reopen_days", "kind"])
    }
    #expect(
      error?.violations.map(\.field) == [
        "update_mask", "service.display_name", "service.language", "service.auto_complete_days",
        "service.reopen_days",
      ])
    let zone = await refusal { try await update(world, Service(timeZone: "Mars/Olympus"), ["time_zone"]) }
    #expect(zone?.violations.map(\.field) == ["service.time_zone"])
    let days = await refusal { try await update(world, Service(replyPolicy: .reopenWithinDays), ["reply_policy"]) }
    #expect(days?.violations.map(\.field) == ["service.reopen_days"])
    #expect(try await world.count("SELECT version FROM service WHERE code = 'care'") == 1)
  }

  @Test("where only the holder processes, others do everything else, and administrators step in")
  func assigneeOnly() async throws {
    let world = try await TicketWorld()
    _ = try await update(world, Service(assigneeOnly: true), ["assignee_only"])
    let other = try TicketWorld.ledger(world.database, role: "handoff_tickets")
    let client = TicketWorld.client(
      TicketService(ledger: other, mail: world.mail, assignment: TicketWorld.nowhere))
    let name = world.name(try await world.ticket())
    func process(_ act: ProcessTicketRequest.Act, by agent: AgentID) async -> ServiceError? {
      await refusal {
        try await client.processTicket(ProcessTicketRequest(name: name, act: act, text: "확인했습니다."), world.by(agent))
      }
    }
    let refused = await process(.hold, by: TicketWorld.lee)
    #expect(refused?.reason == .permissionDenied && refused?.metadata["refusal"] == "NOT_HOLDER")
    #expect(await process(.comment, by: TicketWorld.lee) == nil)
    #expect(await process(.hold, by: TicketWorld.boss) == nil)
    #expect(await process(.resolve, by: TicketWorld.kim) == nil)
  }
}
