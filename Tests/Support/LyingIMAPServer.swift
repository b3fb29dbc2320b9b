import Foundation

/// An IMAP server that says what is not so, as a child process; ends with the object.
///
/// Who signs in chooses how it lies, with any password.
package final class LyingIMAPServer {
  /// It did not start.
  package struct Failed: Error {}

  /// Users; `lying_imap.py` says what each is told.
  package static let lies = ["endless", "empty", "moving", "dates", "literal", "line"]

  /// Its port, for TLS from the first byte.
  package let port: Int
  private let process = Process()
  private let input = Pipe()

  /// Starts it on a free port of 127.0.0.1.
  ///
  /// - Throws: ``Failed``, `TestPython.Missing`.
  package init(_ certificate: TestCertificate) throws {
    let output = Pipe()
    process.executableURL = URL(filePath: try TestPython.path())
    let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "lying_imap.py")
    process.arguments = [script.path, certificate.certificate, certificate.key]
    process.standardInput = input
    process.standardOutput = output
    try process.run()
    try output.fileHandleForWriting.close()
    let said = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
    guard let port = Int(said.prefix { $0.isNumber }) else { throw Failed() }
    self.port = port
  }

  deinit {
    try? input.fileHandleForWriting.close()
    process.waitUntilExit()
  }
}
