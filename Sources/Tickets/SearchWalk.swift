import Postgres
import TicketLedger

/// The way of a search for words from the newest day to the oldest, some days at a time. Pure: it makes statements and
/// takes their rows.
struct SearchWalk: Sendable {
  /// Days of a window: so few that a frequent word's tickets of one window are quickly sorted.
  static let windowDays: Int64 = 2
  /// Windows of a statement.
  static let windowsMax = 128
  /// Candidates that are looked at for one page.
  static let candidatesMax = 2_000

  private let search: TicketSearch
  private let from: Instant
  private let firstDay: Int64
  /// The last ticket looked at.
  private var before: (time: Instant, id: TicketID)
  /// The newest day not looked at; below `firstDay`: all were.
  private var day: Int64
  private var statementEnd: Int64 = 0
  private var limit = 0
  private var looked = 0
  private var found: [TicketRecord] = []
  private var isCut = false

  init(_ search: TicketSearch, _ bounds: TicketStore.SearchBounds, after cursor: TicketID) {
    self.search = search
    from = max(search.from ?? bounds.oldest, bounds.oldest)
    firstDay = SearchTokens.day(of: from)
    if let time = bounds.cursor, cursor.rawValue != 0 {
      before = (time, cursor)
    } else {
      // Nothing is received after now; clocks of imports may differ by a day.
      let day = Instant(microsecondsSinceEpoch: bounds.now.microsecondsSinceEpoch + 86_400_000_000)
      before = (min(search.before ?? day, day), TicketID(0))
    }
    day = SearchTokens.day(of: before.time)
  }

  /// The next statement; nil when every day was looked at.
  mutating func next(limit: Int) -> Query? {
    guard day >= firstDay else { return nil }
    let isWhole = search.words.allSatisfy(\.phrase.isWhole)
    self.limit = isWhole ? max(1, limit - found.count) : 200
    var windows: [ClosedRange<Int64>] = []
    var newest = day
    while newest >= firstDay, windows.count < Self.windowsMax {
      windows.append(max(firstDay, newest - Self.windowDays + 1)...newest)
      newest -= Self.windowDays
    }
    statementEnd = newest
    let queries = search.words.map { words in
      windows.map { SearchTokens.query(words.phrase, in: words.scopes, of: search.filter.service, days: $0) }
    }
    return TicketStore.found(search, windows: queries, from: from, before: before, limit: self.limit)
  }

  /// Takes what a statement returned and what of it meets the words; true when the page is full.
  mutating func take(_ meeting: [TicketRecord], of candidates: [TicketRecord], count: Int) -> Bool {
    looked += candidates.count
    found += meeting
    guard let last = candidates.last, candidates.count >= limit else {
      day = statementEnd
      return found.count > count
    }
    before = (last.createTime, last.id)
    day = SearchTokens.day(of: last.createTime)
    isCut = looked >= Self.candidatesMax
    return isCut || found.count > count
  }

  /// The page, and the ticket behind which the next one begins.
  func page(_ count: Int) -> (tickets: [TicketRecord], next: TicketID?) {
    if found.count > count { return (Array(found.prefix(count)), found[count - 1].id) }
    return (found, isCut ? before.id : nil)
  }
}
