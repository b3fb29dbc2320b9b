import Crypto
import HandoffAPI
import LedgerTestKit
import Postgres
import ServiceKit
import Testing
import TicketLedger

@testable import Assignment

@Suite("Agents, groups and their passwords")
struct AgentTests {
  private let office: Office

  init() async throws { office = try await Office.open() }

  private func verify(_ email: String, _ password: String) async throws -> Agent {
    try await office.service.verifyCredential(
      VerifyCredentialRequest(email: email, password: password), office.call("VerifyCredential", by: nil))
  }

  private func setPassword(_ password: String, of agent: AgentID, _ parameters: Scrypt.Parameters = Office.cheap)
    async throws
  {
    let hash = try Scrypt.hash(password, parameters: parameters)
    try await office.execute("INSERT INTO credential (agent_id, password_hash) VALUES (\(agent), \(hash))")
  }

  @Test("the right password says who that is, with all memberships")
  func signIn() async throws {
    let long = String(repeating: "가", count: 341) + "a"
    try await setPassword(long, of: Desk.lee)
    try await office.execute("INSERT INTO service_member (service_id, agent_id, role) VALUES (2, 2, 'ADMINISTRATOR')")
    let agent = try await verify("Lee@Example.org", long)
    #expect(agent.name == "agents/2" && agent.displayName == "이상담" && agent.active)
    #expect(agent.email == "lee@example.org")
    #expect(agent.memberships.map(\.service) == ["services/care", "services/tech"])
    #expect(agent.memberships.map(\.role) == [.agent, .administrator])
    #expect(agent.memberships[0].groups == ["services/care/groups/1", "services/care/groups/2"])
    #expect(agent.memberships[0].forwardRight && agent.memberships[0].assignable)
  }

  @Test("whatever is wrong with a sign-in, the answer is the same")
  func refusedSignIns() async throws {
    try await setPassword("right", of: Desk.kim)
    try await setPassword("right", of: Desk.away)
    // Lee has no password, Away is inactive.
    try await office.execute("UPDATE agent SET is_active = false WHERE id = \(Desk.away)")
    let rows: [(email: String, password: String, Reason)] = [
      ("kim@example.org", "wrong", .signInFailed),
      ("kim@example.org", "rightt", .signInFailed),
      ("nobody@example.org", "right", .signInFailed),
      ("lee@example.org", "right", .signInFailed),
      ("away@example.org", "right", .signInFailed),
      ("kim@example.org", "", .requestInvalid),
      ("", "right", .requestInvalid),
      ("kim@example.org", String(repeating: "a", count: 1025), .requestInvalid),
      (String(repeating: "a", count: 255), "right", .requestInvalid),
    ]
    for (email, password, reason) in rows {
      let error = await refusal { _ = try await verify(email, password) }
      #expect(error?.reason == reason, "\(email.prefix(20)) \(password.prefix(20))")
      if reason == .signInFailed { #expect(error == ServiceError(.signInFailed)) }
    }
  }

  @Test("a hash of another cost is renewed by the next sign-in, and only by a right one")
  func renewal() async throws {
    try await setPassword("right", of: Desk.kim, Scrypt.Parameters(cost: 32, blockSize: 1, parallelization: 1))
    _ = await refusal { _ = try await verify("kim@example.org", "wrong") }
    let isOld: Query = "SELECT count(*) FROM credential WHERE password_hash LIKE 'scrypt$32$%'"
    #expect(try await office.desk.number(isOld) == 1)
    _ = try await verify("kim@example.org", "right")
    #expect(try await office.desk.number(isOld) == 0)
    #expect(try await verify("kim@example.org", "right").name == "agents/1")
  }

  @Test("agents see themselves, and of others the services they share")
  func seeing() async throws {
    try await office.execute("INSERT INTO service_member (service_id, agent_id) VALUES (2, 2)")
    let rows: [(viewer: AgentID?, name: String, services: [String]?)] = [
      (Desk.kim, "agents/1", ["services/care"]),
      (Desk.kim, "agents/2", ["services/care"]),
      (Desk.boss, "agents/2", ["services/care"]),
      (Desk.lee, "agents/2", ["services/care", "services/tech"]),
      (Desk.stranger, "agents/2", ["services/tech"]),
      (nil, "agents/2", ["services/care", "services/tech"]),
      (Desk.stranger, "agents/1", nil),
      (Desk.kim, "agents/4", nil),
      (Desk.kim, "agents/99", nil),
      (nil, "agents/99", nil),
      (AgentID(99), "agents/1", nil),
    ]
    for (index, row) in rows.enumerated() {
      let error = await refusal {
        let agent = try await office.service.getAgent(
          GetAgentRequest(name: row.name), office.call("GetAgent", by: row.viewer))
        #expect(agent.name == row.name && agent.memberships.map(\.service) == row.services, "row \(index)")
      }
      #expect(error?.reason == (row.services == nil ? .agentNotFound : nil), "row \(index)")
    }
  }

  @Test("members and groups are listed by name, page after page")
  func lists() async throws {
    var names: [String] = []
    var token = ""
    repeat {
      let page = try await office.service.listMembers(
        ListMembersRequest(parent: "services/care", pageSize: 3, pageToken: token),
        office.call("ListMembers", by: Desk.kim))
      names += page.members.map(\.agentDisplayName)
      token = page.nextPageToken
    } while !token.isEmpty
    #expect(names == ["김상담", "박관리", "이상담", "정부재"])
    let first = try await office.service.listGroups(
      ListGroupsRequest(parent: "services/care", pageSize: 1), office.call("ListGroups", by: Desk.kim))
    #expect(first.groups.map(\.displayName) == ["Back"])
    let second = try await office.service.listGroups(
      ListGroupsRequest(parent: "services/care", pageSize: 1, pageToken: first.nextPageToken),
      office.call("ListGroups", by: Desk.kim))
    #expect(second.groups.map(\.agents) == [["agents/1", "agents/2", "agents/5"]] && second.nextPageToken.isEmpty)
    let foreign = await refusal {
      _ = try await office.service.listMembers(
        ListMembersRequest(parent: "services/care", pageToken: first.nextPageToken),
        office.call("ListMembers", by: Desk.kim))
    }
    #expect(foreign?.reason == .pageTokenInvalid)
  }

  @Test("what belongs to another service is not found, whatever is asked")
  func otherServices() async throws {
    let service = office.service
    let call = { (method: String) in office.call(method, by: Desk.stranger) }
    let rows: [(Reason, () async throws -> Void)] = [
      (
        .serviceNotFound,
        { _ = try await service.listMembers(ListMembersRequest(parent: "services/care"), call("ListMembers")) }
      ),
      (
        .serviceNotFound,
        { _ = try await service.listGroups(ListGroupsRequest(parent: "services/care"), call("ListGroups")) }
      ),
      (
        .serviceNotFound,
        { _ = try await service.listTriggers(ListTriggersRequest(parent: "services/care"), call("ListTriggers")) }
      ),
      (
        .serviceNotFound,
        { _ = try await service.createTrigger(CreateTriggerRequest(parent: "services/care"), call("CreateTrigger")) }
      ),
      (
        .triggerNotFound,
        { _ = try await service.getTrigger(GetTriggerRequest(name: "services/care/triggers/1"), call("GetTrigger")) }
      ),
      (
        .ticketNotFound,
        { _ = try await service.runTriggers(RunTriggersRequest(name: "services/care/tickets/1"), call("RunTriggers")) }
      ),
      (
        .serviceNotFound,
        { _ = try await service.listGroups(ListGroupsRequest(parent: "services/none"), call("ListGroups")) }
      ),
    ]
    for (index, (reason, act)) in rows.enumerated() {
      #expect(await refusal(act)?.reason == reason, "row \(index)")
    }
  }
}
