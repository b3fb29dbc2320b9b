import Foundation

@testable import Operator

/// A directory of one test's own under /tmp (short, so that a Unix socket fits), gone when the test ends.
final class Scratch {
  let path: String

  init() throws {
    var template = Array("/tmp/handoff-operator-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw OperatorError("no scratch directory") }
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    // The processes' user must be able to go through it.
    chmod(path, 0o755)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func mode(of path: String) -> UInt16? {
    var status = stat()
    return lstat(path, &status) == 0 ? UInt16(status.st_mode & 0o7777) : nil
  }

  /// Another one when the file was written anew.
  func inode(of path: String) -> UInt64? {
    var status = stat()
    return lstat(path, &status) == 0 ? UInt64(status.st_ino) : nil
  }
}
