import Crypto
import EventLoop
import Outbound
import ServiceKit
import TicketLedger

/// The hooks of messenger channels, whose URLs are secrets: sealed by masking, opened here, kept opened for a while.
final class MessengerHooks: Sendable {
  private static let lifetime: Duration = .seconds(300)
  private static let entriesMax = 1000

  private struct Key: Hashable, Sendable {
    let name: MessengerHookName
    let sealed: [UInt8]
  }

  let store: MessengerHookStore
  private let seals: SecretSeals
  private let opened: ExpiringCache<Key, SecretBytes>

  init(store: MessengerHookStore, seals: SecretSeals) {
    self.store = store
    self.seals = seals
    opened = ExpiringCache(lifetime: Self.lifetime, entriesMax: Self.entriesMax) {
      EventLoop.current?.now ?? MonotonicTime.current
    }
  }

  /// Seals the URL of a hook.
  ///
  /// - Throws: BACKEND_UNAVAILABLE when masking cannot be reached.
  func seal(_ url: HTTPSURL, of name: MessengerHookName, deadline: Deadline) async throws -> [UInt8] {
    try await seals.seal(Array(url.text.utf8), as: Self.secret(name), deadline: deadline)
  }

  /// The URL of a hook.
  ///
  /// - Throws: BACKEND_UNAVAILABLE when masking cannot be reached; MASK_KEY_LOST, MASK_DAMAGED; the database's errors.
  func url(of hook: MessengerHookRecord, in service: ServiceRecord, deadline: Deadline) async throws -> HTTPSURL {
    let name = MessengerHookName(service: service.code, id: hook.id)
    let secret = try await opened.value(Key(name: name, sealed: hook.sealedURL)) {
      SecretBytes(try await open(hook, name, of: service.id, deadline))
    }
    guard let url = secret.withBytes({ HTTPSURL(String(decoding: $0, as: UTF8.self)) }) else {
      throw ServiceError(.maskDamaged)
    }
    return url
  }

  /// Has all URLs sealed anew that an older key of masking's seals: one that is seldom used would need it for ever.
  ///
  /// - Returns: how many are left, as a rule because they do not open.
  /// - Throws: BACKEND_UNAVAILABLE when masking cannot be reached; the database's errors.
  func reseal(deadline: Deadline) async throws -> Int {
    try await seals.reseal(deadline: deadline) { key, deadline in
      try await store.hooks(sealedButBy: key, deadline: deadline).map { hook, service, code in
        SecretRotation.OldSeal(
          name: Self.secret(MessengerHookName(service: code, id: hook.id)), sealed: hook.sealedURL
        ) { [store] new, deadline in
          try await store.reseal(hook.id, hook.sealedURL, as: new, of: service, deadline: deadline)
        }
      }
    }
  }

  private func open(
    _ hook: MessengerHookRecord, _ name: MessengerHookName, of service: ServiceID, _ deadline: Deadline
  ) async throws -> [UInt8] {
    try await seals.open(hook.sealedURL, as: Self.secret(name), deadline: deadline) { sealed in
      try await store.reseal(hook.id, hook.sealedURL, as: sealed, of: service, deadline: deadline)
    }
  }

  private static func secret(_ name: MessengerHookName) -> String { "\(name)/url" }
}
