import Glibc

/// Holds a data directory for one `handoff` at a time; let go when the process ends, however it ends.
struct InstanceLock: ~Copyable {
  private let descriptor: Int32

  /// Takes the lock of `directory`.
  ///
  /// - Throws: `OperatorError` naming the process that holds it.
  init(_ directory: DataDirectory) throws(OperatorError) {
    descriptor = open(directory.lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else {
      throw OperatorError("\(directory.lock) could not be opened: \(errorText(errno))")
    }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      let holder = Self.holder(descriptor)
      close(descriptor)
      throw OperatorError(
        "the cluster in \(directory.path) is run by process \(holder) already",
        advice: """
          Use it as it is (`handoff demo`), stop it first (kill \(holder), or Ctrl-C in its terminal), \
          or start another one with --data DIR.
          """)
    }
    let text = Array("\(getpid())\n".utf8)
    ftruncate(descriptor, 0)
    _ = text.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, 0) }
  }

  deinit { close(descriptor) }

  /// The process that runs the cluster in `directory`; nil when it does not run.
  static func runningProcess(_ directory: DataDirectory) -> String? {
    let descriptor = open(directory.lock, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    if flock(descriptor, LOCK_SH | LOCK_NB) == 0 { return nil }
    return holder(descriptor)
  }

  private static func holder(_ descriptor: Int32) -> String {
    var bytes = [UInt8](repeating: 0, count: 32)
    let count = pread(descriptor, &bytes, bytes.count, 0)
    let digits = bytes.prefix(max(0, count)).prefix { (0x30...0x39).contains($0) }
    return digits.isEmpty ? "of another user" : String(decoding: digits, as: UTF8.self)
  }
}
