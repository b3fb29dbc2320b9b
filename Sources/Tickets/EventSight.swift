import EventLoop
import HandoffAPI
import TicketLedger

extension TicketService {
  /// Events as a caller sees them: for agents who are no administrators without what was in fields that are for
  /// administrators only, and without the names of masks that were made there.
  func seen(
    _ events: [Event], of ticket: TicketRecord, by access: Access, _ deadline: Deadline
  ) async throws -> [Event] {
    guard access.member?.role == .agent else { return events }
    let events = try await fields.catalog(of: ticket.serviceID, deadline: deadline).asAgentsSee(events)
    guard events.contains(where: { $0.changes.contains { $0.field == Self.maskField } }) else { return events }
    let hidden = try await ledger.masksForAdministrators(on: ticket.link, deadline: deadline)
    guard !hidden.isEmpty else { return events }
    return events.map { event in
      var seen = event
      seen.changes.removeAll { change in
        change.field == Self.maskField
          && [change.before, change.after].contains { MaskName($0).map { hidden.contains($0.id) } ?? false }
      }
      return seen
    }
  }

  /// The field of events that names masks.
  private static let maskField = "mask"
}

extension FieldCatalog {
  /// Events without what was in fields that are for administrators only. That something was saved stays to be seen.
  ///
  /// What a field is now counts, whatever it was when the event was written. The catalog knows nothing of a field that
  /// was deleted, which may have been administrators', so that one is left out, too.
  func asAgentsSee(_ events: [Event]) -> [Event] {
    let prefix = TemplateText.fieldPrefix
    return events.map { event in
      var seen = event
      seen.changes.removeAll { change in
        change.field.hasPrefix(prefix)
          && field(code: String(change.field.dropFirst(prefix.count)))?.isAdministratorsOnly ?? true
      }
      return seen
    }
  }
}
