import Crypto
import EventLoop
import HandoffAPI
import Postgres
import RPC
import RPCProtos
import ServiceKit

/// What people see and end of their sessions and keys, and what administrators read of the audit log.
struct AccessService: Sendable {
  private static let pageSizeDefault = 50
  private static let displayNameCharacters = 1...100
  /// Keys that an agent may have.
  private static let keysMax: Int64 = 50
  private static let keySecondsMax: Int64 = 3_653 * 86_400
  /// Characters of a token that are shown afterwards; the others are as good as any password.
  private static let hintCharacters = 8

  /// How long a key is believed to be that of the database, which may be one that was restored.
  private static let keyLifetime: Duration = .seconds(600)

  private let store: AccessStore
  private let keys = ExpiringCache<AccessStore.KeyPurpose, PageKey>(lifetime: keyLifetime, entriesMax: 1) { .current }

  init(pool: PostgresPool) { store = AccessStore(pool: pool) }

  /// Lists the open sessions of a caller.
  func listSessions(
    _ request: ListSessionsRequest, _ caller: GatewayCaller, _ deadline: Deadline
  ) async throws -> ListSessionsResponse {
    let page = try await page(request.pageToken, request.pageSize, "sessions/\(caller.agent)", deadline)
    let found = try await store.sessions(of: caller.agent, after: page.after, limit: page.size + 1, deadline: deadline)
    let shown = found.prefix(page.size)
    return ListSessionsResponse(
      sessions: shown.map { _, session in
        var session = session
        session.current = session.name == caller.credentialName
        return session
      }, nextPageToken: found.count > page.size ? page.token(after: shown.last?.id ?? 0) : "")
  }

  /// Ends a session of the caller.
  func revokeSession(_ request: RevokeSessionRequest, _ caller: GatewayCaller, _ deadline: Deadline) async throws {
    let id = try Self.id(request.name, "sessions", field: "name")
    guard try await store.deleteSession(id, of: caller.agent, deadline: deadline) else {
      throw ServiceError(.resourceNotFound, "you have no such session that is open")
    }
  }

  /// Makes a key.
  func createKey(
    _ request: CreateApiKeyRequest, _ caller: GatewayCaller, _ deadline: Deadline
  ) async throws -> CreateApiKeyResponse {
    let wanted = request.apiKey ?? ApiKey()
    let name = wanted.displayName
    var check = RequestCheck()
    check.require(
      Self.displayNameCharacters.contains(name.unicodeScalars.count)
        && !name.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x7F },
      "api_key.display_name", "must have 1 to 100 characters in one line")
    let known = Scope.allCases.map(\.rawValue)
    check.require(
      !wanted.scopes.isEmpty, "api_key.scopes", "must name at least one of \(known.joined(separator: ", "))")
    for (index, scope) in wanted.scopes.enumerated() {
      check.require(
        known.contains(scope), "api_key.scopes[\(index)]", "must be one of \(known.joined(separator: ", "))")
    }
    let end = wanted.expireTime.map {
      Instant(microsecondsSinceEpoch: $0.seconds &* 1_000_000 &+ Int64($0.nanos / 1_000))
    }
    if let end {
      let isAhead = try await store.isAhead(end, secondsMax: Self.keySecondsMax, deadline: deadline)
      check.require(isAhead, "api_key.expire_time", "must lie ahead, by ten years at most")
    }
    try check.done()
    let agent = try await owner(wanted.agent, caller, deadline)
    let token = Sessions.keyPrefix + Base64URL.encode(SecureRandom.bytes(32))
    let made = try await store.insertKey(
      tokenHash: SHA256.hash(token), hint: String(token.prefix(Self.hintCharacters)), agent: agent, displayName: name,
      scopes: known.filter { wanted.scopes.contains($0) },
      expireTime: end, keysMax: Self.keysMax, deadline: deadline)
    guard let made else { throw ServiceError(.limitReached, "the agent has \(Self.keysMax) keys; revoke some first") }
    return CreateApiKeyResponse(apiKey: made, token: token)
  }

  /// Lists keys.
  func listKeys(
    _ request: ListApiKeysRequest, _ caller: GatewayCaller, _ deadline: Deadline
  ) async throws -> ListApiKeysResponse {
    let isAll = request.agent == "agents/-"
    let agent =
      try request.agent.isEmpty || isAll ? caller.agent : AgentID(Self.id(request.agent, "agents", field: "agent"))
    let isOwn = !isAll && agent == caller.agent
    let organization = isOwn ? nil : try await administered(caller, deadline)
    let page = try await page(request.pageToken, request.pageSize, "apiKeys/\(isAll ? "-" : "\(agent)")", deadline)
    let found = try await store.keys(
      of: isAll ? nil : agent, in: organization, after: page.after, limit: page.size + 1, deadline: deadline)
    let shown = found.prefix(page.size)
    return ListApiKeysResponse(
      apiKeys: shown.map(\.key), nextPageToken: found.count > page.size ? page.token(after: shown.last?.id ?? 0) : "")
  }

  /// Ends a key.
  func revokeKey(_ request: RevokeApiKeyRequest, _ caller: GatewayCaller, _ deadline: Deadline) async throws {
    let id = try Self.id(request.name, "apiKeys", field: "name")
    let organization = try await store.administers(caller.agent, deadline: deadline)
    guard try await store.deleteKey(id, of: caller.agent, orIn: organization, deadline: deadline) else {
      throw ServiceError(.resourceNotFound, "there is no such key that you may end")
    }
  }

  /// Lists what happened.
  func listAuditEvents(
    _ request: ListAuditEventsRequest, _ caller: GatewayCaller, _ deadline: Deadline
  ) async throws -> ListAuditEventsResponse {
    guard request.kind == .unspecified || request.kind.protoName != nil else {
      throw ServiceError.invalid("kind", "must be a kind of event")
    }
    let agent = try request.agent.isEmpty ? nil : AgentID(Self.id(request.agent, "agents", field: "agent"))
    let organization = try await administered(caller, deadline)
    let scope = "auditEvents/\(organization)/\(request.agent)/\(request.kind.rawValue)"
    let page = try await page(request.pageToken, request.pageSize, scope, deadline)
    let found = try await store.events(
      in: organization, of: agent, kind: request.kind == .unspecified ? "" : request.kind.protoName ?? "",
      after: page.after, limit: page.size + 1, deadline: deadline)
    let shown = found.prefix(page.size)
    return ListAuditEventsResponse(
      auditEvents: shown.map(\.event),
      nextPageToken: found.count > page.size ? page.token(after: shown.last?.id ?? 0) : "")
  }

  /// For whom a key is to be made.
  private func owner(_ name: String, _ caller: GatewayCaller, _ deadline: Deadline) async throws -> AgentID {
    guard !name.isEmpty else { return caller.agent }
    let agent = AgentID(try Self.id(name, "agents", field: "api_key.agent"))
    guard agent != caller.agent else { return agent }
    let organization = try await administered(caller, deadline)
    guard try await store.isActive(agent, in: organization, deadline: deadline) else {
      throw ServiceError(.agentNotFound)
    }
    return agent
  }

  private func administered(_ caller: GatewayCaller, _ deadline: Deadline) async throws -> Int64 {
    guard let organization = try await store.administers(caller.agent, deadline: deadline) else {
      throw ServiceError(.permissionDenied, "only administrators of the organization can do this")
    }
    return organization
  }

  private func page(_ token: String, _ size: Int32, _ scope: String, _ deadline: Deadline) async throws -> PageRequest {
    let key = try await keys.value(.pageTokens) {
      PageKey(HMACSHA256(key: try await store.key(for: .pageTokens, deadline: deadline)))
    }
    return try PageRequest(token, size: size, sizeDefault: Self.pageSizeDefault, scope: scope, key: key)
  }

  private static func id(_ name: String, _ collection: String, field: String) throws(ServiceError) -> Int64 {
    let parts = name.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2, parts[0] == collection, parts[1].first?.isASCII == true, parts[1].first != "+",
      let id = Int64(parts[1]), id > 0
    else { throw .invalid(field, "must be a name such as \(collection)/7") }
    return id
  }
}
