import EventLoop
import PersonalData
import Postgres
import ServiceKit
import TicketLedger

/// SQL of a service's masking settings; they are read through the directory.
struct MaskingPolicyStore: Sendable {
  let pool: PostgresPool

  /// Writes settings over those of a version.
  ///
  /// - Returns: whether the settings still had that version.
  func save(
    _ settings: MaskingPolicy, over version: Int64, of service: ServiceID, deadline: Deadline
  ) async throws -> Bool {
    let rows = try await ServiceError.translating {
      try await pool.query(
        """
        INSERT INTO masking_setting AS m (service_id, detection, kinds, confidence_percent, unmask_right, patterns,
          pattern_names)
        SELECT \(service), \(settings.detection), \(settings.kinds.map(\.rawValue)), \(settings.confidencePercent),
          \(settings.unmaskRight), \(settings.patterns.map(\.pattern)), \(settings.patterns.map(\.name))
        WHERE \(version) = 0 OR EXISTS (SELECT 1 FROM masking_setting WHERE service_id = \(service))
        ON CONFLICT (service_id) DO UPDATE SET detection = excluded.detection, kinds = excluded.kinds,
          confidence_percent = excluded.confidence_percent, unmask_right = excluded.unmask_right,
          patterns = excluded.patterns, pattern_names = excluded.pattern_names, version = m.version + 1,
          update_time = now()
        WHERE m.version = \(version)
        RETURNING m.version
        """, deadline: deadline)
    }
    return !rows.isEmpty
  }
}
