/// `handoff certificates`: what the processes of a cluster need to know one another, for clusters that are not run by
/// `handoff up`.
enum CertificatesCommand {
  /// Makes or renews the certificates in `--out`.
  static func run(_ arguments: Arguments, _ config: OperatorConfig, _ console: Console) throws(OperatorError) {
    guard let out = arguments.texts[.out] else {
      throw .usage("certificates needs --out", advice: "For example: handoff certificates --out /run/handoff-tls")
    }
    let hosts: [String] = if let text = arguments.texts[.host] { try ClusterCertificates.hosts(text) } else { [] }
    let path = DataDirectory.absolutePath(out)
    let owner = PrivateFile.owner(of: path).flatMap { ServiceUser(id: $0) } ?? .current
    let certificates = ClusterCertificates(directory: path, owner: owner)
    let made = try certificates.prepare(hosts: hosts)
    console.line(
      made.isEmpty
        ? "Everything in \(path) is good for \(ClusterCertificates.daysLeftMin) days or more; nothing was changed."
        : "New in \(path): \(made.joined(separator: ", "))")
  }

  /// What `--help` says after the options.
  static let help = """
    Makes an authority (ca.pem, ca-key.pem) in DIR, and with it a certificate and key (NAME.pem, NAME-key.pem) for each
    of
    \(ClusterCertificates.holders.map(\.name).joined(separator: ", ")).
    Only their owner can read them. What is there stays, unless it expires within
    \(ClusterCertificates.daysLeftMin) days, does not belong together, or lacks a host. Running daemons notice new files
    within seconds.

    Give each daemon its own pair and the authority's certificate, and nobody ca-key.pem:

      HANDOFF_TLS_CERTIFICATE_FILE=DIR/tickets.pem
      HANDOFF_TLS_KEY_FILE=DIR/tickets-key.pem
      HANDOFF_TLS_CA_FILE=DIR/ca.pem

    nghttpx, the edge, shows edge.pem to the gateway and to browsers:

      nghttpx --backend='GATEWAY,7100;;proto=h2;tls;sni=gateway.handoff.internal' --cacert=DIR/ca.pem
        --client-cert-file=DIR/edge.pem --client-private-key-file=DIR/edge-key.pem
        --frontend='0.0.0.0,8443' DIR/edge-key.pem DIR/edge.pem

    Daemons know one another by the names NAME.handoff.internal in their certificates, wherever they run. --host names
    what people and other programs call the gateway and the edge by.

    """
}
