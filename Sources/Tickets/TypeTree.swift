import HandoffAPI
import Postgres
import ServiceKit
import TicketLedger

extension SettingSubject {
  /// A node of a tree.
  static func type(_ id: Int64, _ tree: TypeTree) -> Self {
    switch tree {
    case .submission: .submissionType(SubmissionTypeID(id))
    case .processing: .processingType(ProcessingTypeID(id))
    }
  }
}

/// The two trees of types of a service.
enum TypeTree: Sendable {
  case submission
  case processing

  /// Deepest level of a tree.
  static let levelsMax: Int32 = 5

  /// The tree's table.
  var table: Query {
    switch self {
    case .submission: "submission_type"
    case .processing: "processing_type"
    }
  }

  /// What the index of names on a level is called.
  var nameKey: StaticString {
    switch self {
    case .submission: "submission_type_level_name_key"
    case .processing: "processing_type_level_name_key"
    }
  }

  /// What can be changed of a node.
  var paths: [String] {
    switch self {
    case .submission: ["display_name", "active", "localized_names", "position"]
    case .processing: ["display_name", "active", "position"]
    }
  }

  /// What can use a node.
  var users: String {
    switch self {
    case .submission: "tickets, mail accounts or active triggers"
    case .processing: "tickets, templates, active triggers or a running batch"
    }
  }

  /// The name of the request's field.
  var field: String {
    switch self {
    case .submission: "submission_type"
    case .processing: "processing_type"
    }
  }

  /// The resource name of a node.
  func name(_ service: String, _ id: Int64) -> String {
    switch self {
    case .submission: SubmissionTypeName(service: service, id: SubmissionTypeID(id)).description
    case .processing: ProcessingTypeName(service: service, id: ProcessingTypeID(id)).description
    }
  }

  /// Service and id of a resource name of this tree.
  ///
  /// - Throws: REQUEST_INVALID naming the field.
  func parse(_ text: String, field: String) throws(ServiceError) -> (service: String, id: Int64) {
    switch self {
    case .submission:
      let name = try SubmissionTypeName(text, field: field)
      return (name.service, name.id.rawValue)
    case .processing:
      let name = try ProcessingTypeName(text, field: field)
      return (name.service, name.id.rawValue)
    }
  }
}

/// What an administrator wants of a node; nil: unchanged.
struct TypeChange: Sendable {
  private(set) var displayName: String?
  private(set) var isActive: Bool?
  private(set) var position: Int32?
  private(set) var names: [(language: String, displayName: String)]?

  /// Reads what the paths name, and notes everything that is wrong with it.
  init(_ node: TypeNode, _ paths: Set<String>, in tree: TypeTree, _ check: inout RequestCheck) {
    if paths.contains("display_name") {
      displayName = check.line(node.displayName, "\(tree.field).display_name", charactersMax: 100)
    }
    if paths.contains("active") { isActive = node.active }
    if paths.contains("position") { position = check.position(node.position, "\(tree.field).position") }
    if paths.contains("localized_names") {
      let field = "\(tree.field).localized_names"
      check.require(
        tree == .submission || node.localizedNames.isEmpty, field, "are for submission types only")
      check.languages(node.localizedNames.map(\.language), field)
      names = node.localizedNames.prefix(RequestCheck.languagesMax).enumerated().map { index, name in
        (name.language, check.line(name.displayName, "\(field)[\(index)].display_name", charactersMax: 100))
      }
    }
  }
}
