import HandoffAPI
import TicketLedger

extension FieldCatalog {
  /// Events as agents see them who are no administrators: without what was in fields that are for administrators only.
  /// That something was saved stays to be seen.
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
