import HandoffAPI
import Postgres
import ServiceKit
import TicketLedger

/// A field of a service.
struct FieldRecord: Sendable {
  let id: FieldID
  let kind: FieldKind
  let audience: FieldAudience
  let displayName: String
  let description: String
  let isAdministratorsOnly: Bool
  let position: Int32
  let isActive: Bool
  let version: Int64
  /// What its values must be.
  let rule: FieldRule
  /// Names and descriptions in other languages.
  var translations: [(language: String, displayName: String, description: String)] = []

  static let columns: Query = """
    f.id, f.code, f.kind, f.audience, f.display_name, f.description, f.is_required, f.length_max, f.options, \
    f.is_administrators_only, f.position, f.is_active, f.version
    """

  init(_ row: Row) throws(PostgresError) {
    id = try row.value(0)
    kind = try row.value(2)
    audience = try row.value(3)
    displayName = try row.value(4)
    description = try row.value(5)
    let lengthMax: Int32 = try row.value(7)
    rule = FieldRule(
      code: try row.value(1), kind: kind, isRequired: try row.value(6), lengthMax: Int(lengthMax),
      options: try row.value(8))
    isAdministratorsOnly = try row.value(9)
    position = try row.value(10)
    isActive = try row.value(11)
    version = try row.value(12)
  }

  func message(in service: String) -> Field {
    Field(
      name: FieldName(service: service, id: id).description, code: rule.code,
      kind: Field.Kind(rawValue: kind.number), audience: Field.Audience(rawValue: audience.number),
      displayName: displayName, description: description,
      localized: translations.map {
        LocalizedField(language: $0.language, displayName: $0.displayName, description: $0.description)
      },
      required: rule.isRequired, maxLength: Int32(rule.lengthMax), options: rule.options,
      administratorsOnly: isAdministratorsOnly, position: position, active: isActive, version: version)
  }
}

/// The fields of a service, which of them its submission types ask for, and what it has changed of those that every
/// ticket has.
struct FieldCatalog: Sendable {
  /// Customer fields, then agent fields, each in order; inactive ones too.
  let fields: [FieldRecord]
  private let byCode: [String: FieldRecord]
  private let byID: [FieldID: FieldRecord]
  private let placements: [SubmissionTypeID: [FieldID]]
  private let systemFields: [SystemFieldCode: SystemFieldRecord]
  /// The service's language.
  private let language: String

  init(
    _ fields: [FieldRecord], placements: [SubmissionTypeID: [FieldID]],
    systemFields: [SystemFieldRecord], language: String
  ) {
    self.fields = fields
    self.language = language
    self.systemFields = Dictionary(systemFields.map { ($0.field, $0) }, uniquingKeysWith: { first, _ in first })
    byCode = Dictionary(fields.map { ($0.rule.code, $0) }, uniquingKeysWith: { first, _ in first })
    byID = Dictionary(fields.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
    self.placements = placements
  }

  func field(_ id: FieldID) -> FieldRecord? { byID[id] }

  func field(code: String) -> FieldRecord? { byCode[code] }

  /// A field that every ticket has.
  func systemField(_ field: SystemFieldCode) -> SystemFieldRecord { systemFields[field] ?? SystemFieldRecord(field) }

  /// What holds for a field that every ticket has.
  func rule(of field: SystemFieldCode) -> SystemFieldRule { systemField(field).rule(language: language) }

  /// The customer fields that a submission type asks for, in order; none without a type.
  func customerForm(_ type: SubmissionTypeID?) -> [FieldRecord] {
    guard let type else { return [] }
    return (placements[type] ?? []).compactMap { byID[$0] }.filter(\.isActive)
  }

  /// The fields that agents fill, in order; `all` includes those of administrators.
  func agentForm(all: Bool) -> [FieldRecord] {
    fields.filter { $0.audience == .agent && $0.isActive && (all || !$0.isAdministratorsOnly) }
  }
}

// The texts of the CHECK lists are the raw values.
extension FieldKind: PostgresDecodable, PostgresBindable {}
extension FieldAudience: PostgresDecodable, PostgresBindable {}
