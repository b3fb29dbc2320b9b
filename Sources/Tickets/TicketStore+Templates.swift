import EventLoop
import HandoffAPI
import Postgres
import ServiceKit
import TicketLedger

/// A row of `template` with the types it goes with.
struct TemplateRecord: Sendable {
  let serviceID: ServiceID
  let id: TemplateID
  let title: String
  let content: String
  let searchCode: String
  let isShared: Bool
  let processingTypes: [ProcessingTypeID]
  let useCount: Int64
  let version: Int64

  static let columns: Query = """
    m.service_id, m.id, m.title, m.content, m.search_code, m.is_shared, m.use_count, m.version,
    ARRAY(SELECT l.processing_type_id FROM template_processing_type AS l
      WHERE l.service_id = m.service_id AND l.template_id = m.id ORDER BY l.processing_type_id)
    """

  init(_ row: Row) throws(PostgresError) {
    serviceID = try row.value(0)
    id = try row.value(1)
    title = try row.value(2)
    content = try row.value(3)
    searchCode = try row.value(4)
    isShared = try row.value(5)
    useCount = try row.value(6)
    version = try row.value(7)
    processingTypes = try row.value(8)
  }

  func message(in service: String) -> Template {
    Template(
      name: TemplateName(service: service, id: id).description, title: title, content: content,
      searchCode: searchCode, shared: isShared,
      processingTypes: processingTypes.map { ProcessingTypeName(service: service, id: $0).description },
      useCount: useCount, version: version)
  }
}

/// Which templates to list.
struct TemplateFilter: Sendable {
  let service: ServiceRecord
  /// Empty: all.
  var title = ""
  /// Empty: all.
  var searchCode = ""
  /// Nil: all.
  var processingType: ProcessingTypeID?
}

extension TicketStore {
  /// Most templates of a service.
  static let templatesMax: Int64 = 10_000

  /// The templates of a service and those shared with it, in the order in which they were made.
  func templates(
    _ filter: TemplateFilter, after: TemplateID, limit: Int, deadline: Deadline
  ) async throws -> [TemplateRecord] {
    let service = filter.service
    return try await ServiceError.translating {
      try await pool.query(
        """
        SELECT \(fragment: TemplateRecord.columns) FROM template AS m
        WHERE m.organization_id = \(service.organizationID) AND (m.service_id = \(service.id) OR m.is_shared)
          AND m.id > \(after)
          AND (\(filter.title) = '' OR position(lower(\(filter.title)) IN lower(m.title)) > 0)
          AND (\(filter.searchCode) = '' OR starts_with(lower(m.search_code), lower(\(filter.searchCode))))
          AND (\(filter.processingType)::bigint IS NULL OR EXISTS (
            SELECT FROM template_processing_type AS l WHERE l.service_id = m.service_id AND l.template_id = m.id
              AND l.processing_type_id = \(filter.processingType)))
        ORDER BY m.id LIMIT \(limit)
        """, deadline: deadline
      ).map { try TemplateRecord($0) }
    }
  }

  /// A template of a service.
  ///
  /// - Throws: TEMPLATE_NOT_FOUND.
  func template(_ id: TemplateID, of service: ServiceID, deadline: Deadline) async throws -> TemplateRecord {
    try await ServiceError.translating {
      let rows = try await pool.query(
        """
        SELECT \(fragment: TemplateRecord.columns) FROM template AS m
        WHERE m.service_id = \(service) AND m.id = \(id)
        """, deadline: deadline)
      guard let row = rows.first else { throw ServiceError(.templateNotFound) }
      return try TemplateRecord(row)
    }
  }

  /// Adds a template.
  ///
  /// - Throws: TYPE_NOT_FOUND; ALREADY_EXISTS when the search code is taken; LIMIT_REACHED.
  func createTemplate(
    _ change: TemplateChange, in service: ServiceRecord, deadline: Deadline
  ) async throws -> TemplateID {
    try await Self.searchCodeTold {
      try await pool.transaction(deadline: deadline) { transaction in
        let rows = try await transaction.query(
          """
          INSERT INTO template (service_id, organization_id, title, content, search_code, is_shared)
          SELECT \(service.id), \(service.organizationID), \(change.title ?? ""), \(change.content ?? ""),
            \(change.searchCode ?? ""), \(change.isShared ?? false)
          WHERE (SELECT count(*) FROM template AS m WHERE m.service_id = \(service.id)) < \(Self.templatesMax)
          RETURNING id
          """)
        guard let row = rows.first else {
          throw ServiceError(.limitReached, "the service has \(Self.templatesMax) templates; delete some first")
        }
        let id: TemplateID = try row.value(0)
        try await Self.link(id, to: change.processingTypes, in: service.id, transaction)
        return id
      }
    }
  }

  /// Changes a template.
  ///
  /// - Throws: TEMPLATE_NOT_FOUND; STALE_VERSION; TYPE_NOT_FOUND; ALREADY_EXISTS when the search code is taken.
  func updateTemplate(
    _ id: TemplateID, _ change: TemplateChange, _ setting: SettingChange, deadline: Deadline
  ) async throws {
    let (service, version) = (setting.service, setting.seen)
    try await Self.searchCodeTold {
      try await pool.transaction(deadline: deadline) { transaction in
        let rows = try await transaction.query(
          """
          UPDATE template SET version = version + 1, title = coalesce(\(change.title), title),
            content = coalesce(\(change.content), content), search_code = coalesce(\(change.searchCode), search_code),
            is_shared = coalesce(\(change.isShared), is_shared)
          WHERE service_id = \(service) AND id = \(id) AND (\(version) = 0 OR version = \(version))
          RETURNING version
          """)
        guard let row = rows.first else {
          let known = try await transaction.query(
            "SELECT version FROM template WHERE service_id = \(service) AND id = \(id)")
          guard let row = known.first else { throw ServiceError(.templateNotFound) }
          throw try await setting.stale(try row.int64(0), transaction)
        }
        try await setting.note(try row.int64(0), transaction)
        try await Self.link(id, to: change.processingTypes, in: service, transaction)
      }
    }
  }

  /// Deletes a template.
  ///
  /// - Throws: TEMPLATE_NOT_FOUND.
  func deleteTemplate(_ id: TemplateID, in service: ServiceID, deadline: Deadline) async throws {
    let rows = try await ServiceError.translating {
      try await pool.query(
        "DELETE FROM template WHERE service_id = \(service) AND id = \(id) RETURNING id", deadline: deadline)
    }
    if rows.isEmpty { throw ServiceError(.templateNotFound) }
  }

  /// Counts a use, and reads what the codes of a template stand for on a ticket.
  func use(
    _ template: TemplateRecord, on ticket: TicketRecord, deadline: Deadline
  ) async throws -> [TemplateCode: String] {
    try await ServiceError.translating {
      let answers = try await pool.transactionBatch(
        [
          """
          UPDATE template SET use_count = use_count + 1
          WHERE service_id = \(template.serviceID) AND id = \(template.id)
          """,
          TemplateValues.query(of: ticket),
        ], deadline: deadline)
      guard let row = answers[1].first else { throw ServiceError(.ticketNotFound) }
      return try TemplateValues.read(row, of: ticket)
    }
  }

  private static func link(
    _ template: TemplateID, to types: [ProcessingTypeName]?, in service: ServiceID, _ transaction: PostgresTransaction
  ) async throws {
    guard let types else { return }
    _ = try await transaction.batch([
      "DELETE FROM template_processing_type WHERE service_id = \(service) AND template_id = \(template)",
      """
      INSERT INTO template_processing_type (service_id, template_id, processing_type_id)
      SELECT \(service), \(template), y.id FROM unnest(\(types.map(\.id))) AS y (id)
      """,
    ])
  }

  private static func searchCodeTold<Value>(_ work: () async throws -> Value) async throws -> Value {
    do {
      return try await work()
    } catch let error as PostgresError {
      if error.violates("template_search_code_key") {
        throw ServiceError(.alreadyExists, "another template of the service has this search code; choose another")
      }
      if error.violates("template_processing_type_type_fkey") { throw ServiceError(.typeNotFound) }
      throw ServiceError(postgres: error)
    }
  }
}
