import Crypto
import EventLoop
import Postgres
import ServiceDatabase
import ServiceKit

/// SQL of sessions and sign-in throttles; it throws the database's errors as `ServiceError`.
struct SessionStore: Sendable {
  let pool: PostgresPool

  /// Stores a new session and returns when it ends, by PostgreSQL's clock.
  func insert(tokenHash: [UInt8], agent: AgentID, lifetime: Duration, deadline: Deadline) async throws -> Instant {
    let rows = try await query(
      """
      INSERT INTO session (token_hash, agent_id, expire_time)
      VALUES (\(tokenHash), \(agent.rawValue), now() + \(lifetime.components.seconds) * interval '1 second')
      RETURNING expire_time
      """, deadline: deadline)
    guard let row = rows.first else { throw ServiceError(.databaseUnavailable) }
    return try row.instant(0)
  }

  /// The agent of a session that has not ended, whose agent is active and has had no other password since.
  func agent(tokenHash: [UInt8], deadline: Deadline) async throws -> AgentID? {
    let rows = try await lookUp(
      """
      SELECT session.agent_id FROM session JOIN agent ON agent.id = session.agent_id
      WHERE session.token_hash = \(tokenHash) AND session.expire_time > now() AND agent.is_active
        AND (agent.password_time IS NULL OR agent.password_time <= session.create_time)
      """, deadline: deadline)
    return try rows.first.map { AgentID(try $0.int64(0)) }
  }

  /// Those of some sessions that have not ended, as ``agent(tokenHash:deadline:)`` has it.
  func open(of tokenHashes: [[UInt8]], deadline: Deadline) async throws -> Set<[UInt8]> {
    let rows = try await query(
      """
      SELECT session.token_hash FROM unnest(\(tokenHashes.map { Hex.encode($0) })) AS asked (hash)
      JOIN session ON session.token_hash = decode(asked.hash, 'hex') JOIN agent ON agent.id = session.agent_id
      WHERE session.expire_time > now() AND agent.is_active
        AND (agent.password_time IS NULL OR agent.password_time <= session.create_time)
      """, deadline: deadline)
    return Set(try rows.map { try $0.value(0) as [UInt8] })
  }

  /// Removes a session; false when there was none.
  func delete(tokenHash: [UInt8], deadline: Deadline) async throws -> Bool {
    try await query("DELETE FROM session WHERE token_hash = \(tokenHash)", deadline: deadline).affected > 0
  }

  /// Removes sessions that have ended and throttles that have passed; a bounded number, so call it again later.
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

  private func query(_ query: Query, deadline: Deadline) async throws -> Rows {
    do {
      return try await pool.query(query, deadline: deadline)
    } catch let error as PostgresError {
      throw ServiceError(database: error)
    }
  }
}
