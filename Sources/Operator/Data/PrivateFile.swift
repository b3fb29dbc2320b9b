import Glibc

/// Files and directories that only their owner may read.
///
/// Root writes into directories that belong to an unprivileged user, so nothing here follows a symbolic link in the
/// last place of a path, and owners are set through descriptors.
enum PrivateFile {
  /// Larger files are not ours.
  private static let bytesMax = 1 << 20

  /// Writes `text` to `path` with mode 0600: whole or not at all.
  static func write(_ text: String, to path: String, owner: ServiceUser) throws(OperatorError) {
    let temporary = "\(path).new"
    unlink(temporary)
    let file = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
    guard file >= 0 else { throw failure("written", path) }
    defer { close(file) }
    let bytes = Array(text.utf8)
    let count = bytes.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
    guard count == bytes.count, fchmod(file, 0o600) == 0, !owner.isAnother || fchown(file, owner.uid, owner.gid) == 0,
      fsync(file) == 0, rename(temporary, path) == 0
    else {
      let error = failure("written", path)
      unlink(temporary)
      throw error
    }
  }

  /// The text of `path`; nil when there is no such file.
  static func read(_ path: String) throws(OperatorError) -> String? {
    let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard file >= 0 else {
      if errno == ENOENT { return nil }
      throw failure("read", path)
    }
    defer { close(file) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while bytes.count <= bytesMax {
      let got = Glibc.read(file, &chunk, chunk.count)
      if got < 0, errno == EINTR { continue }
      guard got >= 0 else { throw failure("read", path) }
      if got == 0 { return String(decoding: bytes, as: UTF8.self) }
      bytes += chunk.prefix(got)
    }
    throw OperatorError("\(path) is larger than \(bytesMax) bytes; it is not a file of Handoff's")
  }

  /// Makes `path` a directory of `owner`'s with mode 0700, unless it is one already; parents are made as the caller's.
  static func makeDirectory(_ path: String, owner: ServiceUser) throws(OperatorError) {
    try makeParents(of: path)
    let isNew = mkdir(path, 0o700) == 0
    guard isNew || errno == EEXIST else { throw failure("created", path) }
    let directory = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
    guard directory >= 0 else { throw failure("opened", path) }
    defer { close(directory) }
    var status = stat()
    guard fstat(directory, &status) == 0 else { throw failure("opened", path) }
    if status.st_uid == owner.uid {
      guard status.st_mode & 0o077 == 0 || fchmod(directory, 0o700) == 0 else { throw failure("made private", path) }
      return
    }
    guard geteuid() == 0, status.st_uid == 0 else {
      throw OperatorError(
        "\(path) belongs to user \(status.st_uid), not to \(owner.name)",
        advice: "Run handoff as that user, or name another directory with --data DIR.")
    }
    guard fchown(directory, owner.uid, owner.gid) == 0, fchmod(directory, 0o700) == 0 else {
      throw failure("given to \(owner.name)", path)
    }
  }

  /// The owner of `path`; nil when there is nothing.
  static func owner(of path: String) -> uid_t? {
    var status = stat()
    return lstat(path, &status) == 0 ? status.st_uid : nil
  }

  private static func makeParents(of path: String) throws(OperatorError) {
    var made = ""
    for part in path.split(separator: "/").dropLast() {
      made += "/\(part)"
      guard mkdir(made, 0o755) == 0 || errno == EEXIST || access(made, F_OK) == 0 else {
        throw failure("created", made)
      }
    }
  }

  private static func failure(_ verb: String, _ path: String) -> OperatorError {
    let code = errno
    return OperatorError(
      "\(path) could not be \(verb): \(errorText(code))",
      advice: code == EACCES || code == EPERM || code == EROFS
        ? "Name a directory you may write to with --data DIR." : "")
  }
}
