import HandoffAPI
import ServiceKit
import TicketLedger

extension TicketSearch {
  /// Choices of a condition that are not among its field's options, as they would be stored.
  static func unlisted(_ options: [String], of field: FieldRecord) -> [String] {
    options.prefix(SearchOrder.listMax).compactMap { option -> String? in
      if field.rule.options.contains(option) { return nil }
      return try? CanonicalText.line(option, field: "options", charactersMax: FieldDraft.optionCharactersMax)
    }
  }

  /// Adds the conditions on a service's fields, and notes everything that is wrong with them.
  ///
  /// - Parameter former: by the place of a condition, choices that are no options any more and that tickets still have.
  /// - Throws: FIELD_NOT_FOUND, also for a field of administrators when an agent asks.
  mutating func add(
    _ conditions: [FieldCondition], _ catalog: FieldCatalog, former: [Int: [String]], isAdministrator: Bool,
    _ check: inout RequestCheck
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
        guard condition.options.count <= SearchOrder.listMax else {
          check.require(false, "\(place).options", "must be at most \(SearchOrder.listMax)")
          continue
        }
        let known = field.kind == .agree ? ["true", "false"] : field.rule.options + (former[index] ?? [])
        // As they are stored: texts of another normalization are equal here, and are not to the database.
        let chosen = condition.options.compactMap { option in known.first { $0 == option } }
        check.require(
          chosen.count == condition.options.count, "\(place).options", "must be some of the field's options")
        fields.append(FieldMatch(field: field.id, options: chosen))
      case (.time, (false, false, true)):
        Self.checkTimes(condition, of: field.kind, place, &check)
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

  private static func checkTimes(
    _ condition: FieldCondition, of kind: FieldKind, _ place: String, _ check: inout RequestCheck
  ) {
    let times = [("from", condition.from), ("to", condition.to)].filter { !$0.1.isEmpty }
    var areRead = true
    for (name, text) in times {
      let isMoment = FieldRules.isMoment(text, of: kind)
      check.require(
        isMoment, "\(place).\(name)",
        "must be a \(kind.isOfDays ? "date such as 2026-01-31" : "time such as 2026-01-31 09:30")")
      areRead = areRead && isMoment
    }
    // Times of one kind are written in the same width, so their order is that of their texts.
    if areRead, times.count == 2 {
      check.require(condition.from <= condition.to, "\(place).to", "must not be earlier than from")
    }
  }
}
