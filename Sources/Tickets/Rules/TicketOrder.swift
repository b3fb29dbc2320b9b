/// The order of a list of tickets: by one column that agents see, in one of two directions.
///
/// Tickets that are equal in the column stand in the order in which they were received, in the same direction; so the
/// descending order is the ascending one, read backwards.
struct TicketOrder: Hashable, Sendable, CustomStringConvertible {
  /// What a list can be sorted by; raw values are the names of the ticket's fields in the API.
  enum Column: String, CaseIterable, Sendable {
    /// When it was received.
    case received = "create_time"
    /// Its title, by Unicode scalars; A to Z and a to z are the same.
    case title
    /// From LOW to URGENT.
    case priority
    /// From UNASSIGNED to COMPLETED.
    case state
    /// By the name of who holds it; what nobody holds comes last.
    case agent
    /// From HELP_CENTER to ESCALATION.
    case channel
  }

  let column: Column
  let isDescending: Bool

  static let newestFirst = TicketOrder(.received, isDescending: true)

  /// Every order there is.
  static var allCases: [TicketOrder] {
    Column.allCases.flatMap { [TicketOrder($0, isDescending: false), TicketOrder($0, isDescending: true)] }
  }

  init(_ column: Column, isDescending: Bool) {
    self.column = column
    self.isDescending = isDescending
  }

  /// Reads an `order_by`: the name of a column, and ` desc` behind it or not (AIP-132); an empty one means the newest
  /// first. Nil for anything else.
  init?(_ text: String) {
    let words = text.split(separator: " ")
    guard let name = words.first else {
      self = .newestFirst
      return
    }
    guard let column = Column(rawValue: String(name)), words.count == 1 || words.count == 2 && words[1] == "desc" else {
      return nil
    }
    self.init(column, isDescending: words.count == 2)
  }

  /// As ``init(_:)`` reads it.
  var description: String { isDescending ? "\(column.rawValue) desc" : column.rawValue }
}
