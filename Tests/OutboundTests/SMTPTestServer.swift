import Foundation
import Testing

/// A foreign SMTP server (aiosmtpd) as a child process; ends with the object.
final class SMTPTestServer {
  private(set) var port: Int
  private let process = Process()
  private let input = Pipe()
  private let output = Pipe()
  private var buffered = Data()

  struct Delivered: Decodable, Equatable {
    var connection: Int
    var hello: String?
    var tls: Bool
    var user: String?
    var sender: String
    var recipients: [String]
    var content: String
  }

  private struct Started: Decodable {
    let port: Int
  }

  static let folder = URL(filePath: #filePath).deletingLastPathComponent()

  static var python: String {
    ProcessInfo.processInfo.environment["HANDOFF_TEST_PYTHON"]
      ?? folder.deletingLastPathComponent().deletingLastPathComponent().appending(path: ".venv/bin/python").path
  }

  init(_ arguments: String...) throws {
    guard FileManager.default.isExecutableFile(atPath: Self.python) else {
      throw MissingPython()
    }
    process.executableURL = URL(filePath: Self.python)
    process.arguments = [Self.folder.appending(path: "smtp_server.py").path] + arguments
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
  func nextDelivered() throws -> Delivered { try next(Delivered.self) }

  private func next<Event: Decodable>(_ type: Event.Type) throws -> Event {
    while true {
      if let end = buffered.firstIndex(of: 0x0a) {
        let line = buffered[..<end]
        buffered = Data(buffered[(end + 1)...])
        return try JSONDecoder().decode(type, from: Data(line))
      }
      let more = output.fileHandleForReading.availableData
      guard !more.isEmpty else { throw ServerEnded() }
      buffered += more
    }
  }
}

struct MissingPython: Error, CustomStringConvertible {
  let description =
    "these tests need Python with aiosmtpd: run them through scripts/test, or name the interpreter in"
    + " HANDOFF_TEST_PYTHON"
}

struct ServerEnded: Error {}

/// A self-signed certificate for 127.0.0.1 in a directory of its own, removed with the object.
final class TestCertificate {
  private let directory: URL
  var certificate: String { directory.appending(path: "certificate.pem").path }
  var key: String { directory.appending(path: "key.pem").path }

  init() throws {
    directory = FileManager.default.temporaryDirectory.appending(path: "handoff-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    let openssl = Process()
    openssl.executableURL = URL(filePath: "/usr/bin/env")
    openssl.arguments = [
      "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
      "-subj", "/CN=mx.example.org", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate,
    ]
    openssl.standardError = FileHandle.nullDevice
    try openssl.run()
    openssl.waitUntilExit()
    try #require(openssl.terminationStatus == 0)
  }

  deinit { try? FileManager.default.removeItem(at: directory) }
}
