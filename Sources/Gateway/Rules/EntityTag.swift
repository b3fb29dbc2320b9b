/// The version of a resource as HTTP has it: `ETag: "7"`, and `If-Match: "7"` on what is to be changed (RFC 9110
/// §8.8.3, §13.1.1).
package enum EntityTag {
  /// What an `if-match` field asks for.
  package enum Condition: Equatable, Sendable {
    /// Whatever version there is.
    case any
    /// This version.
    case version(Int64)
  }

  /// The tag of a version.
  package static func text(version: Int64) -> String { "\"\(version)\"" }

  /// Reads an `if-match` field; nil when it is not `*` or one tag that an answer gave. A weak tag never was one.
  package static func condition(_ field: String) -> Condition? {
    let text = field.drop { $0 == " " }
    if text == "*" { return .any }
    guard text.utf8.count >= 3, text.hasPrefix("\""), text.hasSuffix("\"") else { return nil }
    guard let version = Int64(text.dropFirst().dropLast()), version > 0 else { return nil }
    return .version(version)
  }
}
