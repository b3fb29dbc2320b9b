import EventLoop
import Postgres
import ServiceKit
import TicketLedger

extension TicketStore {
  /// Adds a node to a tree, behind its siblings unless it has a place.
  ///
  /// - Throws: TYPE_NOT_FOUND for a parent that is none; REQUEST_INVALID for one on the deepest level; ALREADY_EXISTS
  ///   when the name is taken on the level; LIMIT_REACHED.
  func createType(
    _ change: TypeChange, below parent: Int64?, in tree: TypeTree, of service: ServiceID, deadline: Deadline
  ) async throws -> Int64 {
    try await Self.named(tree) {
      try await pool.transaction(deadline: deadline) { transaction in
        var level: Int32 = 1
        if let parent {
          let rows = try await transaction.query(
            """
            SELECT y.level::integer FROM \(fragment: tree.table) AS y
            WHERE y.service_id = \(service) AND y.id = \(parent) FOR KEY SHARE
            """)
          guard let row = rows.first else { throw ServiceError(.typeNotFound, "there is no such parent") }
          level = try row.value(0, as: Int32.self) + 1
          guard level <= TypeTree.levelsMax else {
            throw ServiceError.invalid(
              "\(tree.field).parent", "is on level \(TypeTree.levelsMax), which is the deepest; choose another")
          }
        }
        let made = try await transaction.query(
          """
          INSERT INTO \(fragment: tree.table) (service_id, parent_id, level, display_name, position, is_active)
          SELECT \(service), \(parent), \(level)::smallint, \(change.displayName ?? ""),
            coalesce(\(change.position), (
              SELECT least(coalesce(max(y.position), 0), \(RequestCheck.positionMax - 1)) + 1
              FROM \(fragment: tree.table) AS y
              WHERE y.service_id = \(service) AND y.parent_id IS NOT DISTINCT FROM \(parent))),
            \(change.isActive ?? true)
          WHERE (SELECT count(*) FROM \(fragment: tree.table) AS y WHERE y.service_id = \(service)) < \(Self.typesMax)
          RETURNING id
          """)
        guard let row = made.first else {
          throw ServiceError(.limitReached, "the service has \(Self.typesMax) types; delete some first")
        }
        let id = try row.int64(0)
        try await Self.setNames(change, of: id, in: service, transaction)
        return id
      }
    }
  }

  /// Changes a node of a tree.
  ///
  /// - Throws: TYPE_NOT_FOUND; ALREADY_EXISTS when the name is taken on the level; STALE_VERSION.
  func updateType(
    _ id: Int64, _ change: TypeChange, _ setting: SettingChange, in tree: TypeTree, deadline: Deadline
  ) async throws {
    let (service, seen) = (setting.service, setting.seen)
    try await Self.named(tree) {
      try await pool.transaction(deadline: deadline) { transaction in
        let rows = try await transaction.query(
          """
          UPDATE \(fragment: tree.table) SET version = version + 1,
            display_name = coalesce(\(change.displayName), display_name),
            is_active = coalesce(\(change.isActive), is_active), position = coalesce(\(change.position), position)
          WHERE service_id = \(service) AND id = \(id) AND (\(seen) = 0 OR version = \(seen)) RETURNING version
          """)
        guard let row = rows.first else {
          let known = try await transaction.query(
            "SELECT version FROM \(fragment: tree.table) WHERE service_id = \(service) AND id = \(id)")
          guard let row = known.first else { throw ServiceError(.typeNotFound) }
          throw try await setting.stale(try row.int64(0), transaction)
        }
        try await setting.note(try row.int64(0), transaction)
        try await Self.setNames(change, of: id, in: service, transaction)
      }
    }
  }

  /// Deletes a node with everything below it, or deactivates all of that when something is used and the caller says so.
  ///
  /// - Throws: TYPE_NOT_FOUND; IN_USE.
  func deleteType(
    _ id: Int64, in tree: TypeTree, _ access: Access, deactivatesIfUsed: Bool, deadline: Deadline
  ) async throws {
    let service = access.service.id
    let branch: Query = """
      WITH RECURSIVE branch AS (
        SELECT y.id FROM \(fragment: tree.table) AS y WHERE y.service_id = \(service) AND y.id = \(id)
        UNION ALL
        SELECT y.id FROM \(fragment: tree.table) AS y JOIN branch ON y.parent_id = branch.id
        WHERE y.service_id = \(service)
      )
      """
    if try await isDeleted(branch, in: tree, of: service, deadline) { return }
    guard deactivatesIfUsed else {
      throw ServiceError(
        .inUse, "\(tree.users) use this type or one below it; deactivate it instead (deactivate_if_used)")
    }
    try await ServiceError.translating {
      try await pool.transaction(deadline: deadline) { transaction in
        let rows = try await transaction.query(
          """
          \(fragment: branch) UPDATE \(fragment: tree.table) AS y SET is_active = false, version = y.version + 1
          FROM branch WHERE y.service_id = \(service) AND y.id = branch.id AND y.is_active RETURNING y.id, y.version
          """)
        for row in rows {
          try await SettingChange(access, .type(try row.int64(0), tree), ["active"])
            .note(try row.int64(1), transaction)
        }
      }
    }
  }

  /// Deletes a branch that nothing uses; false when something does.
  private func isDeleted(
    _ branch: Query, in tree: TypeTree, of service: ServiceID, _ deadline: Deadline
  ) async throws -> Bool {
    // A running batch may set a processing type, and points to it by no reference, since its results outlive the type.
    let unused: Query =
      tree == .processing
      ? """
      AND NOT EXISTS (SELECT FROM ticket_batch AS b JOIN branch AS u ON u.id = b.processing_type_id
        WHERE b.service_id = \(service) AND b.end_time IS NULL)
      """ : ""
    do {
      let rows = try await pool.query(
        """
        \(fragment: branch), gone AS (
          DELETE FROM \(fragment: tree.table) AS y USING branch
          WHERE y.service_id = \(service) AND y.id = branch.id \(fragment: unused) RETURNING y.id
        )
        SELECT (SELECT count(*) FROM branch), (SELECT count(*) FROM gone)
        """, deadline: deadline)
      guard try rows[0].int64(0) > 0 else { throw ServiceError(.typeNotFound) }
      return try rows[0].int64(1) > 0
    } catch let error as PostgresError {
      // What points to a node keeps it: tickets, active triggers, and what links to processing types.
      guard error.sqlState == "23503" else { throw ServiceError(postgres: error) }
      return false
    }
  }

  /// Whether an agent processes tickets in a consultation service of an organization, and so can escalate.
  func mayEscalate(_ agent: AgentID, in organization: OrganizationID, deadline: Deadline) async throws -> Bool {
    try await ServiceError.translating {
      try await pool.query(
        """
        SELECT EXISTS (SELECT FROM service_member AS m JOIN service AS s ON s.id = m.service_id
          JOIN agent AS a ON a.id = m.agent_id
          WHERE m.agent_id = \(agent) AND a.is_active AND s.organization_id = \(organization)
            AND s.kind = 'CONSULTATION' AND (m.has_ticket_right OR m.role = 'ADMINISTRATOR'))
        """, deadline: deadline)[0].value(0)
    }
  }

  /// Names of the submission types of a service in other languages.
  func typeNames(
    of service: ServiceID, deadline: Deadline
  ) async throws -> [Int64: [(language: String, displayName: String)]] {
    try await ServiceError.translating {
      let rows = try await pool.query(
        """
        SELECT x.submission_type_id, x.language, x.display_name FROM submission_type_translation AS x
        WHERE x.service_id = \(service) ORDER BY x.submission_type_id, x.language
        """, deadline: deadline)
      var names: [Int64: [(language: String, displayName: String)]] = [:]
      for row in rows { names[try row.value(0), default: []].append((try row.value(1), try row.value(2))) }
      return names
    }
  }

  private static func setNames(
    _ change: TypeChange, of id: Int64, in service: ServiceID, _ transaction: PostgresTransaction
  ) async throws {
    guard let names = change.names else { return }
    _ = try await transaction.batch([
      "DELETE FROM submission_type_translation WHERE service_id = \(service) AND submission_type_id = \(id)",
      """
      INSERT INTO submission_type_translation (service_id, submission_type_id, language, display_name)
      SELECT \(service), \(id), x.* FROM unnest(\(names.map(\.language)), \(names.map(\.displayName))) AS x
      """,
    ])
  }

  /// Tells a name that is taken by its reason.
  private static func named<Value>(_ tree: TypeTree, _ work: () async throws -> Value) async throws -> Value {
    do {
      return try await work()
    } catch let error as PostgresError {
      guard error.violates(tree.nameKey) else { throw ServiceError(postgres: error) }
      throw ServiceError(.alreadyExists, "another type of the same level has this name; choose another")
    }
  }
}
