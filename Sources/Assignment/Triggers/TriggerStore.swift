import EventLoop
import HandoffAPI
import Postgres
import Protobuf
import RPCProtos
import ServiceKit
import Synchronization
import TicketLedger

/// Everything that a pass over a service's tickets needs to know, as it was at one moment.
struct TriggerSet: Sendable {
  /// The active triggers in the order in which they run.
  var triggers: [ActiveTrigger] = []
  /// Who can be given tickets, and the groups each of them is in.
  var members: [AgentID: Set<GroupID>] = [:]
  var groups: Set<GroupID> = []
  /// Each submission type's parent.
  var parents: [SubmissionTypeID: SubmissionTypeID?] = [:]

  /// Whether a condition looks at the inquiry, which stands apart from the ticket.
  var looksAtContent: Bool {
    triggers.contains { trigger in trigger.conditions.contains { $0.target == .content } }
  }

  /// A submission type with its ancestors, itself first.
  func lineage(of type: SubmissionTypeID?) -> [SubmissionTypeID] {
    var line: [SubmissionTypeID] = []
    var next = type
    while let current = next, !line.contains(current) {
      line.append(current)
      next = parents[current] ?? nil
    }
    return line
  }
}

/// SQL of triggers, and the copy of it that passes run from.
struct TriggerStore: Sendable {
  /// How long a pass believes what it knows: what an administrator changes counts within this time, in this daemon at
  /// once.
  static let lifetime: Duration = .milliseconds(500)
  /// Most triggers of a service.
  static let triggersMax = 200

  private struct Key: Hashable, Sendable {
    let service: ServiceID
    let generation: Int
  }

  /// Counts what this process changed, so that it never runs from an older copy.
  private final class Generation: Sendable {
    let number = Atomic<Int>(0)
  }

  let pool: PostgresPool
  private let sets: ExpiringCache<Key, TriggerSet>
  private let generation = Generation()

  init(pool: PostgresPool) {
    self.pool = pool
    sets = ExpiringCache(lifetime: Self.lifetime, entriesMax: 1000) {
      EventLoop.current?.now ?? MonotonicTime.current
    }
  }

  /// What passes over a service's tickets need; at most 500 ms old.
  func active(of service: ServiceRecord, deadline: Deadline) async throws -> TriggerSet {
    let key = Key(service: service.id, generation: generation.number.load(ordering: .acquiring))
    return try await sets.value(key) { try await load(service, deadline) }
  }

  /// Forgets what this process remembers: it has changed triggers or people itself.
  func forget() { generation.number.add(1, ordering: .releasing) }

  private func load(_ service: ServiceRecord, _ deadline: Deadline) async throws -> TriggerSet {
    var set = TriggerSet()
    set.triggers = try await query(
      """
      SELECT r.id, r.version, r.conditions, r.results FROM trigger_rule AS r
      WHERE r.service_id = \(service.id) AND r.is_active ORDER BY r.position, r.id
      """, deadline
    ).map { row in
      try ActiveTrigger(
        try row.value(0), version: try row.value(1), conditions: try Trigger(serialized: try row.bytes(2)),
        results: try Trigger(serialized: try row.bytes(3)), of: service)
    }
    guard !set.triggers.isEmpty else { return set }
    for row in try await query(
      """
      SELECT m.agent_id, ARRAY(SELECT g.group_id FROM group_member AS g
        WHERE g.service_id = m.service_id AND g.agent_id = m.agent_id)
      FROM service_member AS m JOIN agent AS a ON a.id = m.agent_id
      WHERE m.service_id = \(service.id) AND a.is_active AND m.is_assignable
        AND (m.has_ticket_right OR m.role = 'ADMINISTRATOR')
      """, deadline)
    {
      let groups: [GroupID] = try row.value(1)
      set.members[try row.value(0)] = Set(groups)
    }
    for row in try await query(
      "SELECT g.id FROM agent_group AS g WHERE g.service_id = \(service.id)", deadline)
    { set.groups.insert(try row.value(0)) }
    for row in try await query(
      "SELECT t.id, t.parent_id FROM submission_type AS t WHERE t.service_id = \(service.id)", deadline)
    { set.parents.updateValue(try row.value(1), forKey: try row.value(0)) }
    return set
  }

  /// Saves a trigger, active and last in order; nil when the service has as many as it can have.
  func create(
    _ displayName: String, conditions: [TriggerCondition], results: [TriggerResult], of service: ServiceRecord,
    deadline: Deadline
  ) async throws -> Trigger? {
    let rows = try await query(
      """
      INSERT INTO trigger_rule AS r (service_id, display_name, position, conditions, results)
      SELECT \(service.id), \(displayName), coalesce(max(o.position), 0) + 1,
        \(try Trigger(conditions: conditions).serialized()), \(try Trigger(results: results).serialized())
      FROM trigger_rule AS o WHERE o.service_id = \(service.id) HAVING count(*) < \(Self.triggersMax)
      RETURNING \(fragment: Self.columns)
      """, deadline)
    forget()
    return try rows.first.map { try Trigger($0, of: service) }
  }

  /// One trigger of a service; nil when there is none.
  func trigger(_ id: TriggerID, of service: ServiceRecord, deadline: Deadline) async throws -> Trigger? {
    try await query(
      """
      SELECT \(fragment: Self.columns) FROM trigger_rule AS r
      WHERE r.service_id = \(service.id) AND r.id = \(id)
      """, deadline
    ).first.map { try Trigger($0, of: service) }
  }

  /// Triggers of a service in the order in which they run, inactive ones last, behind the one with the id `after`; 0:
  /// from the first.
  ///
  /// - Throws: PAGE_TOKEN_INVALID when that trigger is gone.
  func triggers(
    of service: ServiceRecord, after: Int64, limit: Int, deadline: Deadline
  ) async throws -> [(id: TriggerID, message: Trigger)] {
    var place: Query = ""
    if after != 0 {
      let last = try await query(
        """
        SELECT NOT r.is_active, r.position FROM trigger_rule AS r
        WHERE r.service_id = \(service.id) AND r.id = \(after)
        """, deadline
      ).first
      guard let last else { throw ServiceError(.pageTokenInvalid) }
      place = " AND (NOT r.is_active, r.position, r.id) > (\(try last.bool(0)), \(try last.int32(1)), \(after))"
    }
    return try await query(
      """
      SELECT \(fragment: Self.columns) FROM trigger_rule AS r
      WHERE r.service_id = \(service.id)\(fragment: place)
      ORDER BY NOT r.is_active, r.position, r.id LIMIT \(limit)
      """, deadline
    ).map { (id: try $0.value(0), message: try Trigger($0, of: service)) }
  }

  /// Those of some references that mean nothing in a service.
  func missing(
    _ references: [TriggerReader.Reference], in service: ServiceID, deadline: Deadline
  ) async throws -> Set<TriggerReader.Reference> {
    var agents: Set<AgentID> = []
    var groups: Set<GroupID> = []
    var types: Set<SubmissionTypeID> = []
    for reference in references {
      switch reference {
      case .agent(let id), .member(let id, _): agents.insert(id)
      case .group(let id): groups.insert(id)
      case .submissionType(let id): types.insert(id)
      }
    }
    var known: Set<TriggerReader.Reference> = []
    for row in try await query(
      """
      SELECT m.agent_id, ARRAY(SELECT g.group_id FROM group_member AS g
        WHERE g.service_id = m.service_id AND g.agent_id = m.agent_id)
      FROM service_member AS m WHERE m.service_id = \(service) AND m.agent_id = ANY(\(Array(agents)))
      """, deadline)
    {
      let agent: AgentID = try row.value(0)
      let memberships: [GroupID] = try row.value(1)
      known.insert(.agent(agent))
      for group in memberships { known.insert(.member(agent, group)) }
    }
    for row in try await query(
      "SELECT g.id FROM agent_group AS g WHERE g.service_id = \(service) AND g.id = ANY(\(Array(groups)))", deadline)
    { known.insert(.group(try row.value(0))) }
    for row in try await query(
      "SELECT t.id FROM submission_type AS t WHERE t.service_id = \(service) AND t.id = ANY(\(Array(types)))", deadline)
    { known.insert(.submissionType(try row.value(0))) }
    return Set(references).subtracting(known)
  }

  private func query(_ query: Query, _ deadline: Deadline) async throws -> Rows {
    try await ServiceError.translating { try await pool.query(query, deadline: deadline) }
  }

  private static let columns: Query = """
    r.id, r.display_name, r.is_active, r.position, r.version, r.conditions, r.results, r.create_time, r.update_time
    """
}

extension Trigger {
  /// Reads a row of the store's columns.
  fileprivate init(_ row: Row, of service: ServiceRecord) throws {
    self.init(
      name: TriggerName(service: service.code, id: try row.value(0)).description, displayName: try row.value(1),
      active: try row.value(2), position: try row.value(3), version: try row.value(4),
      conditions: try Trigger(serialized: try row.bytes(5)).conditions,
      results: try Trigger(serialized: try row.bytes(6)).results, createTime: Timestamp(try row.instant(7)),
      updateTime: Timestamp(try row.instant(8)))
  }
}
