import Crypto
import EventLoop
import Postgres
import ServiceDatabase
import ServiceKit

/// SQL of sessions and sign-in throttles; it throws the database's errors as `ServiceError`.
struct SessionStore: Sendable {
  let pool: PostgresPool

  /// A session that was just opened.
  struct Opened: Sendable {
    let id: Int64
    /// By PostgreSQL's clock.
    let expireTime: Instant
  }

  private static let clientCharactersMax = 200
  private static let addressCharactersMax = 64

  /// Stores a new session.
  func insert(
    tokenHash: [UInt8], agent: AgentID, client: String, address: String, lifetime: Duration, deadline: Deadline
  ) async throws -> Opened {
    // PostgreSQL counts code points, and takes no NUL.
    let client = String(
      String.UnicodeScalarView(
        client.unicodeScalars.filter { $0.value >= 0x20 }
          .prefix(Self.clientCharactersMax)))
    let address = String(String.UnicodeScalarView(address.unicodeScalars.prefix(Self.addressCharactersMax)))
    let rows = try await query(
      """
      INSERT INTO session (token_hash, agent_id, client, address, expire_time)
      VALUES (\(tokenHash), \(agent.rawValue), \(client), \(address),
        now() + \(lifetime.components.seconds) * interval '1 second')
      RETURNING id, expire_time
      """, deadline: deadline)
    guard let row = rows.first else { throw ServiceError(.databaseUnavailable) }
    return Opened(id: try row.int64(0), expireTime: try row.instant(1))
  }

  /// Who calls with a session that has not ended, whose agent is active and has had no other password since.
  func session(tokenHash: [UInt8], deadline: Deadline) async throws -> GatewayCaller? {
    let rows = try await lookUp(
      """
      SELECT session.agent_id, session.id FROM session JOIN agent ON agent.id = session.agent_id
      WHERE session.token_hash = \(tokenHash) AND session.expire_time > now() AND agent.is_active
        AND (agent.password_time IS NULL OR agent.password_time <= session.create_time)
      """, deadline: deadline)
    return try rows.first.map {
      GatewayCaller(agent: AgentID(try $0.int64(0)), credential: .session(try $0.int64(1)))
    }
  }

  /// Who calls with a key that has not ended, whose agent is active; notes the use, to the minute.
  func key(tokenHash: [UInt8], deadline: Deadline) async throws -> GatewayCaller? {
    let rows = try await query(
      """
      WITH found AS (
        SELECT api_key.id, api_key.agent_id, api_key.scopes FROM api_key JOIN agent ON agent.id = api_key.agent_id
        WHERE api_key.token_hash = \(tokenHash) AND agent.is_active
          AND (api_key.expire_time IS NULL OR api_key.expire_time > now())
      ), used AS (
        UPDATE api_key SET last_use_time = now() FROM found
        WHERE api_key.id = found.id
          AND (api_key.last_use_time IS NULL OR api_key.last_use_time < now() - interval '1 minute')
      )
      SELECT found.agent_id, found.id, found.scopes FROM found
      """, deadline: deadline)
    return try rows.first.map { row in
      let scopes: [String] = try row.value(2)
      return GatewayCaller(
        agent: AgentID(try row.int64(0)),
        credential: .key(try row.int64(1), scopes: Set(scopes.compactMap(Scope.init(rawValue:)))))
    }
  }

  /// Those of some sessions and keys that have not ended, as ``session(tokenHash:deadline:)`` and
  /// ``key(tokenHash:deadline:)`` have it.
  func open(of tokenHashes: [[UInt8]], deadline: Deadline) async throws -> Set<[UInt8]> {
    let rows = try await query(
      """
      WITH asked AS (
        SELECT decode(hash, 'hex') AS hash FROM unnest(\(tokenHashes.map { Hex.encode($0) })) AS given (hash)
      )
      SELECT session.token_hash FROM asked JOIN session ON session.token_hash = asked.hash
        JOIN agent ON agent.id = session.agent_id
      WHERE session.expire_time > now() AND agent.is_active
        AND (agent.password_time IS NULL OR agent.password_time <= session.create_time)
      UNION ALL
      SELECT api_key.token_hash FROM asked JOIN api_key ON api_key.token_hash = asked.hash
        JOIN agent ON agent.id = api_key.agent_id
      WHERE agent.is_active AND (api_key.expire_time IS NULL OR api_key.expire_time > now())
      """, deadline: deadline)
    return Set(try rows.map { try $0.value(0) as [UInt8] })
  }

  /// Removes a session; false when there was none.
  func delete(tokenHash: [UInt8], deadline: Deadline) async throws -> Bool {
    try await query("DELETE FROM session WHERE token_hash = \(tokenHash)", deadline: deadline).affected > 0
  }

  /// Removes sessions and keys that have ended, throttles that have passed and audit events that are a year old; a
  /// bounded number, so call it again later.
  func deleteExpired(windowSeconds: Int64, deadline: Deadline) async throws {
    _ = try await query(
      """
      DELETE FROM session WHERE token_hash IN (
        SELECT token_hash FROM session WHERE expire_time <= now() LIMIT 1000)
      """, deadline: deadline)
    _ = try await query(
      """
      DELETE FROM sign_in_throttle WHERE subject_hash IN (
        SELECT subject_hash FROM sign_in_throttle
        WHERE window_time <= now() - \(windowSeconds) * interval '1 second' LIMIT 1000)
      """, deadline: deadline)
    // An ended key stays listed for a while: its owner may wonder why a program stopped.
    _ = try await query(
      """
      DELETE FROM api_key WHERE id IN (
        SELECT id FROM api_key WHERE expire_time <= now() - interval '30 days' LIMIT 1000)
      """, deadline: deadline)
    _ = try await query(
      """
      DELETE FROM audit_event WHERE (organization_id, id) IN (
        SELECT organization_id, id FROM audit_event WHERE create_time <= now() - interval '1 year' LIMIT 1000)
      """, deadline: deadline)
  }

  /// Failed attempts of each subject within the window, in the order of the subjects.
  func failures(_ subjects: [[UInt8]], windowSeconds: Int64, deadline: Deadline) async throws -> [Int64] {
    var counts: [Int64] = []
    for subject in subjects {
      let rows = try await query(
        """
        SELECT failure_count::bigint FROM sign_in_throttle WHERE subject_hash = \(subject)
        AND window_time > now() - \(windowSeconds) * interval '1 second'
        """, deadline: deadline)
      counts.append(try rows.first?.int64(0) ?? 0)
    }
    return counts
  }

  /// Counts a failed attempt; a window that has passed begins anew.
  func countFailure(_ subject: [UInt8], windowSeconds: Int64, deadline: Deadline) async throws {
    _ = try await query(
      """
      INSERT INTO sign_in_throttle AS throttle (subject_hash, failure_count, window_time) VALUES (\(subject), 1, now())
      ON CONFLICT (subject_hash) DO UPDATE SET
        failure_count = CASE WHEN throttle.window_time > now() - \(windowSeconds) * interval '1 second'
          THEN throttle.failure_count + 1 ELSE 1 END,
        window_time = CASE WHEN throttle.window_time > now() - \(windowSeconds) * interval '1 second'
          THEN throttle.window_time ELSE now() END
      """, deadline: deadline)
  }

  /// Forgets the failed attempts of a subject.
  func forgetFailures(_ subject: [UInt8], deadline: Deadline) async throws {
    _ = try await query("DELETE FROM sign_in_throttle WHERE subject_hash = \(subject)", deadline: deadline)
  }

  private func lookUp(_ query: Query, deadline: Deadline) async throws -> Rows {
    do {
      return try await pool.lookUp(query, deadline: deadline)
    } catch let error as PostgresError {
      throw ServiceError(database: error)
    }
  }

  func query(_ query: Query, deadline: Deadline) async throws -> Rows {
    do {
      return try await pool.query(query, deadline: deadline)
    } catch let error as PostgresError {
      throw ServiceError(database: error)
    }
  }
}
