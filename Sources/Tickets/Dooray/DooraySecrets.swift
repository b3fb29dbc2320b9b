import Crypto
import EventLoop
import HandoffAPI
import RPC
import ServiceKit
import TicketLedger

/// Tokens and keys to Dooray!: sealed by masking, opened here, kept opened for a while.
final class DooraySecrets: Sendable {
  private static let lifetime: Duration = .seconds(300)
  private static let entriesMax = 1000
  private static let callTimeout: Duration = .seconds(5)

  /// Whose secret it is. The name under which it is sealed does not change while it is stored.
  struct Owner: Hashable, Sendable {
    let name: String

    /// The token of an organization.
    ///
    /// - Parameter service: the service's code.
    static func organization(_ doorayID: String, of service: String) -> Owner {
      Owner(name: "services/\(service)/doorayOrganizations/\(doorayID)/token")
    }

    /// The key of an agent to an organization.
    ///
    /// - Parameter service: the service's code.
    static func agent(_ agent: AgentID, in doorayID: String, of service: String) -> Owner {
      Owner(name: "services/\(service)/doorayOrganizations/\(doorayID)/userKeys/\(agent)")
    }
  }

  private struct Key: Hashable, Sendable {
    let owner: Owner
    let sealed: [UInt8]
  }

  private let masking: MaskingServiceClient?
  private let opened: ExpiringCache<Key, SecretBytes>

  init(masking: MaskingServiceClient?) {
    self.masking = masking
    opened = ExpiringCache(lifetime: Self.lifetime, entriesMax: Self.entriesMax) {
      EventLoop.current?.now ?? MonotonicTime.current
    }
  }

  /// Seals a secret.
  ///
  /// - Throws: BACKEND_UNAVAILABLE when masking cannot be reached.
  func seal(_ secret: String, of owner: Owner, deadline: Deadline) async throws -> [UInt8] {
    try await asking(deadline) { masking, options in
      try await masking.sealSecret(SealSecretRequest(name: owner.name, secret: Array(secret.utf8)), options)
    }.sealed
  }

  /// Opens a secret.
  ///
  /// - Parameter reseal: stores it under a new seal, when its key is old.
  /// - Throws: BACKEND_UNAVAILABLE when masking cannot be reached; MASK_KEY_LOST, MASK_DAMAGED; what `reseal` throws.
  func open(
    _ sealed: [UInt8], of owner: Owner, deadline: Deadline, reseal: ([UInt8]) async throws -> Void
  ) async throws -> SecretBytes {
    try await opened.value(Key(owner: owner, sealed: sealed)) {
      let answer = try await asking(deadline) { masking, options in
        try await masking.openSecret(OpenSecretRequest(name: owner.name, sealed: sealed), options)
      }
      if answer.resealAdvised {
        let again = SealSecretRequest(name: owner.name, secret: answer.secret)
        try await reseal(
          try await asking(deadline) { masking, options in try await masking.sealSecret(again, options) }.sealed)
      }
      return SecretBytes(answer.secret)
    }
  }

  private func asking<Answer>(
    _ deadline: Deadline, _ ask: (MaskingServiceClient, CallOptions) async throws -> Answer
  ) async throws -> Answer {
    guard let masking else { throw ServiceError(.backendUnavailable) }
    do {
      return try await ask(masking, CallOptions(deadline: min(deadline, .after(Self.callTimeout))))
    } catch let error as RPCError {
      throw ServiceError(error)
    }
  }
}
