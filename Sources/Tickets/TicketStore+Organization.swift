import EventLoop
import Postgres
import ServiceKit
import TicketLedger

/// An organization as one of its agents sees it.
struct OrganizationRecord: Sendable {
  let id: OrganizationID
  let code: String
  let displayName: String
  let createTime: Instant
  let version: Int64
  /// Whether the agent who asks administers it.
  let isAdministered: Bool

  static let columns: Query = "o.id, o.code, o.display_name, o.create_time, o.version"

  init(_ row: Row, isAdministered: Bool) throws(PostgresError) {
    id = try row.value(0)
    code = try row.value(1)
    displayName = try row.value(2)
    createTime = try row.instant(3)
    version = try row.value(4)
    self.isAdministered = isAdministered
  }

  /// Whether a name stands for it.
  func `is`(_ name: OrganizationName) -> Bool { name.code == nil || name.code == code }
}

extension TicketStore {
  /// Services that an organization may have.
  private static let servicesMax: Int64 = 200

  /// The organization of an active agent; nil for others.
  func organization(of agent: AgentID, deadline: Deadline) async throws -> OrganizationRecord? {
    try await ServiceError.translating {
      try await pool.query(
        """
        SELECT \(fragment: OrganizationRecord.columns), a.is_organization_administrator
        FROM agent AS a JOIN organization AS o ON o.id = a.organization_id
        WHERE a.id = \(agent) AND a.is_active
        """, deadline: deadline
      ).first.map { try OrganizationRecord($0, isAdministered: try $0.value(5)) }
    }
  }

  /// Changes an organization's name for its administrator.
  ///
  /// - Throws: STALE_VERSION.
  func update(
    _ organization: OrganizationID, displayName: String, seen: Int64, deadline: Deadline
  ) async throws -> OrganizationRecord {
    try await ServiceError.translating {
      let rows = try await pool.query(
        """
        UPDATE organization AS o SET display_name = \(displayName), version = o.version + 1
        WHERE o.id = \(organization) AND (\(seen) = 0 OR o.version = \(seen))
        RETURNING \(fragment: OrganizationRecord.columns)
        """, deadline: deadline)
      if let row = rows.first { return try OrganizationRecord(row, isAdministered: true) }
      let current = try await pool.query(
        "SELECT o.version FROM organization AS o WHERE o.id = \(organization)", deadline: deadline)
      let version = try current.first?.int64(0) ?? 0
      throw ServiceError(
        .staleVersion, metadata: ["current_version": String(version), "seen_version": String(seen)])
    }
  }

  /// Adds a service to an organization.
  ///
  /// - Throws: ALREADY_EXISTS when its code is taken; LIMIT_REACHED; REQUEST_INVALID for a time zone that the database
  ///   does not know.
  func create(
    _ draft: ServiceDraft, in organization: OrganizationID, deadline: Deadline
  ) async throws -> ServiceRecord {
    try await requireTimeZone(draft.timeZone, deadline)
    do {
      return try await pool.transaction(deadline: deadline) { transaction in
        // Of several calls at once, one counts after the other.
        _ = try await transaction.query("SELECT FROM organization AS o WHERE o.id = \(organization) FOR NO KEY UPDATE")
        let rows = try await transaction.query(
          """
          INSERT INTO service AS s (organization_id, code, kind, display_name, language, time_zone)
          SELECT \(organization), \(draft.code), \(draft.kind), \(draft.displayName), \(draft.language),
            \(draft.timeZone)
          WHERE (SELECT count(*) FROM service AS k WHERE k.organization_id = \(organization)) < \(Self.servicesMax)
          RETURNING \(fragment: ServiceRecord.columns)
          """)
        guard let row = rows.first else {
          throw ServiceError(.limitReached, "the organization has \(Self.servicesMax) services, which is the most")
        }
        return try ServiceRecord(row)
      }
    } catch let error as PostgresError {
      guard error.violates("service_code_key") else { throw ServiceError(postgres: error) }
      throw ServiceError(.alreadyExists, "another service has this id; choose another", cause: error)
    }
  }
}
