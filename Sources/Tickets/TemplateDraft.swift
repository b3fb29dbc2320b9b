import HandoffAPI
import ServiceKit
import TicketLedger

/// What an administrator wants of a template, in canonical form; nil: unchanged.
struct TemplateChange: Sendable {
  /// What can be changed.
  static let paths: [String] = ["title", "content", "search_code", "shared", "processing_types"]
  private static let searchCodeCharactersMax = 20
  private static let typesMax = 100

  private(set) var title: String?
  private(set) var content: String?
  private(set) var searchCode: String?
  private(set) var isShared: Bool?
  private(set) var processingTypes: [ProcessingTypeName]?

  /// Reads what the paths name, and notes everything that is wrong with it.
  init(_ template: Template, _ paths: Set<String>, _ check: inout RequestCheck) {
    if paths.contains("title") {
      title = check.line(template.title, "template.title", charactersMax: FieldLimits.titleCharactersMax)
    }
    if paths.contains("content") {
      content = check.text(template.content, "template.content", charactersMax: FieldLimits.answerCharactersMax)
      check.require(!CanonicalText.isBlank(template.content), "template.content", "must not be empty")
    }
    if paths.contains("search_code") {
      let code = check.line(
        template.searchCode, "template.search_code", charactersMax: Self.searchCodeCharactersMax, mayBeBlank: true)
      check.require(
        code.unicodeScalars.allSatisfy { $0.properties.isAlphabetic || ("0"..."9").contains($0) },
        "template.search_code", "must be at most \(Self.searchCodeCharactersMax) letters and digits")
      searchCode = code
    }
    if paths.contains("shared") { isShared = template.shared }
    if paths.contains("processing_types") {
      let field = "template.processing_types"
      let types = template.processingTypes
      check.require(types.count <= Self.typesMax, field, "must be at most \(Self.typesMax)")
      check.require(Set(types).count == types.count, field, "must name each type once")
      processingTypes = types.prefix(Self.typesMax).enumerated().compactMap { index, type in
        check.value("\(field)[\(index)]") { () throws(ServiceError) in
          try ProcessingTypeName(type, field: "\(field)[\(index)]")
        }
      }
    }
  }
}
