import Crypto
import Glibc
import Testing

@testable import Operator

@Suite("the certificates of a cluster")
struct ClusterCertificatesTests {
  private static let names = ["masking", "mail", "assignment", "tickets", "gateway", "edge", "operator"]

  @Test("everybody gets a pair of the same authority, which only the owner can read")
  func make() throws {
    let scratch = try Scratch()
    let certificates = ClusterCertificates(directory: "\(scratch.path)/tls", owner: .current)
    #expect(try certificates.prepare(hosts: ["desk.example.com", "192.0.2.7"]) == ["ca"] + Self.names)
    let authority = try #require(try certificates.certificate(certificates.authorityFile))
    for name in Self.names {
      let certificate = try #require(try certificates.certificate(certificates.certificateFile(of: name)))
      #expect(certificate.isIssued(by: authority))
      #expect(certificate.names.first == "\(name).handoff.internal")
      #expect(certificate.names.contains("localhost") == (name != "operator"))
      let isPublic = name == "gateway" || name == "edge"
      #expect(certificate.names.contains("desk.example.com") == isPublic)
      #expect(certificate.isFor(address: "192.0.2.7") == isPublic)
      #expect((396...398).contains(certificate.daysLeft))
      #expect(scratch.mode(of: certificates.keyFile(of: name)) == 0o600)
    }
  }

  @Test("what is good stays; what is gone, does not fit or lacks a host is made again")
  func renew() throws {
    let scratch = try Scratch()
    let certificates = ClusterCertificates(directory: "\(scratch.path)/tls", owner: .current)
    _ = try certificates.prepare()
    #expect(try certificates.prepare() == [])
    unlink(certificates.keyFile(of: "mail"))
    #expect(try certificates.prepare() == ["mail"])
    rename(certificates.certificateFile(of: "mail"), certificates.certificateFile(of: "tickets"))
    #expect(try certificates.prepare() == ["mail", "tickets"])
    #expect(try certificates.prepare(hosts: ["desk.example.com"]) == ["gateway", "edge"])
    try PrivateFile.write("damaged", to: certificates.authorityFile, owner: .current)
    #expect(try certificates.prepare() == ["ca"] + Self.names)
  }

  @Test("what expires soon is renewed", arguments: [(59, true), (61, false)] as [(Int64, Bool)])
  func expiry(days: Int64, isRenewed: Bool) throws {
    let scratch = try Scratch()
    let certificates = ClusterCertificates(directory: "\(scratch.path)/tls", owner: .current)
    _ = try certificates.prepare()
    let authority = try CertificateAuthority(
      certificate: try #require(try certificates.certificate(certificates.authorityFile)),
      key: try PrivateKey(
        pem: SecretBytes(Array(try #require(try PrivateFile.read(certificates.authorityKeyFile)).utf8))))
    let subject = CertificateAuthority.Subject(
      "x", names: ["tickets.handoff.internal", "handoff-tickets", "localhost"], addresses: ["127.0.0.1", "::1"])
    let now = Int64(time(nil))
    let (certificate, key) = try authority.issue(
      subject, CertificateAuthority.Validity(start: now, end: now + days * 86_400 + 3600))
    try PrivateFile.write(key.pem, to: certificates.keyFile(of: "tickets"), owner: .current)
    try PrivateFile.write(certificate.pem, to: certificates.certificateFile(of: "tickets"), owner: .current)
    #expect(try certificates.prepare() == (isRenewed ? ["tickets"] : []))
  }

  @Test(
    "hosts are names and addresses",
    arguments: [("desk.example.com,192.0.2.7,::1", 3), ("a", 1), ("", nil), ("a,,b", nil), ("a b", nil), ("*.x", nil)]
      as [(String, Int?)])
  func hosts(text: String, count: Int?) throws {
    guard let count else {
      #expect(throws: OperatorError.self) { try ClusterCertificates.hosts(text) }
      return
    }
    #expect(try ClusterCertificates.hosts(text).count == count)
  }
}
