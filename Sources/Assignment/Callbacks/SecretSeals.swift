import EventLoop
import HandoffAPI
import RPC
import ServiceKit
import TicketLedger

/// The way to masking, which seals what is secret: each secret under a name that it keeps.
struct SecretSeals: Sendable {
  private static let callTimeout: Duration = .seconds(5)

  private let masking: MaskingServiceClient?
  private let rotation: SecretRotation?

  /// - Parameter masking: nil: nothing can be sealed or opened.
  init(masking: (any RPCTransport)?) {
    self.masking = masking.map { MaskingServiceClient($0) }
    rotation = masking.map { SecretRotation(masking: $0) }
  }

  /// Seals anew what older keys seal; see ``SecretRotation/run(deadline:old:)``.
  ///
  /// - Throws: BACKEND_UNAVAILABLE when masking cannot be reached; what `old` throws.
  func reseal(
    deadline: Deadline, old: (_ before: String, _ deadline: Deadline) async throws -> [SecretRotation.OldSeal]
  ) async throws -> Int {
    guard let rotation else { throw ServiceError(.backendUnavailable) }
    return try await rotation.run(deadline: deadline, old: old)
  }

  /// Seals a secret.
  ///
  /// - Throws: BACKEND_UNAVAILABLE when masking cannot be reached.
  func seal(_ secret: [UInt8], as name: String, deadline: Deadline) async throws -> [UInt8] {
    try await asking(deadline) { masking, options in
      try await masking.sealSecret(SealSecretRequest(name: name, secret: secret), options)
    }.sealed
  }

  /// Opens a secret.
  ///
  /// - Parameter reseal: keeps it sealed anew, when another key seals by now.
  /// - Throws: BACKEND_UNAVAILABLE when masking cannot be reached; MASK_KEY_LOST, MASK_DAMAGED; what `reseal` throws.
  func open(
    _ sealed: [UInt8], as name: String, deadline: Deadline, reseal: ([UInt8]) async throws -> Void
  ) async throws -> [UInt8] {
    let answer = try await asking(deadline) { masking, options in
      try await masking.openSecret(OpenSecretRequest(name: name, sealed: sealed), options)
    }
    if answer.resealAdvised { try await reseal(try await seal(answer.secret, as: name, deadline: deadline)) }
    return answer.secret
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
