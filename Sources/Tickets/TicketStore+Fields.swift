import EventLoop
import Postgres
import ServiceKit
import TicketLedger

extension TicketStore {
  /// Most fields of a service, deleted ones aside.
  static let fieldsMax: Int64 = 1_000

  /// All fields of a service, and where they are placed, in one round trip.
  func catalog(of service: ServiceID, deadline: Deadline) async throws -> FieldCatalog {
    try await ServiceError.translating {
      let answers = try await pool.transactionBatch(
        [
          """
          SELECT \(fragment: FieldRecord.columns) FROM ticket_field AS f
          WHERE f.service_id = \(service) AND f.delete_time IS NULL
          ORDER BY f.audience DESC, f.position, f.id
          """,
          """
          SELECT x.field_id, x.language, x.display_name, x.description FROM ticket_field_translation AS x
          WHERE x.service_id = \(service) ORDER BY x.field_id, x.language
          """,
          """
          SELECT p.submission_type_id, p.field_id FROM field_placement AS p
          WHERE p.service_id = \(service) ORDER BY p.submission_type_id, p.position
          """,
          """
          SELECT \(fragment: SystemFieldRecord.columns) FROM system_field AS y WHERE y.service_id = \(service)
          """,
          """
          SELECT x.code, x.language, x.display_name, x.description FROM system_field_translation AS x
          WHERE x.service_id = \(service) ORDER BY x.code, x.language
          """,
          "SELECT s.language FROM service AS s WHERE s.id = \(service)",
        ], deadline: deadline)
      var translations: [FieldID: [(String, String, String)]] = [:]
      for row in answers[1] {
        translations[try row.value(0), default: []].append((try row.value(1), try row.value(2), try row.value(3)))
      }
      let fields = try answers[0].map { row in
        var field = try FieldRecord(row)
        field.translations = (translations[field.id] ?? []).map { ($0.0, $0.1, $0.2) }
        return field
      }
      var placements: [SubmissionTypeID: [FieldID]] = [:]
      for row in answers[2] { placements[try row.value(0), default: []].append(try row.value(1)) }
      return FieldCatalog(
        fields, placements: placements, systemFields: try Self.systemFields(answers[3], answers[4]),
        language: try answers[5].first?.string(0) ?? "en")
    }
  }

  private static func systemFields(_ fields: Rows, _ translations: Rows) throws -> [SystemFieldRecord] {
    var all: [String: [FieldTranslation]] = [:]
    for row in translations {
      all[try row.string(0), default: []].append(
        FieldTranslation(language: try row.value(1), displayName: try row.value(2), description: try row.value(3)))
    }
    return try fields.compactMap { row in
      var field = try SystemFieldRecord(row)
      field?.translations = all[try row.string(0)] ?? []
      return field
    }
  }

  /// What a ticket has in its fields.
  func fieldValues(of ticket: TicketRecord, deadline: Deadline) async throws -> [FieldID: String] {
    try await ServiceError.translating {
      let rows = try await pool.query(
        """
        SELECT w.field_id, w.value FROM ticket_field_value AS w
        WHERE w.service_id = \(ticket.serviceID) AND w.ticket_id = \(ticket.id)
        """, deadline: deadline)
      return Dictionary(
        try rows.map { (try $0.value(0), try $0.value(1)) }, uniquingKeysWith: { first, _ in first })
    }
  }

  /// Adds a field.
  ///
  /// - Throws: ALREADY_EXISTS when the code is or was another field's; LIMIT_REACHED.
  func create(_ field: FieldDraft, in service: ServiceID, deadline: Deadline) async throws -> FieldID {
    do {
      return try await pool.transaction(deadline: deadline) { transaction in
        let rows = try await transaction.query(
          """
          INSERT INTO ticket_field (service_id, code, kind, audience, display_name, description, is_required,
            length_max, options, is_administrators_only, position)
          SELECT \(service), \(field.code), \(field.kind), \(field.audience), \(field.displayName),
            \(field.description), \(field.isRequired), \(field.lengthMax), \(field.options),
            \(field.isAdministratorsOnly), coalesce(\(field.position), (
              SELECT least(coalesce(max(f.position), 0), \(RequestCheck.positionMax - 1)) + 1 FROM ticket_field AS f
              WHERE f.service_id = \(service) AND f.audience = \(field.audience) AND f.delete_time IS NULL))
          WHERE (SELECT count(*) FROM ticket_field AS f
            WHERE f.service_id = \(service) AND f.delete_time IS NULL) < \(Self.fieldsMax)
          RETURNING id
          """)
        guard let row = rows.first else {
          throw ServiceError(.limitReached, "the service has \(Self.fieldsMax) fields; delete some first")
        }
        let id: FieldID = try row.value(0)
        try await Self.setTranslations(field.translations, of: id, in: service, transaction)
        return id
      }
    } catch let error as PostgresError {
      guard error.violates("ticket_field_code_key") else { throw ServiceError(postgres: error) }
      throw ServiceError(.alreadyExists, "the code \(field.code) is or was another field's; choose another")
    }
  }

  /// Changes a field.
  ///
  /// - Parameter readVersion: the version that the draft was made from.
  /// - Throws: STALE_VERSION; FIELD_NOT_FOUND when it is gone.
  func update(
    _ id: FieldID, _ field: FieldDraft, _ change: SettingChange, readVersion: Int64, deadline: Deadline
  ) async throws {
    let service = change.service
    try await ServiceError.translating {
      try await pool.transaction(deadline: deadline) { transaction in
        let rows = try await transaction.query(
          """
          UPDATE ticket_field SET version = version + 1, display_name = \(field.displayName),
            description = \(field.description), is_required = \(field.isRequired), length_max = \(field.lengthMax),
            options = \(field.options), is_administrators_only = \(field.isAdministratorsOnly),
            position = coalesce(\(field.position), position), is_active = \(field.isActive)
          WHERE service_id = \(service) AND id = \(id) AND delete_time IS NULL AND version = \(readVersion)
            AND version = \(change.seen)
          RETURNING version
          """)
        guard let row = rows.first else {
          let known = try await transaction.query(
            "SELECT version FROM ticket_field WHERE service_id = \(service) AND id = \(id) AND delete_time IS NULL")
          guard let row = known.first else { throw ServiceError(.fieldNotFound) }
          throw try await change.stale(try row.int64(0), transaction)
        }
        try await change.note(try row.int64(0), transaction)
        try await Self.setTranslations(field.translations, of: id, in: service, transaction)
      }
    }
  }

  /// Deletes a field that nothing uses; its code stays taken.
  ///
  /// - Returns: who uses it, when it is in use: `tickets`, `forms`, `templates`, active `triggers`, mail `layouts`.
  func deleteField(_ field: FieldRecord, in service: ServiceID, deadline: Deadline) async throws -> [String] {
    try await ServiceError.translating {
      try await pool.transaction(deadline: deadline) { transaction in
        // Whoever writes a value or places the field locks its row, too: they wait, and then find it deleted.
        let known = try await transaction.query(
          """
          SELECT FROM ticket_field WHERE service_id = \(service) AND id = \(field.id) AND delete_time IS NULL FOR UPDATE
          """)
        guard !known.isEmpty else { throw ServiceError(.fieldNotFound) }
        let code = "#{\(TemplateText.fieldPrefix)\(field.rule.code)}"
        let used = try await transaction.query(
          """
          SELECT EXISTS (SELECT FROM ticket_field_value AS w
              WHERE w.service_id = \(service) AND w.field_id = \(field.id)),
            EXISTS (SELECT FROM field_placement AS p WHERE p.service_id = \(service) AND p.field_id = \(field.id)),
            EXISTS (SELECT FROM template AS m WHERE m.service_id = \(service) AND position(\(code) IN m.content) > 0),
            EXISTS (SELECT FROM trigger_reference AS r
              WHERE r.service_id = \(service) AND r.field_id = \(field.id)),
            EXISTS (SELECT FROM mail_layout AS l WHERE l.service_id = \(service) AND l.is_current
              AND (position(\(code) IN l.subject) > 0 OR position(\(code) IN l.body) > 0))
          """)[0]
        let users = try ["tickets", "forms", "templates", "triggers", "layouts"].enumerated().filter {
          try used.value($0.offset, as: Bool.self)
        }
        if users.isEmpty {
          _ = try await transaction.batch([
            """
            UPDATE ticket_field SET delete_time = now(), is_active = false, version = version + 1
            WHERE service_id = \(service) AND id = \(field.id)
            """,
            // The conditions that agents added to their search are their own convenience, and go with it.
            "DELETE FROM search_condition WHERE service_id = \(service) AND field_id = \(field.id)",
          ])
        }
        return users.map(\.element)
      }
    }
  }

  /// Takes a field off all forms; its values stay.
  func deactivateField(_ id: FieldID, _ change: SettingChange, deadline: Deadline) async throws {
    try await ServiceError.translating {
      try await pool.transaction(deadline: deadline) { transaction in
        let rows = try await transaction.query(
          """
          UPDATE ticket_field SET is_active = false, version = version + 1
          WHERE service_id = \(change.service) AND id = \(id) AND delete_time IS NULL RETURNING version
          """)
        guard let row = rows.first else { throw ServiceError(.fieldNotFound) }
        try await change.note(try row.int64(0), transaction)
      }
    }
  }

  /// Says which customer fields a submission type asks for, in order.
  ///
  /// - Throws: TYPE_NOT_FOUND; FIELD_NOT_FOUND; STALE_VERSION.
  func setForm(
    _ type: SubmissionTypeID, _ fields: [FieldID], _ change: SettingChange, deadline: Deadline
  ) async throws {
    let service = change.service
    do {
      try await pool.transaction(deadline: deadline) { transaction in
        // Two administrators at once: one form or the other, not a mixture.
        let rows = try await transaction.query(
          """
          UPDATE submission_type SET form_version = form_version + 1
          WHERE service_id = \(service) AND id = \(type) AND (\(change.seen) = 0 OR form_version = \(change.seen))
          RETURNING form_version
          """)
        guard let row = rows.first else {
          let known = try await transaction.query(
            "SELECT form_version FROM submission_type WHERE service_id = \(service) AND id = \(type)")
          guard let row = known.first else { throw ServiceError(.typeNotFound) }
          throw try await change.stale(try row.int64(0), transaction)
        }
        try await change.note(try row.int64(0), transaction)
        // Whoever deletes one of them meanwhile finds it placed; what is deleted keeps its row, and would be taken.
        let placeable = try await transaction.query(
          """
          SELECT f.id FROM ticket_field AS f
          WHERE f.service_id = \(service) AND f.id = ANY (\(fields)) AND f.delete_time IS NULL FOR KEY SHARE
          """)
        guard placeable.count == Set(fields).count else { throw ServiceError(.fieldNotFound) }
        _ = try await transaction.batch([
          "DELETE FROM field_placement WHERE service_id = \(service) AND submission_type_id = \(type)",
          """
          INSERT INTO field_placement (service_id, submission_type_id, field_id, position)
          SELECT \(service), \(type), o.field_id, o.position
          FROM unnest(\(fields)) WITH ORDINALITY AS o (field_id, position)
          """,
        ])
      }
    } catch let error as PostgresError {
      if error.violates("field_placement_field_fkey") { throw ServiceError(.fieldNotFound) }
      throw ServiceError(postgres: error)
    }
  }

  /// The version of a submission type's form.
  ///
  /// - Throws: TYPE_NOT_FOUND.
  func formVersion(of type: SubmissionTypeID, in service: ServiceID, deadline: Deadline) async throws -> Int64 {
    try await ServiceError.translating {
      let rows = try await pool.query(
        "SELECT y.form_version FROM submission_type AS y WHERE y.service_id = \(service) AND y.id = \(type)",
        deadline: deadline)
      guard let row = rows.first else { throw ServiceError(.typeNotFound) }
      return try row.int64(0)
    }
  }

  private static func setTranslations(
    _ translations: [FieldTranslation], of field: FieldID, in service: ServiceID, _ transaction: PostgresTransaction
  ) async throws {
    _ = try await transaction.batch([
      "DELETE FROM ticket_field_translation WHERE service_id = \(service) AND field_id = \(field)",
      """
      INSERT INTO ticket_field_translation (service_id, field_id, language, display_name, description)
      SELECT \(service), \(field), x.* FROM unnest(\(translations.map(\.language)),
        \(translations.map(\.displayName)), \(translations.map(\.description))) AS x
      """,
    ])
  }
}
