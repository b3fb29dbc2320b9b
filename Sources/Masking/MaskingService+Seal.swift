import Crypto
import EventLoop
package import HandoffAPI
import Postgres
package import RPC
import ServiceKit
import TicketLedger

extension MaskingService {
  /// Most bytes of a secret.
  static let secretBytesMax = 3 << 20
  private static let originalsMax = 2_000

  /// Seals what tickets found in a customer's words, before the words are stored; for tickets alone.
  ///
  /// Nothing is written: tickets stores the masks together with the masked words. A snapshot, as an event holds it, is
  /// sealed as the first copy of the original before it.
  ///
  /// - Throws: SECURITY_SERVICE_OFF, SERVICE_NOT_FOUND, REQUEST_INVALID.
  package func sealMasks(_ request: SealMasksRequest, _ call: CallContext) async throws -> SealMasksResponse {
    let name = try TicketName(request.parent, field: "parent")
    guard (1...Self.originalsMax).contains(request.originals.count) else {
      throw ServiceError.invalid("originals", "must hold 1 to \(Self.originalsMax) originals")
    }
    let service = try await ledger.directory.service(code: name.service, deadline: call.deadline)
    guard service.hasSecurity else { throw ServiceError(.securityServiceOff) }
    let ids = try await newMaskIDs(request.originals.count, deadline: call.deadline)
    let owner = TicketLink(serviceID: service.id, ticketID: name.id)
    var masks: [SealedMask] = []
    var hasCopy = true
    for (index, original) in request.originals.enumerated() {
      guard let copy = TextCopies.named(original.textColumn), original.length > 0,
        copy.relation == .original || copy.relation == .snapshot && !hasCopy
      else {
        throw ServiceError.invalid("originals[\(index)]", "names no text that can be masked")
      }
      hasCopy = copy.relation == .snapshot
      let id = ids[hasCopy ? index - 1 : index]
      let place = VaultPlace(
        owner: owner, mask: id, number: hasCopy ? 1 : 0,
        address: TextAddress(copy: copy, ticket: owner, row: original.rowKey), asteriskCount: Int(original.length))
      let sealed = try keys.seal(original.original, for: place)
      masks.append(SealedMask(id: id.rawValue, sealedOriginal: sealed.bytes, keyId: sealed.keyID))
    }
    return SealMasksResponse(masks: masks)
  }

  /// Seals a secret of another daemon, bound to its name and to the daemon.
  ///
  /// - Throws: REQUEST_INVALID for a name that is none, or a secret above ``secretBytesMax``.
  package func sealSecret(_ request: SealSecretRequest, _ call: CallContext) async throws -> SealSecretResponse {
    let owner = try Self.owner(call)
    try Self.check(request.name)
    guard request.secret.count <= Self.secretBytesMax else {
      throw ServiceError.invalid("secret", "must have at most \(Self.secretBytesMax) bytes; seal it in parts")
    }
    return SealSecretResponse(try keys.seal(secret: request.secret, named: request.name, of: owner))
  }

  /// Seals anew, under the current key, what ``sealSecret(_:_:)`` sealed for the same daemon under the same name.
  ///
  /// - Throws: MASK_KEY_LOST, MASK_DAMAGED (also for another name or owner), REQUEST_INVALID.
  package func resealSecret(_ request: ResealSecretRequest, _ call: CallContext) async throws -> SealSecretResponse {
    let owner = try Self.owner(call)
    try Self.check(request.name)
    var opened = try keys.open(secret: request.sealed, named: request.name, of: owner)
    defer { wipe(&opened.bytes) }
    return SealSecretResponse(try keys.seal(secret: opened.bytes, named: request.name, of: owner))
  }

  /// Opens what ``sealSecret(_:_:)`` sealed for the same daemon under the same name.
  ///
  /// - Throws: MASK_KEY_LOST, MASK_DAMAGED (also for another name or owner), REQUEST_INVALID.
  package func openSecret(_ request: OpenSecretRequest, _ call: CallContext) async throws -> OpenSecretResponse {
    let owner = try Self.owner(call)
    try Self.check(request.name)
    let opened = try keys.open(secret: request.sealed, named: request.name, of: owner)
    return OpenSecretResponse(secret: opened.bytes, resealAdvised: opened.isOldKey)
  }

  private static func owner(_ call: CallContext) throws(ServiceError) -> String {
    guard case .service(let owner) = try call.actor() else {
      throw ServiceError(.callerNotAllowed, "a secret is sealed for a daemon, not for an agent")
    }
    return owner
  }

  private static func check(_ name: String) throws(ServiceError) {
    guard (1...200).contains(name.utf8.count), CodeChange.isCode(name) else {
      throw .invalid("name", "must be 1 to 200 visible ASCII characters")
    }
  }
}

extension SealSecretResponse {
  fileprivate init(_ sealed: VaultKeys.Sealed) { self.init(sealed: sealed.bytes, keyId: sealed.keyID) }
}
