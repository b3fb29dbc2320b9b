import Crypto
import EventLoop
import HandoffAPI
import Postgres
import Protobuf
import RPCProtos
import ServiceDatabase
import ServiceKit

/// SQL of what people see of their sessions and keys, and of the audit log.
struct AccessStore: Sendable {
  private let store: SessionStore

  init(pool: PostgresPool) { store = SessionStore(pool: pool) }

  /// What the gateways of a database have a key for; raw values as in the database.
  enum KeyPurpose: String {
    case pageTokens = "PAGE_TOKENS"
  }

  /// The key of all gateways for a purpose.
  func key(for purpose: KeyPurpose, deadline: Deadline) async throws -> SecretBytes {
    let found = try await store.query(
      "SELECT key FROM gateway_key WHERE purpose = \(purpose.rawValue)", deadline: deadline)
    guard let row = found.first else { throw ServiceError(.internal) }
    return SecretBytes(try row.value(0))
  }

  /// Open sessions of an agent, the newest first, behind the one with the id `after`; 0: from the first.
  func sessions(
    of agent: AgentID, after: Int64, limit: Int, deadline: Deadline
  ) async throws -> [(id: Int64, session: OpenSession)] {
    try await store.query(
      """
      SELECT id, create_time, expire_time, client, address FROM session
      WHERE agent_id = \(agent.rawValue) AND expire_time > now() AND (\(after) = 0 OR id < \(after))
      ORDER BY id DESC LIMIT \(limit)
      """, deadline: deadline
    ).map { row in
      let id = try row.int64(0)
      return (
        id,
        OpenSession(
          name: "sessions/\(id)", createTime: Timestamp(try row.instant(1)), expireTime: Timestamp(try row.instant(2)),
          client: try row.value(3), address: try row.value(4))
      )
    }
  }

  /// Ends a session of an agent; false when there is none.
  func deleteSession(_ id: Int64, of agent: AgentID, deadline: Deadline) async throws -> Bool {
    try await store.query(
      "DELETE FROM session WHERE id = \(id) AND agent_id = \(agent.rawValue)", deadline: deadline
    ).affected > 0
  }

  /// The organization that an agent administers; nil for others.
  func administers(_ agent: AgentID, deadline: Deadline) async throws -> Int64? {
    try await store.query(
      """
      SELECT organization_id FROM agent
      WHERE id = \(agent.rawValue) AND is_active AND is_organization_administrator
      """, deadline: deadline
    ).first?.int64(0)
  }

  /// Whether an agent belongs to an organization and is active.
  func isActive(_ agent: AgentID, in organization: Int64, deadline: Deadline) async throws -> Bool {
    try await store.query(
      """
      SELECT 1 FROM agent WHERE id = \(agent.rawValue) AND organization_id = \(organization) AND is_active
      """, deadline: deadline
    ).first != nil
  }

  /// Whether a moment lies ahead, by so many seconds at most.
  func isAhead(_ time: Instant, secondsMax: Int64, deadline: Deadline) async throws -> Bool {
    try await store.query(
      "SELECT \(time) > now() AND \(time) <= now() + \(secondsMax) * interval '1 second'", deadline: deadline
    ).first?.value(0) ?? false
  }

  /// Stores a key; nil when the agent has as many as there may be.
  func insertKey(
    tokenHash: [UInt8], hint: String, agent: AgentID, displayName: String, scopes: [String], expireTime: Instant?,
    keysMax: Int64, deadline: Deadline
  ) async throws -> ApiKey? {
    try await store.query(
      """
      INSERT INTO api_key (token_hash, hint, agent_id, display_name, scopes, expire_time)
      SELECT \(tokenHash), \(hint), \(agent.rawValue), \(displayName), \(scopes), \(expireTime)
      WHERE (SELECT count(*) FROM api_key WHERE agent_id = \(agent.rawValue)) < \(keysMax)
      RETURNING \(fragment: Self.keyColumns)
      """, deadline: deadline
    ).first.map { try Self.key($0) }
  }

  /// Keys, the newest first, behind the one with the id `after`; of one agent, or of all of an organization.
  func keys(
    of agent: AgentID?, in organization: Int64?, after: Int64, limit: Int, deadline: Deadline
  ) async throws -> [(id: Int64, key: ApiKey)] {
    let owner: Query =
      if let agent, let organization {
        """
        agent_id = (SELECT a.id FROM agent AS a WHERE a.id = \(agent.rawValue) AND a.organization_id = \(organization))
        """
      } else if let agent {
        "agent_id = \(agent.rawValue)"
      } else {
        "agent_id IN (SELECT a.id FROM agent AS a WHERE a.organization_id = \(organization))"
      }
    return try await store.query(
      """
      SELECT \(fragment: Self.keyColumns) FROM api_key
      WHERE \(fragment: owner) AND (\(after) = 0 OR id < \(after)) ORDER BY id DESC LIMIT \(limit)
      """, deadline: deadline
    ).map { (try $0.int64(0), try Self.key($0)) }
  }

  /// Ends a key of an agent, or of anybody in an organization; false when there is none.
  func deleteKey(_ id: Int64, of agent: AgentID, orIn organization: Int64?, deadline: Deadline) async throws -> Bool {
    try await store.query(
      """
      DELETE FROM api_key WHERE id = \(id) AND (agent_id = \(agent.rawValue)
        OR agent_id IN (SELECT a.id FROM agent AS a WHERE a.organization_id = \(organization)))
      """, deadline: deadline
    ).affected > 0
  }

  /// Audit events of an organization, the newest first, behind the one with the id `after`.
  ///
  /// - Parameter kind: of this kind only; empty: of all.
  func events(
    in organization: Int64, of agent: AgentID?, kind: String, after: Int64, limit: Int, deadline: Deadline
  ) async throws -> [(id: Int64, event: AuditEvent)] {
    let agentID = agent?.rawValue ?? 0
    return try await store.query(
      """
      SELECT id, create_time, kind, agent_id, credential, address, method, resource, outcome, request_id, call_count
      FROM audit_event
      WHERE organization_id = \(organization) AND (\(agentID) = 0 OR agent_id = \(agentID))
        AND (\(kind) = '' OR kind = \(kind)) AND (\(after) = 0 OR id < \(after))
      ORDER BY id DESC LIMIT \(limit)
      """, deadline: deadline
    ).map { row in
      let id = try row.int64(0)
      return (
        id,
        AuditEvent(
          name: "auditEvents/\(id)", createTime: Timestamp(try row.instant(1)),
          kind: AuditEvent.Kind(protoName: try row.value(2)) ?? .unspecified, agent: "agents/\(try row.int64(3))",
          credential: try row.value(4), address: try row.value(5), method: try row.value(6), resource: try row.value(7),
          outcome: try row.value(8), requestId: try row.value(9), callCount: try row.int64(10))
      )
    }
  }

  /// Stores an audit event of an agent, found by its id or by its e-mail address; nothing for somebody unknown.
  ///
  /// - Parameter failure: store it only when the agent has fewer acts on record that failed so within an hour than may
  ///   be; nil: in any case.
  /// - Returns: whether it was stored.
  @discardableResult
  func insert(
    _ entry: AuditEntry, within failure: AuditEntry.Failure? = nil, deadline: Deadline
  ) async throws -> Bool {
    let who: Query =
      switch entry.subject {
      case .agent(let agent): "a.id = \(agent.rawValue)"
      case .email(let email): "lower(a.email) = lower(\(email))"
      }
    let room: Query =
      if let failure {
        """
        (SELECT count(*) FROM (
          SELECT FROM audit_event AS e
          WHERE e.organization_id = a.organization_id AND e.agent_id = a.id AND e.kind = 'ADMINISTRATION'
            AND e.outcome <> 'OK' AND e.count_time IS NULL AND e.create_time > now() - interval '1 hour'
            AND (e.outcome = ANY(\(AuditEntry.Failure.uncertainOutcomes))) = \(failure == .uncertain)
          LIMIT \(failure.hourMax)) AS failed) < \(failure.hourMax)
        """
      } else if entry.isThrottled {
        """
        NOT EXISTS (SELECT FROM audit_event AS e
          WHERE e.organization_id = a.organization_id AND e.agent_id = a.id AND e.kind = 'SIGN_IN_FAILED'
            AND e.outcome = \(entry.outcome)
            AND e.create_time > now() - \(SignInThrottle.windowSeconds) * interval '1 second')
        """
      } else {
        "true"
      }
    return try await store.query(
      """
      INSERT INTO audit_event (organization_id, kind, agent_id, credential, address, method, resource, outcome,
        request_id)
      SELECT a.organization_id, \(entry.kind.protoName ?? ""), a.id, \(entry.credential), \(entry.address),
        \(entry.method), \(entry.resource), \(entry.outcome), \(entry.requestID)
      FROM agent AS a WHERE \(fragment: who) AND \(fragment: room)
      """, deadline: deadline
    ).affected > 0
  }

  /// Adds to the numbers of failed acts that have no event of their own: one event an agent, hour, method and outcome,
  /// which says of the first of them where it came from.
  func add(_ counts: [FailureCount.Uncounted], deadline: Deadline) async throws {
    _ = try await store.query(
      """
      INSERT INTO audit_event AS known (organization_id, kind, agent_id, credential, address, method, outcome,
        request_id, call_count, count_time)
      SELECT a.organization_id, 'ADMINISTRATION', a.id, c.credential, c.address, c.method, c.outcome, c.request_id,
        c.call_count, date_trunc('hour', now())
      FROM unnest(\(counts.map(\.subject.agent.rawValue)), \(counts.map(\.subject.method)),
        \(counts.map(\.subject.outcome)), \(counts.map(\.first.credential)), \(counts.map(\.first.address)),
        \(counts.map(\.first.requestID)), \(counts.map(\.calls)))
        AS c (agent_id, method, outcome, credential, address, request_id, call_count)
        JOIN agent AS a ON a.id = c.agent_id
      ORDER BY a.id, c.method, c.outcome
      ON CONFLICT (organization_id, agent_id, count_time, method, outcome) WHERE count_time IS NOT NULL
      DO UPDATE SET call_count = known.call_count + excluded.call_count
      """, deadline: deadline)
  }

  private static let keyColumns: Query =
    "id, display_name, agent_id, scopes, expire_time, create_time, last_use_time, hint"

  private static func key(_ row: Row) throws -> ApiKey {
    let (expireTime, lastUseTime): (Instant?, Instant?) = (try row.value(4), try row.value(6))
    return ApiKey(
      name: "apiKeys/\(try row.int64(0))", displayName: try row.value(1), agent: "agents/\(try row.int64(2))",
      scopes: try row.value(3), expireTime: expireTime.map { Timestamp($0) }, createTime: Timestamp(try row.instant(5)),
      lastUseTime: lastUseTime.map { Timestamp($0) }, hint: try row.value(7))
  }
}

extension Timestamp {
  init(_ instant: Instant) { self.init(seconds: instant.seconds, nanos: instant.nanoseconds) }
}
