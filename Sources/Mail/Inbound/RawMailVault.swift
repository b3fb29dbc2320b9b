import EventLoop
import HandoffAPI
package import RPC
import ServiceKit

/// Seals the bytes of mails with masking's keys, and opens them. What it makes goes into the database as it is.
package struct RawMailVault: Sendable {
  /// Bytes of a piece; masking seals no more at a time.
  static let pieceBytesMax = 2 << 20

  private let masking: MaskingServiceClient

  /// Seals through the masking daemon.
  package init(masking: any RPCTransport) {
    self.masking = MaskingServiceClient(masking)
  }

  /// Seals a text of ours in pieces that only open under the same name, in this order.
  ///
  /// - Throws: BACKEND_UNAVAILABLE and the like.
  func seal(_ bytes: [UInt8], named name: String, _ options: CallOptions) async throws -> [[UInt8]] {
    var pieces: [[UInt8]] = []
    var rest = bytes[...]
    repeat {
      let piece = Array(rest.prefix(Self.pieceBytesMax))
      rest = rest.dropFirst(piece.count)
      let request = SealSecretRequest(name: "\(name)/\(pieces.count)", secret: piece)
      pieces.append(try await worded { try await masking.sealSecret(request, options) }.sealed)
    } while !rest.isEmpty
    return pieces
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
