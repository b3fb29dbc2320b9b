import Glibc

/// Bytes that must not be logged: every textual form of a value of this type is a fixed word.
package struct Secret: Sendable, Equatable {
  /// The bytes themselves. Do not put them into messages.
  package let bytes: [UInt8]

  /// Wraps bytes that are secret from here on; copies made before stay readable.
  package init(_ bytes: [UInt8]) {
    self.bytes = bytes
  }

  /// The bytes as text.
  package var text: String { String(decoding: bytes, as: UTF8.self) }
}

extension Secret: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  /// The fixed word, so that interpolation gives nothing away.
  package var description: String { "(secret)" }
  /// The fixed word, so that `debugPrint` and test failures give nothing away.
  package var debugDescription: String { "(secret)" }
  /// Empty, so that `dump` gives nothing away.
  package var customMirror: Mirror { Mirror(self, children: []) }
}

extension ConfigKey {
  /// A file that holds a secret: at most 64 KiB, readable by this process and not by everyone.
  ///
  /// One line break at the end of the file is not part of the secret.
  package static func secretFile(_ name: String, doc: String) -> ConfigKey<Secret> {
    precondition(name.hasSuffix("_FILE"), "\(name): names of secret files end in _FILE")
    return ConfigKey<Secret>(name, expectation: "the path of a file with the secret", default: nil, doc: doc) {
      text throws(ConfigProblem) in
      try readSecretFile(text)
    }
  }

  /// The path of a file that can be read now and is read again later; `isPrivate` asks that nobody but the owner and
  /// group may read it.
  package static func watchedFile(_ name: String, isPrivate: Bool, doc: String) -> ConfigKey<String> {
    ConfigKey<String>(name, expectation: "the path of a file", default: nil, doc: doc) { text throws(ConfigProblem) in
      _ = try readFile(text, isPrivate: isPrivate)
      return text
    }
  }

  /// A directory that exists; `isPrivate` asks that nobody but the owner and group may enter it.
  package static func directory(_ name: String, isPrivate: Bool, doc: String) -> ConfigKey<String> {
    ConfigKey<String>(name, expectation: "the path of a directory", default: nil, doc: doc) {
      text throws(ConfigProblem) in
      var status = stat()
      guard stat(text, &status) == 0 else { throw ConfigProblem(unreachable(text, errno)) }
      guard status.st_mode & S_IFMT == S_IFDIR else { throw ConfigProblem("names \(quoted(text)), not a directory") }
      guard !isPrivate || status.st_mode & 0o007 == 0 else {
        throw ConfigProblem("names \(quoted(text)), which everyone may enter; run: chmod o-rwx \(text)")
      }
      return text
    }
  }
}

private let fileBytesMax = 65_536

/// The content of a file that holds a secret, without one line break at its end.
func readSecretFile(_ path: String) throws(ConfigProblem) -> Secret {
  var bytes = try readFile(path, isPrivate: true)
  if bytes.last == 0x0a { bytes.removeLast() }
  if bytes.last == 0x0d { bytes.removeLast() }
  guard !bytes.isEmpty else { throw ConfigProblem("names \(quoted(path)), which is empty") }
  return Secret(bytes)
}

/// The content of a file of at most 64 KiB; with `isPrivate` it must be closed to everyone but owner and group.
func readFile(_ path: String, isPrivate: Bool) throws(ConfigProblem) -> [UInt8] {
  let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
  guard file >= 0 else { throw ConfigProblem(unreachable(path, errno)) }
  defer { close(file) }
  var status = stat()
  guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
    throw ConfigProblem("names \(quoted(path)), which is not a regular file")
  }
  guard !isPrivate || status.st_mode & 0o007 == 0 else {
    throw ConfigProblem("names \(quoted(path)), which everyone may read; run: chmod o-rwx \(path)")
  }
  guard status.st_size <= fileBytesMax else {
    throw ConfigProblem("names \(quoted(path)) of \(status.st_size) bytes; there is room for \(fileBytesMax)")
  }
  var bytes = [UInt8](repeating: 0, count: fileBytesMax + 1)
  var count = 0
  while count < bytes.count {
    let got = bytes.withUnsafeMutableBytes { read(file, $0.baseAddress.map { $0 + count }, $0.count - count) }
    if got < 0, errno == EINTR { continue }
    guard got >= 0 else { throw ConfigProblem(unreachable(path, errno)) }
    if got == 0 { break }
    count += got
  }
  bytes.removeSubrange(count...)
  return bytes
}

private func unreachable(_ path: String, _ error: Int32) -> String {
  "names \(quoted(path)): \(String(cString: strerror(error))); create it, or let this process's user read it"
}
