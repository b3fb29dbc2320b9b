import ServiceKit

/// A text of a ticket's own that may hold personal data; raw values are the names that the API and the events use.
///
/// The order is that in which ``FirstTexts`` are stored: a new text goes last.
package enum TicketText: String, CaseIterable, Sendable {
  /// Where the customer wants to be called back.
  case callBackPhone = "call_back.phone"
  /// The customer's name.
  case customerName = "customer.display_name"
  /// Where answers go.
  case customerEmail = "customer.email"
  /// The customer's phone number.
  case customerPhone = "customer.phone"
  /// By which the organization's own systems know the customer.
  case customerUserCode = "customer.user_code"
  /// What the ticket is about.
  case title = "title"

  /// The column that holds it, as ``TextCopy/name`` names it.
  package var column: String {
    switch self {
    case .callBackPhone: "ticket.call_back_phone"
    case .customerName: "ticket.customer_name"
    case .customerEmail: "ticket.customer_email"
    case .customerPhone: "ticket.customer_phone"
    case .customerUserCode: "ticket.customer_user_code"
    case .title: "ticket.title"
    }
  }

  /// Where it is, as places of masks are told: a ticket has one row of its own.
  var place: String { column + "/" }
}

extension TicketRecord {
  /// One of its own texts as it is now; empty: none.
  package subscript(text: TicketText) -> String {
    switch text {
    case .callBackPhone: callBack?.phone ?? ""
    case .customerName: customerName
    case .customerEmail: customerEmail
    case .customerPhone: customerPhone
    case .customerUserCode: customerUserCode
    case .title: title
    }
  }
}

/// What a ticket's own texts were when it was made, as hashes under the ledger's key, 16 bytes each, in the order of
/// ``TicketText``.
///
/// The first event holds them in place of the texts, which would be one more copy of a customer's data: what a text was
/// at first is what the ticket has, or what the first event that changed it says was there before.
struct FirstTexts: Equatable {
  private static let hashByteCount = LedgerKey.placeHashByteCount
  /// A text that came with another ticket's masks: only masking knows what it is.
  private static let unknown = [UInt8](repeating: 0, count: hashByteCount)

  /// As the database stores them, and the chain covers them.
  let bytes: [UInt8]

  /// Reads what is stored.
  init(bytes: [UInt8]) { self.bytes = bytes }

  /// Hashes the texts of a ticket to be.
  ///
  /// - Parameter originals: texts that were masked before the ticket was made, as they were; nil: not known.
  init(of ticket: TicketRecord, originals: [TicketText: String?], key: LedgerKey) {
    bytes = TicketText.allCases.flatMap { text -> [UInt8] in
      guard let original = originals[text] ?? ticket[text] else { return Self.unknown }
      return key.hash(of: original, at: text.place, of: ticket.link)
    }
  }

  /// Whether a text is what it was at first; true also where nobody knows.
  func isFirst(_ value: String, _ text: TicketText, of ticket: TicketLink, key: LedgerKey) -> Bool {
    guard let index = TicketText.allCases.firstIndex(of: text) else { return true }
    let hash = Array(bytes.dropFirst(index * Self.hashByteCount).prefix(Self.hashByteCount))
    // A text that tickets did not have yet when this one was made.
    if hash.isEmpty || hash == Self.unknown { return true }
    return hash == key.hash(of: value, at: text.place, of: ticket)
  }
}
