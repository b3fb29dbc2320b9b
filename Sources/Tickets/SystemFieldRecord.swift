import HandoffAPI
import Postgres
import ServiceKit
import TicketLedger

/// A field of every ticket as a service has changed it; nil stands for what is built in.
struct SystemFieldRecord: Sendable {
  /// What can be changed of some field; of each, what it says itself.
  static let paths: [String] = [
    "display_name", "description", "localized", "required", "max_length", "administrators_only",
  ]

  let field: SystemFieldCode
  private(set) var displayName: String?
  private(set) var description: String?
  private(set) var isRequired: Bool?
  private(set) var lengthMax: Int32?
  private(set) var isAdministratorsOnly: Bool?
  let version: Int64
  /// None: those that are built in.
  var translations: [FieldTranslation] = []

  static let columns: Query = """
    y.code, y.display_name, y.description, y.is_required, y.length_max, y.is_administrators_only, y.version
    """

  /// Reads a row; nil for a field that only another release knows.
  init?(_ row: Row) throws(PostgresError) {
    guard let field = SystemFieldCode(rawValue: try row.string(0)) else { return nil }
    self.field = field
    displayName = try row.value(1)
    description = try row.value(2)
    isRequired = try row.value(3)
    lengthMax = try row.value(4)
    isAdministratorsOnly = try row.value(5)
    version = try row.value(6)
  }

  /// A field as it is built in.
  init(_ field: SystemFieldCode, version: Int64 = 1) {
    self.field = field
    self.version = version
  }

  /// What is not as it is built in, as paths of an update mask.
  var changed: [String] {
    let changes: [(path: String, isChanged: Bool)] = [
      ("display_name", displayName != nil), ("description", description != nil), ("localized", !translations.isEmpty),
      ("required", isRequired != nil), ("max_length", lengthMax != nil),
      ("administrators_only", isAdministratorsOnly != nil),
    ]
    return changes.filter(\.isChanged).map(\.path)
  }

  /// What holds for the field.
  func rule(language: String) -> SystemFieldRule {
    let traits = field.traits
    return SystemFieldRule(
      field: field, displayName: displayName ?? traits.name(in: language),
      isRequired: isRequired ?? (traits.requirement == .always),
      lengthMax: lengthMax.map { Int($0) } ?? traits.charactersMax,
      isAdministratorsOnly: isAdministratorsOnly ?? false)
  }

  func message(in service: ServiceRecord) -> SystemField {
    let (traits, rule) = (field.traits, rule(language: service.language))
    let localized = translations.isEmpty ? field.translations(besides: service.language) : translations
    return SystemField(
      name: SystemFieldName(service: service.code, code: field.rawValue).description, code: field.rawValue,
      kind: Field.Kind(rawValue: traits.kind.number), audience: Field.Audience(rawValue: traits.audience.number),
      displayName: rule.displayName, description: description ?? "",
      localized: localized.map {
        LocalizedField(language: $0.language, displayName: $0.displayName, description: $0.description)
      },
      required: rule.isRequired, maxLength: Int32(rule.lengthMax), administratorsOnly: rule.isAdministratorsOnly,
      changeable: field.paths, changed: !changed.isEmpty, version: version)
  }

  /// Changes what a mask names, and notes everything that is wrong with the result. What is as it is built in counts as
  /// not changed.
  ///
  /// - Parameter language: of the service.
  mutating func change(to wanted: SystemField, _ mask: Set<String>, language: String, _ check: inout RequestCheck) {
    let traits = field.traits
    for path in Self.paths where mask.contains(path) {
      let name = "system_field.\(path)"
      guard field.paths.contains(path) else {
        check.require(
          false, "update_mask", "\(path) of \(field.rawValue) cannot be changed; what can: \(field.pathList)")
        continue
      }
      switch path {
      case "display_name":
        let text = check.line(wanted.displayName, name, charactersMax: 100)
        displayName = text == traits.name(in: language) ? nil : text
      case "description":
        let text = check.text(wanted.description, name, charactersMax: 1_000)
        description = text.isEmpty ? nil : text
      case "localized":
        let all = FieldTranslation.all(wanted.localized, name, &check)
        translations = Set(all) == Set(field.translations(besides: language)) ? [] : all
      case "required": isRequired = wanted.required == (traits.requirement == .always) ? nil : wanted.required
      case "max_length":
        check.require(
          (0...traits.charactersMax).contains(Int(wanted.maxLength)), name,
          "must be 1 to \(traits.charactersMax), or 0 for that")
        lengthMax = [0, traits.charactersMax].contains(Int(wanted.maxLength)) ? nil : wanted.maxLength
      default: isAdministratorsOnly = wanted.administratorsOnly ? true : nil
      }
    }
  }
}

extension SystemFieldCode {
  /// What can be changed of it, as paths of an update mask.
  var paths: [String] {
    let traits = traits
    return SystemFieldRecord.paths.filter { path in
      switch path {
      case "required": traits.requirement == .optional
      case "max_length": traits.charactersMax > 0
      case "administrators_only": traits.canBeAdministratorsOnly
      default: true
      }
    }
  }

  /// Its names in the other languages, as they are built in.
  fileprivate func translations(besides language: String) -> [FieldTranslation] {
    SystemFieldTraits.languages.filter { $0 != language }.map {
      FieldTranslation(language: $0, displayName: traits.name(in: $0), description: "")
    }
  }

  fileprivate var pathList: String { paths.joined(separator: ", ") }
}
