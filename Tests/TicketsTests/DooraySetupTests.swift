import Crypto
import HandoffAPI
import HandoffTestKit
import Postgres
import RPC
import RPCProtos
import ServiceKit
import Testing
import TicketLedger

@testable import Tickets

@Suite("Setting Dooray! up", .timeLimit(.minutes(10)))
struct DooraySetupTests {
  private static let people = FakeDooray.World(
    members: [
      .init(id: "11", email: "tenant@example.com", token: "tenant-token"),
      .init(id: "12", email: "Kim@example.com", token: "kims-key"),
      .init(id: "13", email: "lee@example.com", token: "lees-key"),
      .init(id: "14", email: "else@example.com", organization: "77", token: "other-token"),
    ], projects: [.init(id: "501", members: ["11", "12"]), .init(id: "502", organization: "77", members: ["14"])])

  @Test("it is off until an administrator activates it, can be paused, and agents see how it stands")
  func states() async throws {
    let world = try await TicketWorld()
    let name = "services/care/dooraySettings"
    func state(_ agent: AgentID) async throws -> DooraySettings.State {
      try await world.client.getDooraySettings(GetDooraySettingsRequest(name: name), world.by(agent)).state
    }
    func set(_ state: DooraySettings.State, by agent: AgentID = TicketWorld.boss) async -> ServiceError? {
      await refusal {
        try await world.client.updateDooraySettings(
          UpdateDooraySettingsRequest(
            dooraySettings: DooraySettings(name: name, state: state), updateMask: FieldMask(paths: ["state"])),
          world.by(agent))
      }
    }
    #expect(try await state(TicketWorld.kim) == .inactive)
    #expect(await set(.active, by: TicketWorld.lee)?.reason == .permissionDenied)
    #expect(await set(.inactive)?.violations.map(\.field) == ["dooray_settings.state"])
    #expect(await set(.active) == nil)
    #expect(try await state(TicketWorld.kim) == .active)
    #expect(await set(.paused) == nil)
    #expect(try await state(TicketWorld.kim) == .paused)
    #expect(await refusal { try await state(TicketWorld.guest) }?.reason == .permissionDenied)
    #expect(await refusal { try await state(TicketWorld.stranger) }?.reason == .serviceNotFound)
  }

  @Test("tokens and keys are sealed, and nothing that is answered or stored shows them")
  func secrets() async throws {
    let world = try await DoorayWorld()
    let made = try await world.organization()
    #expect(made.token.isEmpty && made.tokenTime != nil && made.displayName == "본사")
    _ = try await world.project(in: made, doorayID: "501", representative: "agents/1")
    try await world.setKey("kims-key", of: TicketWorld.kim, in: made)
    let listed = try await world.client.listDoorayOrganizations(
      ListDoorayOrganizationsRequest(parent: "services/care"), world.world.by(TicketWorld.kim)
    ).organizations
    #expect(listed == [made])
    let renamed = try await world.client.updateDoorayOrganization(
      UpdateDoorayOrganizationRequest(
        organization: DoorayOrganization(name: made.name, token: "second-token"),
        updateMask: FieldMask(paths: ["token"])),
      world.boss)
    #expect(renamed.token.isEmpty && renamed.version == 2 && renamed.displayName == "본사")
    let rows = try await world.world.rows(
      """
      SELECT encode(sealed_token, 'escape') || o::text FROM dooray_organization AS o
      UNION ALL SELECT encode(sealed_key, 'escape') || k::text FROM dooray_user_key AS k
      """)
    #expect(rows.count == 2)
    let stored = try rows.map { try $0.string(0) }.joined()
    for secret in ["tenant-token", "second-token", "kims-key"] { #expect(!stored.contains(secret)) }
  }

  @Test("with masking out of reach nothing is stored")
  func unsealed() async throws {
    let world = try await DoorayWorld(isMaskingReachable: false)
    #expect(await refusal { try await world.organization() }?.reason == .backendUnavailable)
    #expect(try await world.world.count("SELECT count(*) FROM dooray_organization") == 0)
  }

  @Test("a connection in order is told as one, with the right token for each question")
  func works() async throws {
    let world = try await DoorayWorld()
    try await world.fake.load(Self.people)
    let organization = try await world.organization()
    let project = try await world.project(in: organization, doorayID: "501", representative: "agents/1")
    try await world.setKey("kims-key", of: TicketWorld.kim, in: organization)
    let found = try await world.verify(organization)
    #expect(found.works, "\(found)")
    let key = "\(organization.name)/userKeys/1"
    #expect(found.findings.map(\.resource) == [organization.name, project.name, key])
    let calls = try await world.fake.calls()
    #expect(
      Set(calls.map { "\($0.path) \($0.authorization)" }) == [
        "/common/v1/members/me dooray-api tenant-token", "/common/v1/members/me dooray-api kims-key",
        "/project/v1/projects/501 dooray-api tenant-token",
        "/project/v1/projects/501/members?page=0&size=100 dooray-api tenant-token",
      ])
  }

  @Test("what is wrong with the organization is told, and the rest is left alone")
  func wrongOrganization() async throws {
    let world = try await DoorayWorld()
    try await world.fake.load(Self.people)
    let refused = try await world.organization("nobodys-token")
    _ = try await world.project(in: refused, doorayID: "501")
    let found = try await world.verify(refused)
    #expect(!found.works && found.findings.map(\.problem) == [.tokenRefused])
    #expect(found.findings[0].text.contains("have a new one issued"))
    let other = try await world.organization("other-token", doorayID: "78")
    #expect(try await world.problems(other) == [.otherOrganization])
    let paths = try await world.fake.calls().map(\.path)
    #expect(Set(paths) == ["/common/v1/members/me"])
  }

  @Test("what is wrong with a project or a key is told of each")
  func wrongParts() async throws {
    let world = try await DoorayWorld()
    try await world.fake.load(Self.people)
    let organization = try await world.organization()
    for (doorayID, representative) in [("501", ""), ("502", ""), ("503", "agents/1")] {
      _ = try await world.project(in: organization, doorayID: doorayID, representative: representative)
    }
    #expect(
      try await world.problems(organization) == [.unspecified, .noRepresentative, .projectNotFound, .projectNotFound])
    try await world.world.run("UPDATE dooray_project SET representative_id = 1 WHERE dooray_id = '501'")
    try await world.world.run("DELETE FROM dooray_project WHERE dooray_id <> '501'")
    #expect(try await world.problems(organization) == [.unspecified, .noKey])
    try await world.setKey("nobodys-key", of: TicketWorld.kim, in: organization)
    #expect(try await world.problems(organization) == [.unspecified, .tokenRefused, .tokenRefused])
    // The key of somebody else, who is no member of the project.
    try await world.setKey("lees-key", of: TicketWorld.kim, in: organization)
    #expect(try await world.problems(organization) == [.unspecified, .notAMember, .otherPerson])
    try await world.setKey("other-token", of: TicketWorld.kim, in: organization)
    #expect(try await world.problems(organization) == [.unspecified, .notAMember, .otherOrganization])
    try await world.setKey("kims-key", of: TicketWorld.kim, in: organization)
    #expect(try await world.problems(organization) == [.unspecified, .unspecified, .unspecified])
    try await world.world.run("UPDATE dooray_user_key SET sealed_key = sealed_key || '\\x00'")
    #expect(try await world.problems(organization) == [.unspecified, .secretLost, .secretLost])
  }

  @Test("a Dooray! that is away, fails or talks nonsense is told as that")
  func faults() async throws {
    let world = try await DoorayWorld()
    let organization = try await world.organization()
    let path = "/common/v1/members/me"
    let faults: [(FakeDooray.Fault, DoorayFinding.Problem)] = [
      (.init(path: path, kind: "close", times: 2), .unreachable), (.init(path: path, kind: "garbage"), .failing),
      (.init(path: path, kind: "status", status: 503), .failing),
      (.init(path: path, kind: "status", status: 307), .failing),
      (.init(path: path, kind: "status", status: 403), .failing),
    ]
    for (fault, problem) in faults {
      try await world.fake.load(Self.people)
      try await world.fake.fail(fault)
      #expect(try await world.problems(organization) == [problem], "\(fault)")
    }
    let nobody = DoorayClient(address: try DoorayAddress("http://127.0.0.1:1"))
    defer { nobody.shutdown() }
    await #expect(throws: DoorayFailure.self) {
      try await nobody.owner(of: SecretBytes(Array("x".utf8)), deadline: TestDatabase.deadline)
    }
  }

  @Test("a call that comes too fast is repeated after the wait that Dooray! asks for")
  func rateLimit() async throws {
    let world = try await DoorayWorld()
    try await world.fake.load(Self.people)
    try await world.fake.limit(capacity: 1, rate: 1)
    let token = SecretBytes(Array("tenant-token".utf8))
    for _ in 0..<3 {
      let owner = try await world.dooray.owner(of: token, deadline: TestDatabase.deadline)
      #expect(owner.id == "11")
    }
    let count = try await world.fake.calls().count
    #expect(count > 3, "no call came too fast")
    // A bucket that never fills is not waited for.
    try await world.fake.limit(capacity: 0, rate: 0)
    await #expect(throws: DoorayFailure.tooManyRequests(wait: .seconds(1))) {
      try await world.dooray.owner(of: token, deadline: TestDatabase.deadline)
    }
  }

  @Test("agents see their own key and enter it, administrators everybody's, and it goes with the membership")
  func keys() async throws {
    let world = try await DoorayWorld()
    let organization = try await world.organization()
    try await world.setKey("kims-key", of: TicketWorld.kim, in: organization, by: TicketWorld.kim)
    try await world.setKey("lees-key", of: TicketWorld.lee, in: organization)
    func seen(by agent: AgentID) async throws -> [String] {
      try await world.client.listDoorayUserKeys(
        ListDoorayUserKeysRequest(parent: organization.name), world.world.by(agent)
      ).userKeys.map { "\($0.agent) \($0.agentDisplayName)" }
    }
    #expect(try await seen(by: TicketWorld.kim) == ["agents/1 김상담"])
    #expect(try await seen(by: TicketWorld.boss) == ["agents/1 김상담", "agents/2 이상담"])
    #expect(
      await refusal { try await world.setKey("x", of: TicketWorld.lee, in: organization, by: TicketWorld.kim) }?.reason
        == .permissionDenied)
    #expect(
      await refusal { try await world.setKey("x", of: TicketWorld.stranger, in: organization) }?.reason
        == .agentNotFound)
    for key in ["", "two words", "é", "a\nb", String(repeating: "x", count: 1_001)] {
      let error = await refusal { try await world.setKey(key, of: TicketWorld.kim, in: organization) }
      #expect(error?.violations.map(\.field) == ["key"], "\(key.debugDescription)")
    }
    let project = try await world.project(in: organization, doorayID: "501", representative: "agents/2")
    try await world.world.run("DELETE FROM group_member WHERE agent_id = 2")
    try await world.world.run("DELETE FROM service_member WHERE service_id = 1 AND agent_id = 2")
    #expect(try await seen(by: TicketWorld.boss) == ["agents/1 김상담"])
    let projects = try await world.client.listDoorayProjects(
      ListDoorayProjectsRequest(parent: "services/care"), world.boss
    ).projects
    #expect(projects.map(\.name) == [project.name] && projects[0].representative.isEmpty)
    let name = DeleteDoorayUserKeyRequest(name: "\(organization.name)/userKeys/1")
    _ = try await world.client.deleteDoorayUserKey(name, world.world.by(TicketWorld.kim))
    #expect(await refusal { try await world.client.deleteDoorayUserKey(name, world.boss) }?.reason == .resourceNotFound)
  }

  @Test("projects name their organization once, and an organization with projects stays")
  func projects() async throws {
    let world = try await DoorayWorld()
    let organization = try await world.organization()
    #expect(await refusal { try await world.organization() }?.reason == .alreadyExists)
    let project = try await world.project(in: organization, doorayID: "501")
    #expect(await refusal { try await world.project(in: organization, doorayID: "501") }?.reason == .alreadyExists)
    var elsewhere = organization
    elsewhere.name = "services/care/doorayOrganizations/999"
    #expect(await refusal { try await world.project(in: elsewhere, doorayID: "502") }?.reason == .resourceNotFound)
    elsewhere.name = "services/bugs/doorayOrganizations/1"
    #expect(await refusal { try await world.project(in: elsewhere, doorayID: "502") }?.reason == .resourceNotFound)
    #expect(
      await refusal { try await world.project(in: organization, doorayID: "502", representative: "agents/4") }?.reason
        == .agentNotFound)
    let remove = DeleteDoorayOrganizationRequest(name: organization.name)
    #expect(await refusal { try await world.client.deleteDoorayOrganization(remove, world.boss) }?.reason == .inUse)
    let changed = try await world.client.updateDoorayProject(
      UpdateDoorayProjectRequest(
        project: DoorayProject(name: project.name, representative: "agents/1"),
        updateMask: FieldMask(paths: ["representative"]), version: project.version), world.boss)
    #expect(changed.representative == "agents/1" && changed.address == project.address && changed.version == 2)
    let wrong = await refusal {
      try await world.client.createDoorayProject(
        CreateDoorayProjectRequest(
          parent: "services/care",
          project: DoorayProject(organization: "x", doorayId: "abc", address: "http://a", representative: "kim")),
        world.boss)
    }
    #expect(
      wrong?.violations.map(\.field) == [
        "project.organization", "project.dooray_id", "project.display_name", "project.address",
        "project.representative",
      ])
    _ = try await world.client.deleteDoorayProject(DeleteDoorayProjectRequest(name: project.name), world.boss)
    _ = try await world.client.deleteDoorayOrganization(remove, world.boss)
    #expect(try await world.world.count("SELECT count(*) FROM dooray_organization") == 0)
  }

  @Test("only administrators change or verify anything, and what belongs to another service is not there")
  func rights() async throws {
    let world = try await DoorayWorld()
    let organization = try await world.organization()
    let project = try await world.project(in: organization, doorayID: "501")
    let client = world.client
    let acts: [@Sendable (CallOptions) async throws -> Void] = [
      { _ = try await client.verifyDoorayConnection(VerifyDoorayConnectionRequest(name: organization.name), $0) },
      { _ = try await client.deleteDoorayOrganization(DeleteDoorayOrganizationRequest(name: organization.name), $0) },
      { _ = try await client.deleteDoorayProject(DeleteDoorayProjectRequest(name: project.name), $0) },
      {
        _ = try await client.updateDoorayOrganization(
          UpdateDoorayOrganizationRequest(
            organization: DoorayOrganization(name: organization.name, displayName: "x"),
            updateMask: FieldMask(paths: ["display_name"])), $0)
      },
      {
        _ = try await client.updateDoorayProject(
          UpdateDoorayProjectRequest(
            project: DoorayProject(name: project.name, displayName: "x"),
            updateMask: FieldMask(paths: ["display_name"])), $0)
      },
      {
        _ = try await client.setDoorayUserKey(
          SetDoorayUserKeyRequest(name: "\(organization.name)/userKeys/3", key: "x"), $0)
      },
      {
        _ = try await client.deleteDoorayUserKey(
          DeleteDoorayUserKeyRequest(name: "\(organization.name)/userKeys/3"), $0)
      },
    ]
    for (index, act) in acts.enumerated() {
      let denied = await refusal { try await act(world.world.by(TicketWorld.lee)) }
      #expect(denied?.reason == .permissionDenied, "act \(index): \(String(describing: denied))")
      let hidden = await refusal { try await act(world.world.by(TicketWorld.stranger)) }
      #expect(hidden?.reason == .resourceNotFound, "act \(index): \(String(describing: hidden))")
    }
    for name in ["services/other", "services/nowhere"] {
      let refusals = [
        await refusal {
          try await client.getDooraySettings(GetDooraySettingsRequest(name: "\(name)/dooraySettings"), world.boss)
        },
        await refusal {
          try await client.listDoorayOrganizations(ListDoorayOrganizationsRequest(parent: name), world.boss)
        },
        await refusal { try await client.listDoorayProjects(ListDoorayProjectsRequest(parent: name), world.boss) },
      ]
      #expect(refusals.map { $0?.reason } == [.serviceNotFound, .serviceNotFound, .serviceNotFound])
    }
  }

  @Test(
    "the address of the API is https, or this machine's loopback",
    arguments: [
      ("https://api.dooray.com", "https://api.dooray.com"),
      ("https://api.gov-dooray.com/", "https://api.gov-dooray.com"),
      ("http://127.0.0.1:8090", "http://127.0.0.1:8090"), ("http://localhost", "http://localhost"),
      ("http://api.dooray.com", nil), ("https://api.dooray.com/v1", nil), ("https://u:p@api.dooray.com", nil),
      ("ftp://api.dooray.com", nil), ("api.dooray.com", nil), ("https://", nil), ("https://a?b", nil),
    ] as [(String, String?)])
  func address(_ text: String, _ wanted: String?) {
    #expect((try? DoorayAddress(text))?.text == wanted)
  }

  @Test("every problem says at every place what to do, and has its number in the API")
  func words() {
    for problem in DoorayProblem.allCases {
      for place in DoorayProblem.Place.allCases { #expect(problem.text(at: place).contains(/;|,/), "\(problem)") }
    }
    #expect(DoorayFinding.Problem(rawValue: DoorayProblem.unreachable.number) == .unreachable)
    #expect(DoorayFinding.Problem(rawValue: DoorayProblem.secretLost.number) == .secretLost)
    #expect(DoorayProblem.allCases.count == 11)
  }

  @Test(
    "the wait follows from what is missing in the bucket",
    arguments: [
      (nil, nil, nil, 1_000), (0, 1, 1, 1_000), (0, 1, 10, 100), (3, 5, 1, 2_000), (0, 1, 0, 1_000), (9, 1, 2, 500),
      (-5, 1, 1, 1_000), (0, Int.max, 1, 60_000),
    ] as [(Int?, Int?, Int?, Int)])
  func patience(_ remaining: Int?, _ requested: Int?, _ rate: Int?, _ wanted: Int) {
    let wait = DoorayPatience.milliseconds(remaining: remaining, requested: requested, replenishRate: rate)
    #expect(wait == wanted)
  }
}
