import EventLoop
import HandoffAPI
import Outbound
import Postgres
import RPCProtos
import ServiceKit
import TicketLedger

/// A row of `dooray_project`.
struct DoorayProjectRecord: Sendable {
  let id: DoorayProjectID
  let organizationID: DoorayOrganizationID
  let displayName: String
  let doorayID: String
  let address: String
  let representative: AgentID?
  let version: Int64

  static let columns: Query = """
    p.id, p.organization_id, p.display_name, p.dooray_id, p.address, p.representative_id, p.version
    """

  init(_ row: Row) throws(PostgresError) {
    id = try row.value(0)
    organizationID = try row.value(1)
    displayName = try row.value(2)
    doorayID = try row.value(3)
    address = try row.value(4)
    representative = try row.value(5)
    version = try row.value(6)
  }

  func message(in service: String) -> DoorayProject {
    DoorayProject(
      name: DoorayProjectName(service: service, id: id).description,
      organization: DoorayOrganizationName(service: service, id: organizationID).description,
      displayName: displayName, doorayId: doorayID, address: address,
      representative: representative.map { AgentName(id: $0).description } ?? "", version: version)
  }
}

/// What an administrator wants of a project, in canonical form; nil: unchanged.
struct DoorayProjectChange: Sendable {
  static let paths: [String] = ["display_name", "address", "representative"]

  private(set) var displayName: String?
  private(set) var address: String?
  /// Nil inside: nobody.
  private(set) var representative: AgentID??

  /// Reads what the paths name, and notes everything that is wrong with it.
  init(_ project: DoorayProject, _ paths: Set<String>, _ check: inout RequestCheck) {
    if paths.contains("display_name") {
      displayName = check.line(
        project.displayName, "project.display_name", charactersMax: DoorayStore.displayNameCharactersMax)
    }
    if paths.contains("address") {
      check.require(
        project.address.isEmpty || HTTPSURL(project.address) != nil, "project.address",
        "must be an https URL, or empty")
      address = project.address
    }
    if paths.contains("representative") {
      let name: AgentName? = check.optionalName(project.representative, "project.representative")
      representative = .some(name?.id)
    }
  }
}

/// An agent's key, as it is stored.
struct DoorayUserKeyRecord: Sendable {
  let agent: AgentID
  let displayName: String
  let email: String
  let sealed: [UInt8]
  let setTime: Instant

  init(_ row: Row) throws(PostgresError) {
    agent = try row.value(0)
    displayName = try row.value(1)
    email = try row.value(2)
    sealed = try row.bytes(3)
    setTime = try row.value(4)
  }

  func message(in organization: DoorayOrganizationName) -> DoorayUserKey {
    DoorayUserKey(
      name: DoorayUserKeyName(organization: organization, agent: agent).description,
      agent: AgentName(id: agent).description, agentDisplayName: displayName, setTime: Timestamp(setTime))
  }
}

extension DoorayStore {
  /// Most projects of a service.
  static let projectsMax: Int64 = 200
  /// Most keys to an organization.
  static let keysMax: Int64 = 500

  /// The projects of a service, in the order in which they were added.
  ///
  /// - Parameter organization: nil: of all of them.
  func projects(
    of service: ServiceID, organization: DoorayOrganizationID? = nil, deadline: Deadline
  ) async throws -> [DoorayProjectRecord] {
    try await query(
      """
      SELECT \(fragment: DoorayProjectRecord.columns) FROM dooray_project AS p
      WHERE p.service_id = \(service) AND (\(organization)::bigint IS NULL OR p.organization_id = \(organization))
      ORDER BY p.id LIMIT \(Self.projectsMax)
      """, deadline
    ).map { try DoorayProjectRecord($0) }
  }

  /// A project of a service.
  ///
  /// - Throws: RESOURCE_NOT_FOUND.
  func project(_ id: DoorayProjectID, of service: ServiceID, deadline: Deadline) async throws -> DoorayProjectRecord {
    let rows = try await query(
      """
      SELECT \(fragment: DoorayProjectRecord.columns) FROM dooray_project AS p
      WHERE p.service_id = \(service) AND p.id = \(id)
      """, deadline)
    guard let row = rows.first else { throw ServiceError(.resourceNotFound) }
    return try DoorayProjectRecord(row)
  }

  /// Adds a project.
  ///
  /// - Throws: RESOURCE_NOT_FOUND (the organization), AGENT_NOT_FOUND, ALREADY_EXISTS, LIMIT_REACHED.
  func createProject(
    _ change: DoorayProjectChange, doorayID: String, in organization: DoorayOrganizationID, of service: ServiceID,
    deadline: Deadline
  ) async throws -> DoorayProjectRecord {
    let representative: AgentID? = change.representative ?? nil
    return try await Self.told {
      do {
        let rows = try await pool.query(
          """
          INSERT INTO dooray_project AS p
            (service_id, organization_id, display_name, dooray_id, address, representative_id)
          SELECT \(service), \(organization), \(change.displayName ?? ""), \(doorayID), \(change.address ?? ""),
            \(representative)
          WHERE (SELECT count(*) FROM dooray_project AS x WHERE x.service_id = \(service)) < \(Self.projectsMax)
          RETURNING \(fragment: DoorayProjectRecord.columns)
          """, deadline: deadline)
        guard let row = rows.first else {
          throw ServiceError(.limitReached, "the service has \(Self.projectsMax) projects; remove one first")
        }
        return try DoorayProjectRecord(row)
      } catch let error as PostgresError where error.violates("dooray_project_organization_fkey") {
        throw ServiceError(.resourceNotFound)
      }
    }
  }

  /// Changes a project.
  ///
  /// - Throws: RESOURCE_NOT_FOUND, AGENT_NOT_FOUND, STALE_VERSION.
  func updateProject(
    _ id: DoorayProjectID, _ change: DoorayProjectChange, _ setting: SettingChange, deadline: Deadline
  ) async throws {
    let (service, seen) = (setting.service, setting.seen)
    let changesRepresentative = change.representative != nil
    let representative: AgentID? = change.representative ?? nil
    _ = try await changing(setting, deadline) { transaction in
      try await transaction.query(
        """
        UPDATE dooray_project SET version = version + 1,
          display_name = coalesce(\(change.displayName), display_name), address = coalesce(\(change.address), address),
          representative_id = CASE WHEN \(changesRepresentative) THEN \(representative)
            ELSE representative_id END
        WHERE service_id = \(service) AND id = \(id) AND (\(seen) = 0 OR version = \(seen)) RETURNING version
        """)
    } current: {
      "SELECT version FROM dooray_project WHERE service_id = \(service) AND id = \(id)"
    }
  }

  /// Removes a project.
  ///
  /// - Throws: RESOURCE_NOT_FOUND, IN_USE.
  func deleteProject(_ id: DoorayProjectID, of service: ServiceID, deadline: Deadline) async throws {
    let rows = try await Self.told {
      try await pool.query(
        "DELETE FROM dooray_project WHERE service_id = \(service) AND id = \(id) RETURNING id", deadline: deadline)
    }
    if rows.isEmpty { throw ServiceError(.resourceNotFound) }
  }

  /// The keys to an organization, by agent.
  ///
  /// - Parameter agent: nil: everybody's.
  func userKeys(
    to organization: DoorayOrganizationID, of service: ServiceID, agent: AgentID? = nil, deadline: Deadline
  ) async throws -> [DoorayUserKeyRecord] {
    try await query(
      """
      SELECT k.agent_id, a.display_name, a.email, k.sealed_key, k.set_time
      FROM dooray_user_key AS k JOIN agent AS a ON a.id = k.agent_id
      WHERE k.service_id = \(service) AND k.organization_id = \(organization)
        AND (\(agent)::bigint IS NULL OR k.agent_id = \(agent))
      ORDER BY k.agent_id LIMIT \(Self.keysMax)
      """, deadline
    ).map { try DoorayUserKeyRecord($0) }
  }

  /// Stores an agent's key in the place of the one there was.
  ///
  /// - Throws: RESOURCE_NOT_FOUND (the organization), AGENT_NOT_FOUND, LIMIT_REACHED.
  func setUserKey(
    _ sealed: [UInt8], of agent: AgentID, to organization: DoorayOrganizationID, of service: ServiceID,
    deadline: Deadline
  ) async throws {
    let rows = try await Self.told {
      try await pool.query(
        """
        INSERT INTO dooray_user_key (service_id, organization_id, agent_id, sealed_key)
        SELECT \(service), \(organization), \(agent), \(sealed)
        WHERE (SELECT count(*) FROM dooray_user_key AS x WHERE x.service_id = \(service)
          AND x.organization_id = \(organization) AND x.agent_id <> \(agent)) < \(Self.keysMax)
        ON CONFLICT (service_id, organization_id, agent_id)
        DO UPDATE SET sealed_key = excluded.sealed_key, set_time = clock_timestamp()
        RETURNING agent_id
        """, deadline: deadline)
    }
    if rows.isEmpty {
      throw ServiceError(.limitReached, "there are \(Self.keysMax) keys to this organization; remove one first")
    }
  }

  /// Removes an agent's key.
  ///
  /// - Throws: RESOURCE_NOT_FOUND.
  func deleteUserKey(
    of agent: AgentID, to organization: DoorayOrganizationID, of service: ServiceID, deadline: Deadline
  ) async throws {
    let rows = try await query(
      """
      DELETE FROM dooray_user_key
      WHERE service_id = \(service) AND organization_id = \(organization) AND agent_id = \(agent) RETURNING agent_id
      """, deadline)
    if rows.isEmpty { throw ServiceError(.resourceNotFound) }
  }

  /// Stores a key that was sealed anew, unless another one was entered meanwhile.
  func reseal(
    _ key: DoorayUserKeyRecord, as sealed: [UInt8], to organization: DoorayOrganizationID, of service: ServiceID,
    deadline: Deadline
  ) async throws {
    _ = try await query(
      """
      UPDATE dooray_user_key SET sealed_key = \(sealed)
      WHERE service_id = \(service) AND organization_id = \(organization) AND agent_id = \(key.agent)
        AND sealed_key = \(key.sealed)
      """, deadline)
  }
}
