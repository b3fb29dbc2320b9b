import EventLoop
import HandoffAPI
import Postgres
import ServiceKit
import TicketLedger

/// Fields and types, which are tickets' tables: what triggers read of them, and what keeps them from being deleted.
extension TriggerStore {
  /// The values that tickets have in fields; those of several choices have several.
  func fieldValues(
    of tickets: [TicketID], in service: ServiceID, fields: [Int64], deadline: Deadline
  ) async throws -> [TicketID: [Int64: [String]]] {
    guard !fields.isEmpty else { return [:] }
    var values: [TicketID: [Int64: [String]]] = [:]
    for row in try await query(
      """
      SELECT v.ticket_id, v.field_id, CASE f.kind WHEN 'CHECKBOX' THEN string_to_array(v.value, E'\\n')
        ELSE ARRAY[v.value] END
      FROM ticket_field_value AS v JOIN ticket_field AS f ON f.service_id = v.service_id AND f.id = v.field_id
      WHERE v.service_id = \(service) AND v.ticket_id = ANY(\(tickets)) AND v.field_id = ANY(\(fields))
      """, deadline)
    {
      values[try row.value(0), default: [:]][try row.int64(1)] = try row.value(2)
    }
    return values
  }

  /// Notes what a trigger names, as long as it is active, so that nobody deletes it.
  ///
  /// - Returns: the trigger of the row; nil for none.
  /// - Throws: the database's errors, also when what it names was deleted since it was checked.
  static func referring(
    _ row: Row?, in service: ServiceRecord, _ transaction: PostgresTransaction
  ) async throws -> Trigger? {
    guard let row else { return nil }
    let id: TriggerID = try row.value(0)
    let trigger = try Trigger(row, of: service)
    var statements = [forgetting([id], in: service.id)]
    if trigger.active {
      var reader = TriggerReader(service: service)
      _ = reader.conditions(trigger.conditions)
      _ = reader.actions(trigger.results)
      let references = reader.references.map(\.reference)
      statements.append(
        """
        INSERT INTO trigger_reference (service_id, trigger_id, submission_type_id, processing_type_id, field_id,
          messenger_hook_id)
        SELECT \(service.id), \(id), t, NULL::bigint, NULL::bigint, NULL::bigint
        FROM unnest(\(references.compactMap(\.submissionTypeID))) AS t
        UNION SELECT \(service.id), \(id), NULL, p, NULL, NULL
        FROM unnest(\(references.compactMap(\.processingTypeID))) AS p
        UNION SELECT \(service.id), \(id), NULL, NULL, f, NULL FROM unnest(\(references.compactMap(\.fieldID))) AS f
        UNION SELECT \(service.id), \(id), NULL, NULL, f.id, NULL FROM ticket_field AS f
        WHERE f.service_id = \(service.id) AND f.delete_time IS NULL
          AND f.code = ANY(\(references.compactMap(\.fieldCode)))
        UNION SELECT \(service.id), \(id), NULL, NULL, NULL, h
        FROM unnest(\(references.compactMap(\.messengerHookID))) AS h
        """)
    }
    _ = try await transaction.batch(statements)
    return trigger
  }

  /// Lets go of what triggers name.
  static func forgetting(_ triggers: [TriggerID], in service: ServiceID) -> Query {
    "DELETE FROM trigger_reference WHERE service_id = \(service) AND trigger_id = ANY(\(triggers))"
  }
}
