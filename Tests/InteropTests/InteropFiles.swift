import Crypto
import Foundation

/// An authority of the test's own and the certificate of its servers, as files.
struct InteropFiles {
  let directory: URL

  init() throws {
    directory = FileManager.default.temporaryDirectory.appending(path: "interop-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    let authority = try CertificateAuthority(named: "interoperability", .days(2))
    let subject = CertificateAuthority.Subject("server", names: ["localhost"], addresses: ["127.0.0.1"])
    let (certificate, key) = try authority.issue(subject, .days(1))
    try Data(authority.certificate.pem.utf8).write(to: directory.appending(path: "ca.pem"))
    try Data(certificate.pem.utf8).write(to: directory.appending(path: "server.pem"))
    try Data(key.pem.utf8).write(to: directory.appending(path: "server.key"))
  }

  var authority: String { directory.appending(path: "ca.pem").path }
  private var certificate: String { directory.appending(path: "server.pem").path }
  private var key: String { directory.appending(path: "server.key").path }

  /// What rpc-interop-server is told of them.
  func server(_ isSecure: Bool) -> [String] { isSecure ? ["--tls-cert", certificate, "--tls-key", key] : [] }

  /// What the server of a peer is told of them.
  func server(of peer: Peer, _ isSecure: Bool) -> [String] { isSecure ? [certificate, key] : [] }

  func remove() { try? FileManager.default.removeItem(at: directory) }
}
