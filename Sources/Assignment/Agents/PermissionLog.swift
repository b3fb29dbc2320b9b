import Postgres
import ServiceKit
import TicketLedger

/// What an administrator changes of people's rights, collected to be written with the change itself.
struct PermissionLog: Sendable {
  /// One line of the log.
  private struct Line {
    var service: ServiceID?
    var agent: AgentID?
    var group: GroupID?
    var field: String
    var before: String
    var after: String
  }

  let organization: OrganizationID
  /// `agents/{id}`, or the identity of a daemon.
  let actor: String
  private var lines: [Line] = []

  init(by administrator: Administrator) {
    organization = administrator.organization
    actor = administrator.name
  }

  /// Notes a change; one that changes nothing is left out.
  mutating func note(
    _ field: String, _ before: String, _ after: String, service: ServiceID? = nil, agent: AgentID? = nil,
    group: GroupID? = nil
  ) {
    guard before != after else { return }
    lines.append(Line(service: service, agent: agent, group: group, field: field, before: before, after: after))
  }

  /// Notes the differences between two lists of the same fields; without `before`, everything is new.
  mutating func note(
    _ after: [(field: String, value: String)], before: [(field: String, value: String)] = [],
    service: ServiceID? = nil, agent: AgentID
  ) {
    for (field, value) in after {
      note(field, before.first { $0.field == field }?.value ?? "", value, service: service, agent: agent)
    }
  }

  /// Notes that an agent joined or left groups.
  mutating func note(groups after: [GroupID], before: [GroupID], service: ServiceID, agent: AgentID) {
    for group in before where !after.contains(group) {
      note("group", "MEMBER", "", service: service, agent: agent, group: group)
    }
    for group in after where !before.contains(group) {
      note("group", "", "MEMBER", service: service, agent: agent, group: group)
    }
  }

  /// Writes the lines; nil when nothing changed.
  var statement: Query? {
    guard !lines.isEmpty else { return nil }
    return """
      INSERT INTO permission_change (organization_id, actor_name, service_id, agent_id, group_id, field, before_value,
        after_value)
      SELECT \(organization), \(actor), nullif(v.service_id, 0), nullif(v.agent_id, 0), nullif(v.group_id, 0), v.field,
        v.before_value, v.after_value
      FROM unnest(\(lines.map { $0.service?.rawValue ?? 0 }), \(lines.map { $0.agent?.rawValue ?? 0 }),
        \(lines.map { $0.group?.rawValue ?? 0 }), \(lines.map(\.field)), \(lines.map(\.before)), \(lines.map(\.after)))
        AS v (service_id, agent_id, group_id, field, before_value, after_value)
      """
  }
}

/// Somebody who may change people's accounts or rights.
struct Administrator: Sendable {
  /// `agents/{id}`.
  let name: String
  let agentID: AgentID
  let organization: OrganizationID

  var ledgerActor: LedgerActor { .agent(agentID) }
}
