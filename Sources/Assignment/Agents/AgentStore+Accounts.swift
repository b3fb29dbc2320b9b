import EventLoop
import HandoffAPI
import Postgres
import ServiceKit
import TicketLedger

/// SQL of accounts: what an organization's administrators do.
extension AgentStore {
  /// Serializes what depends on how many administrators an organization has.
  private static let administratorsLock: Int64 = 7_201_001

  /// Who an active organization administrator is; nil for anybody else.
  func organizationAdministrator(_ agent: AgentID, deadline: Deadline) async throws -> Administrator? {
    try await query(
      """
      SELECT a.organization_id FROM agent AS a
      WHERE a.id = \(agent) AND a.is_active AND a.is_organization_administrator
      """, deadline
    ).first.map {
      Administrator(name: AgentName(id: agent).description, agentID: agent, organization: try $0.value(0))
    }
  }

  /// Creates an agent.
  ///
  /// - Throws: ALREADY_EXISTS when the address is taken.
  func createAgent(
    _ wanted: AccountFields, passwordHash: String?, by administrator: Administrator, deadline: Deadline
  ) async throws -> AgentID {
    try await changing(deadline) { transaction in
      let rows = try await transaction.query(
        """
        INSERT INTO agent (organization_id, email, display_name, is_organization_administrator)
        VALUES (\(administrator.organization), \(wanted.email), \(wanted.displayName), \(wanted.isAdministrator))
        RETURNING id
        """)
      let id: AgentID = try rows[0].value(0)
      if let passwordHash {
        try await transaction.execute(
          "INSERT INTO credential (agent_id, password_hash) VALUES (\(id), \(passwordHash))")
      }
      var log = PermissionLog(by: administrator)
      log.note("active", "", "true", agent: id)
      log.note(wanted.codes, agent: id)
      return (id, log)
    }
  }

  /// Changes an account.
  ///
  /// - Throws: AGENT_NOT_FOUND, ALREADY_EXISTS, IN_USE.
  func updateAgent(
    _ id: AgentID, by administrator: Administrator, deadline: Deadline,
    _ change: (inout AccountFields) throws(ServiceError) -> Void
  ) async throws {
    try await changing(deadline) { transaction in
      try await transaction.execute("SELECT pg_advisory_xact_lock(\(Self.administratorsLock))")
      let before = try await Self.account(id, administrator, transaction)
      var after = before.fields
      try change(&after)
      if before.fields.isAdministrator, !after.isAdministrator, before.isActive {
        try await Self.requireOtherAdministrator(than: id, administrator, transaction)
      }
      try await transaction.execute(
        """
        UPDATE agent SET email = \(after.email), display_name = \(after.displayName),
          is_organization_administrator = \(after.isAdministrator)
        WHERE id = \(id)
        """)
      var log = PermissionLog(by: administrator)
      log.note(after.codes, before: before.fields.codes, agent: id)
      return ((), log)
    }
  }

  /// Makes an account active or inactive, and says what is to become of held tickets.
  ///
  /// - Throws: AGENT_NOT_FOUND, IN_USE for the last administrator.
  func setActive(
    _ isActive: Bool, _ id: AgentID, departures: [Departure] = [], triggers: [Query] = [],
    by administrator: Administrator, deadline: Deadline
  ) async throws {
    try await changing(deadline) { transaction in
      try await transaction.execute("SELECT pg_advisory_xact_lock(\(Self.administratorsLock))")
      let before = try await Self.account(id, administrator, transaction)
      if !isActive, before.isActive, before.fields.isAdministrator {
        try await Self.requireOtherAdministrator(than: id, administrator, transaction)
      }
      _ = try await transaction.batch(
        [
          "UPDATE agent SET is_active = \(isActive) WHERE id = \(id)",
          "DELETE FROM agent_departure WHERE agent_id = \(id)",
        ] + departures.map(\.statement) + triggers)
      var log = PermissionLog(by: administrator)
      log.note("active", String(before.isActive), String(isActive), agent: id)
      return ((), log)
    }
  }

  /// Gives an agent a password; sessions that are open end with it.
  ///
  /// - Throws: AGENT_NOT_FOUND, also for an agent of another organization.
  func setPassword(_ hash: String, of id: AgentID, by administrator: Administrator, deadline: Deadline) async throws {
    try await changing(deadline) { transaction in
      _ = try await Self.account(id, administrator, transaction)
      _ = try await transaction.batch([
        """
        INSERT INTO credential (agent_id, password_hash) VALUES (\(id), \(hash))
        ON CONFLICT (agent_id) DO UPDATE SET password_hash = excluded.password_hash, update_time = clock_timestamp()
        """,
        "UPDATE agent SET password_time = clock_timestamp() WHERE id = \(id)",
      ])
      var log = PermissionLog(by: administrator)
      log.note("password", "", "SET", agent: id)
      return ((), log)
    }
  }

  /// What an agent's own password is checked against, and whose organization it is.
  func ownAccount(_ id: AgentID, deadline: Deadline) async throws -> (hash: String?, Administrator)? {
    try await query(
      """
      SELECT c.password_hash, a.organization_id FROM agent AS a LEFT JOIN credential AS c ON c.agent_id = a.id
      WHERE a.id = \(id) AND a.is_active
      """, deadline
    ).first.map {
      (
        hash: try $0.value(0),
        Administrator(name: AgentName(id: id).description, agentID: id, organization: try $0.value(1))
      )
    }
  }

  /// Agents of an organization by name, behind the one with the id `after`; 0: from the first.
  ///
  /// - Throws: PAGE_TOKEN_INVALID when that agent is gone.
  func agents(
    of organization: OrganizationID, after: Int64, limit: Int, deadline: Deadline
  ) async throws -> [Listed<Agent>] {
    let place = try await place(
      after: after, "SELECT a.display_name FROM agent AS a WHERE a.id = \(after)", "a", deadline)
    return try await query(
      """
      SELECT \(fragment: Self.agentColumns) FROM agent AS a
      WHERE a.organization_id = \(organization)\(fragment: place) ORDER BY a.display_name, a.id LIMIT \(limit)
      """, deadline
    ).map { Listed(id: try $0.value(0), message: try Agent($0)) }
  }

  /// Runs a change of people and logs it, both or neither.
  func changing<Value>(
    _ deadline: Deadline, _ change: (PostgresTransaction) async throws -> (Value, PermissionLog)
  ) async throws -> Value {
    do {
      return try await pool.transaction(deadline: deadline) { transaction in
        let (value, log) = try await change(transaction)
        if let statement = log.statement {
          // Whoever can be given tickets now may be waited for.
          _ = try await transaction.batch([statement, "SELECT pg_notify(\(WaitingTickets.channel), '')"])
        }
        return value
      }
    } catch let error as PostgresError {
      if error.violates("agent_email_key") {
        throw ServiceError(.alreadyExists, "another agent signs in with this address", cause: error)
      }
      if error.violates("agent_group_display_name_key") {
        throw ServiceError(.alreadyExists, "the service has a group of this name", cause: error)
      }
      if error.violates("service_member_pkey") {
        throw ServiceError(.alreadyExists, "the agent is a member of the service already", cause: error)
      }
      throw ServiceError(postgres: error)
    }
  }

  /// Reads and locks an account of the administrator's organization.
  static func account(
    _ id: AgentID, _ administrator: Administrator, _ transaction: PostgresTransaction
  ) async throws -> (fields: AccountFields, isActive: Bool) {
    let row = try await transaction.query(
      """
      SELECT a.email, a.display_name, a.is_organization_administrator, a.is_active FROM agent AS a
      WHERE a.id = \(id) AND a.organization_id = \(administrator.organization) FOR UPDATE
      """
    ).first
    guard let row else { throw ServiceError(.agentNotFound, "there is no such agent in your organization") }
    let fields = AccountFields(
      email: try row.value(0), displayName: try row.value(1), isAdministrator: try row.value(2))
    return (fields, try row.value(3))
  }

  private static func requireOtherAdministrator(
    than id: AgentID, _ administrator: Administrator, _ transaction: PostgresTransaction
  ) async throws {
    let rows = try await transaction.query(
      """
      SELECT 1 FROM agent AS a WHERE a.organization_id = \(administrator.organization) AND a.id <> \(id)
        AND a.is_active AND a.is_organization_administrator LIMIT 1
      """)
    guard !rows.isEmpty else {
      throw ServiceError(.inUse, "the organization has no other administrator; appoint one first")
    }
  }
}

/// What an organization's administrator sets of an account.
struct AccountFields: Sendable, Equatable {
  var email: String
  var displayName: String
  var isAdministrator: Bool

  /// The fields as the log of permissions names them.
  var codes: [(field: String, value: String)] {
    [
      ("email", email), ("display_name", displayName),
      ("organization_administrator", isAdministrator ? "true" : ""),
    ]
  }
}
