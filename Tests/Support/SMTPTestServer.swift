import Foundation

/// A foreign SMTP server (aiosmtpd) as a child process; ends with the object.
package final class SMTPTestServer {
  /// Its port on 127.0.0.1.
  package private(set) var port: Int
  private let process = Process()
  private let input = Pipe()
  private let output = Pipe()
  private var buffered = Data()

  /// A mail that the server took.
  package struct Delivered: Decodable, Equatable {
    /// The client's port, which tells connections apart.
    package var connection: Int
    /// How the client introduced itself.
    package var hello: String?
    /// Whether the connection was encrypted.
    package var tls: Bool
    /// Who signed in.
    package var user: String?
    /// The envelope's sender.
    package var sender: String
    /// The envelope's recipients.
    package var recipients: [String]
    /// Header and body, one character for each byte.
    package var content: String
  }

  private struct Started: Decodable {
    let port: Int
  }

  /// Starts the server; `arguments` are those of `smtp_server.py`.
  ///
  /// - Throws: ``TestPython/Missing``, or ``Ended`` when the server does not start.
  package init(_ arguments: String...) throws {
    process.executableURL = URL(filePath: try TestPython.path())
    let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "smtp_server.py")
    process.arguments = [script.path] + arguments
    process.standardInput = input
    process.standardOutput = output
    try process.run()
    // The child has its own copy; with ours open the end of its output would never be seen.
    try output.fileHandleForWriting.close()
    port = 0
    let started = try next(Started.self)
    port = started.port
  }

  deinit {
    try? input.fileHandleForWriting.close()
    process.waitUntilExit()
  }

  /// The next mail that was taken; waits for it.
  package func nextDelivered() throws -> Delivered { try next(Delivered.self) }

  private func next<Event: Decodable>(_ type: Event.Type) throws -> Event {
    while true {
      if let end = buffered.firstIndex(of: 0x0a) {
        let line = buffered[..<end]
        buffered = Data(buffered[(end + 1)...])
        return try JSONDecoder().decode(type, from: Data(line))
      }
      let more = output.fileHandleForReading.availableData
      guard !more.isEmpty else { throw Ended() }
      buffered += more
    }
  }

  /// The server is gone.
  package struct Ended: Error {}
}
