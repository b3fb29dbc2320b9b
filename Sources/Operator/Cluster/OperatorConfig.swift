import FoundationEssentials
import ServiceKit

/// What `handoff` takes from its environment.
struct OperatorConfig: Sendable {
  /// The keys of `handoff` itself and those it hands on to daemons unread.
  private static let databaseURL = CommonKeys.databaseURL
  private static let databaseURLFile = CommonKeys.databaseURLFile

  private typealias HandedOn = (name: String, daemons: [String], doc: String)

  /// Variables that `handoff up` hands on to some of its daemons, which check them.
  private static let handedOn: [HandedOn] = settings + addresses

  private static let settings: [HandedOn] = [
    ("HANDOFF_LOG_LEVEL", ClusterPlan.daemons.map(\.name), "The least important lines the daemons log."),
    ("HANDOFF_LOOPS", ClusterPlan.daemons.map(\.name), "Event loops of each daemon; unset means one for each core."),
    (
      "HANDOFF_MAIL_SMTP_URL", ["mail"],
      "Hand mails to this SMTP server instead of writing them into the mail directory."
    ),
    ("HANDOFF_MAIL_SMTP_PASSWORD_FILE", ["mail"], "A file with the password for that server."),
    (
      "HANDOFF_MAIL_SMTP_CONNECTIONS", ["mail"],
      "Most connections of each handoff-mail to that server; 8 unless set."
    ),
    (
      "HANDOFF_MAIL_SENDER_ADDRESS", ["mail"],
      "The address that services without one of their own send from; handoff@localhost unless set."
    ),
    (
      "HANDOFF_MAIL_REPLY_SEPARATOR", ["mail"],
      "What your mail server takes as the beginning of an address's detail; + unless set, none: it takes no details."
    ),
    (
      "HANDOFF_MAIL_RAW_RETENTION", ["mail"],
      "How long the sealed bytes of a mail are kept after it was decided, for example 30d; 90d unless set."
    ),
    (
      "HANDOFF_MAIL_ACCOUNT_ALLOWED_ADDRESSES", ["mail"],
      "Addresses that the mailboxes of accounts may have beside public ones, for example 10.1.0.0/16."
    ),
    (
      "HANDOFF_MAIL_ACCOUNT_CA_FILE", ["mail"],
      "A file with the authorities that servers of mailboxes are checked against in the place of the system's."
    ),
    (
      "HANDOFF_MAIL_ACCOUNT_ALLOW_CLEAR", ["mail"],
      "true: accounts may read mailboxes without encryption; for servers inside a trusted network."
    ),
    (
      "HANDOFF_MAIL_ACCOUNT_INTERVAL", ["mail"],
      "How long a mailbox waits after it was read before it is looked at again, for example 1m; 30s unless set."
    ),
    (
      "HANDOFF_CALLBACK_ALLOWED_ADDRESSES", ["assignment"],
      "Addresses that triggers' callbacks may go to beside public ones, for example 10.1.0.0/16."
    ),
    (
      "HANDOFF_CALLBACK_CA_FILE", ["assignment"],
      "A file with the authorities that receivers of callbacks are checked against in the place of the system's."
    ),
    (
      "HANDOFF_DOORAY_URL", ["tickets"],
      "Where the API of Dooray! is; unset: https://api.dooray.com."
    ),
    (
      "HANDOFF_DOORAY_CA_FILE", ["tickets"],
      "A file with the authorities that Dooray! is checked against in the place of the system's."
    ),
    (
      "HANDOFF_DOORAY_POLL_INTERVAL", ["tickets"],
      "After how long a task at Dooray! is looked at though no hook came, for example 1m."
    ),
    ("HANDOFF_SESSION_LIFETIME", ["gateway"], "How long a sign-in lasts, for example 8h."),
    (
      "HANDOFF_CALLS_PER_SECOND", ["gateway"],
      "Calls a second that one session or API key may make; 0: any number."
    ),
    (
      "HANDOFF_CALLS_PER_SECOND_AND_ADDRESS", ["gateway"],
      "Calls a second that may come from one address; 0: any number."
    ),
    (
      "HANDOFF_CORS_ORIGINS", ["gateway"],
      "Origins whose web pages may call the API, separated by commas, for example https://desk.example.com."
    ),
  ]

  private static let addresses: [HandedOn] = ClusterPlan.daemons.compactMap { daemon in
    let callers = ClusterPlan.daemons.filter { $0.calls.contains(daemon.name) }.map(\.name)
    if callers.isEmpty { return nil }
    return (
      daemon.addressVariable, callers,
      "Where the others reach \(daemon.executable), through a load balancer for example; unset: directly."
    )
  }

  private let config: Config
  private let handed: [String: String]
  /// `PATH`, where programs are looked for.
  let path: String
  /// The id of the user who called sudo, if one did.
  let sudoUser: String?

  /// Reads the environment.
  ///
  /// - Throws: `OperatorError` with exit code 64 and every problem.
  init(environment: [String: String]) throws(OperatorError) {
    var keys: [any AnyConfigKey] = [Self.databaseURL, Self.databaseURLFile]
    for key in Self.handedOn {
      keys.append(ConfigKey<String>.text(key.name, default: "", bytesMax: 2048, doc: key.doc))
    }
    do throws(ConfigProblems) {
      config = try Config(keys, environment: environment)
    } catch {
      throw .usage("the environment is not understood", advice: "\(error)See: handoff up --help")
    }
    handed = environment.filter { name, value in
      !value.isEmpty && Self.handedOn.contains { $0.name == name }
    }
    path = environment["PATH"] ?? "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    sudoUser = environment["SUDO_UID"]
  }

  /// The authorities that receivers of callbacks are checked against; nil: the system's.
  var callbackAuthorities: String? { handed[FakeDooray.authoritiesVariable] }

  /// Where the API of Dooray! is; nil: nobody has said.
  var doorayURL: String? { handed["HANDOFF_DOORAY_URL"] }

  /// The URL of the existing server to use; nil: a private one.
  var existingDatabaseURL: String? { config[Self.databaseURLFile]?.text ?? config[Self.databaseURL] }

  /// Whether mails leave through an SMTP server.
  var usesSMTP: Bool { handed["HANDOFF_MAIL_SMTP_URL"] != nil }

  /// The SMTP server, if one is used.
  var smtpURL: String? { handed["HANDOFF_MAIL_SMTP_URL"] }

  /// What is handed on to a daemon.
  func variables(for daemon: String) -> [String: String] {
    handed.filter { name, _ in Self.handedOn.contains { $0.name == name && $0.daemons.contains(daemon) } }
  }

  /// The part of `handoff up --help` about variables.
  static var help: String {
    let keys: [(String, String)] =
      [(databaseURL.name, databaseURL.doc), (databaseURLFile.name, databaseURLFile.doc)]
      + handedOn.map { ($0.name, $0.doc) }
    return "Environment variables:\n" + keys.map { "\n  \($0)\n      \($1)\n" }.joined()
  }
}
