import Foundation

/// A self-signed certificate for 127.0.0.1 and mx.example.org in a directory of its own, removed with the object.
package final class TestCertificate: Sendable {
  private let directory: URL
  /// Path of the certificate in PEM.
  package var certificate: String { directory.appending(path: "certificate.pem").path }
  /// Path of its key.
  package var key: String { directory.appending(path: "key.pem").path }

  /// There is no certificate.
  package struct Failed: Error {
    /// How `openssl` ended.
    package let status: Int32
  }

  /// Makes it.
  ///
  /// - Throws: ``Failed``, or what the system says.
  package init() throws {
    directory = FileManager.default.temporaryDirectory.appending(path: "handoff-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    let openssl = Process()
    openssl.executableURL = URL(filePath: "/usr/bin/env")
    openssl.arguments = [
      "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
      "-subj", "/CN=mx.example.org", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-keyout", key, "-out",
      certificate,
    ]
    openssl.standardError = FileHandle.nullDevice
    try openssl.run()
    openssl.waitUntilExit()
    guard openssl.terminationStatus == 0 else { throw Failed(status: openssl.terminationStatus) }
  }

  deinit { try? FileManager.default.removeItem(at: directory) }
}
