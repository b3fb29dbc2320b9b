import EventLoop
import HandoffAPI
import Postgres
import RPCProtos
import ServiceKit
import TicketLedger

/// Whether a service uses Dooray!; raw values and order as in the API.
enum DoorayState: String, CaseIterable, Sendable, PostgresBindable, PostgresDecodable {
  case inactive = "INACTIVE"
  case active = "ACTIVE"
  case paused = "PAUSED"
}

/// A row of `dooray_organization`.
struct DoorayOrganizationRecord: Sendable {
  let id: DoorayOrganizationID
  let displayName: String
  let doorayID: String
  let sealedToken: [UInt8]
  let tokenTime: Instant
  let version: Int64

  static let columns: Query = "o.id, o.display_name, o.dooray_id, o.sealed_token, o.token_time, o.version"

  init(_ row: Row) throws(PostgresError) {
    id = try row.value(0)
    displayName = try row.value(1)
    doorayID = try row.value(2)
    sealedToken = try row.bytes(3)
    tokenTime = try row.value(4)
    version = try row.value(5)
  }

  func message(in service: String) -> DoorayOrganization {
    DoorayOrganization(
      name: DoorayOrganizationName(service: service, id: id).description, displayName: displayName,
      doorayId: doorayID, tokenTime: Timestamp(tokenTime), version: version)
  }
}

/// What an administrator wants of an organization, in canonical form; nil: unchanged.
struct DoorayOrganizationChange: Sendable {
  static let paths: [String] = ["display_name", "token"]

  private(set) var displayName: String?
  private(set) var token: String?
  /// The token, sealed.
  var sealedToken: [UInt8]?

  /// Reads what the paths name, and notes everything that is wrong with it.
  init(_ organization: DoorayOrganization, _ paths: Set<String>, _ check: inout RequestCheck) {
    if paths.contains("display_name") {
      displayName = check.line(
        organization.displayName, "organization.display_name", charactersMax: DoorayStore.displayNameCharactersMax)
    }
    if paths.contains("token") {
      check.secret(organization.token, "organization.token")
      token = organization.token
    }
  }
}

extension RequestCheck {
  /// Notes a token or key that cannot be one; it is not repeated.
  mutating func secret(_ text: String, _ field: String) {
    require(
      (1...1_000).contains(text.utf8.count) && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f }, field,
      "must be 1 to 1,000 visible ASCII characters")
  }

  /// Notes what cannot be an id at Dooray!.
  mutating func doorayID(_ text: String, _ field: String) {
    require(
      (1...30).contains(text.utf8.count) && text.utf8.allSatisfy { (0x30...0x39).contains($0) }, field,
      "must be 1 to 30 digits, as Dooray! shows it")
  }
}

/// What is stored of Dooray!: whether a service uses it, and whom it reaches there. Errors of the database arrive as
/// `ServiceError`.
struct DoorayStore: Sendable {
  static let displayNameCharactersMax = 100
  /// Most organizations of a service.
  static let organizationsMax: Int64 = 20

  let pool: PostgresPool

  /// Whether a service uses Dooray!, and the version of that.
  func state(of service: ServiceID, deadline: Deadline) async throws -> (state: DoorayState, version: Int64) {
    let rows = try await query("SELECT state, version FROM dooray_setting WHERE service_id = \(service)", deadline)
    guard let row = rows.first else { return (.inactive, 1) }
    return (try row.value(0), try row.int64(1))
  }

  /// Changes whether a service uses Dooray!, and returns the version that this makes.
  ///
  /// - Throws: STALE_VERSION.
  func setState(_ state: DoorayState, _ change: SettingChange, deadline: Deadline) async throws -> Int64 {
    let (service, seen) = (change.service, change.seen)
    return try await changing(change, deadline) { transaction in
      _ = try await transaction.query(
        """
        INSERT INTO dooray_setting (service_id, state, version) VALUES (\(service), 'INACTIVE', 1)
        ON CONFLICT (service_id) DO NOTHING
        """)
      return try await transaction.query(
        """
        UPDATE dooray_setting SET state = \(state), version = version + 1
        WHERE service_id = \(service) AND (\(seen) = 0 OR version = \(seen)) RETURNING version
        """)
    } current: {
      "SELECT version FROM dooray_setting WHERE service_id = \(service)"
    }
  }

  /// The organizations of a service, in the order in which they were added.
  func organizations(of service: ServiceID, deadline: Deadline) async throws -> [DoorayOrganizationRecord] {
    try await query(
      """
      SELECT \(fragment: DoorayOrganizationRecord.columns) FROM dooray_organization AS o
      WHERE o.service_id = \(service) ORDER BY o.id LIMIT \(Self.organizationsMax)
      """, deadline
    ).map { try DoorayOrganizationRecord($0) }
  }

  /// An organization of a service.
  ///
  /// - Throws: RESOURCE_NOT_FOUND.
  func organization(
    _ id: DoorayOrganizationID, of service: ServiceID, deadline: Deadline
  ) async throws -> DoorayOrganizationRecord {
    let rows = try await query(
      """
      SELECT \(fragment: DoorayOrganizationRecord.columns) FROM dooray_organization AS o
      WHERE o.service_id = \(service) AND o.id = \(id)
      """, deadline)
    guard let row = rows.first else { throw ServiceError(.resourceNotFound) }
    return try DoorayOrganizationRecord(row)
  }

  /// Adds an organization.
  ///
  /// - Throws: ALREADY_EXISTS, LIMIT_REACHED.
  func createOrganization(
    _ change: DoorayOrganizationChange, doorayID: String, in service: ServiceID, deadline: Deadline
  ) async throws -> DoorayOrganizationRecord {
    try await Self.told {
      let rows = try await pool.query(
        """
        INSERT INTO dooray_organization AS o (service_id, display_name, dooray_id, sealed_token)
        SELECT \(service), \(change.displayName ?? ""), \(doorayID), \(change.sealedToken ?? [])
        WHERE (SELECT count(*) FROM dooray_organization AS x WHERE x.service_id = \(service)) < \(Self.organizationsMax)
        RETURNING \(fragment: DoorayOrganizationRecord.columns)
        """, deadline: deadline)
      guard let row = rows.first else {
        throw ServiceError(.limitReached, "the service has \(Self.organizationsMax) organizations; remove one first")
      }
      return try DoorayOrganizationRecord(row)
    }
  }

  /// Changes an organization.
  ///
  /// - Throws: RESOURCE_NOT_FOUND, STALE_VERSION.
  func updateOrganization(
    _ id: DoorayOrganizationID, _ change: DoorayOrganizationChange, _ setting: SettingChange, deadline: Deadline
  ) async throws {
    let (service, seen) = (setting.service, setting.seen)
    _ = try await changing(setting, deadline) { transaction in
      try await transaction.query(
        """
        UPDATE dooray_organization SET version = version + 1,
          display_name = coalesce(\(change.displayName), display_name),
          sealed_token = coalesce(\(change.sealedToken), sealed_token),
          token_time = CASE WHEN \(change.sealedToken)::bytea IS NULL THEN token_time ELSE clock_timestamp() END
        WHERE service_id = \(service) AND id = \(id) AND (\(seen) = 0 OR version = \(seen)) RETURNING version
        """)
    } current: {
      "SELECT version FROM dooray_organization WHERE service_id = \(service) AND id = \(id)"
    }
  }

  /// Removes an organization with the agents' keys to it.
  ///
  /// - Throws: RESOURCE_NOT_FOUND, IN_USE.
  func deleteOrganization(_ id: DoorayOrganizationID, of service: ServiceID, deadline: Deadline) async throws {
    let rows = try await Self.told {
      try await pool.query(
        "DELETE FROM dooray_organization WHERE service_id = \(service) AND id = \(id) RETURNING id",
        deadline: deadline)
    }
    if rows.isEmpty { throw ServiceError(.resourceNotFound) }
  }

  /// Stores a token that was sealed anew, unless another one was entered meanwhile.
  func reseal(
    _ organization: DoorayOrganizationRecord, as sealed: [UInt8], of service: ServiceID, deadline: Deadline
  ) async throws {
    _ = try await query(
      """
      UPDATE dooray_organization SET sealed_token = \(sealed)
      WHERE service_id = \(service) AND id = \(organization.id) AND sealed_token = \(organization.sealedToken)
      """, deadline)
  }

  /// Makes a change that has a version, and notes who made it.
  ///
  /// - Parameters:
  ///   - update: returns the new version; no row when the version is another one, or there is nothing to change.
  ///   - current: asks for the current version.
  func changing(
    _ change: SettingChange, _ deadline: Deadline, _ update: (PostgresTransaction) async throws -> Rows,
    current: () -> Query
  ) async throws -> Int64 {
    try await Self.told {
      try await pool.transaction(deadline: deadline) { transaction in
        guard let row = try await update(transaction).first else {
          guard let row = try await transaction.query(current()).first else { throw ServiceError(.resourceNotFound) }
          throw try await change.stale(try row.int64(0), transaction)
        }
        let version = try row.int64(0)
        try await change.note(version, transaction)
        return version
      }
    }
  }

  func query(_ query: Query, _ deadline: Deadline) async throws -> Rows {
    try await ServiceError.translating { try await pool.query(query, deadline: deadline) }
  }

  /// Says what the tables' constraints mean.
  static func told<Value>(_ work: () async throws -> Value) async throws -> Value {
    do {
      return try await work()
    } catch let error as PostgresError {
      if error.violates("dooray_organization_dooray_id_key") {
        throw ServiceError(.alreadyExists, "the service has this organization already; change that one")
      }
      if error.violates("dooray_project_dooray_id_key") {
        throw ServiceError(.alreadyExists, "the service has this project already; change that one")
      }
      if error.violates("dooray_project_representative_fkey") || error.violates("dooray_user_key_member_fkey") {
        throw ServiceError(.agentNotFound)
      }
      if error.violates("dooray_user_key_organization_fkey") { throw ServiceError(.resourceNotFound) }
      if error.violates("dooray_project_organization_fkey") {
        throw ServiceError(.inUse, "the organization has projects; remove them first")
      }
      if error.violates("dooray_task_project_fkey") {
        throw ServiceError(.inUse, "tickets were escalated to the project; it stays for their sake")
      }
      throw ServiceError(postgres: error)
    }
  }
}
