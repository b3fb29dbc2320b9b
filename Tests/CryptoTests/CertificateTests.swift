import Crypto
import Testing

@Suite("certificates")
struct CertificateTests {
  let authority: CertificateAuthority

  init() throws { authority = try CertificateAuthority(named: "test authority", .days(10)) }

  @Test("an authority issues what it was asked for, and can be read again from its texts")
  func issue() throws {
    let subject = CertificateAuthority.Subject("tickets", names: ["tickets.test", "localhost"], addresses: ["::1"])
    let (certificate, key) = try authority.issue(subject, .days(3))
    #expect(certificate.names == ["tickets.test", "localhost"])
    #expect(key.fits(certificate) && !authority.key.fits(certificate))
    #expect(certificate.isIssued(by: authority.certificate))
    #expect(abs(certificate.expireTime - authority.certificate.expireTime + 7 * 86_400) <= 1)

    let again = try CertificateAuthority(
      certificate: try #require(try Certificate.all(pem: Array(authority.certificate.pem.utf8)).first),
      key: try PrivateKey(pem: SecretBytes(Array(authority.key.pem.utf8))))
    #expect(try again.issue(subject, .days(1)).certificate.isIssued(by: authority.certificate))
    let other = try CertificateAuthority(named: "test authority", .days(10))
    #expect(!certificate.isIssued(by: other.certificate))
    #expect(throws: TLSError("the authority's key is not the one of its certificate")) {
      try CertificateAuthority(certificate: other.certificate, key: authority.key)
    }
  }

  @Test("names that mean something else in the text of an extension are refused", arguments: ["a,IP:10.0.0.1", "a\nb"])
  func injection(name: String) {
    #expect(throws: TLSError.self) { try authority.issue(.init("x", names: [name]), .days(1)) }
  }

  @Test("texts that are no certificate or key are refused in words")
  func texts() throws {
    #expect(try Certificate.all(pem: Array("nothing at all".utf8)).isEmpty)
    let damaged = authority.certificate.pem.replacing("MII", with: "MIJ")
    #expect(throws: TLSError.self) { try Certificate.all(pem: Array(damaged.utf8)) }
    #expect(throws: TLSError("the key file holds no private key in PEM form that is not encrypted")) {
      try PrivateKey(pem: SecretBytes(Array(authority.certificate.pem.utf8)))
    }
  }

  @Test("a context is made only of what fits together and has not expired")
  func contexts() throws {
    let one = try authority.issue(.init("one", names: ["one.test"]), .days(1))
    let two = try authority.issue(.init("two", names: ["two.test"]), .days(1))
    let old = try authority.issue(.init("old", names: []), .init(start: 1_700_000_000, end: 1_700_086_400))
    func identity(_ certificate: Certificate, _ key: PrivateKey) -> TLSIdentity {
      TLSIdentity(certificate: Array(certificate.pem.utf8), privateKey: SecretBytes(Array(key.pem.utf8)))
    }
    let good = try TLSContext(server: identity(one.certificate, one.key), clients: .ignored)
    #expect(good.expireTime == one.certificate.expireTime)
    let rows: [(TLSIdentity, TLSContext.ClientCertificates, String)] = [
      (identity(one.certificate, two.key), .ignored, "the private key is not the one of the certificate"),
      (identity(old.certificate, old.key), .ignored, "the certificate has expired (on 2023-11-15)"),
      (identity(one.certificate, one.key), .required, "the CA file holds no certificate in PEM form"),
      (
        TLSIdentity(certificate: [], privateKey: SecretBytes([])), .ignored,
        "the certificate file holds no certificate in PEM form"
      ),
    ]
    for (identity, clients, words) in rows {
      #expect(throws: TLSError(words)) { try TLSContext(server: identity, clients: clients) }
    }
  }
}
