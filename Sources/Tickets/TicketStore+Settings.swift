import EventLoop
import Postgres
import ServiceKit
import TicketLedger

extension TicketStore {
  /// Changes a service's settings.
  ///
  /// - Throws: STALE_VERSION; REQUEST_INVALID for a time zone that the database does not know, or days that do not fit
  ///   the policy as it is.
  func update(_ update: ServiceUpdate, _ change: SettingChange, deadline: Deadline) async throws -> ServiceRecord {
    let service = change.service
    if let timeZone = update.timeZone { try await requireTimeZone(timeZone, deadline) }
    do {
      return try await pool.transaction(deadline: deadline) { transaction in
        let rows = try await transaction.query(
          """
          UPDATE service AS s SET version = s.version + 1,
            display_name = coalesce(\(update.displayName), s.display_name),
            language = coalesce(\(update.language), s.language),
            time_zone = coalesce(\(update.timeZone), s.time_zone),
            auto_complete_days = coalesce(\(update.autoCompleteDays), s.auto_complete_days),
            assignee_only = coalesce(\(update.isAssigneeOnly), s.assignee_only),
            has_security = coalesce(\(update.hasSecurity), s.has_security),
            reply_policy = coalesce(\(update.replyPolicy), s.reply_policy),
            reopen_days = CASE WHEN coalesce(\(update.replyPolicy), s.reply_policy) = 'REOPEN_WITHIN_DAYS'
              THEN coalesce(\(update.reopenDays), s.reopen_days) ELSE 0 END
          WHERE s.id = \(service) AND (\(update.version) = 0 OR s.version = \(update.version))
          RETURNING \(fragment: ServiceRecord.columns)
          """)
        guard let row = rows.first else {
          let known = try await transaction.query("SELECT version FROM service WHERE id = \(service)")
          guard let row = known.first else { throw ServiceError(.serviceNotFound) }
          throw try await change.stale(try row.int64(0), transaction)
        }
        let updated = try ServiceRecord(row)
        try await change.note(updated.version, transaction)
        // Whoever is sent the counters is sent today's of the new zone.
        if update.timeZone != nil { _ = try await transaction.query("SELECT pg_notify('handoff_rights', '')") }
        return updated
      }
    } catch let error as PostgresError {
      guard error.violates("service_reopen_days_fit_policy") else { throw ServiceError(postgres: error) }
      throw ServiceError.invalid("service.reopen_days", "must be 1 or more for REOPEN_WITHIN_DAYS")
    }
  }

  /// Checks that the database knows a time zone.
  ///
  /// - Throws: REQUEST_INVALID.
  func requireTimeZone(_ name: String, _ deadline: Deadline) async throws {
    let isKnown =
      try await ServiceError.translating {
        try await pool.query(
          "SELECT EXISTS (SELECT FROM pg_timezone_names AS z WHERE z.name = \(name))", deadline: deadline)[0].value(0)
      } as Bool
    guard isKnown else { throw ServiceError.invalid("service.time_zone", "is not a time zone such as Asia/Seoul") }
  }
}
