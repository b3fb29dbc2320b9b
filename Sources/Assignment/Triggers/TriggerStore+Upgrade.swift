import EventLoop
import HandoffAPI
import Postgres
import Protobuf
import ServiceKit
import TicketLedger

/// Triggers that were active before it was noted what triggers name (migration 0031).
///
/// Only the code that reads triggers knows what they name, so no migration could note it: a daemon does when it starts.
extension TriggerStore {
  /// Triggers that are looked at in one transaction.
  static let upgradePage = 100

  /// A trigger that names what is gone, and was deactivated for it.
  struct Dangling: Sendable {
    let trigger: TriggerName
    let notice: String
  }

  /// Notes what active triggers name of tickets' tables, where nothing is noted yet; safe to repeat, and beside other
  /// daemons. What names something that was deleted meanwhile is deactivated with a notice.
  ///
  /// - Parameter duration: for each page.
  /// - Returns: the deactivated ones.
  func noteReferences(_ directory: Directory, within duration: Duration) async throws -> [Dangling] {
    var dangling: [Dangling] = []
    var place: (service: ServiceID, trigger: TriggerID)? = (ServiceID(0), TriggerID(0))
    while let after = place {
      let deadline = Deadline.after(duration)
      let rows = try await query(
        """
        SELECT r.service_id, r.id FROM trigger_rule AS r
        WHERE (r.service_id, r.id) > (\(after.service), \(after.trigger)) AND \(fragment: Self.isUnnoted)
        ORDER BY r.service_id, r.id LIMIT \(Self.upgradePage)
        """, deadline)
      place = nil
      for row in rows {
        let service = try await directory.service(id: try row.value(0), deadline: deadline)
        let id: TriggerID = try row.value(1)
        place = (service.id, id)
        if let found = try await note(id, of: service, deadline) { dangling.append(found) }
      }
    }
    return dangling
  }

  private func note(
    _ id: TriggerID, of service: ServiceRecord, _ deadline: Deadline
  ) async throws -> Dangling? {
    guard let trigger = try await trigger(id, of: service, deadline: deadline) else { return nil }
    let named = Self.references(of: trigger, in: service)
    guard !named.isEmpty else { return nil }
    let missing = try await missing(named, in: service, deadline: deadline)
    let gone = named.first(where: missing.contains).flatMap { $0.name(in: service.code) }
    return try await changing(service, deadline) { transaction in
      let row = try await transaction.query(
        """
        SELECT \(fragment: Self.columns) FROM trigger_rule AS r
        WHERE r.service_id = \(service.id) AND r.id = \(id) AND r.version = \(trigger.version)
          AND \(fragment: Self.isUnnoted) FOR UPDATE
        """
      ).first
      // Whoever changed it has noted what it names.
      guard let row else { return nil }
      guard let gone else {
        _ = try await Self.referring(row, in: service, transaction)
        return nil
      }
      let found = Dangling(trigger: TriggerName(service: service.code, id: id), notice: "NAME_GONE \(gone)")
      _ = try await transaction.batch(
        Self.deactivating([Use(id: id, name: found.trigger)], in: service.id, notice: found.notice))
      return found
    }
  }

  private static let isUnnoted: Query = """
    r.is_active AND NOT EXISTS (
      SELECT FROM trigger_reference AS f WHERE f.service_id = r.service_id AND f.trigger_id = r.id)
    """

  /// What a trigger names of tickets' tables.
  private static func references(of trigger: Trigger, in service: ServiceRecord) -> [TriggerReader.Reference] {
    var reader = TriggerReader(service: service)
    _ = reader.conditions(trigger.conditions)
    _ = reader.actions(trigger.results)
    return reader.references.map(\.reference).filter { $0.name(in: service.code) != nil }
  }
}

extension TriggerReader.Reference {
  /// The name of something in tickets' tables; nil for what is assignment's own.
  fileprivate func name(in service: String) -> String? {
    switch self {
    case .submissionType(let id): SubmissionTypeName(service: service, id: id).description
    case .processingType(let id): ProcessingTypeName(service: service, id: id).description
    case .field(let id): FieldName(service: service, id: id).description
    case .agent, .group, .service, .member, .fieldCode, .messengerHook: nil
    }
  }
}
