import ServiceKit

/// An agent who holds tickets, as the order by holders has them: by name, then by id.
struct Holder: Comparable, Sendable {
  let id: AgentID
  /// In small letters.
  let name: String

  init(id: AgentID, name: String) {
    self.id = id
    self.name = name.lowercased()
  }

  static func < (left: Holder, right: Holder) -> Bool {
    left.name == right.name ? left.id.rawValue < right.id.rawValue : left.name < right.name
  }
}
