import EventLoop
import HandoffAPI
import Postgres
import Protobuf
import RPCProtos
import ServiceKit
import Synchronization
import TicketLedger

/// SQL of triggers.
///
/// Every change of a trigger counts up the service's generation in the same transaction, so that a daemon compiles
/// again only what has changed.
struct TriggerStore: Sendable {
  /// Most triggers of a service.
  static let triggersMax = 1000

  let pool: PostgresPool
  let cache: TriggerCache

  init(pool: PostgresPool) {
    self.pool = pool
    cache = TriggerCache(pool: pool)
  }

  /// What passes over a service's tickets need; at most 500 ms old, and never older than what this process changed.
  func active(of service: ServiceRecord, deadline: Deadline) async throws -> TriggerSet {
    try await cache.set(of: service, deadline: deadline)
  }

  /// The same for a service that may have no triggers, with everybody in it.
  func people(of service: ServiceRecord, deadline: Deadline) async throws -> TriggerSet {
    try await cache.people(of: service, deadline: deadline)
  }

  /// Forgets what this process remembers: it has changed triggers or people itself.
  func forget() { cache.forget() }

  /// Saves a trigger, active and last in order; nil when the service has as many as it can have.
  func create(_ trigger: Trigger, of service: ServiceRecord, deadline: Deadline) async throws -> Trigger? {
    try await changing(service, deadline) { transaction in
      let rows = try await transaction.query(
        """
        INSERT INTO trigger_rule AS r (service_id, display_name, position, conditions, results)
        SELECT \(service.id), \(trigger.displayName), coalesce(max(o.position), 0) + 1,
          \(try Trigger(conditions: trigger.conditions).serialized()),
          \(try Trigger(results: trigger.results).serialized())
        FROM trigger_rule AS o WHERE o.service_id = \(service.id) HAVING count(*) < \(Self.triggersMax)
        RETURNING \(fragment: Self.columns)
        """)
      return try await Self.referring(rows.first, in: service, transaction)
    }
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

  /// Replaces a trigger; nil when its version is another one.
  func update(
    _ id: TriggerID, to trigger: Trigger, version: Int64, of service: ServiceRecord, deadline: Deadline
  ) async throws -> Trigger? {
    try await changing(service, deadline) { transaction in
      let rows = try await transaction.query(
        """
        UPDATE trigger_rule AS r SET display_name = \(trigger.displayName),
          conditions = \(try Trigger(conditions: trigger.conditions).serialized()),
          results = \(try Trigger(results: trigger.results).serialized()), version = r.version + 1,
          update_time = clock_timestamp()
        WHERE r.service_id = \(service.id) AND r.id = \(id) AND r.version = \(version)
        RETURNING \(fragment: Self.columns)
        """)
      return try await Self.referring(rows.first, in: service, transaction)
    }
  }

  /// Activates a trigger, last in order, or deactivates it; nil when there is none. What is so already stays.
  func setActive(
    _ isActive: Bool, _ id: TriggerID, of service: ServiceRecord, deadline: Deadline
  ) async throws -> Trigger? {
    try await changing(service, deadline) { transaction in
      let rows = try await transaction.query(
        """
        UPDATE trigger_rule AS r SET is_active = \(isActive), notice = '', update_time = clock_timestamp(),
          position = CASE WHEN r.is_active = \(isActive) THEN r.position ELSE (
            SELECT coalesce(max(o.position), 0) + 1 FROM trigger_rule AS o WHERE o.service_id = r.service_id) END
        WHERE r.service_id = \(service.id) AND r.id = \(id) RETURNING \(fragment: Self.columns)
        """)
      return try await Self.referring(rows.first, in: service, transaction)
    }
  }

  /// Deletes an inactive trigger; false when it is active or there is none.
  func delete(_ id: TriggerID, of service: ServiceRecord, deadline: Deadline) async throws -> Bool {
    try await changing(service, deadline) { transaction in
      try await transaction.execute(
        "DELETE FROM trigger_rule WHERE service_id = \(service.id) AND id = \(id) AND NOT is_active") > 0
    }
  }

  /// Puts the active triggers into an order; false unless exactly the active ones are named.
  func reorder(_ ids: [TriggerID], of service: ServiceRecord, deadline: Deadline) async throws -> Bool {
    try await changing(service, deadline) { transaction in
      let active = try await transaction.query(
        "SELECT r.id FROM trigger_rule AS r WHERE r.service_id = \(service.id) AND r.is_active FOR UPDATE"
      ).map { try $0.value(0) as TriggerID }
      guard Set(active) == Set(ids), active.count == ids.count else { return false }
      try await transaction.execute(
        """
        UPDATE trigger_rule AS r SET position = v.position FROM unnest(\(ids)) WITH ORDINALITY AS v (id, position)
        WHERE r.service_id = \(service.id) AND r.id = v.id
        """)
      return true
    }
  }

  /// What follows when several triggers of a service match.
  func mode(of service: ServiceRecord, deadline: Deadline) async throws -> TriggerMode {
    let text: String? = try await query(
      "SELECT s.mode FROM trigger_setting AS s WHERE s.service_id = \(service.id)", deadline
    ).first?.value(0)
    return text.flatMap(TriggerMode.init(rawValue:)) ?? .allMatches
  }

  /// Says what follows when several triggers of a service match.
  func setMode(_ mode: TriggerMode, of service: ServiceRecord, deadline: Deadline) async throws {
    try await changing(service, deadline) { transaction in
      _ = try await transaction.execute(
        "UPDATE trigger_setting SET mode = \(mode.rawValue) WHERE service_id = \(service.id)")
    }
  }

  /// Those of some references that mean nothing in a service.
  func missing(
    _ references: [TriggerReader.Reference], in service: ServiceRecord, deadline: Deadline
  ) async throws -> Set<TriggerReader.Reference> {
    var known: Set<TriggerReader.Reference> = []
    for row in try await query(
      """
      SELECT m.agent_id, ARRAY(SELECT g.group_id FROM group_member AS g
        WHERE g.service_id = m.service_id AND g.agent_id = m.agent_id)
      FROM service_member AS m WHERE m.service_id = \(service.id)
        AND m.agent_id = ANY(\(references.compactMap(\.agentID)))
      """, deadline)
    {
      let agent: AgentID = try row.value(0)
      let memberships: [GroupID] = try row.value(1)
      known.insert(.agent(agent))
      for group in memberships { known.insert(.member(agent, group)) }
    }
    for row in try await query(
      """
      SELECT 1, g.id, '' FROM agent_group AS g
      WHERE g.service_id = \(service.id) AND g.is_active AND g.id = ANY(\(references.compactMap(\.groupID)))
      UNION ALL SELECT 2, t.id, '' FROM submission_type AS t
      WHERE t.service_id = \(service.id) AND t.id = ANY(\(references.compactMap(\.submissionTypeID)))
      UNION ALL SELECT 3, t.id, '' FROM processing_type AS t
      WHERE t.service_id = \(service.id) AND t.id = ANY(\(references.compactMap(\.processingTypeID)))
      UNION ALL SELECT 5, f.id, '' FROM ticket_field AS f
      WHERE f.service_id = \(service.id) AND f.delete_time IS NULL AND f.id = ANY(\(references.compactMap(\.fieldID)))
      UNION ALL SELECT 4, 0, s.code FROM service AS s
      WHERE s.organization_id = \(service.organizationID) AND s.code = ANY(\(references.compactMap(\.serviceCode)))
      UNION ALL SELECT 6, h.id, '' FROM messenger_hook AS h
      WHERE h.service_id = \(service.id) AND h.id = ANY(\(references.compactMap(\.messengerHookID)))
      UNION ALL SELECT 7, 0, f.code FROM ticket_field AS f
      WHERE f.service_id = \(service.id) AND f.delete_time IS NULL AND \(fragment: MessageText.isShown)
        AND f.code = ANY(\(references.compactMap(\.fieldCode)))
      """, deadline)
    {
      switch try row.int32(0) {
      case 1: known.insert(.group(try row.value(1)))
      case 2: known.insert(.submissionType(try row.value(1)))
      case 3: known.insert(.processingType(try row.value(1)))
      case 5: known.insert(.field(try row.value(1)))
      case 6: known.insert(.messengerHook(try row.value(1)))
      case 7: known.insert(.fieldCode(try row.value(2)))
      default: known.insert(.service(try row.value(2)))
      }
    }
    return Set(references).subtracting(known)
  }

  /// Changes triggers of a service and counts up its generation; one change of a service at a time.
  func changing<Value>(
    _ service: ServiceRecord, _ deadline: Deadline, _ change: (PostgresTransaction) async throws -> Value
  ) async throws -> Value {
    let value = try await ServiceError.translating {
      try await pool.transaction(deadline: deadline) { transaction in
        try await transaction.execute(Self.countingUp(service.id))
        return try await change(transaction)
      }
    }
    forget()
    return value
  }

  /// Counts up a service's generation; its row is locked until the end of the transaction.
  static func countingUp(_ service: ServiceID) -> Query {
    """
    INSERT INTO trigger_setting AS s (service_id) VALUES (\(service))
    ON CONFLICT (service_id) DO UPDATE SET generation = s.generation + 1
    """
  }

  func query(_ query: Query, _ deadline: Deadline) async throws -> Rows {
    try await ServiceError.translating { try await pool.query(query, deadline: deadline) }
  }

  static let columns: Query = """
    r.id, r.display_name, r.is_active, r.position, r.version, r.conditions, r.results, r.create_time, r.update_time, \
    r.notice
    """
}

extension TriggerReader.Reference {
  var agentID: AgentID? {
    switch self {
    case .agent(let id), .member(let id, _): id
    default: nil
    }
  }

  var groupID: GroupID? { if case .group(let id) = self { id } else { nil } }
  var submissionTypeID: SubmissionTypeID? { if case .submissionType(let id) = self { id } else { nil } }
  var processingTypeID: ProcessingTypeID? { if case .processingType(let id) = self { id } else { nil } }
  var fieldID: FieldID? { if case .field(let id) = self { id } else { nil } }
  var fieldCode: String? { if case .fieldCode(let code) = self { code } else { nil } }
  var messengerHookID: MessengerHookID? { if case .messengerHook(let id) = self { id } else { nil } }
  var serviceCode: String? { if case .service(let code) = self { code } else { nil } }
}

extension Trigger {
  /// Reads a row of the store's columns.
  init(_ row: Row, of service: ServiceRecord) throws {
    self.init(
      name: TriggerName(service: service.code, id: try row.value(0)).description, displayName: try row.value(1),
      active: try row.value(2), position: try row.value(3), version: try row.value(4),
      conditions: try Trigger(serialized: try row.bytes(5)).conditions,
      results: try Trigger(serialized: try row.bytes(6)).results, createTime: Timestamp(try row.instant(7)),
      updateTime: Timestamp(try row.instant(8)), notice: try row.value(9))
  }
}
