package import EventLoop
package import Postgres
package import ServiceKit

extension TicketLedger {
  /// Notified whenever what agents may do was changed.
  package static let rightsChannel = "handoff_rights"
}

/// Cached reading of organizations' services, their members and agents.
///
/// An entry lives 500 ms at most, counted from before it was read, so that a right that was taken away is gone for
/// everybody within a second. Any thread may ask; the same question asked by many at once is put to the database once.
package final class Directory: Sendable {
  /// How long an entry is believed.
  package static let lifetime: Duration = .milliseconds(500)

  private struct MemberKey: Hashable, Sendable {
    let agent: AgentID
    let service: ServiceID
  }

  private struct GroupKey: Hashable, Sendable {
    let group: GroupID
    let service: ServiceID
  }

  private let pool: PostgresPool
  private let byCode: ExpiringCache<String, ServiceRecord?>
  private let byID: ExpiringCache<ServiceID, ServiceRecord?>
  private let members: ExpiringCache<MemberKey, MemberRecord?>
  private let agents: ExpiringCache<AgentID, AgentRecord?>
  private let groups: ExpiringCache<GroupKey, Bool>
  private let policies: ExpiringCache<ServiceID, MaskingPolicy>

  /// Reads through a pool.
  ///
  /// - Parameter clock: the time by which entries grow old.
  package init(
    pool: PostgresPool,
    clock: @escaping @Sendable () -> MonotonicTime = { EventLoop.current?.now ?? MonotonicTime.current }
  ) {
    self.pool = pool
    byCode = ExpiringCache(lifetime: Self.lifetime, entriesMax: 10_000, clock: clock)
    byID = ExpiringCache(lifetime: Self.lifetime, entriesMax: 10_000, clock: clock)
    members = ExpiringCache(lifetime: Self.lifetime, entriesMax: 50_000, clock: clock)
    agents = ExpiringCache(lifetime: Self.lifetime, entriesMax: 50_000, clock: clock)
    groups = ExpiringCache(lifetime: Self.lifetime, entriesMax: 10_000, clock: clock)
    policies = ExpiringCache(lifetime: Self.lifetime, entriesMax: 10_000, clock: clock)
  }

  /// Finds a service by its code.
  ///
  /// - Throws: SERVICE_NOT_FOUND; the database's errors as ``ServiceError``.
  package func service(code: String, deadline: Deadline) async throws -> ServiceRecord {
    let found = try await byCode.value(code) {
      try await self.services("WHERE s.code = \(code)", deadline).first
    }
    guard let found else { throw ServiceError(.serviceNotFound) }
    return found
  }

  /// Finds a service by its id.
  ///
  /// - Throws: SERVICE_NOT_FOUND; the database's errors as ``ServiceError``.
  package func service(id: ServiceID, deadline: Deadline) async throws -> ServiceRecord {
    let found = try await byID.value(id) {
      try await self.services("WHERE s.id = \(id)", deadline).first
    }
    guard let found else { throw ServiceError(.serviceNotFound) }
    return found
  }

  /// Finds what an agent may do in a service; nil when the agent is no member of it.
  ///
  /// - Throws: the database's errors as ``ServiceError``.
  package func member(
    _ agent: AgentID, of service: ServiceRecord, deadline: Deadline
  ) async throws -> MemberRecord? {
    try await members.value(MemberKey(agent: agent, service: service.id)) {
      let rows = try await self.query(
        """
        SELECT a.display_name, a.is_active, m.role, m.has_ticket_right, m.has_forward_right, m.has_unmask_right,
          m.is_assignable,
          ARRAY(SELECT g.group_id FROM group_member AS g
            WHERE g.service_id = m.service_id AND g.agent_id = m.agent_id ORDER BY g.group_id)
        FROM service_member AS m JOIN agent AS a ON a.id = m.agent_id
        WHERE m.service_id = \(service.id) AND m.agent_id = \(agent)
        """, deadline)
      return try rows.first.map { try MemberRecord($0, agent, service.id) }
    }
  }

  /// What agents may do in a service at this moment; who is no member is left out.
  ///
  /// - Throws: the database's errors as ``ServiceError``.
  package func currentMembers(
    _ agents: [AgentID], of service: ServiceID, deadline: Deadline
  ) async throws -> [AgentID: MemberRecord] {
    let rows = try await query(
      """
      SELECT a.display_name, a.is_active, m.role, m.has_ticket_right, m.has_forward_right, m.has_unmask_right,
        m.is_assignable, ARRAY[]::bigint[], m.agent_id
      FROM service_member AS m JOIN agent AS a ON a.id = m.agent_id
      WHERE m.service_id = \(service) AND m.agent_id = ANY (\(agents))
      """, deadline)
    var members: [AgentID: MemberRecord] = [:]
    for row in rows {
      let agent: AgentID = try row.value(8)
      members[agent] = try MemberRecord(row, agent, service)
    }
    return members
  }

  /// Finds an agent; nil when there is none.
  ///
  /// - Throws: the database's errors as ``ServiceError``.
  package func agent(_ id: AgentID, deadline: Deadline) async throws -> AgentRecord? {
    try await agents.value(id) {
      let rows = try await self.query(
        "SELECT a.id, a.organization_id, a.display_name, a.is_active FROM agent AS a WHERE a.id = \(id)", deadline)
      return try rows.first.map { try AgentRecord($0) }
    }
  }

  /// Whether a service has a group, active or not.
  ///
  /// - Throws: the database's errors as ``ServiceError``.
  package func hasGroup(_ group: GroupID, of service: ServiceID, deadline: Deadline) async throws -> Bool {
    try await groups.value(GroupKey(group: group, service: service)) {
      let rows = try await self.query(
        "SELECT g.id FROM agent_group AS g WHERE g.service_id = \(service) AND g.id = \(group)", deadline)
      return rows.first != nil
    }
  }

  /// How a service handles personal data.
  ///
  /// - Throws: the database's errors as ``ServiceError``.
  package func masking(of service: ServiceID, deadline: Deadline) async throws -> MaskingPolicy {
    try await policies.value(service) { try await self.currentMasking(of: service, deadline: deadline) }
  }

  /// How a service handles personal data at this moment, for who is to change it.
  ///
  /// - Throws: the database's errors as ``ServiceError``.
  package func currentMasking(of service: ServiceID, deadline: Deadline) async throws -> MaskingPolicy {
    let rows = try await query(
      "SELECT \(fragment: MaskingPolicy.columns) FROM masking_setting AS m WHERE m.service_id = \(service)", deadline)
    return try rows.first.map { try MaskingPolicy($0) } ?? MaskingPolicy()
  }

  private func services(_ condition: Query, _ deadline: Deadline) async throws -> [ServiceRecord] {
    let rows = try await query(
      "SELECT \(fragment: ServiceRecord.columns) FROM service AS s \(fragment: condition)", deadline)
    return try rows.map { try ServiceRecord($0) }
  }

  private func query(_ query: Query, _ deadline: Deadline) async throws -> Rows {
    try await ServiceError.translating { try await self.pool.lookUp(query, deadline: deadline) }
  }
}
