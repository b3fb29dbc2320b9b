/// How the connection to a mailbox is encrypted; raw values as in the database and the API, in the API's order.
package enum MailSecurity: String, Sendable, CaseIterable {
  /// From the first byte.
  case tls = "TLS"
  /// By STARTTLS.
  case startTLS = "STARTTLS"
  /// Not at all.
  case none = "NONE"

  /// The port that servers use.
  package var usualPort: Int32 { self == .tls ? 993 : 143 }
}

/// What keeps a mailbox from being read; raw values as in the database and the API, in the API's order.
package enum MailboxProblem: String, Sendable, CaseIterable {
  /// The host.
  case host = "HOST"
  /// The encryption of the connection.
  case encryption = "ENCRYPTION"
  /// User and password.
  case signIn = "SIGN_IN"
  /// The folder.
  case mailbox = "MAILBOX"
  /// The time that the server takes.
  case timeout = "TIMEOUT"
  /// What the server says.
  case server = "SERVER"

  /// The field of an account that is wrong, as in the API.
  package var field: String {
    switch self {
    case .host, .timeout, .server: "host"
    case .encryption: "security"
    case .signIn: "password"
    case .mailbox: "mailbox"
    }
  }

  /// How long an account waits after its first failure, in seconds; each further one doubles it, up to
  /// ``longestWaitSeconds``. Providers lock out whoever signs in with a wrong password again and again.
  package var firstWaitSeconds: Int64 {
    switch self {
    case .signIn: 300
    case .host, .encryption, .mailbox, .timeout, .server: 30
    }
  }

  /// The longest wait of a failing account, in seconds.
  package static let longestWaitSeconds: Int64 = 1_800
}
