import Crypto
import Glibc
import ServiceKit

/// The certificates of a cluster: an authority of its own, and a certificate for every process, in one directory.
///
/// `ca.pem` and `ca-key.pem`, then `<name>.pem` and `<name>-key.pem` for each daemon, for the edge, and for the
/// operator's own calls. Only the owner can read any of them.
struct ClusterCertificates: Sendable {
  /// The directory they lie in.
  let directory: String
  /// Who may read them.
  let owner: ServiceUser

  /// A process that gets a certificate.
  struct Holder: Sendable {
    let name: String
    let usage: Set<CertificateAuthority.Usage>
    /// Whether people and foreign programs reach it, under the names of its machine.
    let isPublic: Bool
  }

  static let operatorName = "operator"

  /// Everybody who gets one. The edge and the operator are on no daemon's list of callers.
  static let holders =
    ClusterPlan.daemons.map {
      Holder(name: $0.name, usage: [.server, .client], isPublic: $0.name == ClusterPlan.gatewayName)
    } + [
      Holder(name: ClusterPlan.edgeName, usage: [.server, .client], isPublic: true),
      Holder(name: operatorName, usage: [.client], isPublic: false),
    ]

  /// Those who trust the authority keep its certificate for years.
  private static let authorityDays: Int64 = 3650
  private static let authorityDaysLeftMin: Int64 = 398
  /// Browsers take no server's certificate of more than 398 days.
  private static let days: Int64 = 397
  /// Renewed at a start when fewer are left.
  static let daysLeftMin: Int64 = 60
  static let hostsMax = 32

  var authorityFile: String { "\(directory)/ca.pem" }
  var authorityKeyFile: String { "\(directory)/ca-key.pem" }
  func certificateFile(of name: String) -> String { "\(directory)/\(name).pem" }
  func keyFile(of name: String) -> String { "\(directory)/\(name)-key.pem" }

  /// Makes what is missing and renews what expires soon or does not fit; the rest stays as it is.
  ///
  /// - Parameters:
  ///   - hosts: names and numeric addresses under which gateway and edge are reached, beside those of the machine
  ///     itself.
  ///   - guests: who gets one beside the cluster's own processes.
  /// - Returns: the names of those whose certificates are new; `ca` first when everybody has to trust a new authority.
  func prepare(hosts: [String] = [], guests: [Holder] = []) throws(OperatorError) -> [String] {
    try PrivateFile.makeDirectory(directory, owner: owner)
    var made: [String] = []
    let authority: CertificateAuthority
    if let known = try knownAuthority() {
      authority = known
    } else {
      authority = try Self.worded { () throws(TLSError) in
        try CertificateAuthority(named: "Handoff cluster authority", .days(Self.authorityDays))
      }
      try write(authority.certificate, authority.key, authorityFile, authorityKeyFile)
      made.append("ca")
    }
    for holder in Self.holders + guests {
      let subject = Self.subject(holder, hosts: hosts)
      if try isUsable(holder, subject, authority) { continue }
      let (certificate, key) = try Self.worded { () throws(TLSError) in
        try authority.issue(subject, .days(Self.days))
      }
      try write(certificate, key, certificateFile(of: holder.name), keyFile(of: holder.name))
      made.append(holder.name)
    }
    return made
  }

  private static func subject(_ holder: Holder, hosts: [String]) -> CertificateAuthority.Subject {
    var names = [CertifiedName.of(holder.name)]
    var addresses: [String] = []
    if holder.usage.contains(.server) {
      // In containers every copy of a daemon is reached under the program's name.
      names += ["handoff-\(holder.name)", "localhost"]
      addresses = ["127.0.0.1", "::1"]
    }
    for host in holder.isPublic ? hosts : [] {
      if isAddress(host) { addresses.append(host) } else { names.append(host) }
    }
    return CertificateAuthority.Subject(
      "handoff-\(holder.name)", names: names, addresses: addresses, usage: holder.usage)
  }

  private func knownAuthority() throws(OperatorError) -> CertificateAuthority? {
    guard let certificate = try certificate(authorityFile), let key = try key(authorityKeyFile),
      certificate.daysLeft >= Self.authorityDaysLeftMin
    else { return nil }
    return try? CertificateAuthority(certificate: certificate, key: key)
  }

  private func isUsable(
    _ holder: Holder, _ subject: CertificateAuthority.Subject, _ authority: CertificateAuthority
  ) throws(OperatorError) -> Bool {
    guard let certificate = try certificate(certificateFile(of: holder.name)),
      let key = try key(keyFile(of: holder.name))
    else { return false }
    return key.fits(certificate) && certificate.isIssued(by: authority.certificate)
      && certificate.daysLeft >= Self.daysLeftMin
      && Set(subject.names).isSubset(of: certificate.names)
      && subject.addresses.allSatisfy { certificate.isFor(address: $0) }
  }

  /// The certificate in a file; nil when there is none that can be read.
  func certificate(_ path: String) throws(OperatorError) -> Certificate? {
    guard let text = try PrivateFile.read(path) else { return nil }
    return (try? Certificate.all(pem: Array(text.utf8)))?.first
  }

  private func key(_ path: String) throws(OperatorError) -> PrivateKey? {
    guard let text = try PrivateFile.read(path) else { return nil }
    return try? PrivateKey(pem: SecretBytes(Array(text.utf8)))
  }

  // The key first: a certificate without its key would be taken for a whole pair that does not fit.
  private func write(
    _ certificate: Certificate, _ key: PrivateKey, _ file: String, _ keyFile: String
  ) throws(OperatorError) {
    try PrivateFile.write(key.pem, to: keyFile, owner: owner)
    try PrivateFile.write(certificate.pem, to: file, owner: owner)
  }

  private static func worded<Value>(_ act: () throws(TLSError) -> Value) throws(OperatorError) -> Value {
    do throws(TLSError) {
      return try act()
    } catch {
      throw OperatorError("a certificate could not be made: \(error)")
    }
  }

  /// Reads `--host`: names and numeric addresses, separated by commas.
  static func hosts(_ text: String) throws(OperatorError) -> [String] {
    let hosts = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    for host in hosts where !isAddress(host) && !isName(host) {
      throw .usage(
        "--host has \"\(host)\"", advice: "It takes names and numeric addresses: --host desk.example.com,192.0.2.7")
    }
    guard hosts.count <= hostsMax else { throw .usage("--host has more than \(hostsMax) names", advice: "Name fewer.") }
    return hosts
  }

  private static func isAddress(_ host: String) -> Bool {
    var four = in_addr()
    var six = in6_addr()
    return inet_pton(AF_INET, host, &four) == 1 || inet_pton(AF_INET6, host, &six) == 1
  }

  private static func isName(_ host: String) -> Bool {
    (1...253).contains(host.utf8.count)
      && host.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
        (1...63).contains(label.utf8.count) && label.first != "-" && label.last != "-"
          && label.utf8.allSatisfy {
            (0x61...0x7a).contains($0) || (0x41...0x5a).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2d
          }
      }
  }
}

extension DataDirectory {
  /// The certificates of the cluster that lives here.
  var certificates: ClusterCertificates { ClusterCertificates(directory: tls, owner: user) }
}

extension ClusterCertificates {
  /// How this program connects to the cluster: with the certificate of `name`, and to nobody whom the authority does
  /// not vouch for.
  ///
  /// - Throws: `OperatorError` when the files are missing or damaged.
  func tls(as name: String = operatorName) throws(OperatorError) -> TLSSource {
    guard let certificate = try PrivateFile.read(certificateFile(of: name)),
      let key = try PrivateFile.read(keyFile(of: name)), let authority = try PrivateFile.read(authorityFile)
    else {
      throw OperatorError("certificates are missing in \(directory)", advice: "They are made at a start: handoff up")
    }
    let identity = TLSIdentity(certificate: Array(certificate.utf8), privateKey: SecretBytes(Array(key.utf8)))
    do throws(TLSError) {
      return TLSSource(try TLSContext(clientOf: Array(authority.utf8), identity: identity))
    } catch {
      throw OperatorError(
        "the certificates in \(directory) are of no use: \(error)", advice: "They are renewed at a start: handoff up")
    }
  }
}

extension Certificate {
  /// Whole days until it expires; negative when it has.
  var daysLeft: Int64 { (expireTime - Int64(time(nil))) / 86_400 }
}
