/// The codes that a layout may hold, written `#{name}`.
package enum ReplacementCode: String, CaseIterable, Sendable {
  /// What the agent wrote; every layout's body has it.
  case content
  /// The ticket's number.
  case ticketID = "ticketId"
  /// The ticket's title.
  case subject
  /// What the customer asked last.
  case inquiry
  case customerName
  /// The customer's number.
  case customerID = "customerId"
  /// The customer's address.
  case email
  /// The customer's phone number.
  case phone
  /// By which the organization's own systems know the customer.
  case userCode
  case submissionType
  case processingType
  /// Who answers.
  case agentName
  case groupName
  case serviceName
  /// When the ticket was received, in the service's time zone.
  case createdAt
  /// When the answer was written, in the service's time zone.
  case answeredAt
  /// The ticket's state after the act, in the customer's words.
  case status
}

/// A layout's subject or body, taken apart at its codes.
package struct LayoutText: Sendable {
  private enum Piece: Sendable {
    case text(Substring)
    case code(ReplacementCode)
    /// The value of a ticket's field, and the code as it stands.
    case field(String, Substring)
    case unknown(Substring)
  }

  /// What stands before the code of a field.
  private static let fieldPrefix = "field."

  private let pieces: [Piece]
  /// The codes there are.
  package let codes: Set<ReplacementCode>
  /// The codes of fields there are, as the service names them.
  package let fieldCodes: Set<String>

  /// Takes a text apart. A `#{` that no `}` follows within 64 characters of one line is plain text.
  package init(_ text: String) {
    var pieces: [Piece] = []
    var plainStart = text.startIndex
    var index = text.startIndex
    while index < text.endIndex {
      guard let (name, end) = Self.code(in: text, at: index) else {
        index = text.unicodeScalars.index(after: index)
        continue
      }
      if plainStart < index { pieces.append(.text(text[plainStart..<index])) }
      let asItStands = text[index..<end]
      if let code = ReplacementCode(rawValue: name) {
        pieces.append(.code(code))
      } else if name.hasPrefix(Self.fieldPrefix) {
        pieces.append(.field(String(name.dropFirst(Self.fieldPrefix.count)), asItStands))
      } else {
        pieces.append(.unknown(asItStands))
      }
      plainStart = end
      index = end
    }
    if plainStart < text.endIndex { pieces.append(.text(text[plainStart...])) }
    self.pieces = pieces
    codes = Set(pieces.compactMap { if case .code(let code) = $0 { code } else { nil } })
    fieldCodes = Set(pieces.compactMap { if case .field(let code, _) = $0 { code } else { nil } })
  }

  /// Puts values where the codes are; a value that looks like a code is not replaced again, a missing one is empty.
  ///
  /// - Parameter fields: values by the codes of fields. A field that is missing here is unknown.
  package func filled(with values: [ReplacementCode: String], fields: [String: String] = [:]) -> String {
    pieces.reduce(into: "") { text, piece in
      switch piece {
      case .text(let plain), .unknown(let plain): text += plain
      case .code(let code): text += values[code] ?? ""
      case .field(let code, let asItStands): text += fields[code] ?? String(asItStands)
      }
    }
  }

  /// Codes that mean nothing, without `#{}`, each once, in the order of the text; they are left as they stand.
  ///
  /// - Parameter hasField: whether the service has a field with a code.
  package func unknownCodes(hasField: (String) -> Bool) -> [String] {
    pieces.reduce(into: []) { unknown, piece in
      let asItStands: Substring
      switch piece {
      case .text, .code: return
      case .field(let code, let text):
        if hasField(code) { return }
        asItStands = text
      case .unknown(let text): asItStands = text
      }
      let name = String(asItStands.dropFirst(2).dropLast())
      if !unknown.contains(name) { unknown.append(name) }
    }
  }

  private static func code(in text: String, at start: String.Index) -> (name: String, end: String.Index)? {
    let scalars = text.unicodeScalars
    guard scalars[start] == "#" else { return nil }
    var index = scalars.index(after: start)
    guard index < scalars.endIndex, scalars[index] == "{" else { return nil }
    index = scalars.index(after: index)
    let nameStart = index
    for _ in 0...64 {
      guard index < scalars.endIndex else { return nil }
      switch scalars[index] {
      case "}":
        guard index > nameStart else { return nil }
        return (String(scalars[nameStart..<index]), scalars.index(after: index))
      case "\n", "{", "#": return nil
      default: index = scalars.index(after: index)
      }
    }
    return nil
  }
}
