package import Postgres

/// A text that can be searched, among the texts of a ticket.
package enum SearchPlace: Hashable, Sendable {
  /// What the ticket is about.
  case title
  /// The customer's name.
  case customerName
  /// An entry of the history.
  case entry(EntryID)
  /// What the ticket has in a field of its service.
  case field(FieldID)

  /// The row's key in `ticket_search`.
  package var key: String {
    switch self {
    case .title: "title"
    case .customerName: "customer_name"
    case .entry(let id): "entry/\(id)"
    case .field(let id): "field/\(id)"
    }
  }

  /// The place of a text in the registry of copies; nil for one that is not searched.
  ///
  /// - Parameter row: the copy's row among the ticket's rows.
  package init?(_ copy: TextCopy, row: String) {
    switch copy.name {
    case "ticket.title": self = .title
    case "ticket.customer_name": self = .customerName
    case "ticket_entry.body":
      guard let id = Int64(row) else { return nil }
      self = .entry(EntryID(id))
    case "ticket_field_value.value":
      guard let id = Int64(row) else { return nil }
      self = .field(FieldID(id))
    default: return nil
    }
  }

  /// What kind of text it is.
  package var scope: SearchScope {
    switch self {
    case .title: .title
    case .customerName: .customerName
    case .entry: .entry
    case .field(let id): .field(id)
    }
  }
}

/// Where a phrase is looked for.
package enum SearchScope: Hashable, Sendable {
  /// In titles.
  case title
  /// In customers' names.
  case customerName
  /// In any entry of the history.
  case entry
  /// In a field of the service.
  case field(FieldID)

  fileprivate var mark: String {
    switch self {
    case .title: "T"
    case .customerName: "N"
    case .entry: "E"
    case .field(let id): "F\(SearchTokens.digits(id.rawValue)):"
    }
  }
}

/// The words of the index: what stands before a gram says in which kind of text, of which service, and on which day the
/// ticket was received, so that one search of the index finds one day's texts, and newer rows lie close together.
package enum SearchTokens {
  /// The tokens of a text, each once.
  package static func of(
    _ text: String, in scope: SearchScope, of service: ServiceID, receivedAt time: Instant
  ) -> [String] {
    let prefix = prefix(scope, service, day: day(of: time))
    return SearchText(text).grams().map { token(prefix, UInt32($0 >> 32), UInt32(truncatingIfNeeded: $0)) }
  }

  /// The day that an instant lies in, counted from 1970 in UTC.
  package static func day(of time: Instant) -> Int64 {
    let length: Int64 = 86_400_000_000
    let days = time.microsecondsSinceEpoch / length
    return time.microsecondsSinceEpoch % length < 0 ? days - 1 : days
  }

  /// A `tsquery` for texts that may have a phrase, of tickets received on any of some days.
  package static func query(
    _ phrase: SearchPhrase, in scopes: [SearchScope], of service: ServiceID, days: ClosedRange<Int64>
  ) -> String {
    let grams = phrase.grams
    return days.flatMap { day in
      scopes.map { scope in
        let prefix = prefix(scope, service, day: day)
        // Letters and digits alone are in a gram: nothing that would have to be escaped.
        let terms = grams.map { "'\(token(prefix, $0.first, $0.second))'\($0.second == 0 ? ":*" : "")" }
        return "(\(terms.joined(separator: "&")))"
      }
    }.joined(separator: "|")
  }

  private static func prefix(_ scope: SearchScope, _ service: ServiceID, day: Int64) -> String {
    let (service, day) = (digits(service.rawValue), digits(max(0, day)))
    // Three digits reach for 650 years, so that a prefix of one day is no prefix of another.
    return "\(scope.mark)\(service).\(String(repeating: "0", count: max(0, 3 - day.count)))\(day)"
  }

  private static func token(_ prefix: String, _ first: UInt32, _ second: UInt32) -> String {
    var token = prefix
    for scalar in [first, second] where scalar != 0 {
      if let scalar = Unicode.Scalar(scalar) { token.unicodeScalars.append(scalar) }
    }
    return token
  }

  private static let alphabet = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")

  /// A number in 62 digits, to be short.
  fileprivate static func digits(_ number: Int64) -> String {
    var (rest, digits) = (number, [Character]())
    repeat {
      digits.append(alphabet[Int(rest % 62)])
      rest /= 62
    } while rest > 0
    return String(digits.reversed())
  }
}

/// A row of `ticket_search` to be.
package struct SearchRow: Sendable, Equatable {
  /// Which text of the ticket.
  package let place: SearchPlace
  /// What it is found by.
  package let tokens: [String]

  /// Works out the row of a text.
  package init(_ place: SearchPlace, _ text: String, of service: ServiceID, receivedAt time: Instant) {
    self.place = place
    tokens = SearchTokens.of(text, in: place.scope, of: service, receivedAt: time)
  }
}
