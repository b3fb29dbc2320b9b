import EventLoop
import Postgres
import ServiceKit
import TicketLedger

/// A node of one of the two type trees.
struct TypeRecord: Sendable {
  let id: Int64
  let parentID: Int64?
  let level: Int32
  let displayName: String
  let isActive: Bool
  /// Place among the nodes of the same parent.
  let position: Int32
  let version: Int64

  init(_ row: Row) throws(PostgresError) {
    id = try row.value(0)
    parentID = try row.value(1)
    level = try row.value(2)
    displayName = try row.value(3)
    isActive = try row.value(4)
    position = try row.value(5)
    version = try row.value(6)
  }
}

/// A resolved ticket whose time is over.
struct DueTicket: Sendable {
  let serviceID: ServiceID
  let id: TicketID
  let resolveTime: Instant
}

/// What Tickets asks the database beside the ledger. Errors of the database arrive as `ServiceError`.
struct TicketStore: Sendable {
  /// Most nodes of a type tree.
  static let typesMax: Int64 = 5_000

  let pool: PostgresPool
  /// Numbers of customers to be.
  private let customerIDs: IDSource
  let creationFacts: GatheredWrites<CreationQuestion, CreationAnswer>

  /// Asks through a pool.
  init(pool: PostgresPool) {
    self.pool = pool
    customerIDs = IDSource(
      pool: pool, nextBlocks: "SELECT nextval('customer_id_seq') FROM generate_series(1, 64)", blockLength: 1)
    creationFacts = GatheredWrites(on: pool.group) { try await Self.answers(to: $0, pool, $1) }
  }

  /// Takes the number of a customer who is to be written with their first ticket. One that is not used is lost.
  func newCustomerID(deadline: Deadline) async throws -> CustomerID {
    CustomerID(try await customerIDs.take(1, deadline: deadline)[0])
  }

  /// The submission types of a service, each behind its parent, siblings in their order.
  func submissionTypes(of service: ServiceID, deadline: Deadline) async throws -> [TypeRecord] {
    try await types(
      """
      WITH RECURSIVE tree AS (
        SELECT y.id, y.parent_id, y.level, y.display_name, y.is_active, y.position, y.version,
          ARRAY[y.position::bigint, y.id] AS place
        FROM submission_type AS y WHERE y.service_id = \(service) AND y.parent_id IS NULL
        UNION ALL
        SELECT y.id, y.parent_id, y.level, y.display_name, y.is_active, y.position, y.version,
          tree.place || ARRAY[y.position::bigint, y.id]
        FROM submission_type AS y JOIN tree ON y.parent_id = tree.id WHERE y.service_id = \(service)
      )
      SELECT id, parent_id, level::integer, display_name, is_active, position, version FROM tree ORDER BY place
      LIMIT \(Self.typesMax)
      """, deadline)
  }

  /// The processing types of a service, each behind its parent, siblings in their order.
  func processingTypes(of service: ServiceID, deadline: Deadline) async throws -> [TypeRecord] {
    try await types(
      """
      WITH RECURSIVE tree AS (
        SELECT y.id, y.parent_id, y.level, y.display_name, y.is_active, y.position, y.version,
          ARRAY[y.position::bigint, y.id] AS place
        FROM processing_type AS y WHERE y.service_id = \(service) AND y.parent_id IS NULL
        UNION ALL
        SELECT y.id, y.parent_id, y.level, y.display_name, y.is_active, y.position, y.version,
          tree.place || ARRAY[y.position::bigint, y.id]
        FROM processing_type AS y JOIN tree ON y.parent_id = tree.id WHERE y.service_id = \(service)
      )
      SELECT id, parent_id, level::integer, display_name, is_active, position, version FROM tree ORDER BY place
      LIMIT \(Self.typesMax)
      """, deadline)
  }

  /// Which services are listed.
  enum ServiceSet: Sendable {
    /// Those that an agent is an active member of.
    case ofMember(AgentID)
    case ofOrganization(OrganizationID)
    case all
  }

  /// Ids and codes of services, by code.
  ///
  /// - Parameter after: the last service of the page before; 0: from the first.
  func services(
    _ set: ServiceSet, after: ServiceID, limit: Int, deadline: Deadline
  ) async throws -> [(id: ServiceID, code: String)] {
    let condition: Query =
      switch set {
      case .ofMember(let agent):
        """
        EXISTS (SELECT 1 FROM service_member AS m JOIN agent AS a ON a.id = m.agent_id
          WHERE m.service_id = s.id AND m.agent_id = \(agent) AND a.is_active)
        """
      case .ofOrganization(let organization): "s.organization_id = \(organization)"
      case .all: "true"
      }
    return try await ServiceError.translating {
      let rows = try await pool.query(
        """
        SELECT s.id, s.code FROM service AS s
        WHERE (\(after) = 0 OR s.code > (SELECT l.code FROM service AS l WHERE l.id = \(after)))
          AND \(fragment: condition)
        ORDER BY s.code LIMIT \(limit)
        """, deadline: deadline)
      return try rows.map { row in (id: try row.value(0), code: try row.value(1)) }
    }
  }

  /// Resolved tickets that have been so for their service's days, the longest first.
  ///
  /// - Parameter after: the last one that was looked at; nil: from the first.
  func dueForCompletion(after last: DueTicket? = nil, limit: Int, deadline: Deadline) async throws -> [DueTicket] {
    try await ServiceError.translating {
      try await pool.query(Self.dueForCompletion(after: last, limit: limit), deadline: deadline).map { row in
        DueTicket(serviceID: try row.value(0), id: try row.value(1), resolveTime: try row.value(2))
      }
    }
  }

  /// The question of ``dueForCompletion(after:limit:deadline:)``.
  static func dueForCompletion(after last: DueTicket?, limit: Int) -> Query {
    let (time, id) = (last?.resolveTime ?? Instant(microsecondsSinceEpoch: 0), last?.id ?? TicketID(0))
    return """
      SELECT due.service_id, due.id, due.resolve_time FROM service AS s CROSS JOIN LATERAL (
        SELECT t.service_id, t.id, t.resolve_time FROM ticket AS t
        WHERE t.service_id = s.id AND t.state = 'RESOLVED' AND NOT t.is_spam
          AND t.resolve_time <= now() - s.auto_complete_days * interval '1 day'
          AND t.resolve_time >= \(time) AND (t.resolve_time > \(time) OR t.id > \(id))
        ORDER BY t.resolve_time, t.id LIMIT \(limit)
      ) AS due
      WHERE s.auto_complete_days > 0 ORDER BY due.resolve_time, due.id LIMIT \(limit)
      """
  }

  private func types(_ query: Query, _ deadline: Deadline) async throws -> [TypeRecord] {
    try await ServiceError.translating {
      try await pool.query(query, deadline: deadline).map { try TypeRecord($0) }
    }
  }
}
