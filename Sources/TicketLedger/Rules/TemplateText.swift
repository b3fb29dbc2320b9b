/// The codes that a template may hold, written `#{name}`; the same words as in mail layouts.
package enum TemplateCode: String, CaseIterable, Sendable {
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
  /// Who inserts the template; in a message of a trigger's, who holds the ticket.
  case agentName
  case groupName
  case serviceName
  /// When the ticket was received, in the service's time zone.
  case createdAt
}

/// A template's text with its codes filled.
package struct TemplateText: Equatable, Sendable {
  /// What a field's code begins with: `#{field.order_number}`.
  package static let fieldPrefix = "field."
  private static let nameScalarsMax = 64

  /// The text with what is known filled in.
  package let text: String
  /// Where in the text's UTF-8 the values stand, from the first to the last; the rest is the template's own.
  package let valueRanges: [Range<Int>]
  /// Codes that nobody knows, each once, in the order of the text; they stand there as they are.
  package let unknownCodes: [String]

  /// Fills a text. What a value holds is never filled again.
  ///
  /// - Parameter value: the value of a code by its name; nil: there is no such code.
  package init(_ template: String, value: (String) -> String?) {
    var text = ""
    var unknown: [String] = []
    var ranges: [Range<Int>] = []
    var rest = Substring(template)
    while let begin = rest.firstRange(of: "#{") {
      text += rest[..<begin.lowerBound]
      rest = rest[begin.lowerBound...]
      guard let name = Self.name(rest.dropFirst(2)) else {
        text += "#{"
        rest = rest.dropFirst(2)
        continue
      }
      if let known = value(name) {
        let begin = text.utf8.count
        text += known
        ranges.append(begin..<text.utf8.count)
      } else {
        text += "#{\(name)}"
        if !unknown.contains(name) { unknown.append(name) }
      }
      rest = rest.dropFirst(name.count + 3)
    }
    self.text = text + rest
    valueRanges = ranges
    unknownCodes = unknown
  }

  /// The name up to the closing brace; nil when it is none.
  private static func name(_ text: Substring) -> String? {
    let name = text.prefix { $0 != "}" && $0 != "\n" && $0 != "{" && $0 != "#" }
    guard !name.isEmpty, name.unicodeScalars.count <= nameScalarsMax, text[name.endIndex...].first == "}" else {
      return nil
    }
    return String(name)
  }
}
