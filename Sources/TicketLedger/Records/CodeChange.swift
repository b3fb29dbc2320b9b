/// Before and after of one field that holds a code or an id: never a free text, never a personal value.
package struct CodeChange: Hashable, Sendable {
  /// The field's name, as in the API: `state`, `agent`, `submission_type`.
  package var field: String
  /// Code or id before; empty: none.
  package var before: String
  /// Code or id after; empty: none.
  package var after: String

  /// Describes a change.
  package init(_ field: String, _ before: String, _ after: String) {
    self.field = field
    self.before = before
    self.after = after
  }

  /// Whether a text is made only of what codes, ids, resource names and Message-IDs are made of: visible ASCII
  /// without quotes and backslash, at most 200 characters. Events hold nothing else.
  package static func isCode(_ text: String) -> Bool {
    text.utf8.count <= 200
      && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }
  }

  /// The changes as the database keeps them: `[{"field":"state","before":"UNASSIGNED","after":"PROCESSING"}]`.
  package static func encode(_ changes: [CodeChange]) -> String {
    var text: [UInt8] = [UInt8(ascii: "[")]
    text.reserveCapacity(64 * changes.count + 2)
    for (index, change) in changes.enumerated() {
      if index > 0 { text.append(UInt8(ascii: ",")) }
      text.append(contentsOf: "{\"field\":\"".utf8)
      text.append(contentsOf: change.field.utf8)
      text.append(contentsOf: "\",\"before\":\"".utf8)
      text.append(contentsOf: change.before.utf8)
      text.append(contentsOf: "\",\"after\":\"".utf8)
      text.append(contentsOf: change.after.utf8)
      text.append(contentsOf: "\"}".utf8)
    }
    text.append(UInt8(ascii: "]"))
    return String(decoding: text, as: UTF8.self)
  }

  /// Reads what ``encode(_:)`` wrote; nil for any other text, however alike.
  package static func decode(_ text: String) -> [CodeChange]? {
    var rest = Substring(text).utf8
    func take(_ literal: String) -> Bool {
      guard rest.starts(with: literal.utf8) else { return false }
      rest = rest.dropFirst(literal.utf8.count)
      return true
    }
    func value() -> String? {
      let bytes = rest.prefix { $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }
      rest = rest[bytes.endIndex...]
      return String(Substring(bytes))
    }
    guard take("[") else { return nil }
    var changes: [CodeChange] = []
    while changes.isEmpty ? !rest.starts(with: "]".utf8) : take(",") {
      guard take("{\"field\":\""), let field = value(), take("\",\"before\":\""), let before = value(),
        take("\",\"after\":\""), let after = value(), take("\"}")
      else { return nil }
      changes.append(CodeChange(field, before, after))
    }
    return take("]") && rest.isEmpty ? changes : nil
  }
}
