package import Crypto

/// The names by which certificates tell the processes of a cluster from one another: `tickets.handoff.internal`.
///
/// The domain is private (`.internal` is kept out of the public DNS), so a certificate for a public name is never taken
/// for one of a daemon.
package enum CertifiedName {
  /// What follows the name of a process.
  package static let domain = "handoff.internal"

  /// The name of a process in its certificate: `tickets.handoff.internal` of `tickets`.
  package static func of(_ process: String) -> String { "\(process).\(domain)" }
}

extension PeerCertificate {
  /// The process for which the certificate was issued: `tickets`; nil when it names none.
  package var process: String? {
    for name in names where name.hasSuffix(".\(CertifiedName.domain)") {
      let process = name.dropLast(CertifiedName.domain.utf8.count + 1)
      if !process.isEmpty, !process.contains("."), !process.contains("*") { return String(process) }
    }
    return nil
  }
}
