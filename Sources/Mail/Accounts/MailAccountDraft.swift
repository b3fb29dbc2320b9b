import HandoffAPI
import Outbound
import Postgres
import RPCProtos
import ServiceKit
import TicketLedger

/// A mailbox account as an administrator wants it.
struct MailAccountDraft: Sendable {
  /// What can be changed of an account.
  static let paths = [
    "display_name", "address", "host", "port", "security", "user", "password", "mailbox", "delete_imported",
    "submission_type", "paused",
  ]
  /// What can be changed of the representative address.
  static let representativePaths = ["submission_type"]
  private static let passwordBytesMax = 1_024
  private static let mailboxCharactersMax = 200

  private(set) var displayName = ""
  private(set) var address = ""
  private(set) var host = ""
  private(set) var port: Int32 = 0
  private(set) var security = MailSecurity.tls
  private(set) var user = ""
  /// Nil: the one that is known.
  private(set) var password: String?
  private(set) var mailbox = "INBOX"
  private(set) var deletesImported = false
  private(set) var submissionType: SubmissionTypeName?
  private(set) var isPaused = false
  /// Nil: now.
  private(set) var startTime: Instant?

  /// Reads an account to be, and notes everything that is wrong with it.
  init(creating account: MailAccount, allowsClear: Bool, _ check: inout RequestCheck) {
    for path in Self.paths { read(path, of: account, allowsClear, &check) }
    if let time = account.startTime {
      check.require(
        (0..<4_102_444_800).contains(time.seconds), "mail_account.start_time", "must lie between 1970 and 2100")
      startTime = Instant(microsecondsSinceEpoch: min(max(time.seconds, 0), 4_102_444_800) * 1_000_000)
    }
    setUsualPort()
  }

  /// Changes an account where a mask says so, and notes everything that is wrong with the result.
  init(
    changing known: MailAccountRecord, of service: String, to account: MailAccount, _ mask: Set<String>,
    allowsClear: Bool, _ check: inout RequestCheck
  ) {
    (displayName, address, host, port) = (known.displayName, known.address, known.host, known.port)
    (security, user, mailbox) = (known.security, known.user, known.mailbox)
    (deletesImported, isPaused) = (known.deletesImported, known.isPaused)
    submissionType = known.submissionTypeID.map { SubmissionTypeName(service: service, id: $0) }
    for path in Self.paths where mask.contains(path) { read(path, of: account, allowsClear, &check) }
    setUsualPort()
    if !known.isRepresentative, password == nil, isSealedOtherwise(than: known) {
      check.require(
        false, "mail_account.password", "must be given anew when host, port, security or user changes")
    }
  }

  private mutating func setUsualPort() { if port == 0 { port = security.usualPort } }

  /// Whether the known password belongs to another server or user.
  private func isSealedOtherwise(than known: MailAccountRecord) -> Bool {
    host != known.host || port != known.port || security != known.security || user != known.user
  }

  /// Whether the way to the mailbox is another one than before, or is to be gone again.
  func needsCheck(against known: MailAccountRecord) -> Bool {
    if isPaused { return false }
    return isSealedOtherwise(than: known) || password != nil || mailbox != known.mailbox || known.isPaused
      || (deletesImported && !known.deletesImported)
  }

  /// Whether it is read from the beginning: the mails in it are others.
  func isOtherMailbox(than known: MailAccountRecord) -> Bool {
    host != known.host || port != known.port || user != known.user || mailbox != known.mailbox
  }

  /// What the mailbox is called to IMAP; nil when the check has found something wrong.
  func server(password: String) -> IMAPServer? {
    IMAPServer(
      host: host, port: UInt16(clamping: port), security: ConnectionSecurity(security), user: user,
      password: password, mailbox: mailbox)
  }

  private mutating func read(
    _ path: String, of account: MailAccount, _ allowsClear: Bool, _ check: inout RequestCheck
  ) {
    let name = "mail_account.\(path)"
    switch path {
    case "display_name": displayName = check.line(account.displayName, name, charactersMax: 20)
    case "address":
      address = account.address
      check.require(MailAddress(address) != nil, name, "is not a mail address such as help@example.com")
    case "host":
      host = account.host.lowercased()
      check.require(IMAPServer.isHost(host), name, "is not the name or address of a server such as imap.example.com")
    case "port":
      port = account.port
      check.require((0...65_535).contains(port), name, "must be 1 to 65535; 0 for the usual one")
    case "security":
      let wanted: MailSecurity? = check.choice(account.security.rawValue, name, unspecified: .tls)
      security = wanted ?? .tls
      check.require(security != .none || allowsClear, name, "must be TLS or STARTTLS; the operator allows no other")
    case "user":
      user = account.user
      check.require(Self.isCredential(user, bytesMax: MailAddress.addressBytesMax), name, Self.credentialWords(254))
    case "password":
      password = account.password
      check.require(
        Self.isCredential(account.password, bytesMax: Self.passwordBytesMax), name,
        Self.credentialWords(Self.passwordBytesMax))
    case "mailbox":
      mailbox = account.mailbox.isEmpty ? "INBOX" : account.mailbox
      check.require(
        mailbox.unicodeScalars.count <= Self.mailboxCharactersMax && !mailbox.utf8.contains { $0 < 0x20 || $0 == 0x7F },
        name, "must have at most \(Self.mailboxCharactersMax) characters and no control characters")
    case "delete_imported": deletesImported = account.deleteImported
    case "submission_type": submissionType = check.optionalName(account.submissionType, name)
    case "paused": isPaused = account.paused
    default: break
    }
  }

  private static func isCredential(_ text: String, bytesMax: Int) -> Bool {
    (1...bytesMax).contains(text.utf8.count) && !text.utf8.contains { $0 < 0x20 || $0 == 0x7F }
  }

  private static func credentialWords(_ bytesMax: Int) -> String {
    "must have 1 to \(bytesMax) bytes and no control characters"
  }
}

extension ConnectionSecurity {
  /// The same, as libcurl's wrapper calls it.
  init(_ security: MailSecurity) {
    self =
      switch security {
      case .tls: .implicit
      case .startTLS: .startTLS
      case .none: .none
      }
  }
}
