package import EventLoop
import Outbound
package import ServiceKit
package import TicketLedger

/// The configuration of the daemon that is mail's own.
package enum MailKeys {
  /// The relay that takes the mails.
  static let smtpURL = ConfigKey<String>.url(
    "HANDOFF_MAIL_SMTP_URL", default: nil, schemes: ["smtp", "smtps"], passwordKey: "HANDOFF_MAIL_SMTP_PASSWORD_FILE",
    doc: "The relay that takes our mails: smtp://[user@]host[:587] (STARTTLS; ?starttls=off for a relay inside a"
      + " trusted network) or smtps://[user@]host[:465]."
  ).optional()

  /// The password of the relay.
  static let smtpPasswordFile = ConfigKey<Secret>.secretFile(
    "HANDOFF_MAIL_SMTP_PASSWORD_FILE", doc: "A file with the password for the user in HANDOFF_MAIL_SMTP_URL."
  ).optional()

  /// How many mails may be on their way to the relay at once.
  static let smtpConnections = ConfigKey<Int>.integer(
    "HANDOFF_MAIL_SMTP_CONNECTIONS", default: 8, range: 1...64,
    doc: "Most connections of this process to the relay; each takes one mail after the other.")

  /// The directory that takes the mails instead of a relay.
  static let spoolDirectory = ConfigKey<String>.text(
    "HANDOFF_MAIL_SPOOL_DIR", default: nil, expectation: "the path of a directory",
    doc: "A directory that takes our mails as .eml files instead of a relay; made when it is missing."
  ).optional()

  /// The sender of services that have none.
  static let senderAddress = ConfigKey<String>.text(
    "HANDOFF_MAIL_SENDER_ADDRESS", default: "handoff@localhost", bytesMax: MailAddress.addressBytesMax,
    expectation: "a mail address",
    doc: "The address that services without one of their own send from; replies go there.")

  /// What parts the mark of a ticket from the address that replies go to.
  static let replySeparator = ConfigKey<String>.text(
    "HANDOFF_MAIL_REPLY_SEPARATOR", default: "+", bytesMax: 4, expectation: "one of + - _ = or none",
    doc: "What your mail server takes as the beginning of an address's detail, so that replies to care+MARK@… come in;"
      + " none: it delivers no such addresses, and replies are known by their References alone.")

  /// How long the bytes of mails that came in are kept.
  package static let rawRetention = ConfigKey<Duration>.duration(
    "HANDOFF_MAIL_RAW_RETENTION", default: "90d", range: .seconds(86_400) ... .seconds(3_650 * 86_400),
    doc: "How long the sealed bytes of a mail that came in are kept after it was decided. A mail that no agent decided"
      + " about for so long is suppressed.")

  /// Addresses of mailboxes beside public ones.
  static let accountAddresses = ConfigKey<String>.text(
    "HANDOFF_MAIL_ACCOUNT_ALLOWED_ADDRESSES", default: nil, expectation: "ranges of addresses separated by commas",
    doc: "Addresses that the mailboxes of accounts may have beside public ones, for example 10.1.0.0/16,fd12::/48."
  ).optional()

  /// Authorities of mailboxes.
  static let accountAuthoritiesFile = ConfigKey<String>.text(
    "HANDOFF_MAIL_ACCOUNT_CA_FILE", default: nil, expectation: "the path of a file",
    doc: "Certificates, in PEM, of the authorities that the servers of mailboxes are checked against in the place of"
      + " the system's."
  ).optional()

  /// Whether passwords of mailboxes may travel in the clear.
  static let accountsInClear = ConfigKey<Bool>.flag(
    "HANDOFF_MAIL_ACCOUNT_ALLOW_CLEAR", default: false,
    doc: "Whether accounts may read mailboxes without encryption; for servers inside a trusted network.")

  /// How often mailboxes are read.
  static let accountInterval = ConfigKey<Duration>.duration(
    "HANDOFF_MAIL_ACCOUNT_INTERVAL", default: "30s", range: .milliseconds(100) ... .seconds(3_600),
    doc: "How long a mailbox waits after it was read to its end before it is looked at again.")

  /// The key table's rows.
  package static let all: [any AnyConfigKey] = [
    smtpURL, smtpPasswordFile, smtpConnections, spoolDirectory, senderAddress, replySeparator, rawRetention,
    accountAddresses, accountAuthoritiesFile, accountsInClear, accountInterval,
  ]

  /// One of the two transports must be given.
  package static let rules: [ConfigRule] = [.exactlyOne(of: [smtpURL.name, spoolDirectory.name])]
}

extension Config {
  /// The sender of services that have no address of their own.
  ///
  /// - Throws: `StartupError` when it is no address.
  package func mailSenders() throws -> SenderChoice {
    guard let address = MailAddress(self[MailKeys.senderAddress]) else {
      throw StartupError(
        .usage, "\(MailKeys.senderAddress.name) is not a mail address; use one such as care@example.com")
    }
    return SenderChoice(fallback: address)
  }

  /// The marks by which replies find their tickets.
  ///
  /// - Throws: `StartupError` when the separator is none.
  package func replyTokens(_ key: LedgerKey) throws -> ReplyTokens {
    let separator = self[MailKeys.replySeparator]
    guard ["+", "-", "_", "=", "none"].contains(separator) else {
      throw StartupError(.usage, "\(MailKeys.replySeparator.name) is \"\(separator)\"; use one of + - _ = or none")
    }
    return ReplyTokens(key, separator: separator == "none" ? nil : separator.first)
  }

  /// Whom mailbox accounts may lead to.
  ///
  /// - Throws: `StartupError` when a range of addresses cannot be read.
  package func mailboxRules() throws -> MailboxRules {
    do {
      return MailboxRules(
        policy: try AddressPolicy(allowing: self[MailKeys.accountAddresses] ?? ""),
        authoritiesFile: self[MailKeys.accountAuthoritiesFile], allowsClear: self[MailKeys.accountsInClear],
        readInterval: self[MailKeys.accountInterval])
    } catch {
      throw StartupError(.usage, "\(MailKeys.accountAddresses.name): \(error)")
    }
  }

  /// The way mails leave this machine.
  ///
  /// - Throws: `StartupError` when the relay's URL or the directory cannot be used.
  package func mailTransport(pool: BlockingPool) throws -> any MailTransport {
    do {
      if let url = self[MailKeys.smtpURL] {
        let server = try SMTPServer(url: url, password: self[MailKeys.smtpPasswordFile]?.text)
        // Of its own, so that a slow relay keeps no mails that come in from being read.
        let connections = BlockingPool(
          name: "smtp", threads: self[MailKeys.smtpConnections], queueMax: Outbox.claimMax)
        return SMTPTransport(client: SMTPClient(server: server, pool: connections))
      }
      return try SpoolTransport(directory: self[MailKeys.spoolDirectory] ?? "", pool: pool)
    } catch let error as SMTPServerError {
      throw StartupError(.usage, "\(MailKeys.smtpURL.name): \(error)")
    } catch let failure as DeliveryFailure {
      throw StartupError(.system, "\(MailKeys.spoolDirectory.name): \(failure.words)")
    }
  }
}
