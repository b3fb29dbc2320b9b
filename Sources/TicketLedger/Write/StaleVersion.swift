import EventLoop
import Postgres
package import ServiceKit

extension TicketLedger {
  /// Events that a stale writer is told of at most.
  private static let toldMax: Int64 = 50

  /// STALE_VERSION as its caller needs it: what has changed since the version that they saw, by whom and when.
  ///
  /// The metadata are `current_version`, `seen_version`, `changed_fields` and `events` (codes), separated by commas,
  /// and of the last change `changed_by` (`agents/7`, or a daemon's or trigger's name), `changed_by_display_name` and
  /// `change_time`. What happened before versions were recorded with events is not told. A field that is for
  /// administrators only is named, too: every agent can list the fields. What is in them is not told of any.
  ///
  /// - Throws: the database's errors as ``ServiceError``.
  func explained(
    _ error: ServiceError, on ticket: TicketRecord, since seen: Int64, deadline: Deadline
  ) async throws -> ServiceError {
    let rows = try await ServiceError.translating {
      try await pool.query(
        """
        SELECT \(fragment: EventRecord.columns), ARRAY(
          SELECT w.field FROM ticket_event_value AS w WHERE w.service_id = v.service_id AND w.ticket_id = v.ticket_id
            AND w.sequence = v.sequence ORDER BY w.field)
        FROM ticket_event AS v
        WHERE v.service_id = \(ticket.serviceID) AND v.ticket_id = \(ticket.id) AND v.version > \(seen)
        ORDER BY v.sequence DESC LIMIT \(Self.toldMax)
        """, deadline: deadline)
    }
    guard seen > 0, seen < ticket.version, let first = rows.first else { return error }
    let last = try EventRecord(first)
    var (fields, codes) = ([String](), [String]())
    // Oldest first, each once.
    for row in rows.reversed() {
      let event = try EventRecord(row)
      if !codes.contains(event.code) { codes.append(event.code) }
      let changed = (CodeChange.decode(event.changes) ?? []).map(\.field) + (try row.strings(EventRecord.columnCount))
      for field in changed where field != "entry" && !fields.contains(field) { fields.append(field) }
    }
    let name = try await name(of: last.actor.agentID, deadline)
    let who = name.isEmpty ? last.actor.name.isEmpty ? last.actor.kind.rawValue : last.actor.name : name
    let what = fields.isEmpty ? codes.joined(separator: ", ") : fields.joined(separator: ", ")
    var told = error
    told.message = "\(who) changed it meanwhile (\(what)); read it again, then decide"
    told.metadata["changed_fields"] = fields.joined(separator: ",")
    told.metadata["events"] = codes.joined(separator: ",")
    told.metadata["changed_by"] = last.actor.name.isEmpty ? last.actor.kind.rawValue : last.actor.name
    if !name.isEmpty { told.metadata["changed_by_display_name"] = name }
    told.metadata["change_time"] = last.createTime.text
    return told
  }
}

extension TicketRecord {
  /// Checks the version that a caller saw.
  ///
  /// - Parameter version: 0 when the caller does not mind.
  /// - Throws: STALE_VERSION with the current one; the ledger adds what has changed and by whom.
  package func require(version: Int64) throws(ServiceError) {
    guard version == 0 || version == self.version else { throw stale(seen: version) }
  }

  func stale(seen: Int64) -> ServiceError {
    ServiceError(
      .staleVersion, metadata: ["current_version": String(version), "seen_version": String(seen)])
  }
}
