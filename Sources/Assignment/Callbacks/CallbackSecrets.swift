import Crypto
import EventLoop
import ServiceKit
import TicketLedger

/// The secrets that callbacks are signed with: sealed by masking, opened here, kept opened for a while.
final class CallbackSecrets: Sendable {
  private static let lifetime: Duration = .seconds(300)
  private static let entriesMax = 1000

  private struct Key: Hashable, Sendable {
    let service: String
    let sealed: [UInt8]
  }

  private let store: CallbackStore
  private let seals: SecretSeals
  private let opened: ExpiringCache<Key, SecretBytes>

  init(store: CallbackStore, seals: SecretSeals) {
    self.store = store
    self.seals = seals
    opened = ExpiringCache(lifetime: Self.lifetime, entriesMax: Self.entriesMax) {
      EventLoop.current?.now ?? MonotonicTime.current
    }
  }

  /// What a service's callbacks are signed with now; nil when it has no secret. The one before it is left out when it
  /// can never be opened.
  ///
  /// - Throws: BACKEND_UNAVAILABLE when masking cannot be reached; MASK_KEY_LOST, MASK_DAMAGED; the database's errors.
  func signature(of service: ServiceRecord, deadline: Deadline) async throws -> CallbackSignature? {
    guard let secrets = try await store.secrets(of: service.id, deadline: deadline) else { return nil }
    var keys: [SecretBytes] = []
    for sealed in [secrets.sealed, secrets.previousSealed].compactMap(\.self) {
      do {
        keys.append(
          try await opened.value(Key(service: service.code, sealed: sealed)) {
            SecretBytes(try await open(sealed, of: service.id, service.code, deadline))
          })
      } catch let error as ServiceError where !keys.isEmpty && error.reason.entry.retry == .no {
        continue
      }
    }
    return CallbackSignature(keys: keys)
  }

  /// Makes a new secret and returns its text.
  ///
  /// - Throws: BACKEND_UNAVAILABLE when masking cannot be reached; the database's errors.
  func rotate(of service: ServiceRecord, deadline: Deadline) async throws -> String {
    let secret = SecureRandom.bytes(CallbackSignature.secretByteCount)
    let sealed = try await seals.seal(secret, as: Self.name(service.code), deadline: deadline)
    try await store.rotate(to: sealed, of: service.id, deadline: deadline)
    return CallbackSignature.secretPrefix + Base64.encode(secret)
  }

  /// Has all secrets sealed anew that an older key of masking's seals: one that is seldom used would need it for ever.
  ///
  /// - Returns: how many do not open.
  /// - Throws: BACKEND_UNAVAILABLE when masking cannot be reached; the database's errors.
  func reseal(deadline: Deadline) async throws -> Int {
    try await seals.reseal(deadline: deadline) { key, deadline in
      try await store.seals(butOf: key, deadline: deadline).map { service, code, sealed in
        SecretRotation.OldSeal(name: Self.name(code), sealed: sealed) { [store] new, deadline in
          try await store.reseal(sealed, as: new, of: service, deadline: deadline)
        }
      }
    }
  }

  /// Opens a secret, and keeps it sealed anew when another key seals by now.
  private func open(
    _ sealed: [UInt8], of service: ServiceID, _ code: String, _ deadline: Deadline
  ) async throws -> [UInt8] {
    try await seals.open(sealed, as: Self.name(code), deadline: deadline) { new in
      try await store.reseal(sealed, as: new, of: service, deadline: deadline)
    }
  }

  private static func name(_ code: String) -> String { "services/\(code)/callbackSecret" }
}
