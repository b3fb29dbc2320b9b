import HandoffAPI
import HandoffTestKit
import LedgerTestKit
import Masking
import Postgres
import RPC
import RPCProtos
import ServiceKit
import Testing
import TicketLedger

@Suite("A service's masking settings and the report")
struct SettingsTests {
  private let world: MaskingDesk
  private static let name = "services/care/maskingSettings"

  init() async throws { world = try await MaskingDesk.open() }

  @discardableResult
  private func update(
    _ settings: MaskingSettings, _ paths: [String] = [], by agent: AgentID = Desk.boss, version: Int64 = 0
  ) async throws -> MaskingSettings {
    var settings = settings
    settings.name = Self.name
    let request = UpdateMaskingSettingsRequest(
      maskingSettings: settings, updateMask: FieldMask(paths: paths), version: version)
    return try await world.masking.updateMaskingSettings(request, world.call("UpdateMaskingSettings", by: agent))
  }

  private func settings() async throws -> MaskingSettings {
    try await world.masking.getMaskingSettings(
      GetMaskingSettingsRequest(name: Self.name), world.call("GetMaskingSettings"))
  }

  @Test("settings begin as suggestions by every agent, change field by field, and grow their version")
  func changes() async throws {
    let first = try await settings()
    #expect(first.detection == .suggest && first.unmaskRight == .ticketAgents && first.version == 0)
    try await update(MaskingSettings(detection: .automatic), ["detection"])
    let pattern = OwnPattern(displayName: "회원번호", pattern: "MB-######")
    let saved = try await update(MaskingSettings(patterns: [pattern]), ["patterns"], version: 1)
    #expect(saved.version == 2 && saved.detection == .automatic && saved.patterns == [pattern])
    #expect(try await settings() == saved)
  }

  @Test("bad settings are refused with the field's name, and change nothing")
  func refusals() async throws {
    let bad = OwnPattern(displayName: "x", pattern: "##")
    let rows: [(MaskingSettings, [String], AgentID, Int64, Reason)] = [
      (MaskingSettings(detection: .init(rawValue: 9)), ["detection"], Desk.boss, 0, .requestInvalid),
      (MaskingSettings(confidencePercent: 0), ["confidence_percent"], Desk.boss, 0, .requestInvalid),
      (MaskingSettings(kinds: [.init(rawValue: 77)]), ["kinds"], Desk.boss, 0, .requestInvalid),
      (MaskingSettings(patterns: [bad]), ["patterns"], Desk.boss, 0, .requestInvalid),
      (MaskingSettings(patterns: Array(repeating: bad, count: 21)), ["patterns"], Desk.boss, 0, .requestInvalid),
      (MaskingSettings(), ["version"], Desk.boss, 0, .requestInvalid),
      (MaskingSettings(detection: .off), ["detection"], Desk.kim, 0, .permissionDenied),
      (MaskingSettings(detection: .off), ["detection"], Desk.boss, 7, .staleVersion),
      (MaskingSettings(detection: .off), ["detection"], Desk.stranger, 0, .serviceNotFound),
    ]
    for (settings, paths, agent, version, reason) in rows {
      await #expect("\(paths) \(reason)") { try await update(settings, paths, by: agent, version: version) } throws: {
        ($0 as? ServiceError)?.reason == reason
      }
    }
    #expect(try await settings().version == 0)
  }

  @Test("detection looks for the service's kinds and patterns, and for nothing when it is off")
  func detection() async throws {
    let made = try await world.desk.newTicket(inquiry: "010-0000-1234 hong@example.com MB-000123")
    let request = DetectPersonalDataRequest(parent: made.name.description)
    func found() async throws -> [Finding.Kind] {
      // Another service object: its directory has not read the settings yet.
      try await MaskingDesk.fresh(world).masking.detectPersonalData(request, world.call("DetectPersonalData")).findings
        .map(\.kind)
    }
    #expect(try await found() == [.phone, .email])
    let pattern = OwnPattern(displayName: "회원번호", pattern: "MB-######")
    try await update(MaskingSettings(kinds: [.email, .ownPattern], patterns: [pattern]), ["kinds", "patterns"])
    #expect(try await found() == [.email, .ownPattern])
    try await update(MaskingSettings(detection: .off), ["detection"])
    await #expect { try await found() } throws: { ($0 as? ServiceError)?.reason == .detectionOff }
  }

  @Test("a service can leave unmasking to its administrators")
  func unmaskRight() async throws {
    let ticket = try await MarkedTicket.make(on: world)
    let mask = try await world.mask([ticket.spans[0]], on: ticket.name)[0]
    try await update(MaskingSettings(unmaskRight: .administrators), ["unmask_right"])
    let fresh = try MaskingDesk.fresh(world)
    await #expect { try await fresh.unmask(mask) } throws: { ($0 as? ServiceError)?.reason == .permissionDenied }
    try await fresh.unmask(mask, by: Desk.boss)
  }

  @Test("the report tells who masked, saw and unmasked what and why, filtered and in pages, to administrators only")
  func report() async throws {
    let ticket = try await MarkedTicket.make(on: world)
    let masks = try await world.mask([ticket.spans[0], ticket.spans[1]], on: ticket.name)
    _ = try await world.masking.revealMask(
      RevealMaskRequest(name: masks[0].name, reason: "본인 확인: 홍길동"), world.call("RevealMask", by: Desk.lee))
    try await world.unmask(masks[1])
    func acts(_ request: ListMaskingActsRequest, by agent: AgentID = Desk.boss) async throws -> ListMaskingActsResponse
    {
      var request = request
      request.parent = "services/care"
      return try await world.masking.listMaskingActs(request, world.call("ListMaskingActs", by: agent))
    }
    let all = try await acts(ListMaskingActsRequest()).acts
    #expect(all.map(\.act) == [.unmask, .reveal, .mask])
    #expect(all.map(\.agent) == ["agents/1", "agents/2", "agents/1"])
    #expect(all.map(\.masks) == [[masks[1].name], [masks[0].name], masks.map(\.name)])
    #expect(all.map(\.reason) == ["고객 확인", "본인 확인: 홍길동", ""])
    #expect(try await CopyScan(desk: world.desk).tables(holding: "본인 확인") == [], "a reason is kept sealed")
    #expect(try await acts(ListMaskingActsRequest(agent: "agents/2")).acts.map(\.act) == [.reveal])
    #expect(try await acts(ListMaskingActsRequest(act: .mask)).acts.count == 1)
    #expect(try await acts(ListMaskingActsRequest(endTime: all[2].createTime)).acts.isEmpty)
    let page = try await acts(ListMaskingActsRequest(pageSize: 2))
    #expect(page.acts.count == 2)
    #expect(
      try await acts(ListMaskingActsRequest(pageSize: 2, pageToken: page.nextPageToken)).acts.map(\.act) == [.mask])
    await #expect { try await acts(ListMaskingActsRequest(), by: Desk.kim) } throws: {
      ($0 as? ServiceError)?.reason == .permissionDenied
    }
  }
}
