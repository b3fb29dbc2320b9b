import EventLoop
import HandoffAPI
package import RPC
import ServiceKit
import TicketLedger

/// Seals the bytes of mails with masking's keys, and opens them. What it makes goes into the database as it is.
package struct RawMailVault: Sendable {
  /// Bytes of a piece; masking seals no more at a time.
  static let pieceBytesMax = 2 << 20

  private let masking: MaskingServiceClient

  /// Seals through the masking daemon.
  package init(masking: any RPCTransport) {
    self.masking = MaskingServiceClient(masking)
  }

  /// What masking knows of words that are masked.
  var maskedWords: MaskedWords { MaskedWords(masking) }

  /// A sealed piece.
  struct Piece: Sendable {
    let sealed: [UInt8]
    /// The key that seals it; a greater id is a newer key.
    let keyID: String
  }

  /// Seals a text of ours in pieces that only open under the same name, in this order.
  ///
  /// - Throws: BACKEND_UNAVAILABLE and the like.
  func seal(_ bytes: [UInt8], named name: String, _ options: CallOptions) async throws -> [Piece] {
    var pieces: [Piece] = []
    var rest = bytes[...]
    repeat {
      let secret = Array(rest.prefix(Self.pieceBytesMax))
      rest = rest.dropFirst(secret.count)
      let request = SealSecretRequest(name: "\(name)/\(pieces.count)", secret: secret)
      pieces.append(Piece(try await worded { try await masking.sealSecret(request, options) }))
    } while !rest.isEmpty
    return pieces
  }

  /// Seals a piece anew under the current key; nil for one that does not open.
  ///
  /// - Throws: BACKEND_UNAVAILABLE and the like.
  func reseal(_ sealed: [UInt8], named name: String, number: Int32, _ options: CallOptions) async throws -> Piece? {
    let request = ResealSecretRequest(name: "\(name)/\(number)", sealed: sealed)
    do {
      return Piece(try await worded { try await masking.resealSecret(request, options) })
    } catch let error as ServiceError where error.reason == .maskKeyLost || error.reason == .maskDamaged {
      return nil
    }
  }

  /// The key that seals now.
  ///
  /// - Throws: BACKEND_UNAVAILABLE and the like.
  func currentKeyID(_ options: CallOptions) async throws -> String {
    try await seal([], named: "current-key", options)[0].keyID
  }

  /// Opens what ``seal(_:named:_:)`` sealed.
  ///
  /// - Throws: BACKEND_UNAVAILABLE and the like; MASK_KEY_LOST, MASK_DAMAGED.
  func open(_ pieces: [[UInt8]], named name: String, _ options: CallOptions) async throws -> [UInt8] {
    var bytes: [UInt8] = []
    for (number, piece) in pieces.enumerated() {
      let request = OpenSecretRequest(name: "\(name)/\(number)", sealed: piece)
      bytes += try await worded { try await masking.openSecret(request, options) }.secret
    }
    return bytes
  }

  private func worded<T>(_ call: () async throws -> T) async throws -> T {
    do {
      return try await call()
    } catch let error as RPCError {
      throw ServiceError(error)
    }
  }
}

extension RawMailVault.Piece {
  fileprivate init(_ answer: SealSecretResponse) { self.init(sealed: answer.sealed, keyID: answer.keyId) }
}
