import TicketLedger

/// What a sealed original belongs to. A seal that is moved to another place does not open there.
///
/// The start of the span is left out: it moves when something before it is masked or unmasked.
struct VaultPlace: Hashable, Sendable {
  /// The ticket on which the mask was made.
  let owner: TicketLink
  let mask: MaskID
  /// 0 where the span was masked; copies count from 1.
  let number: Int32
  /// The text.
  let address: TextAddress
  let asteriskCount: Int

  /// A text of one form only: numbers, a column's name, a row's key, and a key id behind the last separator.
  func associatedData(keyID: String) -> [UInt8] {
    let text: String
    if number == 0, address.copy.name == "ticket_entry.body" || address.copy.name == "ticket.title" {
      // The form in which the first vaults sealed; they masked entries and titles only.
      let entry = address.row.isEmpty ? "0" : address.row
      text = "mask/1/\(owner.serviceID)/\(owner.ticketID)/\(entry)/\(mask)/\(asteriskCount)/\(keyID)"
    } else {
      let place = "\(address.ticket)/\(address.copy.name)/\(address.row)"
      text = "mask/2/\(owner)/\(mask)/\(number)/\(place)/\(asteriskCount)/\(keyID)"
    }
    return Array(text.utf8)
  }
}
