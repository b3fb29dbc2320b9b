import HandoffAPI
import ServiceKit
import TicketLedger

extension TicketSearch {
  /// Adds the conditions on a service's fields, and notes everything that is wrong with them.
  ///
  /// - Throws: FIELD_NOT_FOUND, also for a field of administrators when an agent asks.
  mutating func add(
    _ conditions: [FieldCondition], _ catalog: FieldCatalog, isAdministrator: Bool, _ check: inout RequestCheck
  ) throws(ServiceError) {
    for (index, condition) in conditions.enumerated() {
      guard let field = catalog.field(code: condition.code), isAdministrator || !field.isAdministratorsOnly else {
        throw ServiceError(.fieldNotFound)
      }
      let place = "fields[\(index)]"
      let isAsked = (!condition.text.isEmpty, !condition.options.isEmpty, !(condition.from + condition.to).isEmpty)
      switch (field.kind.question, isAsked) {
      case (.words, (true, false, false)):
        if let phrase = SearchOrder.phrase(condition.text, "\(place).text", &check) {
          words.append(Words(phrase: phrase, scopes: [.field(field.id)]))
        }
      case (.choice, (false, true, false)):
        let known = field.kind == .agree ? ["true", "false"] : field.rule.options
        check.require(
          condition.options.allSatisfy(known.contains), "\(place).options", "must be some of the field's options")
        fields.append(FieldMatch(field: field.id, options: condition.options))
      case (.time, (false, false, true)):
        for (name, text) in [("from", condition.from), ("to", condition.to)] where !text.isEmpty {
          check.require(
            FieldRules.isMoment(text, of: field.kind), "\(place).\(name)",
            "must be a \(field.kind.isOfDays ? "date such as 2026-01-31" : "time such as 2026-01-31 09:30")")
        }
        fields.append(
          FieldMatch(
            field: field.id, from: condition.from, to: condition.to, isPeriod: field.kind.isPeriod))
      case (.words, _): check.require(false, place, "takes text, and nothing else")
      case (.choice, _): check.require(false, place, "takes options, and nothing else")
      case (.time, _): check.require(false, place, "takes from and to, and nothing else")
      case (nil, _): check.require(false, place, "is a field that cannot be searched")
      }
    }
  }
}
