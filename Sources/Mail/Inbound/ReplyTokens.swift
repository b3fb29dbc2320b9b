import Crypto
package import TicketLedger

/// Marks by which a reply finds its ticket, and which nobody can make up: they are signed with a key of the cluster.
///
/// A mark stands in the address that replies go to (`care+t1-a9-k3…@shop.example`), and in every Message-ID of ours,
/// which comes back in `References` and `In-Reply-To`. Whoever has one got a mail of the ticket. Marks do not expire.
package struct ReplyTokens: Sendable {
  private let key: HMACSHA256
  /// What stands between an address and the mark in it; nil: the mail server delivers no such addresses, so replies go
  /// to the plain one.
  private let separator: Character?

  /// Signs with a key derived from the ledger's.
  ///
  /// - Parameter separator: what the mail server takes as the beginning of an address's detail (RFC 5233).
  package init(_ ledgerKey: LedgerKey, separator: Character? = "+") {
    key = ledgerKey.derivedKey(for: "mail reply tokens")
    self.separator = separator
  }

  /// Where replies to a mail of a ticket go; the address itself when a mark has no room in it.
  package func replyAddress(_ address: MailAddress, for ticket: TicketLink) -> MailAddress {
    guard let separator, let at = address.address.lastIndex(of: "@") else { return address }
    let marked = "\(address.address[..<at])\(separator)\(mark(ticket, nonce: ""))\(address.address[at...])"
    return MailAddress(marked, displayName: address.displayName) ?? address
  }

  /// An address without its detail: `care@shop.example` of `care+sales@shop.example`.
  func withoutDetail(_ address: String) -> String {
    guard let separator, let at = address.lastIndex(of: "@"),
      let start = address[..<at].firstIndex(of: separator), start > address.startIndex
    else { return address }
    return String(address[..<start] + address[at...])
  }

  /// A Message-ID for a mail of a ticket, without angle brackets.
  ///
  /// - Parameters:
  ///   - nonce: letters and digits that no other mail has.
  ///   - domain: of the sender.
  package func messageID(for ticket: TicketLink, nonce: String, domain: Substring) -> String {
    "\(nonce).\(mark(ticket, nonce: nonce))@\(domain)"
  }

  /// The ticket that an address of ours is marked with.
  package func ticket(inAddress address: String) -> Finding {
    let local = address.prefix { $0 != "@" }
    guard let separator, let start = local.lastIndex(of: separator) else { return .none }
    return check(local[local.index(after: start)...], nonce: "")
  }

  /// The ticket that a Message-ID of ours is marked with.
  package func ticket(inMessageID messageID: String) -> Finding {
    let local = messageID.prefix { $0 != "@" }
    guard let dot = local.firstIndex(of: ".") else { return .none }
    return check(local[local.index(after: dot)...], nonce: String(local[..<dot]))
  }

  /// What there is of a mark.
  package enum Finding: Sendable, Equatable {
    /// Nothing that looks like one.
    case none
    /// It looks like one and is none of ours.
    case forged
    /// It is ours.
    case ticket(TicketLink)
  }

  private static let codeCharacters = 16

  private func check(_ text: Substring, nonce: String) -> Finding {
    let parts = text.split(separator: "-", omittingEmptySubsequences: false)
    guard parts.count == 3, parts[0].first == "t" || parts[0].first == "T", parts[2].count == Self.codeCharacters,
      let service = Int64(parts[0].dropFirst(), radix: 36), let ticket = Int64(parts[1], radix: 36), service > 0,
      ticket > 0
    else { return .none }
    let link = TicketLink(serviceID: ServiceID(service), ticketID: TicketID(ticket))
    // Some programs write addresses in capitals.
    let isOurs = constantTimeEqual(Array(parts[2].lowercased().utf8), Array(code(link, nonce: nonce).utf8))
    return isOurs ? .ticket(link) : .forged
  }

  private func mark(_ ticket: TicketLink, nonce: String) -> String {
    let service = String(ticket.serviceID.rawValue, radix: 36)
    return "t\(service)-\(String(ticket.ticketID.rawValue, radix: 36))-\(code(ticket, nonce: nonce))"
  }

  /// 80 bits in letters and digits that survive programs that change the case of letters.
  private func code(_ ticket: TicketLink, nonce: String) -> String {
    let kind = nonce.isEmpty ? "address" : "message"
    let message = "\(kind)/\(nonce.lowercased())/\(ticket.serviceID)/\(ticket.ticketID)"
    return Base32.encode(key.authenticate(Array(message.utf8)).prefix(10))
  }
}

/// Base 32 in lower case without padding (RFC 4648, 6).
enum Base32 {
  private static let letters = Array("abcdefghijklmnopqrstuvwxyz234567")

  static func encode(_ bytes: some Sequence<UInt8>) -> String {
    var text = ""
    var bits = 0
    var value: UInt32 = 0
    for byte in bytes {
      value = value << 8 | UInt32(byte)
      bits += 8
      while bits >= 5 {
        bits -= 5
        text.append(letters[Int(value >> UInt32(bits)) & 31])
      }
      value &= 1 << UInt32(bits) - 1
    }
    if bits > 0 { text.append(letters[Int(value << UInt32(5 - bits)) & 31]) }
    return text
  }
}
