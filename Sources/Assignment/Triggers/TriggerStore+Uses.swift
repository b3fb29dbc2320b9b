import EventLoop
import HandoffAPI
import Postgres
import Protobuf
import ServiceKit
import TicketLedger

/// Which triggers point to something that is to go.
extension TriggerStore {
  /// An active trigger that is in the way.
  struct Use: Sendable {
    let id: TriggerID
    let name: TriggerName
  }

  /// Active triggers of a service that name a group anywhere.
  func uses(of group: GroupID, in service: ServiceRecord, deadline: Deadline) async throws -> [Use] {
    let name = GroupName(service: service.code, id: group).description
    return try await uses(in: service, deadline) { $0.names(group: name) }
  }

  /// Active triggers of a service that write through a messenger hook.
  func uses(of hook: MessengerHookName, in service: ServiceRecord, deadline: Deadline) async throws -> [Use] {
    try await uses(in: service, deadline) { $0.names(messengerHook: hook.description) }
  }

  /// Active triggers of a service with an assignment that would be left with no agent of its group.
  func uses(ofLast agent: AgentID, in service: ServiceRecord, deadline: Deadline) async throws -> [Use] {
    let members = try await ServiceError.translating {
      try await pool.query(
        """
        SELECT g.group_id, g.agent_id FROM group_member AS g JOIN agent AS a ON a.id = g.agent_id
        WHERE g.service_id = \(service.id) AND a.is_active AND g.agent_id <> \(agent)
        """, deadline: deadline
      ).map { row in
        (
          group: GroupName(service: service.code, id: try row.value(0)).description,
          agent: AgentName(id: try row.value(1)).description
        )
      }
    }
    let others = Dictionary(grouping: members, by: \.group).mapValues { Set($0.map(\.agent)) }
    let leaving = AgentName(id: agent).description
    return try await uses(in: service, deadline) { trigger in
      trigger.assignments.contains { assignment in
        assignment.agents.contains(leaving)
          && !assignment.agents.contains { others[assignment.group]?.contains($0) ?? false }
      }
    }
  }

  /// Deactivates triggers, and notes on them why.
  static func deactivating(_ uses: [Use], in service: ServiceID, notice: String) -> [Query] {
    guard !uses.isEmpty else { return [] }
    return [
      """
      UPDATE trigger_rule SET is_active = false, notice = \(notice), update_time = clock_timestamp()
      WHERE service_id = \(service) AND id = ANY(\(uses.map(\.id)))
      """,
      forgetting(uses.map(\.id), in: service),
      countingUp(service),
    ]
  }

  private func uses(
    in service: ServiceRecord, _ deadline: Deadline, where isUse: (Trigger) -> Bool
  ) async throws -> [Use] {
    try await ServiceError.translating {
      try await pool.query(
        """
        SELECT r.id, r.conditions, r.results FROM trigger_rule AS r
        WHERE r.service_id = \(service.id) AND r.is_active ORDER BY r.position, r.id
        """, deadline: deadline
      ).compactMap { row in
        var trigger = try Trigger(serialized: try row.bytes(1))
        trigger.results = try Trigger(serialized: try row.bytes(2)).results
        guard isUse(trigger) else { return nil }
        let id: TriggerID = try row.value(0)
        return Use(id: id, name: TriggerName(service: service.code, id: id))
      }
    }
  }
}

extension [TriggerStore.Use] {
  /// Refuses to remove what triggers use.
  ///
  /// - Throws: IN_USE naming the triggers.
  func refuse(_ message: String) throws(ServiceError) {
    guard !isEmpty else { return }
    throw ServiceError(
      .inUse, message, metadata: ["triggers": map(\.name.description).joined(separator: ",")])
  }
}

extension Trigger {
  /// The assignments among the results.
  var assignments: [AssignResult] {
    results.compactMap { if case .assign(let assignment) = $0.result { assignment } else { nil } }
  }

  /// Whether a condition or a result names a group.
  func names(group: String) -> Bool {
    conditions.contains { $0.names(group: group) }
      || results.contains { result in
        switch result.result {
        case .assign(let assignment): assignment.group == group
        case .group(let name): name == group
        case .submissionType, .priority, .callback, .notify, .forwardOutside, .messenger, nil: false
        }
      }
  }

  /// Whether a result writes through a messenger hook.
  func names(messengerHook: String) -> Bool {
    results.contains { if case .messenger(let message) = $0.result { message.hook == messengerHook } else { false } }
  }
}

extension TriggerCondition {
  fileprivate func names(group name: String) -> Bool {
    target == .group && values.contains(name) || group?.conditions.contains { $0.names(group: name) } ?? false
  }
}
