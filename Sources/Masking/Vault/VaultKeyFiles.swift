import Crypto
import Glibc
import ServiceKit

/// The files of the vault's keys: `<id>.key` with 32 bytes each, in a directory that only `handoff-masking` can read.
enum VaultKeyFiles {
  private static let keyBytes = AEADKey.byteCount
  /// Characters of a key's id.
  private static let idBytesMax = 64

  /// Reads every key of a directory.
  ///
  /// - Throws: ``StartupError`` that says which file is wrong and how to mend it.
  static func load(_ directory: String) throws(StartupError) -> [String: AEADKey] {
    var keys: [String: AEADKey] = [:]
    for name in try names(in: directory) {
      let path = "\(directory)/\(name).key"
      guard name.utf8.count <= idBytesMax, name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != 0x2F }) else {
        throw StartupError(.config, "The vault key \(path) has no name of 1 to \(idBytesMax) plain characters.")
      }
      var bytes = try read(path)
      defer { wipe(&bytes) }
      do {
        keys[name] = try AEADKey(bytes: bytes)
      } catch {
        throw StartupError(.config, "The vault key \(path) cannot be used: \(error)")
      }
    }
    return keys
  }

  static func prepare(_ directory: String) throws(StartupError) {
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

  static func names(in directory: String) throws(StartupError) -> [String] {
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

  static func create(_ path: String) throws(StartupError) {
    var bytes = SecureRandom.bytes(keyBytes)
    defer { wipe(&bytes) }
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

  static func read(_ path: String) throws(StartupError) -> [UInt8] {
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
    defer { wipe(&bytes) }
    let count = bytes.withUnsafeMutableBytes { Glibc.read(file, $0.baseAddress, $0.count) }
    guard count == keyBytes else { throw StartupError(.config, "The vault key \(path) does not hold 32 bytes.") }
    return Array(bytes.prefix(keyBytes))
  }
}
