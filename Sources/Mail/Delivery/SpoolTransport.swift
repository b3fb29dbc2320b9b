package import EventLoop
import Glibc

/// Writes mails into a directory, one `.eml` file each, instead of sending them: for machines without a mail server.
///
/// A file is named after its Message-ID and appears whole, so a mail handed on twice is one file.
package struct SpoolTransport: MailTransport {
  private let directory: String
  private let pool: BlockingPool

  /// Makes the directory, readable by its owner only, unless it is there, and removes what a killed process left
  /// half-written.
  ///
  /// - Throws: ``DeliveryFailure`` when the directory cannot be made or written to.
  package init(directory: String, pool: BlockingPool) throws {
    self.directory = directory
    self.pool = pool
    if mkdir(directory, 0o700) != 0, errno != EEXIST { throw Self.failure("mkdir", directory) }
    guard access(directory, W_OK | X_OK) == 0 else { throw Self.failure("access", directory) }
    Self.removeLeftovers(directory)
  }

  /// Writes the file to the disk; returns its name.
  package func send(_ mail: EnvelopedMail, deadline: Deadline) async throws -> String {
    let name = Self.fileName(mail.messageID)
    try await pool.run { try Self.write(mail.content, name, directory) }
    return "stored as \(name)"
  }

  /// The file of a mail; characters that mean something to a shell or a file system become `_`.
  package static func fileName(_ messageID: String) -> String {
    let safe = messageID.unicodeScalars.prefix(200).map { scalar -> Character in
      switch scalar {
      case "a"..."z", "A"..."Z", "0"..."9", "@", "-", "_", ".": Character(scalar)
      default: "_"
      }
    }
    return (safe.first == "." ? "_" : "") + String(safe) + ".eml"
  }

  private static let leftoverSuffix = ".part"

  private static func write(_ content: [UInt8], _ name: String, _ directory: String) throws {
    let whole = "\(directory)/\(name)"
    let part = "\(directory)/.\(name).\(UInt64.random(in: 0 ... .max))\(leftoverSuffix)"
    let file = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard file >= 0 else { throw failure("open", directory) }
    do {
      defer { close(file) }
      var written = 0
      while written < content.count {
        let count = content.withUnsafeBytes { Glibc.write(file, $0.baseAddress! + written, content.count - written) }
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { throw failure("write", directory) }
        written += count
      }
      // The name must not reach the disk before the bytes do.
      guard fsync(file) == 0 else { throw failure("fsync", directory) }
      guard rename(part, whole) == 0 else { throw failure("rename", directory) }
    } catch {
      unlink(part)
      throw error
    }
    let parent = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard parent >= 0 else { throw failure("open", directory) }
    defer { close(parent) }
    guard fsync(parent) == 0 else { throw failure("fsync", directory) }
  }

  /// Half-written files of an hour ago belong to nobody any more.
  private static func removeLeftovers(_ directory: String) {
    guard let listing = opendir(directory) else { return }
    defer { closedir(listing) }
    while let entry = readdir(listing) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      guard name.hasPrefix("."), name.hasSuffix(leftoverSuffix) else { continue }
      var status = stat()
      if stat("\(directory)/\(name)", &status) == 0, status.st_mtim.tv_sec < time(nil) - 3600 {
        unlink("\(directory)/\(name)")
      }
    }
  }

  private static func failure(_ call: StaticString, _ directory: String) -> DeliveryFailure {
    let words = String(cString: strerror(errno))
    return DeliveryFailure(isPermanent: false, replyCode: 0, words: "\(call) in \(directory): \(words)")
  }
}
