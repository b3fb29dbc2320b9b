import Crypto
package import ServiceKit
import Synchronization
import TicketLedger

/// The keys under which originals are sealed: files of a directory that only `handoff-masking` can read.
///
/// Each file `<id>.key` holds 32 bytes. The key with the greatest id seals; every key opens, so a key stays until
/// nothing that it sealed is left. An empty directory gets its first key at the start. Losing the directory loses the
/// originals. Safe to use from any thread.
package final class VaultKeys: Sendable {
  private struct State {
    var keys: [String: AEADKey]
    var currentID: String
  }

  private let directory: String
  private let state: Mutex<State>
  private let failures: Metric<Counter>
  /// Seals that were counted as refused. Each counts once, however often somebody tries it.
  private let refused = Mutex<Set<[UInt8]>>([])
  private static let refusedMax = 10_000

  /// Where the keys are, for the daemon's key table.
  package static let directory = ConfigKey<String>.text(
    "HANDOFF_MASKING_KEYS_DIR", default: nil,
    doc: "The directory of the vault's keys, for handoff-masking alone (mode 0700). The first key is made in it. Keep a"
      + " copy: a database without its keys has lost its originals.")

  /// Reads the keys of a directory, and makes the first one when there is none.
  ///
  /// - Throws: ``StartupError`` that says which file is wrong and how to mend it.
  package init(directory: String, metrics: Metrics) throws(StartupError) {
    self.directory = directory
    failures = metrics.counter(
      "handoff_masking_seals_refused_total", "Seals that did not open, each counted once, by why: key_lost or damaged.",
      labels: ["why"])
    try VaultKeyFiles.prepare(directory)
    if try VaultKeyFiles.names(in: directory).isEmpty { try VaultKeyFiles.create("\(directory)/0001.key") }
    state = Mutex(try Self.load(directory))
  }

  /// Reads the directory anew: a key that was added seals from now on, if its id is the greatest.
  ///
  /// - Throws: ``StartupError`` when something is wrong with a file; then everything stays as it was.
  package func reload() throws(StartupError) {
    let loaded = try Self.load(directory)
    state.withLock { $0 = loaded }
  }

  /// Id of the key that seals.
  package var currentID: String { state.withLock(\.currentID) }

  private static func load(_ directory: String) throws(StartupError) -> State {
    let keys = try VaultKeyFiles.load(directory)
    guard let currentID = keys.keys.max() else { throw StartupError(.config, "There is no vault key in \(directory).") }
    return State(keys: keys, currentID: currentID)
  }

  private func countRefused(_ sealed: [UInt8], _ why: String) {
    let id = SHA256.hash(sealed)
    let isNew = refused.withLock { refused in
      // Bounded memory goes before exact counts.
      if refused.count >= Self.refusedMax { refused = [] }
      return refused.insert(id).inserted
    }
    if isNew { failures.with(why).add() }
  }

  /// What sealing gives.
  struct Sealed: Sendable {
    let bytes: [UInt8]
    let keyID: String
  }

  /// Seals an original for one place.
  func seal(_ original: String, for place: VaultPlace) throws -> Sealed {
    try seal(original) { place.associatedData(keyID: $0) }
  }

  /// Seals the reason of an act on a mask.
  func seal(reason: String, of mask: MaskID, _ act: MaskAct) throws -> Sealed {
    try seal(reason) { Self.reasonData(mask, act, $0) }
  }

  /// Opens the original of a mask's place.
  ///
  /// - Throws: MASK_KEY_LOST when the key is missing; MASK_DAMAGED when the seal was made for another place or changed.
  func open(_ place: MaskPlace) throws -> String {
    try text(place.sealedOriginal, place.keyID, place.vaultPlace.associatedData(keyID: place.keyID))
  }

  /// Counts a seal whose place is not where it was put, and says so.
  func damaged(_ sealed: [UInt8], _ why: String) -> ServiceError {
    countRefused(sealed, "damaged")
    return ServiceError(.maskDamaged, cause: VaultDamage(description: why))
  }

  /// Opens the reason of an act.
  func open(reason: [UInt8], keyID: String, of mask: MaskID, _ act: MaskAct) throws -> String {
    try text(reason, keyID, Self.reasonData(mask, act, keyID))
  }

  private static func reasonData(_ mask: MaskID, _ act: MaskAct, _ keyID: String) -> [UInt8] {
    Array("reason/1/\(mask)/\(act.rawValue)/\(keyID)".utf8)
  }

  private func seal(_ text: String, associatedData: (String) -> [UInt8]) throws -> Sealed {
    var bytes = Array(text.utf8)
    defer { wipe(&bytes) }
    let (key, id) = try current()
    return Sealed(bytes: try key.seal(bytes, associatedData: associatedData(id)), keyID: id)
  }

  private func text(_ sealed: [UInt8], _ keyID: String, _ associatedData: [UInt8]) throws -> String {
    var bytes = try open(sealed, keyID, associatedData)
    defer { wipe(&bytes) }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw ServiceError(.maskDamaged, cause: VaultDamage(description: "no text"))
    }
    return text
  }

  private func current() throws(ServiceError) -> (AEADKey, String) {
    let (key, id) = state.withLock { ($0.keys[$0.currentID], $0.currentID) }
    guard let key else { throw ServiceError(.maskKeyLost) }
    return (key, id)
  }

  private func open(_ sealed: [UInt8], _ keyID: String, _ associatedData: [UInt8]) throws(ServiceError) -> [UInt8] {
    guard let key = state.withLock({ $0.keys[keyID] }) else {
      countRefused(sealed, "key_lost")
      throw ServiceError(.maskKeyLost, metadata: ["key": keyID])
    }
    do {
      return try key.open(sealed, associatedData: associatedData)
    } catch {
      countRefused(sealed, "damaged")
      throw ServiceError(.maskDamaged, cause: VaultDamage(description: "\(error)"))
    }
  }
}

extension VaultKeys {
  /// Seals another daemon's secret, bound to the daemon and to the name under which it keeps it.
  func seal(secret: [UInt8], named name: String, of owner: String) throws -> Sealed {
    let (key, id) = try current()
    let sealed = try key.seal(secret, associatedData: Self.secretData(name, owner, id))
    return Sealed(bytes: [SealForm.version, UInt8(id.utf8.count)] + Array(id.utf8) + sealed, keyID: id)
  }

  /// Opens a secret; also tells whether another key seals by now, so that its owner should have it sealed anew.
  ///
  /// - Throws: MASK_KEY_LOST; MASK_DAMAGED, also for another name or owner.
  func open(secret: [UInt8], named name: String, of owner: String) throws -> (bytes: [UInt8], isOldKey: Bool) {
    guard secret.count > 2, secret[0] == SealForm.version, secret.count >= 2 + Int(secret[1]) else {
      countRefused(secret, "damaged")
      throw ServiceError(.maskDamaged)
    }
    let id = String(decoding: secret[2..<(2 + Int(secret[1]))], as: UTF8.self)
    let sealed = Array(secret[(2 + Int(secret[1]))...])
    return (try open(sealed, id, Self.secretData(name, owner, id)), id != currentID)
  }

  private static func secretData(_ name: String, _ owner: String, _ keyID: String) -> [UInt8] {
    Array("secret/1/\(owner)/\(name)/\(keyID)".utf8)
  }
}

/// Something in the vault is not as it was written; for the log.
struct VaultDamage: Error, CustomStringConvertible {
  let description: String
}
