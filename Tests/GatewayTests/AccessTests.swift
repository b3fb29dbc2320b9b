import Crypto
import HandoffAPI
import HandoffTestKit
import LedgerTestKit
import Postgres
import RPC
import RPCProtos
import ServiceKit
import Testing

@testable import Gateway

@Suite("Sessions, keys and the audit log")
struct AccessTests {
  private let desk: Desk
  private let pool: PostgresPool
  private let access: AccessService

  init() async throws {
    desk = try await Desk.open()
    // With the rights of the gateway's role, so that a missing grant fails here.
    var configuration = desk.database.configuration
    configuration.role = "handoff_gateway"
    pool = PostgresPool(configuration, group: TestLoops.group)
    access = AccessService(pool: pool)
    _ = try await desk.database.pool.query(
      "UPDATE agent SET is_organization_administrator = true WHERE id = 3", deadline: desk.deadline)
    _ = try await desk.database.pool.query(
      "INSERT INTO organization (id, code, display_name) VALUES (9, 'other', 'Other')", deadline: desk.deadline)
    _ = try await desk.database.pool.query(
      "INSERT INTO agent (id, organization_id, email, display_name) VALUES (99, 9, 'far@example.org', 'Far')",
      deadline: desk.deadline)
  }

  private func caller(_ agent: AgentID, session: Int64 = 0) -> GatewayCaller {
    GatewayCaller(agent: agent, credential: .session(session))
  }

  private func reason(_ body: () async throws -> Void) async -> Reason? {
    do {
      try await body()
      return nil
    } catch {
      return (error as? ServiceError)?.reason
    }
  }

  private func newKey(
    _ by: AgentID, for agent: String = "", scopes: [String] = ["ticket.read"], end: Int64? = nil
  ) async throws -> CreateApiKeyResponse {
    let wanted = ApiKey(
      displayName: "reports", agent: agent, scopes: scopes, expireTime: end.map { Timestamp(seconds: $0) })
    return try await access.createKey(CreateApiKeyRequest(apiKey: wanted), caller(by), desk.deadline)
  }

  @Test("a session is listed to its agent with its client, ended by its agent alone, and then over")
  func sessions() async throws {
    let sessions = Sessions(pool: pool, lifetime: .seconds(60))
    let name = String(repeating: "가", count: 300) + "\u{0}"
    let (token, opened) = try await sessions.open(
      for: Desk.kim, client: name, address: "203.0.113.9", deadline: desk.deadline)
    _ = try await sessions.open(for: Desk.kim, client: "curl", address: "::1", deadline: desk.deadline)
    let mine = caller(Desk.kim, session: opened.id)
    let listed = try await access.listSessions(ListSessionsRequest(), mine, desk.deadline).sessions
    #expect(listed.map(\.client) == ["curl", String(repeating: "가", count: 200)])
    #expect(listed.map(\.current) == [false, true] && listed[1].address == "203.0.113.9")
    let page = try await access.listSessions(ListSessionsRequest(pageSize: 1), mine, desk.deadline)
    let next = try await access.listSessions(
      ListSessionsRequest(pageSize: 1, pageToken: page.nextPageToken), mine, desk.deadline)
    #expect(page.sessions + next.sessions == listed && next.nextPageToken.isEmpty)
    let request = RevokeSessionRequest(name: "sessions/\(opened.id)")
    #expect(
      await reason { try await access.revokeSession(request, caller(Desk.lee), desk.deadline) } == .resourceNotFound)
    try await access.revokeSession(request, mine, desk.deadline)
    #expect(
      await reason { _ = try await sessions.caller(authorization: "Bearer \(token)", deadline: desk.deadline) }
        == .sessionExpired)
    #expect(await reason { try await access.revokeSession(request, mine, desk.deadline) } == .resourceNotFound)
  }

  @Test("a key acts as its agent within its scopes until it ends, and only a hash of its token is kept")
  func keys() async throws {
    let sessions = Sessions(pool: pool, lifetime: .seconds(60))
    let made = try await newKey(Desk.kim, scopes: ["ticket.write", "ticket.read"])
    let key = try #require(made.apiKey)
    #expect(key.agent == "agents/1" && key.scopes == ["ticket.read", "ticket.write"] && key.lastUseTime == nil)
    #expect(made.token.hasPrefix("hk_") && key.hint == String(made.token.prefix(8)))
    let found = try await sessions.caller(authorization: "Bearer \(made.token)", deadline: desk.deadline)
    #expect(found.agent == Desk.kim && found.credentialName == key.name)
    let (read, settings) = (
      try #require(Route.all.first { $0.method == "GetTicket" }),
      try #require(Route.all.first { $0.method == "UpdateService" })
    )
    #expect(await reason { try found.check(read) } == nil)
    #expect(await reason { try found.check(settings) } == .permissionDenied)
    #expect(await reason { try caller(Desk.kim).check(settings) } == nil)
    let listed = try await access.listKeys(ListApiKeysRequest(), caller(Desk.kim), desk.deadline).apiKeys
    #expect(listed.map(\.name) == [key.name] && listed[0].lastUseTime != nil)
    let kept = try await desk.number(
      """
      SELECT count(*) FROM api_key
      WHERE token_hash = \(SHA256.hash(made.token)) AND position(\(made.token) IN api_key::text) = 0
      """)
    #expect(kept == 1)
    _ = try await desk.database.pool.query(
      "UPDATE api_key SET expire_time = now() - interval '1 second'", deadline: desk.deadline)
    let later = Sessions(pool: pool, lifetime: .seconds(60))
    #expect(
      await reason { _ = try await later.caller(authorization: "Bearer \(made.token)", deadline: desk.deadline) }
        == .sessionExpired)
  }

  @Test("only administrators of the organization make, see and end keys of others, and only of their own people")
  func whoseKeys() async throws {
    let others = try await newKey(Desk.boss, for: "agents/1")
    #expect(others.apiKey?.agent == "agents/1")
    #expect(await reason { _ = try await newKey(Desk.kim, for: "agents/2") } == .permissionDenied)
    #expect(await reason { _ = try await newKey(Desk.boss, for: "agents/99") } == .agentNotFound)
    let name = try #require(others.apiKey?.name)
    let all = ListApiKeysRequest(agent: "agents/-")
    #expect(await reason { _ = try await access.listKeys(all, caller(Desk.kim), desk.deadline) } == .permissionDenied)
    #expect(try await access.listKeys(all, caller(Desk.boss), desk.deadline).apiKeys.map(\.name) == [name])
    let foreign = ListApiKeysRequest(agent: "agents/99")
    #expect(try await access.listKeys(foreign, caller(Desk.boss), desk.deadline).apiKeys.isEmpty)
    let revoke = RevokeApiKeyRequest(name: name)
    #expect(await reason { try await access.revokeKey(revoke, caller(Desk.lee), desk.deadline) } == .resourceNotFound)
    #expect(
      await reason { try await access.revokeKey(revoke, caller(AgentID(99)), desk.deadline) } == .resourceNotFound)
    try await access.revokeKey(revoke, caller(Desk.boss), desk.deadline)
    #expect(try await desk.number("SELECT count(*) FROM api_key") == 0)
  }

  @Test("a key that is not as it should be is refused with its fields, and so is one too many")
  func badKeys() async throws {
    let wrong = ApiKey(displayName: "a\nb", scopes: ["ticket.read", "everything"], expireTime: Timestamp(seconds: 1))
    do {
      _ = try await access.createKey(CreateApiKeyRequest(apiKey: wrong), caller(Desk.kim), desk.deadline)
      Issue.record("it was made")
    } catch let error as ServiceError {
      #expect(error.violations.map(\.field) == ["api_key.display_name", "api_key.scopes[1]", "api_key.expire_time"])
    }
    #expect(await reason { _ = try await newKey(Desk.kim, scopes: []) } == .requestInvalid)
    #expect(await reason { _ = try await newKey(Desk.kim, end: 253_402_300_799) } == .requestInvalid)
    #expect(await reason { _ = try await newKey(Desk.kim, for: "agents/one") } == .requestInvalid)
    for _ in 0..<50 { _ = try await newKey(Desk.kim) }
    #expect(await reason { _ = try await newKey(Desk.kim) } == .limitReached)
  }

  @Test(
    "what is put on record is read by administrators of the organization alone, the newest first, and goes in a year")
  func auditLog() async throws {
    let log = AuditLog(pool: pool) { entry, error in Issue.record("\(entry): \(error)") }
    let entries: [AuditEntry] = [
      AuditEntry(subject: .agent(Desk.kim), kind: .signedIn, credential: "sessions/1", address: "203.0.113.9"),
      AuditEntry(subject: .email("LEE@example.org"), kind: .signInFailed, outcome: "SIGN_IN_FAILED"),
      AuditEntry(subject: .email("nobody@example.org"), kind: .signInFailed, outcome: "SIGN_IN_FAILED"),
      AuditEntry(subject: .agent(AgentID(99)), kind: .signedIn),
      AuditEntry(
        subject: .agent(Desk.boss), kind: .administration, method: "UpdateField", resource: "services/care/fields/3",
        outcome: "STALE_VERSION", requestID: "abc"),
    ]
    for entry in entries { await log.record(entry) }
    func events(_ request: ListAuditEventsRequest) async throws -> [AuditEvent] {
      try await access.listAuditEvents(request, caller(Desk.boss), desk.deadline).auditEvents
    }
    let all = try await events(ListAuditEventsRequest())
    #expect(all.map(\.kind) == [.administration, .signInFailed, .signedIn])
    #expect(all.map(\.agent) == ["agents/3", "agents/2", "agents/1"])
    #expect(all[0].method == "UpdateField" && all[0].outcome == "STALE_VERSION" && all[0].requestId == "abc")
    #expect(all[2].credential == "sessions/1" && all[2].outcome == "OK")
    #expect(try await events(ListAuditEventsRequest(agent: "agents/1")).count == 1)
    #expect(try await events(ListAuditEventsRequest(kind: .signInFailed)).count == 1)
    #expect(
      await reason { _ = try await access.listAuditEvents(ListAuditEventsRequest(), caller(Desk.kim), desk.deadline) }
        == .permissionDenied)
    _ = try await desk.database.pool.query(
      "UPDATE audit_event SET create_time = now() - interval '366 days' WHERE agent_id = 1", deadline: desk.deadline)
    try await Sessions(pool: pool, lifetime: .seconds(60)).removeExpired(deadline: desk.deadline)
    #expect(try await events(ListAuditEventsRequest()).count == 2)
  }

  @Test("who is refused again and again has a hundred lines an hour in the log and a number; what is done stays")
  func refusedActs() async throws {
    let log = AuditLog(pool: pool) { entry, error in Issue.record("\(entry): \(error)") }
    func refused(
      _ agent: AgentID, _ number: Int, _ outcome: String = "PERMISSION_DENIED", method: String = "UpdateField"
    ) -> AuditEntry {
      AuditEntry(
        subject: .agent(agent), kind: .administration, method: method, resource: "services/care/fields/\(number)",
        outcome: outcome, requestID: "request-\(number)")
    }
    /// Lines of their own, and all calls.
    func numbers(_ agent: AgentID) async throws -> [Int64] {
      let rows = try await desk.database.pool.query(
        """
        SELECT count(*) FILTER (WHERE count_time IS NULL), sum(call_count)::bigint FROM audit_event
        WHERE agent_id = \(agent.rawValue) AND outcome <> 'OK'
        """, deadline: desk.deadline)
      return [try rows[0].int64(0), try rows[0].int64(1)]
    }
    // Within a minute.
    for number in 0..<150 { await log.record(refused(Desk.kim, number)) }
    #expect(try await numbers(Desk.kim) == [100, 100])
    await log.recordCounts()
    #expect(try await numbers(Desk.kim) == [100, 150])
    // Within an hour.
    for method in ["UpdateField", "DeleteField"] {
      for number in 0..<100 { await log.record(refused(Desk.kim, number, method: method)) }
      await log.recordCounts()
    }
    #expect(try await numbers(Desk.kim) == [100, 350])
    await log.record(refused(Desk.lee, 1, "STALE_VERSION"))
    await log.record(refused(Desk.kim, 1, "OK"))
    #expect(try await numbers(Desk.lee) == [1, 1])
    let events = try await access.listAuditEvents(
      ListAuditEventsRequest(agent: "agents/1", pageSize: 200), caller(Desk.boss), desk.deadline
    ).auditEvents
    #expect(events.filter { !$0.resource.isEmpty }.map(\.callCount) == Array(repeating: 1, count: 101))
    #expect(events[0].outcome == "OK")
    // One event of each method, or two when an hour has ended meanwhile.
    let further = events.filter(\.resource.isEmpty)
    func calls(_ method: String) -> Int64 { further.filter { $0.method == method }.map(\.callCount).reduce(0, +) }
    #expect(calls("UpdateField") == 150 && calls("DeleteField") == 100 && (2...4).contains(further.count))
    #expect(further.last?.requestId == "request-100" && further.last?.outcome == "PERMISSION_DENIED")
    // What may have been done has lines of its own, though there is no more room for what was refused.
    for (number, outcome) in ["DEADLINE_EXCEEDED", "BACKEND_UNAVAILABLE", "INTERNAL"].enumerated() {
      await log.record(refused(Desk.kim, number, outcome))
    }
    #expect(try await numbers(Desk.kim) == [103, 353])
    // An hour later.
    _ = try await desk.database.pool.query(
      """
      UPDATE audit_event SET create_time = create_time - interval '61 minutes',
        count_time = count_time - interval '61 minutes'
      """, deadline: desk.deadline)
    for number in 0..<120 { await log.record(refused(Desk.kim, number)) }
    await log.recordCounts()
    #expect(try await numbers(Desk.kim) == [203, 473])
  }

  @Test("what the gateway refuses is on record, too: acts of its own, what a key is not for, and throttled sign-ins")
  func refusedByTheGateway() async throws {
    let sessions = Sessions(pool: pool, lifetime: .seconds(60))
    let nowhere = InProcessTransport(group: TestLoops.group, services: [])
    let service = GatewayService(
      backends: Backends(tickets: nowhere, assignment: nowhere, mail: nowhere, masking: nowhere), sessions: sessions,
      pool: pool, audit: AuditLog(pool: pool) { entry, error in Issue.record("\(entry): \(error)") },
      limits: GatewayLimits(credentialPerSecond: 0, addressPerSecond: 0))
    let door = InProcessTransport(group: TestLoops.group, services: service.rpcServices)
    let (own, all) = (SessionServiceClient(door), HandoffServiceClient(door))
    func by(_ token: String) -> CallOptions {
      var options = CallOptions(deadline: desk.deadline)
      options.metadata.add("authorization", "Bearer \(token)")
      return options
    }
    let (token, _) = try await sessions.open(for: Desk.kim, client: "", address: "", deadline: desk.deadline)
    let key = try await newKey(Desk.kim)
    func refused(_ call: () async throws -> Void) async {
      await #expect(throws: RPCError.self) { try await call() }
    }
    await refused {
      _ = try await own.createApiKey(
        CreateApiKeyRequest(apiKey: ApiKey(displayName: "x", agent: "agents/2", scopes: ["ticket.read"])), by(token))
    }
    await refused { _ = try await own.revokeApiKey(RevokeApiKeyRequest(name: "apiKeys/999"), by(token)) }
    await refused { _ = try await own.revokeSession(RevokeSessionRequest(name: "sessions/999"), by(token)) }
    await refused { _ = try await own.signOut(SignOutRequest(), by(key.token)) }
    await refused { _ = try await all.deleteField(DeleteFieldRequest(name: "services/care/fields/3"), by(key.token)) }
    await refused { _ = try await own.listAuditEvents(ListAuditEventsRequest(), by(token)) }
    for _ in 1...10 {
      try await service.throttle.failed(email: "lee@example.org", from: "", deadline: desk.deadline)
    }
    for _ in 1...2 {
      await refused { _ = try await own.signIn(SignInRequest(email: "lee@example.org", password: "x"), by(token)) }
    }
    _ = try await own.revokeApiKey(RevokeApiKeyRequest(name: key.apiKey?.name ?? ""), by(token))
    _ = try await own.signOut(SignOutRequest(), by(token))
    let events = try await access.listAuditEvents(ListAuditEventsRequest(), caller(Desk.boss), desk.deadline)
    #expect(
      events.auditEvents.reversed().map { "\($0.kind.protoName ?? "") \($0.method) \($0.resource) \($0.outcome)" } == [
        "ADMINISTRATION CreateApiKey agents/2 PERMISSION_DENIED",
        "ADMINISTRATION RevokeApiKey apiKeys/999 RESOURCE_NOT_FOUND",
        "ADMINISTRATION RevokeSession sessions/999 RESOURCE_NOT_FOUND",
        "ADMINISTRATION SignOut  PERMISSION_DENIED", "ADMINISTRATION DeleteField  PERMISSION_DENIED",
        "SIGN_IN_FAILED   TOO_MANY_ATTEMPTS", "KEY_REVOKED  \(key.apiKey?.name ?? "") OK", "SIGNED_OUT   OK",
      ])
  }

  @Test("every method of the gateway's own that changes something is on record")
  func ownActs() {
    let changing = Route.all.filter { $0.backend == .gateway && $0.verb != .get && $0.method != "SignIn" }
    #expect(!changing.isEmpty && changing.allSatisfy { $0.ownAct != nil && $0.isOnRecord })
  }

  @Test("what may have been done is kept one by one ten times as long as what was refused, and then counted apart")
  func uncertainActs() {
    let counts = FailureCount()
    for (failure, most) in [(AuditEntry.Failure.refused, 100), (.uncertain, 1_000)] {
      for _ in 0..<most { #expect(counts.admits(failure, of: Desk.kim)) }
      #expect(!counts.admits(failure, of: Desk.kim) && counts.admits(failure, of: Desk.lee))
    }
    for outcome in ["PERMISSION_DENIED", "DEADLINE_EXCEEDED", "PERMISSION_DENIED"] {
      let entry = AuditEntry(subject: .agent(Desk.kim), kind: .administration, method: "UpdateField", outcome: outcome)
      counts.count(entry, of: Desk.kim)
    }
    let taken = counts.take().sorted { $0.subject.outcome < $1.subject.outcome }
    #expect(taken.map(\.subject.outcome) == ["DEADLINE_EXCEEDED", "PERMISSION_DENIED"])
    #expect(taken.map(\.calls) == [1, 2] && taken.allSatisfy { $0.subject.method == "UpdateField" })
    #expect(
      AuditEntry.Failure.uncertainOutcomes == [
        "BACKEND_UNAVAILABLE", "DATABASE_UNAVAILABLE", "DEADLINE_EXCEEDED", "MASK_DAMAGED", "INTERNAL",
      ])
  }

  @Test("an act is on record though its caller has hung up")
  func hungUp() async throws {
    let log = AuditLog(pool: pool) { entry, error in Issue.record("\(entry): \(error)") }
    let task = Task {
      withUnsafeCurrentTask { $0?.cancel() }
      #expect(Task.isCancelled)
      for outcome in ["OK", "DEADLINE_EXCEEDED"] {
        await log.record(
          AuditEntry(subject: .agent(Desk.kim), kind: .administration, method: "UpdateField", outcome: outcome))
      }
    }
    await task.value
    #expect(try await desk.number("SELECT count(*) FROM audit_event WHERE method = 'UpdateField'") == 2)
  }

  @Test("what is counted and cannot be stored is counted again")
  func countsAreKept() async throws {
    let counts = FailureCount()
    let entry = AuditEntry(subject: .agent(Desk.kim), kind: .administration, outcome: "PERMISSION_DENIED")
    for _ in 0..<3 { counts.count(entry, of: Desk.kim) }
    let taken = counts.take()
    #expect(taken.map(\.calls) == [3] && counts.take().isEmpty && counts.admits(.refused, of: Desk.kim))
    counts.putBack(taken)
    counts.count(entry, of: Desk.kim)
    #expect(counts.take().map(\.calls) == [4])
  }

  @Test("a daemon that does not answer is named, and what a daemon says of another one stays")
  func failingService() throws {
    let unreachable = GatewayService.outward(RPCError(.unavailable, "connection refused"), .mail)
    let error = try #require(unreachable as? ServiceError)
    #expect(error.reason == .backendUnavailable && error.metadata["service"] == "mail")
    #expect(error.message.contains("the mail service"))
    let passedOn = ServiceError(.backendUnavailable, metadata: ["service": "masking"]).rpcError
    #expect((GatewayService.outward(passedOn, .tickets) as? ServiceError)?.metadata["service"] == "masking")
  }
}
