import Crypto
import Glibc
import RPC

/// An authority of one test's own, and what it issues.
struct TestAuthority {
  let authority: CertificateAuthority

  init() throws { authority = try CertificateAuthority(named: "test authority", .days(2)) }

  var pem: [UInt8] { Array(authority.certificate.pem.utf8) }

  /// A certificate that is valid from `start` to `end` days from now.
  func identity(
    _ names: [String] = ["localhost"], addresses: [String] = ["127.0.0.1"],
    usage: Set<CertificateAuthority.Usage> = [.server, .client], days: (start: Int64, end: Int64) = (-1, 1)
  ) throws -> TLSIdentity {
    let now = Int64(time(nil))
    let subject = CertificateAuthority.Subject(
      names.first ?? "nobody", names: names, addresses: addresses, usage: usage)
    return try issue(
      subject, CertificateAuthority.Validity(start: now + days.start * 86_400, end: now + days.end * 86_400))
  }

  /// A certificate for `localhost` that expires in so many seconds.
  func identity(seconds: Int64) throws -> TLSIdentity {
    let now = Int64(time(nil))
    let subject = CertificateAuthority.Subject("localhost", names: ["localhost"], addresses: ["127.0.0.1"])
    return try issue(subject, CertificateAuthority.Validity(start: now - 3600, end: now + seconds))
  }

  private func issue(
    _ subject: CertificateAuthority.Subject, _ validity: CertificateAuthority.Validity
  ) throws -> TLSIdentity {
    let (certificate, key) = try authority.issue(subject, validity)
    return TLSIdentity(
      certificate: Array(certificate.pem.utf8), privateKey: SecretBytes(Array(key.pem.utf8)))
  }

  func server(
    _ identity: TLSIdentity? = nil, _ clients: TLSContext.ClientCertificates = .ignored
  ) throws -> TLSSource {
    let authorities = clients == .ignored ? [] : pem
    return TLSSource(
      try TLSContext(server: try identity ?? self.identity(), clients: clients, authorities: authorities))
  }

  func client(_ identity: TLSIdentity? = nil) throws -> TLSSource {
    TLSSource(try TLSContext(clientOf: pem, identity: identity))
  }

  /// A channel's TLS that trusts this authority and shows nothing.
  func channel() throws -> RPCChannelTLS { RPCChannelTLS(try client()) }
}
