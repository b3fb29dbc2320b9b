import HandoffAPI
import HandoffTestKit
import Postgres
import RPC
import RPCProtos
import ServiceKit
import Testing
import TicketLedger

@testable import Tickets

/// The organization and its services, as its agents and its administrators see them.
@Suite struct OrganizationTests {
  /// Administers the organization, and belongs to none of its services.
  private static let owner = AgentID(50)
  /// Administers another organization.
  private static let foreigner = AgentID(51)

  private let world: TicketWorld

  init() async throws {
    world = try await TicketWorld()
    try await world.run("SELECT setval(pg_get_serial_sequence('service', 'id'), 1000)")
    try await world.run("INSERT INTO organization (id, code, display_name) VALUES (2, 'far-away', 'Far')")
    try await world.run(
      "INSERT INTO service (id, organization_id, code, kind, display_name) VALUES (9, 2, 'far', 'ISSUE', 'Far')")
    try await world.run(
      """
      INSERT INTO agent (id, organization_id, email, display_name, is_organization_administrator) VALUES
        (\(Self.owner), 1, 'owner@example.com', 'Owner', true),
        (\(Self.foreigner), 2, 'foreigner@example.com', 'Foreigner', true)
      """)
  }

  private func create(
    _ id: String, _ service: Service = Service(displayName: "Returns", kind: .issue), by agent: AgentID = Self.owner
  ) async throws -> Service {
    try await world.client.createService(CreateServiceRequest(serviceId: id, service: service), world.by(agent))
  }

  private func update(
    _ service: Service, _ paths: [String], by agent: AgentID
  ) async throws -> Service {
    try await world.client.updateService(
      UpdateServiceRequest(service: service, updateMask: FieldMask(paths: paths)), world.by(agent))
  }

  @Test("an administrator of the organization adds a service, which begins with the usual settings")
  func creation() async throws {
    let made = try await create("returns")
    #expect(
      made
        == Service(
          name: "services/returns", displayName: "Returns", kind: .issue, language: "ko", timeZone: "Asia/Seoul",
          autoCompleteDays: 14, securityEnabled: true, replyPolicy: .reopen, version: 1))
    let english = try await create(
      "desk",
      Service(
        name: "services/desk", displayName: " Desk ", kind: .consultation, language: "en", timeZone: "Europe/Berlin"))
    #expect(english.displayName == "Desk" && english.language == "en" && english.timeZone == "Europe/Berlin")
    // Whoever made it sees it without being a member; nobody else does, until somebody is made one.
    let get = GetServiceRequest(name: "services/returns")
    #expect(try await world.client.getService(get, world.by(Self.owner)) == made)
    for agent in [TicketWorld.boss, Self.foreigner] {
      #expect(await refusal { try await world.client.getService(get, world.by(agent)) }?.reason == .serviceNotFound)
    }
    #expect(
      await refusal {
        try await world.client.listTickets(ListTicketsRequest(parent: "services/returns"), world.by(Self.owner))
      }?.reason == .serviceNotFound, "to administer the organization is no right to its tickets")
    try await world.run(
      """
      INSERT INTO service_member (service_id, agent_id, role)
      SELECT s.id, \(TicketWorld.boss), 'ADMINISTRATOR' FROM service AS s WHERE s.code = 'desk'
      """)
    let type = try await world.client.createSubmissionType(
      CreateSubmissionTypeRequest(parent: "services/desk", submissionType: TypeNode(displayName: "Question")),
      world.by(TicketWorld.boss))
    let ticket = try await world.client.createTicket(
      CreateTicketRequest(
        parent: "services/desk", title: "Where?", text: "Where is it?",
        customer: TicketCustomer(displayName: "Alice", email: "alice@example.com"), submissionType: type.name,
        agent: "agents/\(TicketWorld.boss)"), world.by(TicketWorld.boss))
    let resolved = try await world.client.processTicket(
      ProcessTicketRequest(name: ticket.name, act: .resolve, text: "There."), world.by(TicketWorld.boss))
    #expect(resolved.state == .resolved && ticket.language == "en")
  }

  @Test("a service is not added by others, twice, with a wrong description, or beyond the most")
  func refusedCreations() async throws {
    for agent in [TicketWorld.boss, TicketWorld.kim] {
      #expect(await refusal { try await create("returns", by: agent) }?.reason == .permissionDenied)
    }
    for taken in ["care", "far"] { #expect(await refusal { try await create(taken) }?.reason == .alreadyExists) }
    let wrong = Service(
      name: "services/care", displayName: " ", language: "korean", autoCompleteDays: 3, assigneeOnly: true,
      replyPolicy: .reopen, reopenDays: 2)
    let error = await refusal { try await create("Returns-2", wrong) }
    #expect(
      error?.violations.map(\.field) == [
        "service_id", "service.name", "service.display_name", "service.kind", "service.language",
        "service.auto_complete_days", "service.assignee_only", "service.reply_policy", "service.reopen_days",
      ])
    let zone = await refusal {
      try await create("returns", Service(displayName: "Returns", kind: .issue, timeZone: "Mars/Olympus"))
    }
    #expect(zone?.violations.map(\.field) == ["service.time_zone"])
    let daemon = await refusal {
      try await world.client.createService(
        CreateServiceRequest(serviceId: "returns", service: Service(displayName: "Returns", kind: .issue)),
        world.by("operator"))
    }
    #expect(daemon?.reason == .permissionDenied)
    #expect(try await world.count("SELECT count(*) FROM service") == 4)
    try await world.run(
      """
      INSERT INTO service (organization_id, code, kind, display_name)
      SELECT 1, 'x' || chr(97 + n / 26) || chr(97 + n % 26), 'ISSUE', 'X' FROM generate_series(1, 197) AS n
      """)
    #expect(await refusal { try await create("returns") }?.reason == .limitReached)
  }

  @Test("all services of the organization are listed to its administrators, page by page")
  func list() async throws {
    _ = try await create("returns")
    for organization in ["organizations/-", "organizations/shop"] {
      var names: [String] = []
      var request = ListServicesRequest(pageSize: 3, organization: organization)
      repeat {
        let page = try await world.client.listServices(request, world.by(Self.owner))
        names += page.services.map(\.name)
        request.pageToken = page.nextPageToken
      } while !request.pageToken.isEmpty
      #expect(names == ["services/bugs", "services/care", "services/other", "services/returns"])
    }
    let all = ListServicesRequest(organization: "organizations/-")
    #expect(try await world.client.listServices(ListServicesRequest(), world.by(Self.owner)).services.isEmpty)
    let far = try await world.client.listServices(all, world.by(Self.foreigner)).services
    #expect(far.map(\.name) == ["services/far"])
    let page = try await world.client.listServices(
      ListServicesRequest(pageSize: 1, organization: "organizations/-"), world.by(Self.owner))
    let refusals: [(ListServicesRequest, AgentID, Reason)] = [
      (all, TicketWorld.boss, .permissionDenied),
      (ListServicesRequest(organization: "organizations/far-away"), Self.owner, .resourceNotFound),
      (ListServicesRequest(organization: "shop"), Self.owner, .requestInvalid),
      // The token of one list is none of another.
      (ListServicesRequest(pageSize: 1, pageToken: page.nextPageToken), Self.owner, .pageTokenInvalid),
    ]
    for (request, agent, reason) in refusals {
      let error = await refusal { try await world.client.listServices(request, world.by(agent)) }
      #expect(error?.reason == reason, "\(request)")
    }
  }

  @Test("what a service may use at all is for administrators of the organization, its settings for its own")
  func settings() async throws {
    let off = Service(name: "services/care", displayName: "Care", securityEnabled: false)
    let refused = await refusal { try await update(off, ["security_enabled"], by: TicketWorld.boss) }
    #expect(refused?.reason == .permissionDenied)
    let changed = try await update(off, ["security_enabled"], by: Self.owner)
    #expect(!changed.securityEnabled && changed.displayName == "고객센터" && changed.version == 2)
    for paths in [["display_name"], ["display_name", "security_enabled"]] {
      #expect(await refusal { try await update(off, paths, by: Self.owner) }?.reason == .permissionDenied)
    }
    #expect(
      await refusal { try await update(off, ["security_enabled"], by: Self.foreigner) }?.reason == .serviceNotFound)
    try await world.run("UPDATE agent SET is_organization_administrator = true WHERE id = \(TicketWorld.boss)")
    let both = try await update(off, ["display_name", "security_enabled"], by: TicketWorld.boss)
    #expect(both.displayName == "Care" && both.version == 3)
  }

  @Test("an organization is shown to its agents, and changed by its administrators alone")
  func organization() async throws {
    func get(_ name: String, by agent: AgentID) async throws -> Organization {
      try await world.client.getOrganization(GetOrganizationRequest(name: name), world.by(agent))
    }
    let own = try await get("organizations/-", by: TicketWorld.kim)
    #expect(own.name == "organizations/shop" && own.displayName == "Shop" && own.version == 1)
    #expect(own.createTime != nil)
    #expect(try await get("organizations/shop", by: Self.owner) == own)
    for (name, agent) in [
      ("organizations/far-away", TicketWorld.kim), ("organizations/nowhere", Self.owner),
      ("organizations/-", TicketWorld.gone),
    ] {
      #expect(await refusal { try await get(name, by: agent) }?.reason == .resourceNotFound, "\(name)")
    }
    let malformed = await refusal { try await get("organizations/Shop", by: TicketWorld.kim) }
    #expect(malformed?.violations.map(\.field) == ["name"])

    func rename(
      _ displayName: String, _ name: String = "organizations/-", version: Int64 = 0, by agent: AgentID = Self.owner
    ) async throws -> Organization {
      try await world.client.updateOrganization(
        UpdateOrganizationRequest(
          organization: Organization(name: name, displayName: displayName),
          updateMask: FieldMask(paths: ["display_name"]), version: version), world.by(agent))
    }
    let renamed = try await rename("상점", version: 1)
    #expect(renamed.displayName == "상점" && renamed.name == "organizations/shop" && renamed.version == 2)
    let stale = await refusal { try await rename("Shop", version: 1) }
    #expect(stale?.reason == .staleVersion && stale?.metadata["current_version"] == "2")
    #expect(await refusal { try await rename("Shop", by: TicketWorld.boss) }?.reason == .permissionDenied)
    #expect(await refusal { try await rename("Shop", "organizations/far-away") }?.reason == .resourceNotFound)
    let wrong = await refusal {
      try await world.client.updateOrganization(
        UpdateOrganizationRequest(
          organization: Organization(name: "shop"), updateMask: FieldMask(paths: ["code"]), version: -1),
        world.by(Self.owner))
    }
    #expect(
      wrong?.violations.map(\.field) == ["organization.name", "update_mask", "version", "organization.display_name"])
    #expect(try await get("organizations/-", by: TicketWorld.kim) == renamed)
  }
}
