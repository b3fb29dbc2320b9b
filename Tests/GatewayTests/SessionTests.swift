import EventLoop
import Gateway
import HandoffAPI
import HandoffTestKit
import LedgerTestKit
import Postgres
import RPC
import RPCProtos
import ServiceKit
import Testing

@Suite("Sessions")
struct SessionTests {
  private func reason(_ body: () async throws -> Void) async -> Reason? {
    do {
      try await body()
      return nil
    } catch {
      return (error as? ServiceError)?.reason
    }
  }

  @Test("an authorization field that names no open session is refused with its reason")
  func refusals() async throws {
    let desk = try await Desk.open()
    let sessions = Sessions(pool: desk.database.pool, lifetime: .seconds(60))
    let rows: [(String?, Reason)] = [
      (nil, .credentialMissing), ("", .credentialMissing), ("Bearer", .credentialMissing),
      ("Basic abc", .credentialMissing), ("Bearer a b", .credentialMissing), ("Bearer abc", .sessionExpired),
      ("Bearer " + String(repeating: "x", count: 200), .credentialMissing),
    ]
    for (authorization, expected) in rows {
      let found = await reason {
        _ = try await sessions.caller(authorization: authorization, deadline: desk.deadline)
      }
      #expect(found == expected, "\(authorization ?? "none")")
    }
  }

  @Test("sessions that have ended are removed, open ones stay")
  func cleaning() async throws {
    let desk = try await Desk.open()
    let sessions = Sessions(pool: desk.database.pool, lifetime: .seconds(60))
    _ = try await desk.database.pool.query(
      """
      INSERT INTO session (token_hash, agent_id, expire_time) VALUES
        (sha256('gone'), 1, now() - interval '1 second'), (sha256('open'), 1, now() + interval '1 hour')
      """, deadline: desk.deadline)
    try await sessions.removeExpired(deadline: desk.deadline)
    #expect(try await desk.number("SELECT count(*) FROM session") == 1)
    #expect(try await sessions.caller(authorization: "bearer open", deadline: desk.deadline).agent == Desk.kim)
  }

  @Test("of many calls of a session at once one asks the database")
  func herd() async throws {
    let desk = try await Desk.open()
    let pool = PostgresPool(desk.database.configuration, group: TestLoops.group)
    let sessions = Sessions(pool: pool, lifetime: .seconds(60))
    _ = try await desk.database.pool.query(
      "INSERT INTO session (token_hash, agent_id, expire_time) VALUES (sha256('many'), 1, now() + interval '1 hour')",
      deadline: desk.deadline)
    // Within the time for which a session is believed; a slow machine may need a second question.
    let began = MonotonicTime.current
    try await withThrowingTaskGroup(of: AgentID.self) { group in
      for _ in 0..<50 {
        group.addTask { try await sessions.caller(authorization: "Bearer  many", deadline: desk.deadline).agent }
      }
      for try await agent in group { #expect(agent == Desk.kim) }
    }
    let lifetimes = MonotonicTime.current.since(began) / Sessions.beliefDuration
    #expect(pool.metrics.queries <= UInt64(1 + lifetimes))
    await pool.close()
  }

  @Test("a session of an agent who was deactivated is no session")
  func inactiveAgent() async throws {
    let desk = try await Desk.open()
    let sessions = Sessions(pool: desk.database.pool, lifetime: .seconds(60))
    _ = try await desk.database.pool.query(
      "INSERT INTO session (token_hash, agent_id, expire_time) VALUES (sha256('t'), 1, now() + interval '1 hour')",
      deadline: desk.deadline)
    _ = try await desk.database.pool.query("UPDATE agent SET is_active = false WHERE id = 1", deadline: desk.deadline)
    let found = await reason { _ = try await sessions.caller(authorization: "Bearer t", deadline: desk.deadline) }
    #expect(found == .sessionExpired)
  }

  @Test("without the database a caller is told to try later, and nothing is said of a fault inside")
  func databaseDown() async throws {
    let desk = try await Desk.open()
    let pool = PostgresPool(desk.database.configuration, group: TestLoops.group)
    let sessions = Sessions(pool: pool, lifetime: .seconds(60))
    await pool.close()
    let found = await reason { _ = try await sessions.caller(authorization: "Bearer t", deadline: desk.deadline) }
    #expect(found == .databaseUnavailable)
  }
}
