import HandoffAPI
import ServiceKit
import TicketLedger

/// A field's name and description in a language other than the service's.
struct FieldTranslation: Sendable, Hashable {
  var language: String
  var displayName: String
  var description: String

  /// Reads the translations of a request, and notes everything that is wrong with them.
  static func all(
    _ localized: [LocalizedField], _ list: String, _ check: inout RequestCheck
  ) -> [FieldTranslation] {
    check.languages(localized.map(\.language), list)
    return localized.prefix(RequestCheck.languagesMax).enumerated().map { index, entry in
      let name = "\(list)[\(index)]"
      return FieldTranslation(
        language: entry.language,
        displayName: check.line(entry.displayName, "\(name).display_name", charactersMax: 100),
        description: check.text(entry.description, "\(name).description", charactersMax: 1_000))
    }
  }
}

/// A field as an administrator wants it, in canonical form.
struct FieldDraft: Sendable {
  /// What can be changed of a field.
  static let paths: [String] = [
    "display_name", "description", "localized", "required", "max_length", "options", "administrators_only", "position",
    "active",
  ]
  private static let optionsMax = 100
  /// Longest option.
  static let optionCharactersMax = 100

  let code: String
  let kind: FieldKind
  let audience: FieldAudience
  private(set) var displayName = ""
  private(set) var description = ""
  private(set) var translations: [FieldTranslation] = []
  private(set) var isRequired = false
  private(set) var lengthMax: Int32 = 0
  private(set) var options: [String] = []
  private(set) var isAdministratorsOnly = false
  /// Nil: behind the others.
  private(set) var position: Int32?
  private(set) var isActive = true

  /// Reads a field to be, and notes everything that is wrong with it.
  init(creating field: Field, _ check: inout RequestCheck) {
    code = field.code
    check.require(
      FieldValues.isCode(field.code), "field.code",
      "must be 1 to 40 lower-case letters, digits and _, beginning with a letter")
    let kind: FieldKind? = check.choice(field.kind.rawValue, "field.kind", unspecified: nil)
    check.require(field.kind.rawValue != 0, "field.kind", "is required")
    self.kind = kind ?? .text
    let audience: FieldAudience? = check.choice(field.audience.rawValue, "field.audience", unspecified: nil)
    check.require(field.audience.rawValue != 0, "field.audience", "is required")
    self.audience = audience ?? .agent
    for path in Self.paths where path != "active" && (path != "position" || field.position != 0) {
      read(path, of: field, &check)
    }
    checkWhole(&check)
  }

  /// Changes a field where a mask says so, and notes everything that is wrong with the result.
  init(changing known: FieldRecord, to field: Field, _ mask: Set<String>, _ check: inout RequestCheck) {
    code = known.rule.code
    kind = known.kind
    audience = known.audience
    displayName = known.displayName
    description = known.description
    translations = known.translations.map {
      FieldTranslation(
        language: $0.language, displayName: $0.displayName,
        description: $0.description)
    }
    isRequired = known.rule.isRequired
    lengthMax = Int32(known.rule.lengthMax)
    options = known.rule.options
    isAdministratorsOnly = known.isAdministratorsOnly
    isActive = known.isActive
    for path in Self.paths where mask.contains(path) { read(path, of: field, &check) }
    checkWhole(&check)
  }

  private mutating func read(_ path: String, of field: Field, _ check: inout RequestCheck) {
    let name = "field.\(path)"
    switch path {
    case "display_name": displayName = check.line(field.displayName, name, charactersMax: 100)
    case "description": description = check.text(field.description, name, charactersMax: 1_000)
    case "localized": translations = FieldTranslation.all(field.localized, name, &check)
    case "required": isRequired = field.required
    case "max_length": lengthMax = field.maxLength
    case "options":
      check.require(field.options.count <= Self.optionsMax, name, "must be at most \(Self.optionsMax)")
      options = field.options.prefix(Self.optionsMax).enumerated().map { index, option in
        check.line(option, "\(name)[\(index)]", charactersMax: Self.optionCharactersMax)
      }
    case "administrators_only": isAdministratorsOnly = field.administratorsOnly
    case "position": position = check.position(field.position, name)
    default: isActive = field.active
    }
  }

  /// What must fit together.
  private func checkWhole(_ check: inout RequestCheck) {
    check.require(
      (0...max(0, kind.charactersMax)).contains(Int(lengthMax)), "field.max_length",
      kind.charactersMax == 0
        ? "goes with TEXT and TEXTAREA only" : "must be 1 to \(kind.charactersMax), or 0 for that")
    check.require(
      kind.hasOptions != options.isEmpty, "field.options",
      kind.hasOptions ? "must be 1 to \(Self.optionsMax) lines" : "go with CHECKBOX, DROPDOWN and RADIO only")
    check.require(Set(options).count == options.count, "field.options", "must differ")
    check.require(
      audience == .agent || !isAdministratorsOnly, "field.administrators_only", "goes with agent fields only")
    check.require(kind != .caption || !isRequired, "field.required", "is not for a CAPTION, which has no value")
  }
}
