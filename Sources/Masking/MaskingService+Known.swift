import EventLoop
package import HandoffAPI
import PersonalData
package import RPC
import ServiceKit
import TicketLedger

extension MaskingService {
  private static let textsMax = 100
  private static let textBytesMax = 1_000_000

  /// Finds the words of masks that are on in texts that are to be stored beside their ticket; for tickets and mail.
  ///
  /// Who was masked once is not to come back with the next mail that quotes them.
  ///
  /// - Throws: TICKET_NOT_FOUND, REQUEST_INVALID.
  package func findMaskedWords(
    _ request: FindMaskedWordsRequest, _ call: CallContext
  ) async throws -> FindMaskedWordsResponse {
    let name = try TicketName(request.parent, field: "parent")
    guard (1...Self.textsMax).contains(request.texts.count),
      request.texts.reduce(0, { $0 + $1.utf8.count }) <= Self.textBytesMax
    else {
      throw ServiceError.invalid("texts", "must be 1 to \(Self.textsMax) texts of \(Self.textBytesMax) bytes together")
    }
    let service = try await ledger.directory.service(code: name.service, deadline: call.deadline)
    let places = try await store.originals(
      around: TicketLink(serviceID: service.id, ticketID: name.id), deadline: call.deadline)
    // A mask that cannot be opened any more is told where somebody asks for it; here its words are unknown.
    let known = KnownWords(places.compactMap { try? keys.open($0) })
    return FindMaskedWordsResponse(
      found: request.texts.enumerated().flatMap { index, text in
        known.spans(in: text).map {
          FoundWords(text: Int32(index), start: Int32($0.start), length: Int32($0.length))
        }
      })
  }

  /// Seals the masks of a ticket's own texts for another ticket, which takes the texts over; for tickets alone.
  ///
  /// - Throws: SERVICE_NOT_FOUND, SECURITY_SERVICE_OFF, REQUEST_INVALID.
  package func copyMasks(_ request: CopyMasksRequest, _ call: CallContext) async throws -> CopyMasksResponse {
    let name = try TicketName(request.parent, field: "parent")
    let target = try TicketName(request.target, field: "target")
    let (service, owner) = (
      try await ledger.directory.service(code: name.service, deadline: call.deadline),
      try await ledger.directory.service(code: target.service, deadline: call.deadline)
    )
    guard owner.hasSecurity else { throw ServiceError(.securityServiceOff) }
    // A text that was made of words in a field for administrators would show them to agents: its asterisks stay.
    let places = try await store.openPlaces(
      on: TicketLink(serviceID: service.id, ticketID: name.id), in: "ticket", deadline: call.deadline)
    let ids = try await newMaskIDs(places.count, deadline: call.deadline)
    let link = TicketLink(serviceID: owner.id, ticketID: target.id)
    var masks: [CopiedMask] = []
    for (place, id) in zip(places, ids) {
      guard let original = try? keys.open(place) else { continue }
      let sealed = try keys.seal(
        original,
        for: VaultPlace(
          owner: link, mask: id, number: 0, address: TextAddress(copy: place.address.copy, ticket: link, row: ""),
          asteriskCount: place.span.length))
      masks.append(
        CopiedMask(
          textColumn: place.address.copy.name, start: Int32(place.span.start), length: Int32(place.span.length),
          mask: SealedMask(id: id.rawValue, sealedOriginal: sealed.bytes, keyId: sealed.keyID)))
    }
    return CopyMasksResponse(masks: masks)
  }
}
