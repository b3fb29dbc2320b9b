import Foundation
import Testing

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
