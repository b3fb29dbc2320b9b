import EventLoop
package import Outbound
import ServiceKit
import Synchronization
import TicketLedger

/// Whom mailbox accounts may lead to, and whom they believe.
package struct MailboxRules: Sendable {
  /// The addresses that may be called.
  package var policy: AddressPolicy
  /// A PEM file of authorities to trust instead of the system's.
  package var authoritiesFile: String?
  /// Whether accounts may go without encryption.
  package var allowsClear: Bool
  /// How long a mailbox waits after it was read to its end.
  package var readInterval: Duration

  /// Public addresses, the system's authorities and encryption unless told otherwise.
  package init(
    policy: AddressPolicy = .publicOnly, authoritiesFile: String? = nil, allowsClear: Bool = false,
    readInterval: Duration = .seconds(30)
  ) {
    self.policy = policy
    self.authoritiesFile = authoritiesFile
    self.allowsClear = allowsClear
    self.readInterval = readInterval
  }
}

/// The way to the mailboxes of accounts, and the rules of going there.
package struct Mailboxes: Sendable {
  /// Mailboxes that a process reads at a time: those whose last reading went well, and the others.
  static let readingMax = 16
  static let failingMax = 8
  /// How long a connection may take to come about.
  private static let connectTimeout: Duration = .seconds(10)
  /// Mailboxes that a process tries at a time before accounts are saved, and of one service.
  private static let checksMax = 8
  private static let checksOfServiceMax = 2

  let passwords: AccountPasswords
  let rules: MailboxRules
  /// A thread for each mailbox that is read, so that none waits for a slow one.
  let readers = BlockingPool(name: "mailboxes", threads: readingMax + failingMax, queueMax: readingMax + failingMax)
  private let checks = BlockingPool(name: "mailbox-checks", threads: checksMax, queueMax: checksMax)
  private let checkPlaces = CheckPlaces(ofServiceMax: checksOfServiceMax)

  /// Opens passwords through masking.
  package init(passwords: AccountPasswords, rules: MailboxRules) {
    self.passwords = passwords
    self.rules = rules
  }

  /// Waits for what is under way, and ends the threads; never on a loop.
  package func shutdown() {
    readers.shutdown()
    checks.shutdown()
  }

  /// A reader's visit to an account's mailbox.
  ///
  /// - Throws: `IMAPFailure` for a host that must not be called.
  func session(_ account: MailAccountRecord, password: String) throws(IMAPFailure) -> IMAPSession {
    guard let server = account.server(password: password) else {
      throw .host("the account's server cannot be called as it is described")
    }
    return try session(server, pool: readers)
  }

  private func session(_ server: IMAPServer, pool: BlockingPool) throws(IMAPFailure) -> IMAPSession {
    if let range = rules.policy.refusal(of: server.host) { throw .address(range) }
    return IMAPSession(
      server: server, pool: pool,
      limits: IMAPLimits(
        policy: rules.policy, authoritiesFile: rules.authoritiesFile, connectTimeout: Self.connectTimeout))
  }

  /// Goes to an account's mailbox as a reader would; see ``finding(_:of:deletesImported:deadline:)``.
  func finding(_ account: MailAccountRecord, password: String, deadline: Deadline) async throws -> MailboxFinding? {
    guard let server = account.server(password: password) else { throw ServiceError(.internal) }
    return try await finding(
      server, of: account.serviceID, deletesImported: account.deletesImported, deadline: deadline)
  }

  /// Goes to a mailbox as a reader would, and changes nothing there.
  ///
  /// - Returns: what is wrong, in words; nil: it can be read.
  /// - Throws: TOO_MANY_REQUESTS, `CancellationError`.
  func finding(
    _ server: IMAPServer, of service: ServiceID, deletesImported: Bool, deadline: Deadline
  ) async throws -> MailboxFinding? {
    let tooMany = ServiceError(
      .tooManyRequests, "too many mailboxes are tried at once; try again in a moment")
    guard checkPlaces.take(service) else { throw tooMany }
    defer { checkPlaces.giveBack(service) }
    do {
      let session = try session(server, pool: checks)
      let mailbox: IMAPMailbox
      do {
        try await session.signIn(deadline: deadline)
        mailbox = try await session.select(deadline: deadline)
      } catch {
        await session.close()
        throw error
      }
      await session.close()
      return MailboxFinding(mailbox, deletesImported: deletesImported)
    } catch let failure as IMAPFailure {
      return MailboxFinding(failure)
    } catch is BlockingPool.Refusal {
      throw tooMany
    }
  }
}

/// Counts the mailboxes that are tried, so that slow servers of one service keep no other service waiting.
private final class CheckPlaces: Sendable {
  private let ofServiceMax: Int
  private let taken = Mutex<[ServiceID: Int]>([:])

  init(ofServiceMax: Int) { self.ofServiceMax = ofServiceMax }

  func take(_ service: ServiceID) -> Bool {
    taken.withLock { taken in
      guard taken[service, default: 0] < ofServiceMax else { return false }
      taken[service, default: 0] += 1
      return true
    }
  }

  func giveBack(_ service: ServiceID) {
    taken.withLock { taken in
      let left = taken[service, default: 0] - 1
      taken[service] = left > 0 ? left : nil
    }
  }
}

extension MailAccountRecord {
  /// What the mailbox is called to IMAP.
  fileprivate func server(password: String) -> IMAPServer? {
    IMAPServer(
      host: host, port: UInt16(clamping: port), security: ConnectionSecurity(security), user: user,
      password: password, mailbox: mailbox)
  }
}

/// What is wrong with a mailbox.
struct MailboxFinding: Sendable, Equatable {
  /// What kind of thing.
  let problem: MailboxProblem
  /// In words.
  let text: String

  /// Characters of ``text``.
  private static let textMax = 500

  /// Says what a failure means to an administrator.
  init(_ failure: IMAPFailure) {
    switch failure {
    case .address, .host: problem = .host
    case .encryption: problem = .encryption
    case .signIn: problem = .signIn
    case .mailbox, .mailboxChanged: problem = .mailbox
    case .timeout: problem = .timeout
    case .messageGone, .messageTooLong, .server: problem = .server
    }
    text = String(failure.description.prefix(Self.textMax))
  }

  /// The password that is stored does not open any more.
  static let passwordLost = MailboxFinding(
    .signIn, "the password that is stored cannot be opened any more; give the account its password anew")

  private init(_ problem: MailboxProblem, _ text: String) {
    (self.problem, self.text) = (problem, text)
  }

  /// Nil when a mailbox that opens can be read.
  init?(_ mailbox: IMAPMailbox, deletesImported: Bool) {
    if mailbox.uidValidity == nil {
      (problem, text) = (.server, "the server gives its mails no lasting numbers (UIDVALIDITY)")
    } else if deletesImported && mailbox.isReadOnly {
      (problem, text) = (.mailbox, "the mailbox can only be read, so mails cannot be removed from it")
    } else {
      return nil
    }
  }

  /// What the caller is told who wants to save it.
  var error: ServiceError {
    ServiceError(
      .mailboxUnreadable, "the mailbox cannot be read, so nothing was saved: \(text)",
      violations: [FieldViolation("mail_account.\(problem.field)", text)], metadata: ["problem": problem.rawValue])
  }
}
