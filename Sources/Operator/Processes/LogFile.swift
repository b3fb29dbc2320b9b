import Glibc

/// A child's log: appended to, and bounded, because a daemon may run for months.
///
/// Loop-confined to the supervisor. A full log becomes `<name>.1`, replacing the one before.
final class LogFile {
  /// A log and its predecessor together stay under twice this.
  static let bytesMax = 8 << 20

  let path: String
  private let owner: ServiceUser
  private var descriptor: Int32 = -1
  private var size = 0

  init(path: String, owner: ServiceUser) {
    self.path = path
    self.owner = owner
  }

  deinit { closeFile() }

  /// Appends bytes. A full disk loses log lines, never the child: errors are swallowed on purpose.
  func append(_ bytes: ArraySlice<UInt8>) {
    if descriptor >= 0, size + bytes.count > Self.bytesMax {
      closeFile()
      rename(path, path + ".1")
    }
    if descriptor < 0 { openFile() }
    guard descriptor >= 0 else { return }
    let written = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
    size += max(0, written)
  }

  func closeFile() {
    if descriptor >= 0 { close(descriptor) }
    descriptor = -1
  }

  private func openFile() {
    descriptor = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    if descriptor >= 0 { fchown(descriptor, owner.uid, owner.gid) }
    var status = stat()
    size = descriptor >= 0 && fstat(descriptor, &status) == 0 ? Int(status.st_size) : 0
  }
}
