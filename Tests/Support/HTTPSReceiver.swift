import Foundation

/// A foreign HTTPS server (Python's) as a child process that takes POSTs; ends with the object.
package final class HTTPSReceiver {
  /// A request that it took.
  package struct Received: Decodable, Sendable {
    /// Path and query.
    package let path: String
    /// By their names in lower case.
    package let headers: [String: String]
    /// The body.
    package let body: String
    /// How it was answered.
    package let mode: String
  }

  /// Its port on 127.0.0.1; the same after each start.
  package private(set) var port = 0
  /// Whom its clients must trust.
  package let certificate: TestCertificate
  private let directory: URL
  private var process: Process?
  private var input = Pipe()

  /// It did not start.
  package struct Ended: Error {}

  /// Starts the server; it answers with 200.
  ///
  /// - Throws: ``TestPython/Missing``, or ``Ended`` when the server does not start.
  package init(_ certificate: TestCertificate) throws {
    self.certificate = certificate
    directory = FileManager.default.temporaryDirectory.appending(path: "handoff-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    try answer("200")
    try start()
  }

  deinit {
    stop()
    try? FileManager.default.removeItem(at: directory)
  }

  /// Says how it answers from now on; the words are those of `https_receiver.py`.
  package func answer(_ mode: String) throws {
    try mode.write(to: directory.appending(path: "mode"), atomically: true, encoding: .utf8)
  }

  /// Ends the process: connections are refused from now on.
  package func stop() {
    guard let process else { return }
    try? input.fileHandleForWriting.close()
    process.waitUntilExit()
    self.process = nil
  }

  /// Starts it, at its old port if it had one.
  package func start() throws {
    let process = Process()
    let output = Pipe()
    input = Pipe()
    process.executableURL = URL(filePath: try TestPython.path())
    let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "https_receiver.py")
    process.arguments = [
      script.path, directory.path, "--certificate", certificate.certificate, "--key", certificate.key, "--port",
      String(port),
    ]
    process.standardInput = input
    process.standardOutput = output
    try process.run()
    try output.fileHandleForWriting.close()
    let line = output.fileHandleForReading.availableData
    guard let port = Int(String(decoding: line, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)) else {
      throw Ended()
    }
    self.port = port
    self.process = process
  }

  /// A URL of it.
  package func url(_ path: String = "/hook") -> String { "https://127.0.0.1:\(port)\(path)" }

  /// What it took so far, in order. A request that was answered is among them.
  package func received() throws -> [Received] {
    guard let text = try? String(contentsOf: directory.appending(path: "requests.jsonl"), encoding: .utf8) else {
      return []
    }
    return try text.split(separator: "\n").map { try JSONDecoder().decode(Received.self, from: Data($0.utf8)) }
  }
}
