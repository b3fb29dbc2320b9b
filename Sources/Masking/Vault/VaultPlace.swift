import TicketLedger

/// What a sealed original belongs to. A seal that is moved to another place does not open there.
///
/// The start of the span is left out: it moves when something before it is masked or unmasked.
struct VaultPlace: Equatable, Sendable {
  let service: ServiceID
  let ticket: TicketID
  let mask: MaskID
  /// Nil: the title.
  let entry: EntryID?
  /// Number of asterisks.
  let asteriskCount: Int

  /// A text of one form only: numbers, and a key id behind the last separator.
  func associatedData(keyID: String) -> [UInt8] {
    Array("mask/1/\(service)/\(ticket)/\(entry?.rawValue ?? 0)/\(mask)/\(asteriskCount)/\(keyID)".utf8)
  }
}
