import Crypto
import RPC
import ServiceKit
import TicketLedger

/// The last ticket of a page, with what it was sorted by when it was read.
struct PageEnd: Equatable, Sendable {
  let id: TicketID
  /// Nothing where time alone orders; else the state, priority or channel, the title as it is sorted, or the name of
  /// the holder.
  var key = ""
  /// The holder, in the order by holders.
  var agent: AgentID?

  init(id: TicketID, key: String = "", agent: AgentID? = nil) {
    self.id = id
    self.key = key
    self.agent = agent
  }

  /// The end of a page that a ticket is the last of.
  init(_ ticket: TicketRecord, in order: TicketOrder, holders: [Holder]) {
    id = ticket.id
    switch order.column {
    case .received: break
    case .title: key = Self.sorted(ticket.title)
    case .priority: key = ticket.priority.rawValue
    case .state: key = ticket.state.rawValue
    case .channel: key = ticket.channel.rawValue
    case .agent:
      agent = ticket.agentID
      key = holders.first { $0.id == agent }?.name ?? ""
    }
  }

  /// A title as the database sorts it: `lower(title COLLATE "C")`, which knows the letters of ASCII.
  private static func sorted(_ title: String) -> String {
    String(decoding: title.utf8.map { (65...90).contains($0) ? $0 + 32 : $0 }, as: UTF8.self)
  }
}

/// The page tokens of lists and searches of tickets: a ``PageEnd``, sealed with a key that all copies of Tickets share.
///
/// A token cannot be forged or read, since a title is a customer's words; it is good for the very list that gave it.
struct TicketPages: Sendable {
  /// Longest token that this type makes: a title of 200 characters, 4 bytes each.
  private static let tokenMax = 1_200

  private let key: SecretBytes

  init(key: SecretBytes) { self.key = key }

  /// The token of the page behind a ticket.
  ///
  /// - Parameter scope: What the list is about: method, parent, filters, order and caller.
  func token(after end: PageEnd, scope: String) throws -> String {
    var bytes: [UInt8] = []
    for number in [end.id.rawValue, end.agent?.rawValue ?? 0] {
      bytes += (0..<8).map { UInt8(truncatingIfNeeded: number >> (56 - 8 * Int64($0))) }
    }
    return Base64URL.encode(
      try AEADKey(key).seal(bytes + Array(end.key.utf8), associatedData: Array(scope.utf8)))
  }

  /// Where the page before ended; nil for the first page.
  ///
  /// - Throws: PAGE_TOKEN_INVALID for a token that this list did not give.
  func end(_ token: String, scope: String) throws(ServiceError) -> PageEnd? {
    if token.isEmpty { return nil }
    guard token.utf8.count <= Self.tokenMax, let sealed = Base64URL.decode(token),
      let bytes = try? AEADKey(key).open(sealed, associatedData: Array(scope.utf8)), bytes.count >= 16
    else { throw ServiceError(.pageTokenInvalid) }
    func number(_ bytes: ArraySlice<UInt8>) -> Int64 { bytes.reduce(0) { $0 << 8 | Int64($1) } }
    let agent = number(bytes[8..<16])
    return PageEnd(
      id: TicketID(number(bytes[..<8])), key: String(decoding: bytes[16...], as: UTF8.self),
      agent: agent == 0 ? nil : AgentID(agent))
  }
}
