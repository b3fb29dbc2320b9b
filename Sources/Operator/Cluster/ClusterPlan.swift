import Postgres
import ServiceKit

/// The processes of a cluster, the ports they listen on, and what each is told.
enum ClusterPlan {
  /// A daemon of Handoff's.
  struct Daemon: Sendable {
    /// The part of its name after `handoff-`; also its caller name and, with `handoff_` before it, its database role.
    let name: String
    /// Where it listens unless that port is taken; the admin port is 100 above.
    let port: UInt16
    /// Connections to PostgreSQL that it may hold.
    let connectionsMax: Int
    /// The daemons it calls.
    let calls: [String]
    /// Whether it writes tickets and therefore needs the ledger's key.
    var writesTickets = true

    var executable: String { "handoff-\(name)" }
    /// Tells those who call it where it is.
    var addressVariable: String { "HANDOFF_\(name.uppercased())_ADDRESS" }
    var role: String { "handoff_\(name)" }
  }

  /// In the order in which they are started; they stop in reverse.
  static let daemons = [
    Daemon(name: "masking", port: 7104, connectionsMax: 12, calls: []),
    Daemon(name: "mail", port: 7103, connectionsMax: 12, calls: ["tickets", "masking"]),
    Daemon(name: "assignment", port: 7102, connectionsMax: 24, calls: ["masking"]),
    Daemon(name: "tickets", port: 7101, connectionsMax: 32, calls: ["assignment", "mail", "masking"]),
    Daemon(
      name: "gateway", port: 7100, connectionsMax: 12, calls: ["tickets", "assignment", "mail", "masking"],
      writesTickets: false),
  ]

  static let gatewayName = "gateway"
  static let edgeName = "edge"
  static let edgePort: UInt16 = 8080
  /// The name of the edge's port with TLS.
  static let secureEdgeName = "edge-tls"
  static let secureEdgePort: UInt16 = 8443
  /// The admin port's distance from the port of the service.
  static let adminOffset: UInt16 = 100

  /// Connections that all daemons together may hold, those that listen included; PostgreSQL must allow more.
  static func connectionsMax(_ counts: ClusterCopies = ClusterCopies()) -> Int {
    copies(counts).reduce(0) { $0 + $1.daemon.connectionsMax + PostgresPool.listenersMax }
  }

  /// What a daemon's configuration is made of.
  struct Surroundings: Sendable {
    let directory: DataDirectory
    let ports: ClusterPorts
    let copies: ClusterCopies
    /// Variables that the operator set for the daemons, such as `HANDOFF_LOG_LEVEL`.
    let passedOn: OperatorConfig
  }

  /// The configuration of a copy: its whole environment beside the plain one.
  static func environment(of copy: Copy, _ surroundings: Surroundings) -> [String: String] {
    let daemon = copy.daemon
    let directory = surroundings.directory
    let ports = surroundings.ports
    var variables = [
      "HANDOFF_LISTEN": "127.0.0.1:\(ports[copy.name])",
      "HANDOFF_ADMIN_LISTEN": "127.0.0.1:\(ports[copy.adminName])",
      "HANDOFF_DATABASE_URL_FILE": databaseURLFile(of: daemon, directory),
      "HANDOFF_DATABASE_CONNECTIONS_MAX": "\(daemon.connectionsMax)",
      "HANDOFF_TLS_CERTIFICATE_FILE": directory.certificates.certificateFile(of: daemon.name),
      "HANDOFF_TLS_KEY_FILE": directory.certificates.keyFile(of: daemon.name),
      "HANDOFF_TLS_CA_FILE": directory.certificates.authorityFile,
    ]
    for called in daemons where daemon.calls.contains(called.name) {
      let addresses = copies(of: called, surroundings.copies).map { "127.0.0.1:\(ports[$0.name])" }
      variables[called.addressVariable] = addresses.joined(separator: ",")
    }
    if daemon.writesTickets { variables["HANDOFF_LEDGER_KEY_FILE"] = ledgerKeyFile(directory) }
    if daemon.name == "masking" { variables["HANDOFF_MASKING_KEYS_DIR"] = maskingKeys(directory) }
    if daemon.name == "mail", !surroundings.passedOn.usesSMTP { variables["HANDOFF_MAIL_SPOOL_DIR"] = directory.mail }
    variables.merge(surroundings.passedOn.variables(for: daemon.name)) { _, passed in passed }
    if daemon.name == "tickets", ports.contains(FakeDooray.name) {
      variables["HANDOFF_DOORAY_URL"] = FakeDooray.url(ports)
    }
    if daemon.name == "assignment", ports.contains(FakeDooray.name) {
      let allowed = variables[FakeDooray.allowedAddresses].map { "\($0)," } ?? ""
      variables[FakeDooray.allowedAddresses] = "\(allowed)127.0.0.1"
      variables[FakeDooray.authoritiesVariable] = FakeDooray.authoritiesFile(directory)
    }
    return variables
  }

  static func databaseURLFile(of daemon: Daemon, _ directory: DataDirectory) -> String {
    "\(directory.secrets)/\(daemon.name)-database-url"
  }
  static func ledgerKeyFile(_ directory: DataDirectory) -> String { "\(directory.keys)/ledger-key" }
  static func maskingKeys(_ directory: DataDirectory) -> String { "\(directory.keys)/masking" }

  /// nghttpx in front of the gateway: HTTP/1.1 and HTTP/2, in the clear on one port of the loopback and with TLS on
  /// another, and HTTP/2 with mutual TLS behind it.
  static func edgeArguments(
    _ ports: ClusterPorts, _ certificates: ClusterCertificates, _ counts: ClusterCopies = ClusterCopies()
  ) -> [String] {
    let backends = copies(counts).filter { $0.daemon.name == gatewayName }.map {
      "--backend=127.0.0.1,\(ports[$0.name]);;proto=h2;tls;sni=\(CertifiedName.of(gatewayName))"
    }
    return backends + [
      // Not the machine's own nghttpx configuration.
      "--conf=/dev/null",
      "--frontend=127.0.0.1,\(ports[edgeName]);no-tls",
      "--frontend=127.0.0.1,\(ports[secureEdgeName])",
      "--tls-min-proto-version=TLSv1.2",
      "--cacert=\(certificates.authorityFile)",
      // The gateway takes the client's address from whoever proves to be the edge.
      "--client-cert-file=\(certificates.certificateFile(of: edgeName))",
      "--client-private-key-file=\(certificates.keyFile(of: edgeName))",
      "--workers=1",
      "--no-ocsp",
      // The gateway counts failed sign-ins by address, which must not be the client's invention.
      "--add-x-forwarded-for",
      "--strip-incoming-x-forwarded-for",
      // A stream of live updates may be silent for long.
      "--backend-read-timeout=1h",
      "--server-name=handoff",
      "--log-level=WARN",
      certificates.keyFile(of: edgeName),
      certificates.certificateFile(of: edgeName),
    ]
  }
}
