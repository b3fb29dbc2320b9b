import EventLoop
import HandoffAPI
import Postgres
import Protobuf
import ServiceKit
import Synchronization
import TicketLedger

/// What passes run from: a copy of each service's triggers and people.
///
/// People and the generation of the triggers are read again after ``lifetime``; triggers are decoded and compiled only
/// when the generation has grown. So what an administrator changes counts everywhere within a second of its commit, and
/// in the daemon that changed it at once.
final class TriggerCache: Sendable {
  /// How long a pass believes what it knows.
  static let lifetime: Duration = .milliseconds(500)
  private static let servicesMax = 1000

  private struct Key: Hashable, Sendable {
    let service: ServiceID
    /// How often this process has changed something.
    let changes: Int
  }

  private let pool: PostgresPool
  private let sets: ExpiringCache<Key, TriggerSet>
  private let programs = Mutex<[ServiceID: TriggerProgram]>([:])
  private let changes = Atomic<Int>(0)

  /// - Parameter clock: by what the age of what is known is told.
  init(
    pool: PostgresPool,
    clock: @escaping @Sendable () -> MonotonicTime = { EventLoop.current?.now ?? MonotonicTime.current }
  ) {
    self.pool = pool
    sets = ExpiringCache(lifetime: Self.lifetime, entriesMax: Self.servicesMax, clock: clock)
  }

  func forget() { changes.add(1, ordering: .releasing) }

  func set(of service: ServiceRecord, deadline: Deadline) async throws -> TriggerSet {
    let key = Key(service: service.id, changes: changes.load(ordering: .acquiring))
    return try await sets.value(key) { try await load(service, deadline) }
  }

  private func load(_ service: ServiceRecord, _ deadline: Deadline) async throws -> TriggerSet {
    let program = try await program(of: service, deadline)
    guard !program.triggers.isEmpty else { return TriggerSet(program: program) }
    return try await people(of: service, program, deadline)
  }

  /// The set with everybody of the service, whether or not there are triggers.
  func people(of service: ServiceRecord, deadline: Deadline) async throws -> TriggerSet {
    try await people(of: service, try await program(of: service, deadline), deadline)
  }

  private func people(
    of service: ServiceRecord, _ program: TriggerProgram, _ deadline: Deadline
  ) async throws -> TriggerSet {
    var set = TriggerSet(program: program)
    for row in try await query(
      """
      SELECT m.agent_id, a.is_active, m.has_ticket_right OR m.role = 'ADMINISTRATOR', m.is_assignable,
        ARRAY(SELECT g.group_id FROM group_member AS g
          WHERE g.service_id = m.service_id AND g.agent_id = m.agent_id)
      FROM service_member AS m JOIN agent AS a ON a.id = m.agent_id WHERE m.service_id = \(service.id)
      """, deadline)
    {
      let groups: [GroupID] = try row.value(4)
      set.members[try row.value(0)] = TriggerSet.Person(
        isActive: try row.value(1), mayWorkOnTickets: try row.value(2), isAssignable: try row.value(3),
        groups: Set(groups))
    }
    for row in try await query(
      "SELECT g.id FROM agent_group AS g WHERE g.service_id = \(service.id) AND g.is_active", deadline)
    { set.groups.insert(try row.value(0)) }
    for row in try await query(
      "SELECT t.id, t.parent_id FROM submission_type AS t WHERE t.service_id = \(service.id)", deadline)
    { set.parents.updateValue(try row.value(1), forKey: try row.value(0)) }
    if service.kind == .issue {
      for row in try await query(
        "SELECT s.id, s.code FROM service AS s WHERE s.organization_id = \(service.organizationID)", deadline)
      { set.services[try row.value(0)] = try row.value(1) }
    }
    return set
  }

  /// The compiled triggers: those that are known when the generation is still theirs.
  private func program(of service: ServiceRecord, _ deadline: Deadline) async throws -> TriggerProgram {
    let setting = try await query(
      "SELECT s.generation, s.mode FROM trigger_setting AS s WHERE s.service_id = \(service.id)", deadline
    ).first
    let generation = try setting?.int64(0) ?? 0
    if let known = programs.withLock({ $0[service.id] }), known.generation == generation { return known }
    let rows = try await query(
      """
      SELECT r.id, r.display_name, r.version, r.conditions, r.results FROM trigger_rule AS r
      WHERE r.service_id = \(service.id) AND r.is_active ORDER BY r.position, r.id
      """, deadline)
    let triggers = try rows.map { row in
      var trigger = try Trigger(serialized: try row.bytes(3))
      trigger.results = try Trigger(serialized: try row.bytes(4)).results
      return try ActiveTrigger(
        try row.value(0), try row.value(1), version: try row.value(2), trigger, of: service)
    }
    let mode = try setting.flatMap { TriggerMode(rawValue: try $0.string(1)) } ?? .allMatches
    // A change that was committed between the two questions is in the rows already; it has grown the generation, so
    // that they are only read once more.
    let program = TriggerProgram(generation: generation, mode: mode, triggers: triggers)
    programs.withLock { programs in
      if programs.count >= Self.servicesMax { programs = [:] }
      programs[service.id] = program
    }
    return program
  }

  private func query(_ query: Query, _ deadline: Deadline) async throws -> Rows {
    try await ServiceError.translating { try await pool.query(query, deadline: deadline) }
  }
}
