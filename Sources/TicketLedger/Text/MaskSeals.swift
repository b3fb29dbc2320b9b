import Crypto
package import PersonalData
package import Postgres
package import ServiceKit

/// Where asterisks of a mask stand, with what is known of the mask: all that the seal of a place covers, save the text.
package struct MaskedPlace: Sendable {
  /// The ticket on which the mask was made.
  package var owner: TicketLink
  /// The mask.
  package var mask: MaskID
  /// Who made it; nil: Handoff itself, when it masked on arrival.
  package var maskedBy: AgentID?
  /// When it was made.
  package var maskTime: Instant
  /// In how many places it stands.
  package var placeCount: Int32
  /// 0 where the span was masked; copies count from 1.
  package var number: Int32
  /// The ticket of the text.
  package var ticket: TicketLink
  /// The text's column.
  package var copy: TextCopy
  /// The text's row, as the registry joins it.
  package var row: String
  /// The asterisks, by scalars of the text.
  package var span: ScalarSpan

  /// Describes a place.
  package init(
    owner: TicketLink, mask: MaskID, maskedBy: AgentID?, maskTime: Instant, placeCount: Int32, number: Int32,
    ticket: TicketLink, copy: TextCopy, row: String, span: ScalarSpan
  ) {
    self.owner = owner
    self.mask = mask
    self.maskedBy = maskedBy
    self.maskTime = maskTime
    self.placeCount = placeCount
    self.number = number
    self.ticket = ticket
    self.copy = copy
    self.row = row
    self.span = span
  }
}

/// Seals the places of masks, so that whoever changes the database by hand can neither move a mask nor change a text
/// under one without its being found.
///
/// The vault's own seals cannot do that: a span moves whenever a text changes before it, and then everything would have
/// to be opened. These need the ledger's key alone, which every daemon has that writes tickets.
package struct MaskSeals: Sendable {
  private let code: HMACSHA256

  init(_ key: LedgerKey) { code = key.derivedKey(for: "places of masks") }

  /// The seal of a place, 32 bytes.
  ///
  /// - Parameter text: the text as it is stored, which is covered where masks alone change it (``TextCopy/isFixed``).
  package func seal(_ place: MaskedPlace, in text: String) -> [UInt8] {
    code.authenticate(Self.message(place, text))
  }

  /// Whether a seal fits; takes the same time for every wrong one.
  package func isValid(_ seal: [UInt8], of place: MaskedPlace, in text: String) -> Bool {
    code.isValid(seal, for: Self.message(place, text))
  }

  private static func message(_ place: MaskedPlace, _ text: String) -> [UInt8] {
    var encoder = ChainEncoder()
    encoder.append(place.owner.description)
    encoder.append(place.mask.rawValue)
    encoder.append(place.maskedBy?.rawValue ?? 0)
    encoder.append(place.maskTime.microsecondsSinceEpoch)
    encoder.append(Int64(place.placeCount))
    encoder.append(Int64(place.number))
    encoder.append(place.ticket.description)
    encoder.append(place.copy.name)
    encoder.append(place.row)
    encoder.append(Int64(place.span.start))
    encoder.append(Int64(place.span.length))
    if place.copy.isFixed { encoder.append(text) } else { encoder.append(optional: nil) }
    return encoder.bytes
  }
}
