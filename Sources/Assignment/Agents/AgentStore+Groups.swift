import EventLoop
import HandoffAPI
import Postgres
import RPCProtos
import ServiceKit
import TicketLedger

/// SQL of groups, and of the log of permissions.
extension AgentStore {
  /// A group of a service; nil when there is none.
  func group(_ id: GroupID, of service: ServiceRecord, deadline: Deadline) async throws -> Group? {
    try await query(
      """
      SELECT \(fragment: Self.groupColumns) FROM agent_group AS g
      WHERE g.service_id = \(service.id) AND g.id = \(id)
      """, deadline
    ).first.map { try Group($0, of: service) }
  }

  /// Creates a group.
  ///
  /// - Throws: AGENT_NOT_FOUND, ALREADY_EXISTS.
  func createGroup(
    _ displayName: String, agents: [AgentID], of service: ServiceRecord, by administrator: Administrator,
    deadline: Deadline
  ) async throws -> GroupID {
    try await changing(deadline) { transaction in
      let rows = try await transaction.query(
        "INSERT INTO agent_group (service_id, display_name) VALUES (\(service.id), \(displayName)) RETURNING id")
      let id: GroupID = try rows[0].value(0)
      try await Self.add(agents, to: id, of: service, transaction)
      var log = PermissionLog(by: administrator)
      log.note("group", "", displayName, service: service.id, group: id)
      for agent in agents { log.note(groups: [id], before: [], service: service.id, agent: agent) }
      return (id, log)
    }
  }

  /// Changes a group's name, its members, or both.
  ///
  /// - Throws: GROUP_NOT_FOUND, AGENT_NOT_FOUND, ALREADY_EXISTS; IN_USE for members of an inactive group.
  func updateGroup(
    _ id: GroupID, displayName: String?, agents: [AgentID]?, of service: ServiceRecord,
    by administrator: Administrator, deadline: Deadline
  ) async throws {
    try await changing(deadline) { transaction in
      let (name, isActive) = try await Self.lockedGroup(id, service, transaction)
      var log = PermissionLog(by: administrator)
      if let displayName {
        try await transaction.execute(
          "UPDATE agent_group SET display_name = \(displayName) WHERE service_id = \(service.id) AND id = \(id)")
        log.note("display_name", name, displayName, service: service.id, group: id)
      }
      if let agents {
        guard isActive || agents.isEmpty else {
          throw ServiceError(.inUse, "the group is inactive and takes no members; create another")
        }
        let before = try await transaction.query(
          "SELECT agent_id FROM group_member WHERE service_id = \(service.id) AND group_id = \(id) ORDER BY agent_id"
        ).map { try $0.value(0) as AgentID }
        try await transaction.execute(
          """
          DELETE FROM group_member WHERE service_id = \(service.id) AND group_id = \(id)
            AND NOT agent_id = ANY(\(agents))
          """)
        try await Self.add(agents.filter { !before.contains($0) }, to: id, of: service, transaction)
        for agent in before where !agents.contains(agent) {
          log.note(groups: [], before: [id], service: service.id, agent: agent)
        }
        for agent in agents where !before.contains(agent) {
          log.note(groups: [id], before: [], service: service.id, agent: agent)
        }
      }
      return ((), log)
    }
  }

  /// Deletes a group that nothing names, or deactivates one that tickets name.
  ///
  /// - Parameter triggers: deactivate the triggers that name it.
  /// - Throws: GROUP_NOT_FOUND; IN_USE when tickets name it and it is not to be deactivated.
  func deleteGroup(
    _ id: GroupID, of service: ServiceRecord, deactivating: Bool, triggers: [Query],
    by administrator: Administrator, deadline: Deadline
  ) async throws {
    try await changing(deadline) { transaction in
      let (name, isActive) = try await Self.lockedGroup(id, service, transaction)
      let tickets = try await transaction.query(
        """
        SELECT count(*) FROM (
          SELECT 1 FROM ticket WHERE service_id = \(service.id) AND group_id = \(id) LIMIT 1000) AS t
        """)[0].int64(0)
      guard tickets == 0 || deactivating else {
        throw ServiceError(
          .inUse, "tickets are in the care of this group; forward them, or ask to deactivate the group",
          metadata: ["ticket_count": String(tickets)])
      }
      let members = try await transaction.query(
        "DELETE FROM group_member WHERE service_id = \(service.id) AND group_id = \(id) RETURNING agent_id"
      ).map { try $0.value(0) as AgentID }
      _ = try await transaction.batch(
        triggers + [
          tickets == 0
            ? "DELETE FROM agent_group WHERE service_id = \(service.id) AND id = \(id)"
            : "UPDATE agent_group SET is_active = false WHERE service_id = \(service.id) AND id = \(id)"
        ])
      var log = PermissionLog(by: administrator)
      for agent in members { log.note(groups: [], before: [id], service: service.id, agent: agent) }
      if tickets == 0 {
        log.note("group", name, "", service: service.id, group: id)
      } else {
        log.note("active", String(isActive), "false", service: service.id, group: id)
      }
      return ((), log)
    }
  }

  /// Changes of permissions, newest first, those before the one with the id `before`; 0: from the newest.
  func permissionChanges(
    of organization: OrganizationID, service: ServiceID?, before: Int64, limit: Int, deadline: Deadline
  ) async throws -> [Listed<PermissionChange>] {
    let within: Query = if let service { " AND c.service_id = \(service)" } else { "" }
    let place: Query = before == 0 ? "" : " AND c.id < \(before)"
    return try await query(
      """
      SELECT c.id, c.create_time, c.actor_name, s.code, c.agent_id, c.group_id, c.field, c.before_value, c.after_value
      FROM permission_change AS c LEFT JOIN service AS s ON s.id = c.service_id
      WHERE c.organization_id = \(organization)\(fragment: within)\(fragment: place)
      ORDER BY c.id DESC LIMIT \(limit)
      """, deadline
    ).map { row in
      let code: String? = try row.value(3)
      let agent: AgentID? = try row.value(4)
      let group: GroupID? = try row.value(5)
      return Listed(
        id: try row.value(0),
        message: PermissionChange(
          createTime: Timestamp(try row.instant(1)), actor: try row.value(2),
          service: code.map { ServiceName(code: $0).description } ?? "",
          agent: agent.map { AgentName(id: $0).description } ?? "",
          group: code.flatMap { code in group.map { GroupName(service: code, id: $0).description } } ?? "",
          field: try row.value(6), before: try row.value(7), after: try row.value(8)))
    }
  }

  private static func lockedGroup(
    _ id: GroupID, _ service: ServiceRecord, _ transaction: PostgresTransaction
  ) async throws -> (name: String, isActive: Bool) {
    let row = try await transaction.query(
      """
      SELECT g.display_name, g.is_active FROM agent_group AS g
      WHERE g.service_id = \(service.id) AND g.id = \(id) FOR UPDATE
      """
    ).first
    guard let row else { throw ServiceError(.groupNotFound) }
    return (try row.value(0), try row.value(1))
  }

  private static func add(
    _ agents: [AgentID], to group: GroupID, of service: ServiceRecord, _ transaction: PostgresTransaction
  ) async throws {
    guard !agents.isEmpty else { return }
    let added = try await transaction.execute(
      """
      INSERT INTO group_member (service_id, group_id, agent_id)
      SELECT m.service_id, \(group), m.agent_id FROM service_member AS m
      WHERE m.service_id = \(service.id) AND m.agent_id = ANY(\(agents))
      """)
    guard added == agents.count else {
      throw ServiceError(.agentNotFound, "an agent of the list is no member of this service; add the member first")
    }
  }
}
