import HandoffAPI
import ServiceKit
import TicketLedger

/// The field values of a request, in canonical form; whether they fit their fields is for the service's catalog to say.
struct FieldValues: Sendable {
  /// Most fields of a request.
  static let fieldsMax = 300

  private(set) var values: [(code: String, values: [String])] = []
  var isEmpty: Bool { values.isEmpty }

  /// Nothing is set.
  init() {}

  /// Reads the values of a request and notes what is wrong with their form.
  init(_ values: [FieldValue], at list: String = "field_values", _ check: inout RequestCheck) {
    check.require(values.count <= Self.fieldsMax, list, "must name at most \(Self.fieldsMax) fields")
    var seen: Set<String> = []
    for (index, value) in values.prefix(Self.fieldsMax).enumerated() {
      let field = "\(list)[\(index)]"
      check.require(Self.isCode(value.code), "\(field).code", "is not the code of a field, such as order_number")
      check.require(seen.insert(value.code).inserted, "\(field).code", "stands here twice")
      check.require(value.values.count <= 100, "\(field).values", "must hold at most 100 values")
      let texts = value.values.prefix(100).enumerated().map { place, text in
        let text = check.text(text, "\(field).values[\(place)]", charactersMax: FieldKind.textarea.charactersMax)
        // Nobody has filled a field in with what nobody can read.
        return CanonicalText.isBlank(text) ? "" : text
      }
      self.values.append((value.code, texts))
    }
  }

  /// What a ticket has in fields of a form, for another ticket: as far as it fits them by now, and no files, which stay
  /// where they are.
  init(_ stored: [FieldID: String], of form: [FieldRecord]) {
    values = form.compactMap { field in
      guard field.kind != .file, let text = stored[field.id],
        FieldRules.problem(ofStored: text, in: field.rule) == nil
      else { return nil }
      return (field.rule.code, FieldRules.values(text, of: field.kind))
    }
  }

  /// Puts other names in the place of those of files, where there are any.
  ///
  /// - Parameter isOfFiles: whether the field with a code takes files.
  mutating func rename(_ names: [String: String], where isOfFiles: (String) -> Bool) {
    for (index, value) in values.enumerated() where isOfFiles(value.code) {
      values[index].values = value.values.map { names[$0] ?? $0 }
    }
  }

  static func isCode(_ text: String) -> Bool {
    guard (1...40).contains(text.utf8.count), let first = text.utf8.first else { return false }
    let isLetter = { (byte: UInt8) in byte >= UInt8(ascii: "a") && byte <= UInt8(ascii: "z") }
    return isLetter(first)
      && text.utf8.allSatisfy { isLetter($0) || $0 == UInt8(ascii: "_") || ($0 >= 0x30 && $0 <= 0x39) }
  }
}

/// Values that a request wants to save on a ticket, held against the fields of its service.
struct FieldSaving: Sendable {
  /// What must be filled.
  enum Completeness: Sendable {
    /// The customer's form, because the ticket comes to be or its submission type changes.
    case customerForm
    /// The agents' form, because the ticket is resolved.
    case agentForm
    /// Nothing but what is there already may not be emptied.
    case asIs
  }

  let catalog: FieldCatalog
  /// The submission type that the ticket will have.
  let type: SubmissionTypeID?
  /// An agent with the ticket right saves; else a customer's inquiry comes in.
  let isByAgent: Bool
  let isByAdministrator: Bool
  /// A program saves what a customer says. Other than a daemon, it sets nothing that is for administrators.
  var isByProgram = false
  /// Names of the files that the ticket has, and of those that the request puts on it.
  var files: Set<String> = []

  /// Whether a request names files in a field.
  func namesFiles(_ wanted: FieldValues) -> Bool {
    wanted.values.contains { catalog.field(code: $0.code)?.kind == .file }
  }

  /// Notes what is wrong with fields that every ticket has. Those of the customer belong to the form of a submission
  /// type: without one there is no form.
  func check(_ uses: [SystemFieldUse], _ completeness: Completeness, _ check: inout RequestCheck) {
    for use in uses {
      let audience = use.field.traits.audience
      guard audience == .agent || type != nil else { continue }
      let isAsked = completeness == (audience == .agent ? .agentForm : .customerForm)
      let problem = use.problem(
        under: catalog.rule(of: use.field), isAsked: isAsked,
        isForbidden: (isByAgent || isByProgram) && !isByAdministrator)
      if let problem { check.require(false, problem.code, "\(problem.rule.rawValue): \(problem.text)") }
    }
  }

  /// What is to be written; everything that is wrong is noted.
  ///
  /// - Parameter current: what the ticket has.
  func changes(
    _ wanted: FieldValues, current: [FieldID: String], _ completeness: Completeness, _ check: inout RequestCheck
  ) -> [FieldValueChange] {
    let form = catalog.customerForm(type)
    var after = current
    var changes: [FieldValueChange] = []
    var named: Set<FieldID> = []
    for (code, values) in wanted.values {
      guard let field = catalog.field(code: code), field.isActive, mayFill(field, form) else {
        check.require(false, "field_values.\(code)", "invalid: is no field of this form")
        continue
      }
      named.insert(field.id)
      do throws(FieldProblem) {
        let text = try FieldRules.stored(values, in: field.rule)
        if field.kind == .file, !FieldRules.values(text, of: .file).allSatisfy(files.contains) {
          throw FieldProblem(
            code: code, rule: .invalid, text: "must be files on the ticket, or among the request's attachments")
        }
        after[field.id] = text.isEmpty ? nil : text
        guard current[field.id] ?? "" != text else { continue }
        changes.append(
          FieldValueChange(field.id, code: code, before: current[field.id], after: text.isEmpty ? nil : text))
      } catch {
        check.require(false, "field_values.\(code)", "\(error.rule.rawValue): \(error.text)")
        // One problem a field is enough.
        named.remove(field.id)
        after[field.id] = "?"
      }
    }
    if completeness == .customerForm { checkAnswers(form, current, besides: wanted, &check) }
    for field in required(form, completeness, named) where after[field.id] == nil && field.kind != .caption {
      check.require(false, "field_values.\(field.rule.code)", "required: fill in \(field.displayName)")
    }
    return changes
  }

  /// Notes which answers that a ticket has already do not fit the form it is moved to. What a mask has put asterisks
  /// into was right once.
  private func checkAnswers(
    _ form: [FieldRecord], _ current: [FieldID: String], besides wanted: FieldValues, _ check: inout RequestCheck
  ) {
    for field in form {
      guard let text = current[field.id], !text.utf8.contains(UInt8(ascii: "*")),
        !wanted.values.contains(where: { $0.code == field.rule.code }),
        let problem = FieldRules.problem(ofStored: text, in: field.rule)
      else { continue }
      check.require(false, "field_values.\(problem.code)", "\(problem.rule.rawValue): \(problem.text)")
    }
  }

  /// Whether something must be filled in whatever is saved.
  func asks(_ completeness: Completeness) -> Bool {
    !required(catalog.customerForm(type), completeness, []).isEmpty
  }

  /// Whether the submission type has fields of its own on its form.
  var hasForm: Bool { !catalog.customerForm(type).isEmpty }

  private func mayFill(_ field: FieldRecord, _ form: [FieldRecord]) -> Bool {
    switch field.audience {
    case .customer: form.contains { $0.id == field.id }
    case .agent: isByAgent && (isByAdministrator || !field.isAdministratorsOnly)
    }
  }

  private func required(
    _ form: [FieldRecord], _ completeness: Completeness, _ named: Set<FieldID>
  ) -> [FieldRecord] {
    let agents = catalog.agentForm(all: isByAdministrator)
    switch completeness {
    case .customerForm:
      return form.filter(\.rule.isRequired) + agents.filter { $0.rule.isRequired && named.contains($0.id) }
    case .agentForm:
      return agents.filter(\.rule.isRequired) + form.filter { $0.rule.isRequired && named.contains($0.id) }
    case .asIs: return (form + agents).filter { $0.rule.isRequired && named.contains($0.id) }
    }
  }
}
