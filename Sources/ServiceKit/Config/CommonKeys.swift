/// Keys that several daemons share; a daemon's table names those it needs beside its own.
package enum CommonKeys {
  /// Where the gRPC server listens. `port` is the daemon's own default port.
  package static func listen(port: Int) -> ConfigKey<[ServiceAddress]> {
    .listen(
      "HANDOFF_LISTEN", default: "127.0.0.1:\(port)",
      doc: "Where this daemon serves gRPC. Only the local machine can reach the default.")
  }

  /// Where the admin port listens. `port` is the daemon's own default port.
  package static func adminListen(port: Int) -> ConfigKey<[ServiceAddress]> {
    .listen(
      "HANDOFF_ADMIN_LISTEN", default: "127.0.0.1:\(port)",
      doc: "Where this daemon serves /metrics, /livez and /readyz over HTTP/1.1. Keep it off public networks.")
  }

  /// The database when its URL holds no password.
  package static let databaseURL = ConfigKey<String>.url(
    "HANDOFF_DATABASE_URL", default: nil, schemes: ["postgresql", "postgres"],
    passwordKey: "HANDOFF_DATABASE_URL_FILE",
    doc: "The PostgreSQL database, for example postgresql:///handoff?host=/run/postgresql."
  ).optional()

  /// The database when its URL holds a password.
  package static let databaseURLFile = ConfigKey<Secret>.secretFile(
    "HANDOFF_DATABASE_URL_FILE", doc: "A file with the URL of the PostgreSQL database, password included."
  ).optional()

  /// Connections to PostgreSQL that this process may hold, over all its loops.
  package static let databaseConnectionsMax = ConfigKey<Int>.integer(
    "HANDOFF_DATABASE_CONNECTIONS_MAX", default: 16, range: 1...1000,
    doc: "Connections to PostgreSQL this process may hold; the sum over all processes must stay below"
      + " PostgreSQL's max_connections.")

  /// The three keys of a daemon that uses PostgreSQL; their rule is `databaseRule`.
  package static let database: [any AnyConfigKey] = [databaseURL, databaseURLFile, databaseConnectionsMax]

  /// One of the two forms of the database's URL must be given.
  package static let databaseRule = ConfigRule.exactlyOne(of: [databaseURL.name, databaseURLFile.name])

  /// The certificate of this daemon.
  package static let tlsCertificateFile = ConfigKey<String>.watchedFile(
    "HANDOFF_TLS_CERTIFICATE_FILE", isPrivate: false,
    doc: "This daemon's certificate in PEM, its chain behind it. It must be for NAME.\(CertifiedName.domain), by which"
      + " the others know it, and for servers and clients. `handoff certificates` makes one. New files are noticed.")

  /// Its private key.
  package static let tlsKeyFile = ConfigKey<String>.watchedFile(
    "HANDOFF_TLS_KEY_FILE", isPrivate: true, doc: "The private key of that certificate in PEM.")

  /// Whom it trusts.
  package static let tlsAuthoritiesFile = ConfigKey<String>.watchedFile(
    "HANDOFF_TLS_CA_FILE", isPrivate: false,
    doc: "The certificates, in PEM, of the authorities that issue the certificates of all daemons.")

  /// The keys by which every daemon proves its name and checks those of others.
  package static let tls: [any AnyConfigKey] = [tlsCertificateFile, tlsKeyFile, tlsAuthoritiesFile]

  /// Event loops, each a thread with its own connections.
  package static let loops = ConfigKey<Int>.integer(
    "HANDOFF_LOOPS", default: nil, range: 1...256, doc: "Event loops to run; unset means one for each core."
  ).optional()

  /// The least level that is logged.
  package static let logLevel = ConfigKey<String>.choice(
    "HANDOFF_LOG_LEVEL", default: "info", of: LogLevel.allCases.map(\.rawValue),
    doc: "The least important lines to log.")

  /// Where `handoff-tickets` is reached.
  package static let ticketsAddress = peer("TICKETS", port: 7101)
  /// Where `handoff-assignment` is reached.
  package static let assignmentAddress = peer("ASSIGNMENT", port: 7102)
  /// Where `handoff-mail` is reached.
  package static let mailAddress = peer("MAIL", port: 7103)
  /// Where `handoff-masking` is reached.
  package static let maskingAddress = peer("MASKING", port: 7104)

  private static func peer(_ name: String, port: Int) -> ConfigKey<[ServiceAddress]> {
    .addresses(
      "HANDOFF_\(name)_ADDRESS", default: "127.0.0.1:\(port)",
      doc: "Where handoff-\(name.lowercased()) is reached: one or more addresses, separated by commas. All of them, and"
        + " all that a host name stands for, take calls in turn.")
  }
}

extension Config {
  /// The database's URL, from whichever of the two database keys is set; `CommonKeys.databaseRule` assures one is.
  package var databaseURL: Secret {
    guard let url = self[CommonKeys.databaseURLFile] ?? self[CommonKeys.databaseURL].map({ Secret(Array($0.utf8)) })
    else { preconditionFailure("the table of this program lacks CommonKeys.databaseRule") }
    return url
  }

  /// The files of TLS, for a program whose table has ``CommonKeys/tls``.
  package var tlsFiles: TLSFiles {
    TLSFiles(
      certificate: self[CommonKeys.tlsCertificateFile], key: self[CommonKeys.tlsKeyFile],
      authorities: self[CommonKeys.tlsAuthoritiesFile])
  }

  /// The least level that is logged.
  package var logLevel: LogLevel { LogLevel(rawValue: self[CommonKeys.logLevel]) ?? .info }
}
