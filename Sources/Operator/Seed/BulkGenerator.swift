import Postgres
import ServiceKit
import TicketLedger

/// Makes up many tickets, the oldest first, evenly over the days asked for; the same for the same seed. An issue ticket
/// is one of them, and has the id behind that of the ticket that was escalated to it, whenever that was.
struct BulkGenerator: Sendable {
  /// Of how many of the newest tickets half have a call promised: an agent has as many of them open, whatever the
  /// service has seen.
  private static let callBacksWithin = 300

  private let order: BulkOrder
  private var generator: DemoGenerator
  private var random: DemoRandom
  /// Tickets made so far.
  private(set) var made = 0
  private(set) var entryCount = 0
  private let firstTicket: Int64
  private let firstEntry: Int64

  init(_ order: BulkOrder, firstTicket: Int64, firstEntry: Int64) {
    self.order = order
    generator = DemoGenerator(seed: order.seed, ticketsBy: ())
    random = DemoRandom(seed: order.seed ^ 0x5eed)
    self.firstTicket = firstTicket
    self.firstEntry = firstEntry
  }

  /// The ids of the next ticket and entry.
  var nextTicket: Int64 { firstTicket + Int64(made) }
  var nextEntry: Int64 { firstEntry + Int64(entryCount) }

  /// The next tickets, about as many as asked for; nil when all are made.
  mutating func round(_ count: Int) -> BulkRound? {
    guard made < order.count else { return nil }
    var round = BulkRound(firstTicket: nextTicket, firstEntry: nextEntry)
    let end = min(made + count, order.count)
    while made < end { round.tickets.append(next()) }
    return round
  }

  /// The next ticket.
  mutating func next() -> DemoTicket {
    let age = max(300, (order.count - made) * (order.days * 86_400 / order.count))
    var ticket = generator.next(age: age, escalates: order.count - made > 1)
    let isOld = made * 2 < order.count
    ticket.inquiry += BulkWords.sentence(isOld: isOld, &random)
    if random.chance(20) { ticket.title += " (\(BulkWords.product(&random)))" }
    for word in BulkWords.inShare(isOld: isOld, &random) { ticket.title += " \(word)" }
    // What was promised to customers of long ago was done.
    let isPromised = random.chance(50)
    if isPromised, order.count - made <= Self.callBacksWithin {
      ticket.callBackAfter = 3_600 * random.number(1...72)
    }
    made += ticket.ticketCount
    entryCount += ticket.entryCount
    return ticket
  }
}

/// Some of the tickets and the ids that they get. No round has to know of another: several are worked out at once.
struct BulkRound: Sendable {
  let firstTicket: Int64
  let firstEntry: Int64
  var tickets: [DemoTicket] = []

  /// The rows of the tickets, table by table.
  ///
  /// - Parameter now: the moment from which the tickets' ages count.
  func rows(_ events: DemoEvents, _ key: LedgerKey, now: Instant) throws -> [CopyRows] {
    var lives = BulkLives(events, key, now: now, firstTicket: firstTicket, firstEntry: firstEntry)
    for ticket in tickets { try lives.add(ticket) }
    let entryCount = tickets.reduce(0) { $0 + $1.entryCount }
    guard lives.nextEntry == firstEntry + Int64(entryCount) else {
      throw OperatorError("generated tickets have \(lives.nextEntry - firstEntry) entries, and not \(entryCount)")
    }
    return lives.takeRows()
  }
}

/// Lets generated tickets live.
private struct BulkLives {
  private let events: DemoEvents
  private let now: Instant
  private var lives: TicketImport
  private var nextTicket: Int64
  private(set) var nextEntry: Int64

  init(_ events: DemoEvents, _ key: LedgerKey, now: Instant, firstTicket: Int64, firstEntry: Int64) {
    self.events = events
    self.now = now
    lives = TicketImport(key: key)
    nextTicket = firstTicket
    nextEntry = firstEntry
  }

  mutating func takeRows() -> [CopyRows] { lives.takeRows() }

  @discardableResult
  mutating func add(_ plan: DemoTicket, from source: TicketRecord? = nil) throws -> TicketLink {
    let received = now.advanced(by: .seconds(-plan.age))
    let draft = try events.draft(of: plan, at: received, from: source)
    var ticket = lives.create(
      draft, id: TicketID(nextTicket), at: received, entryIDs: entryIDs(draft.event.entries.count))
    nextTicket += 1
    for step in plan.steps {
      var target: TicketLink?
      if case .escalate(_, _, let issue) = step.act { target = try add(issue, from: ticket) }
      let event = try events.event(of: step.act, on: ticket, in: plan.service, target: target)
      var change = TicketChange(event)
      change.time = received.advanced(by: .seconds(step.time))
      ticket = lives.change(change, on: ticket, entryIDs: entryIDs(event.entries.count))
    }
    lives.add(ticket)
    return ticket.link
  }

  private mutating func entryIDs(_ count: Int) -> [EntryID] {
    defer { nextEntry += Int64(count) }
    return (0..<count).map { EntryID(nextEntry + Int64($0)) }
  }
}

/// Words that make many tickets differ, and some that stand in a known share of them.
enum BulkWords {
  /// In about three of ten inquiries, and in as many titles.
  static let frequent = "적립금"
  /// In about one of five hundred.
  static let medium = "훌라후프"
  /// In about one of twenty thousand.
  static let rare = "쿼카 인형"
  /// In three of ten of the older half, and in none of the newer one.
  static let ofLongAgo = "폴더폰"
  /// In none.
  static let absent = "뷁뛝"

  /// Those that stand in a text this time.
  static func inShare(isOld: Bool, _ random: inout DemoRandom) -> [String] {
    var words: [String] = []
    if random.chance(30) { words.append(frequent) }
    if random.number(1...500) == 1 { words.append(medium) }
    if random.number(1...20_000) == 1 { words.append(rare) }
    if isOld, random.chance(30) { words.append(ofLongAgo) }
    return words
  }

  private static let syllables = Array("가나다라마바사아자차카타파하고노도로모보소오조초코토포호구누두루무부수우주추쿠투푸후기니디리미비시이지치키티피히")
  private static let notes = ["현관 앞에 놓아 주세요", "전화는 오후에 부탁드립니다", "영수증은 가지고 있습니다", "색상은 남색입니다", "지난번에도 같은 일이 있었습니다"]

  // What an inquiry says of such a word.
  private static let sayings = [
    frequent: "도 확인해 주세요.", medium: "도 함께 샀습니다.", rare: "이 빠졌습니다.", ofLongAgo: "이라 화면이 작습니다.",
  ]

  /// A product of one of a thousand brands.
  static func product(_ random: inout DemoRandom) -> String {
    let brand = random.number(0...999)
    let name = [brand % 54, brand / 7 % 54, brand * 31 % 54].map { String(syllables[$0]) }.joined()
    return "\(name) \(random.number(100...999))"
  }

  /// What stands behind an inquiry.
  static func sentence(isOld: Bool, _ random: inout DemoRandom) -> String {
    var text = " \(product(&random)) 제품입니다. \(random.pick(notes))."
    for word in inShare(isOld: isOld, &random) { text += " \(word)\(sayings[word] ?? "")" }
    return text
  }
}
