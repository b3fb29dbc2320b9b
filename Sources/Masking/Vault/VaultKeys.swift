import Crypto
import Glibc
package import ServiceKit

/// The keys under which originals are sealed: files of a directory that only `handoff-masking` can read.
///
/// Each file `<id>.key` holds 32 bytes. The key with the greatest id seals; every key opens, so a key stays until
/// nothing that it sealed is left. An empty directory gets its first key at the start. Losing the directory loses the
/// originals.
package struct VaultKeys: Sendable {
  private let keys: [String: AEADKey]
  private let failures: Metric<Counter>
  /// Id of the key that seals.
  package let currentID: String

  private static let keyBytes = 32

  /// Where the keys are, for the daemon's key table.
  package static let directory = ConfigKey<String>.text(
    "HANDOFF_MASKING_KEYS_DIR", default: nil,
    doc: "The directory of the vault's keys, for handoff-masking alone (mode 0700). The first key is made in it. Keep a"
      + " copy: a database without its keys has lost its originals.")

  /// Reads the keys of a directory, and makes the first one when there is none.
  ///
  /// - Throws: ``StartupError`` that says which file is wrong and how to mend it.
  package init(directory: String, metrics: Metrics) throws(StartupError) {
    failures = metrics.counter(
      "handoff_masking_seals_refused_total", "Sealed originals that did not open, by why: key_lost or damaged.",
      labels: ["why"])
    try Self.prepare(directory)
    var names = try Self.keyNames(in: directory)
    if names.isEmpty {
      try Self.create("\(directory)/0001.key")
      names = ["0001"]
    }
    var keys: [String: AEADKey] = [:]
    for name in names {
      let path = "\(directory)/\(name).key"
      let bytes = try Self.read(path)
      do {
        keys[name] = try AEADKey(bytes: bytes)
      } catch {
        throw StartupError(.config, "The vault key \(path) cannot be used: \(error)")
      }
    }
    guard let currentID = names.max() else { throw StartupError(.config, "There is no vault key in \(directory).") }
    self.keys = keys
    self.currentID = currentID
  }

  /// Seals an original for one place.
  func seal(_ original: String, for place: VaultPlace) throws -> [UInt8] {
    guard let key = keys[currentID] else { throw ServiceError(.internal) }
    var bytes = Array(original.utf8)
    defer { wipe(&bytes) }
    return try key.seal(bytes, associatedData: place.associatedData(keyID: currentID))
  }

  /// Opens the original of a mask's place.
  ///
  /// - Throws: MASK_KEY_LOST when the key is missing; MASK_DAMAGED when the seal was made for another place or changed.
  func open(_ place: MaskPlace) throws -> String {
    guard let key = keys[place.keyID] else {
      failures.with("key_lost").add()
      throw ServiceError(.maskKeyLost, metadata: ["key": place.keyID])
    }
    do {
      var bytes = try key.open(
        place.sealedOriginal, associatedData: place.vaultPlace.associatedData(keyID: place.keyID))
      defer { wipe(&bytes) }
      guard let text = String(validating: bytes, as: UTF8.self) else { throw VaultDamage(description: "no text") }
      return text
    } catch {
      failures.with("damaged").add()
      throw ServiceError(
        .maskDamaged, cause: VaultDamage(description: "mask \(place.mask)/\(place.number) does not open: \(error)"))
    }
  }

  private static func prepare(_ directory: String) throws(StartupError) {
    if mkdir(directory, 0o700) != 0, errno != EEXIST {
      throw StartupError(.config, "Cannot make the vault's directory \(directory): \(String(cString: strerror(errno)))")
    }
    var info = stat()
    guard stat(directory, &info) == 0, info.st_mode & S_IFMT == S_IFDIR else {
      throw StartupError(.config, "The vault's directory \(directory) is not a directory.")
    }
    guard info.st_mode & 0o077 == 0 else {
      throw StartupError(.config, "Others can reach the vault's directory; run: chmod 700 \(directory)")
    }
  }

  private static func keyNames(in directory: String) throws(StartupError) -> [String] {
    guard let stream = opendir(directory) else {
      throw StartupError(.config, "Cannot read the vault's directory \(directory): \(String(cString: strerror(errno)))")
    }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name.hasSuffix(".key") { names.append(String(name.dropLast(4))) }
    }
    return names.sorted()
  }

  private static func create(_ path: String) throws(StartupError) {
    let bytes = SecureRandom.bytes(keyBytes)
    let file = Glibc.open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard file >= 0 else {
      throw StartupError(.config, "Cannot write the vault key \(path): \(String(cString: strerror(errno)))")
    }
    defer { close(file) }
    let written = bytes.withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
    guard written == keyBytes, fsync(file) == 0 else {
      throw StartupError(.config, "Cannot write the vault key \(path): \(String(cString: strerror(errno)))")
    }
  }

  private static func read(_ path: String) throws(StartupError) -> [UInt8] {
    let file = Glibc.open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else {
      throw StartupError(.config, "Cannot read the vault key \(path): \(String(cString: strerror(errno)))")
    }
    defer { close(file) }
    var info = stat()
    guard fstat(file, &info) == 0, info.st_mode & 0o077 == 0 else {
      throw StartupError(.config, "Others can read the vault key; run: chmod 600 \(path)")
    }
    var bytes = [UInt8](repeating: 0, count: keyBytes + 1)
    let count = bytes.withUnsafeMutableBytes { Glibc.read(file, $0.baseAddress, $0.count) }
    guard count == keyBytes else { throw StartupError(.config, "The vault key \(path) does not hold 32 bytes.") }
    return Array(bytes.prefix(keyBytes))
  }
}

/// Something in the vault is not as it was written; for the log.
struct VaultDamage: Error, CustomStringConvertible {
  let description: String
}
