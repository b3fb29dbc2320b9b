package import EventLoop
import HandoffAPI
package import RPC
package import ServiceKit
import Synchronization

/// Has what masking sealed for a daemon sealed anew when masking has got another key, also what nobody uses, and counts
/// what other keys still seal. Any number of processes may do it.
package final class SecretRotation: Sendable {
  /// How often is looked.
  package static let interval: Duration = .seconds(30)
  private static let callTimeout: Duration = .seconds(5)

  /// A seal that another key than the current one made: an older one as a rule, and a newer one when that was lost.
  package struct OldSeal: Sendable {
    let name: String
    let sealed: [UInt8]
    let replace: @Sendable (_ new: [UInt8], _ deadline: Deadline) async throws -> Void

    /// - Parameters:
    ///   - name: under which it was sealed.
    ///   - replace: stores a new seal in its place if it is still there.
    package init(
      name: String, sealed: [UInt8],
      replace: @escaping @Sendable (_ new: [UInt8], _ deadline: Deadline) async throws -> Void
    ) {
      self.name = name
      self.sealed = sealed
      self.replace = replace
    }
  }

  private let masking: MaskingServiceClient
  private let lost = LostSeals()

  /// Seals through the masking daemon.
  package init(masking: any RPCTransport) { self.masking = MaskingServiceClient(masking) }

  /// Seals anew what older keys seal.
  ///
  /// - Parameter old: the seals of all keys but the one given.
  /// - Returns: how many are left, as a rule because they do not open.
  /// - Throws: BACKEND_UNAVAILABLE when masking cannot be reached; what `old` and `replace` throw.
  package func run(
    deadline: Deadline, old: (_ current: String, _ deadline: Deadline) async throws -> [OldSeal]
  ) async throws -> Int {
    let key = try await asking(deadline) { masking, options in
      try await masking.sealSecret(SealSecretRequest(name: "current-key"), options)
    }.keyId
    var left = 0
    for seal in try await old(key, deadline) {
      // A newer key was lost, or this copy of masking has not seen it yet: there is nothing to try.
      let isOlder = SealForm.keyID(of: seal.sealed) < key
      if isOlder, lost.mayTry(seal.sealed), try await reseal(seal, under: key, deadline) { continue }
      left += 1
    }
    return left
  }

  /// False for what does not open, or was sealed by a copy of masking that has not seen the key yet.
  private func reseal(_ seal: OldSeal, under key: String, _ deadline: Deadline) async throws -> Bool {
    do {
      let answer = try await asking(deadline) { masking, options in
        try await masking.resealSecret(ResealSecretRequest(name: seal.name, sealed: seal.sealed), options)
      }
      try await seal.replace(answer.sealed, deadline)
      return answer.keyId >= key
    } catch let error as ServiceError where error.reason == .maskKeyLost || error.reason == .maskDamaged {
      lost.failed(seal.sealed)
      return false
    }
  }

  private func asking<Answer>(
    _ deadline: Deadline, _ ask: (MaskingServiceClient, CallOptions) async throws -> Answer
  ) async throws -> Answer {
    do {
      return try await ask(masking, CallOptions(deadline: min(deadline, .after(Self.callTimeout))))
    } catch let error as RPCError {
      throw ServiceError(error)
    }
  }
}

/// How many seals of old keys a daemon has, for operators: not told before it was counted, so that no number of one
/// that has just started is taken for the end of a key.
package final class OldSealCount: Sendable {
  private let count = Mutex<Int64?>(nil)

  /// Declares `handoff_<daemon>_seals_of_old_keys`.
  package init(_ metrics: Metrics, daemon: String, _ help: String) {
    metrics.observed("handoff_\(daemon)_seals_of_old_keys", help, labels: []) {
      self.count.withLock { $0 }.map { [([], Double($0))] } ?? []
    }
  }

  /// Tells a number.
  package func set(_ number: Int64) { count.withLock { $0 = number } }
}
