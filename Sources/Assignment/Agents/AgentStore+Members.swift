import EventLoop
import HandoffAPI
import Postgres
import ServiceKit
import TicketLedger

/// What an agent may do in a service, as administrators set it.
struct MemberFields: Sendable, Equatable {
  var role = MemberRole.agent
  var hasTicketRight = true
  var hasForwardRight = false
  var hasUnmaskRight = true
  var isAssignable = true
  var controlsAssignable = false
  var groups: [GroupID] = []

  /// The fields but the groups, as the log of permissions names them.
  var codes: [(field: String, value: String)] {
    [
      ("role", role.rawValue), ("ticket_right", String(hasTicketRight)), ("forward_right", String(hasForwardRight)),
      ("unmask_right", String(hasUnmaskRight)), ("assignable", String(isAssignable)),
      ("controls_assignable", String(controlsAssignable)),
    ]
  }
}

/// SQL of memberships.
extension AgentStore {
  /// A member of a service; nil when there is none.
  func member(_ agent: AgentID, of service: ServiceRecord, deadline: Deadline) async throws -> Member? {
    try await query(
      """
      SELECT \(fragment: Self.memberColumns) FROM service_member AS m JOIN agent AS a ON a.id = m.agent_id
      JOIN service AS s ON s.id = m.service_id WHERE m.service_id = \(service.id) AND m.agent_id = \(agent)
      """, deadline
    ).first.map { try Member($0) }
  }

  /// Makes an agent of the organization a member.
  ///
  /// - Throws: AGENT_NOT_FOUND, GROUP_NOT_FOUND, ALREADY_EXISTS.
  func createMember(
    _ agent: AgentID, _ wanted: MemberFields, of service: ServiceRecord, by administrator: Administrator,
    deadline: Deadline
  ) async throws {
    try await changing(deadline) { transaction in
      _ = try await Self.account(agent, administrator, transaction)
      try await Self.requireGroups(wanted.groups, of: service, transaction)
      _ = try await transaction.batch([
        """
        INSERT INTO service_member (service_id, agent_id, role, has_ticket_right, has_forward_right, has_unmask_right,
          is_assignable, controls_assignable)
        VALUES (\(service.id), \(agent), \(wanted.role), \(wanted.hasTicketRight), \(wanted.hasForwardRight),
          \(wanted.hasUnmaskRight), \(wanted.isAssignable), \(wanted.controlsAssignable))
        """,
        "DELETE FROM agent_departure WHERE service_id = \(service.id) AND agent_id = \(agent)",
        Self.joining(wanted.groups, agent, service),
      ])
      var log = PermissionLog(by: administrator)
      log.note("member", "", "MEMBER", service: service.id, agent: agent)
      log.note(wanted.codes, service: service.id, agent: agent)
      log.note(groups: wanted.groups, before: [], service: service.id, agent: agent)
      return ((), log)
    }
  }

  /// Changes what a member may do.
  ///
  /// - Throws: AGENT_NOT_FOUND, GROUP_NOT_FOUND, and what `change` throws.
  func updateMember(
    _ agent: AgentID, of service: ServiceRecord, by administrator: Administrator, deadline: Deadline,
    _ change: (inout MemberFields) throws(ServiceError) -> Void
  ) async throws {
    try await changing(deadline) { transaction in
      let before = try await Self.lockedMember(agent, service, transaction)
      var after = before
      try change(&after)
      let joined = after.groups.filter { !before.groups.contains($0) }
      try await Self.requireGroups(joined, of: service, transaction)
      _ = try await transaction.batch([
        """
        UPDATE service_member SET role = \(after.role), has_ticket_right = \(after.hasTicketRight),
          has_forward_right = \(after.hasForwardRight), has_unmask_right = \(after.hasUnmaskRight),
          is_assignable = \(after.isAssignable), controls_assignable = \(after.controlsAssignable)
        WHERE service_id = \(service.id) AND agent_id = \(agent)
        """,
        """
        DELETE FROM group_member WHERE service_id = \(service.id) AND agent_id = \(agent)
          AND NOT group_id = ANY(\(after.groups))
        """,
        Self.joining(joined, agent, service),
      ])
      var log = PermissionLog(by: administrator)
      log.note(after.codes, before: before.codes, service: service.id, agent: agent)
      log.note(groups: after.groups, before: before.groups, service: service.id, agent: agent)
      return ((), log)
    }
  }

  /// Takes a member out of a service.
  ///
  /// - Throws: AGENT_NOT_FOUND.
  func deleteMember(
    _ agent: AgentID, of service: ServiceRecord, departure: Departure?, triggers: [Query],
    by administrator: Administrator, deadline: Deadline
  ) async throws {
    try await changing(deadline) { transaction in
      let before = try await Self.lockedMember(agent, service, transaction)
      _ = try await transaction.batch(
        [
          "DELETE FROM group_member WHERE service_id = \(service.id) AND agent_id = \(agent)",
          "DELETE FROM service_member WHERE service_id = \(service.id) AND agent_id = \(agent)",
          "DELETE FROM agent_departure WHERE service_id = \(service.id) AND agent_id = \(agent)",
        ] + [departure].compactMap { $0?.statement } + triggers)
      var log = PermissionLog(by: administrator)
      log.note("member", "MEMBER", "", service: service.id, agent: agent)
      log.note(groups: [], before: before.groups, service: service.id, agent: agent)
      return ((), log)
    }
  }

  /// The services of an agent, for whom each departure is ordered.
  func services(of agent: AgentID, deadline: Deadline) async throws -> [ServiceID] {
    try await query(
      "SELECT m.service_id FROM service_member AS m WHERE m.agent_id = \(agent) ORDER BY m.service_id", deadline
    ).map { try $0.value(0) }
  }

  /// Locks groups against being deactivated meanwhile.
  ///
  /// - Throws: GROUP_NOT_FOUND unless all are active groups of the service.
  static func requireGroups(
    _ groups: [GroupID], of service: ServiceRecord, _ transaction: PostgresTransaction
  ) async throws {
    guard !groups.isEmpty else { return }
    let rows = try await transaction.query(
      """
      SELECT g.id FROM agent_group AS g
      WHERE g.service_id = \(service.id) AND g.id = ANY(\(groups)) AND g.is_active FOR SHARE
      """)
    guard Set(try rows.map { try $0.value(0) as GroupID }) == Set(groups) else {
      throw ServiceError(.groupNotFound)
    }
  }

  private static func lockedMember(
    _ agent: AgentID, _ service: ServiceRecord, _ transaction: PostgresTransaction
  ) async throws -> MemberFields {
    let row = try await transaction.query(
      """
      SELECT m.role, m.has_ticket_right, m.has_forward_right, m.has_unmask_right, m.is_assignable,
        m.controls_assignable, ARRAY(SELECT g.group_id FROM group_member AS g
          WHERE g.service_id = m.service_id AND g.agent_id = m.agent_id ORDER BY g.group_id)
      FROM service_member AS m WHERE m.service_id = \(service.id) AND m.agent_id = \(agent) FOR UPDATE
      """
    ).first
    guard let row else { throw ServiceError(.agentNotFound) }
    return MemberFields(
      role: try row.value(0), hasTicketRight: try row.value(1), hasForwardRight: try row.value(2),
      hasUnmaskRight: try row.value(3), isAssignable: try row.value(4), controlsAssignable: try row.value(5),
      groups: try row.value(6))
  }

  private static func joining(_ groups: [GroupID], _ agent: AgentID, _ service: ServiceRecord) -> Query {
    """
    INSERT INTO group_member (service_id, group_id, agent_id)
    SELECT \(service.id), v.group_id, \(agent) FROM unnest(\(groups)) AS v (group_id) ON CONFLICT DO NOTHING
    """
  }
}
