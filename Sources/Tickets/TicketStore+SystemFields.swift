import EventLoop
import Postgres
import ServiceKit
import TicketLedger

extension TicketStore {
  /// Changes a field that every ticket has.
  ///
  /// - Parameter field: as it is to be; its version is the one that it was made from.
  /// - Throws: STALE_VERSION.
  func update(_ field: SystemFieldRecord, _ change: SettingChange, deadline: Deadline) async throws {
    let (service, code) = (change.service, field.field.rawValue)
    try await ServiceError.translating {
      try await pool.transaction(deadline: deadline) { transaction in
        // A row stays when all is as it is built in again, so that versions only grow.
        _ = try await transaction.query(
          """
          INSERT INTO system_field (service_id, code) VALUES (\(service), \(code))
          ON CONFLICT ON CONSTRAINT system_field_pkey DO NOTHING
          """)
        let rows = try await transaction.query(
          """
          UPDATE system_field SET version = version + 1, display_name = \(field.displayName),
            description = \(field.description), is_required = \(field.isRequired), length_max = \(field.lengthMax),
            is_administrators_only = \(field.isAdministratorsOnly)
          WHERE service_id = \(service) AND code = \(code) AND version = \(field.version) AND version = \(change.seen)
          RETURNING version
          """)
        guard let row = rows.first else {
          let known = try await transaction.query(
            "SELECT version FROM system_field WHERE service_id = \(service) AND code = \(code)")
          throw try await change.stale(try known[0].int64(0), transaction)
        }
        try await change.note(try row.int64(0), transaction)
        let translations = field.translations
        _ = try await transaction.batch([
          "DELETE FROM system_field_translation WHERE service_id = \(service) AND code = \(code)",
          """
          INSERT INTO system_field_translation (service_id, code, language, display_name, description)
          SELECT \(service), \(code), x.* FROM unnest(\(translations.map(\.language)),
            \(translations.map(\.displayName)), \(translations.map(\.description))) AS x
          """,
        ])
      }
    }
  }
}
