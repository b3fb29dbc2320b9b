import EventLoop
import HandoffAPI
import Postgres
import ServiceKit
import TicketLedger

/// SQL of agents, their groups and credentials.
struct AgentStore: Sendable {
  /// What a sign-in is checked against.
  struct Account: Sendable {
    let agentID: AgentID
    let isActive: Bool
    /// Nil for an agent who has no password.
    let passwordHash: String?
  }

  /// A row of a list, and the key by which the next page goes on behind it.
  struct Listed<Content: Sendable>: Sendable {
    let id: Int64
    let message: Content
  }

  let pool: PostgresPool

  /// The account that signs in with an address; letters' case does not matter.
  func account(email: String, deadline: Deadline) async throws -> Account? {
    try await query(
      """
      SELECT a.id, a.is_active, c.password_hash FROM agent AS a LEFT JOIN credential AS c ON c.agent_id = a.id
      WHERE lower(a.email) = lower(\(email))
      """, deadline
    ).first.map { row in
      Account(agentID: try row.value(0), isActive: try row.value(1), passwordHash: try row.value(2))
    }
  }

  /// Stores another hash of the same password, unless the password was changed meanwhile.
  func replace(_ old: String, with new: String, of agent: AgentID, deadline: Deadline) async throws {
    _ = try await query(
      """
      UPDATE credential SET password_hash = \(new), update_time = clock_timestamp()
      WHERE agent_id = \(agent) AND password_hash = \(old)
      """, deadline)
  }

  /// An agent with memberships: all of them, or those in services where the viewer is an active member, too.
  func agent(_ id: AgentID, seenBy viewer: AgentID?, deadline: Deadline) async throws -> Agent? {
    let found = try await query(
      "SELECT \(fragment: Self.agentColumns) FROM agent AS a WHERE a.id = \(id)", deadline
    ).first.map { try Agent($0) }
    guard var agent = found else { return nil }
    let isShared: Query =
      if let viewer {
        """
         AND EXISTS (SELECT 1 FROM service_member AS v JOIN agent AS w ON w.id = v.agent_id
          WHERE v.service_id = m.service_id AND v.agent_id = \(viewer) AND w.is_active)
        """
      } else { "" }
    agent.memberships = try await query(
      """
      SELECT \(fragment: Self.memberColumns) FROM service_member AS m JOIN agent AS a ON a.id = m.agent_id
      JOIN service AS s ON s.id = m.service_id WHERE m.agent_id = \(id)\(fragment: isShared) ORDER BY s.code
      """, deadline
    ).map { try Member($0) }
    return agent
  }

  /// Members of a service by name, behind the member whose agent has the id `after`; 0: from the first.
  ///
  /// - Throws: PAGE_TOKEN_INVALID when that agent is gone.
  func members(
    of service: ServiceID, after: Int64, limit: Int, deadline: Deadline
  ) async throws -> [Listed<Member>] {
    let place = try await place(
      after: after, "SELECT a.display_name FROM agent AS a WHERE a.id = \(after)", "a", deadline)
    return try await query(
      """
      SELECT \(fragment: Self.memberColumns) FROM service_member AS m JOIN agent AS a ON a.id = m.agent_id
      JOIN service AS s ON s.id = m.service_id WHERE m.service_id = \(service)\(fragment: place)
      ORDER BY a.display_name, a.id LIMIT \(limit)
      """, deadline
    ).map { Listed(id: try $0.value(1), message: try Member($0)) }
  }

  /// Groups of a service by name, behind the group with the id `after`; 0: from the first.
  ///
  /// - Throws: PAGE_TOKEN_INVALID when that group is gone.
  func groups(
    of service: ServiceRecord, after: Int64, limit: Int, deadline: Deadline
  ) async throws -> [Listed<Group>] {
    let place = try await place(
      after: after, "SELECT g.display_name FROM agent_group AS g WHERE g.id = \(after)", "g", deadline)
    return try await query(
      """
      SELECT \(fragment: Self.groupColumns)
      FROM agent_group AS g WHERE g.service_id = \(service.id)\(fragment: place)
      ORDER BY g.display_name, g.id LIMIT \(limit)
      """, deadline
    ).map { Listed(id: try $0.value(0), message: try Group($0, of: service)) }
  }

  /// Whether a service has a group.
  func hasGroup(_ group: GroupID, of service: ServiceID, deadline: Deadline) async throws -> Bool {
    try await !query(
      "SELECT 1 FROM agent_group AS g WHERE g.service_id = \(service) AND g.id = \(group)", deadline
    ).isEmpty
  }

  /// Since when a ticket has its present holder, as RFC 3339 writes it, in UTC to the millisecond.
  func holdTime(of ticket: TicketRecord, deadline: Deadline) async throws -> String? {
    try await query(
      """
      SELECT to_char(v.create_time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') FROM ticket_event AS v
      WHERE v.service_id = \(ticket.serviceID) AND v.ticket_id = \(ticket.id) AND v.changes LIKE '%"field":"agent"%'
      ORDER BY v.sequence DESC LIMIT 1
      """, deadline
    ).first.map { try $0.value(0) }
  }

  /// Where a page begins, as a condition that follows others.
  func place(
    after: Int64, _ nameOfLast: Query, _ table: String, _ deadline: Deadline
  ) async throws -> Query {
    guard after != 0 else { return "" }
    guard let row = try await query(nameOfLast, deadline).first else { throw ServiceError(.pageTokenInvalid) }
    let name: String = try row.value(0)
    return " AND (\(unescaped: table).display_name, \(unescaped: table).id) > (\(name), \(after))"
  }

  func query(_ query: Query, _ deadline: Deadline) async throws -> Rows {
    try await ServiceError.translating { try await pool.query(query, deadline: deadline) }
  }

  static let agentColumns: Query = "a.id, a.display_name, a.email, a.is_active, a.is_organization_administrator"

  static let groupColumns: Query = """
    g.id, g.display_name, ARRAY(SELECT m.agent_id FROM group_member AS m \
    WHERE m.service_id = g.service_id AND m.group_id = g.id ORDER BY m.agent_id), g.is_active
    """

  static let memberColumns: Query = """
    s.code, m.agent_id, a.display_name, m.role, m.has_ticket_right, m.has_forward_right, m.has_unmask_right, \
    m.is_assignable, ARRAY(SELECT g.group_id FROM group_member AS g \
    WHERE g.service_id = m.service_id AND g.agent_id = m.agent_id ORDER BY g.group_id), m.controls_assignable
    """
}

extension Agent {
  /// Reads a row of the store's agent columns; memberships are left out.
  init(_ row: Row) throws(PostgresError) {
    let id: AgentID = try row.value(0)
    self.init(
      name: AgentName(id: id).description, displayName: try row.value(1), email: try row.value(2),
      active: try row.value(3), organizationAdministrator: try row.value(4))
  }
}

extension Group {
  /// Reads a row of the store's group columns.
  init(_ row: Row, of service: ServiceRecord) throws(PostgresError) {
    let id: GroupID = try row.value(0)
    let agents: [AgentID] = try row.value(2)
    self.init(
      name: GroupName(service: service.code, id: id).description, displayName: try row.value(1),
      agents: agents.map { AgentName(id: $0).description }, active: try row.value(3))
  }
}

extension Member {
  /// Reads a row of the store's member columns.
  init(_ row: Row) throws(PostgresError) {
    let service: String = try row.value(0)
    let agentID: AgentID = try row.value(1)
    let role: MemberRole = try row.value(3)
    let groups: [GroupID] = try row.value(8)
    self.init(
      service: ServiceName(code: service).description, agent: AgentName(id: agentID).description,
      agentDisplayName: try row.value(2), role: Role(rawValue: role.number), ticketRight: try row.value(4),
      forwardRight: try row.value(5), unmaskRight: try row.value(6), assignable: try row.value(7),
      groups: groups.map { GroupName(service: service, id: $0).description },
      name: MemberName(service: service, agent: agentID).description, controlsAssignable: try row.value(9))
  }
}
