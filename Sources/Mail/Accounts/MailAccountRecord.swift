import HandoffAPI
import Postgres
import RPCProtos
import ServiceKit
import TicketLedger

// The texts of the CHECK lists are the raw values.
extension MailSecurity: PostgresBindable, PostgresDecodable {}

/// A row of `mail_account`.
struct MailAccountRecord: Sendable {
  let serviceID: ServiceID
  let id: Int64
  var displayName: String
  var address: String
  var host: String
  var port: Int32
  var security: MailSecurity
  var user: String
  /// Sealed by masking; empty for the representative address.
  var sealedPassword: [UInt8]
  var mailbox: String
  /// Whether mails are removed from the mailbox once they are stored here.
  var deletesImported: Bool
  var submissionTypeID: SubmissionTypeID?
  var isPaused: Bool
  /// Mails that arrived before are left alone.
  let startTime: Instant
  let version: Int64
  /// The mailbox's numbering when it was read last; 0: not read yet.
  var uidValidity: Int64
  /// Up to this one its mails are taken.
  var lastUID: Int64
  /// Mails that are stored here and still to be removed there.
  var uidsToDelete: [Int64]
  /// A mail that could not be fetched when it was tried last, and how often in a row; 0: none.
  private(set) var stuckUID: Int64
  private(set) var stuckCount: Int32
  /// Whoever reads the mailbox has the latest number.
  let leaseNumber: Int64
  let failureCount: Int32
  let problem: MailboxProblem?
  let problemText: String
  let checkTime: Instant?
  let readTime: Instant?

  static let columns: Query = """
    a.service_id, a.id, a.display_name, a.address, a.host, a.port, a.security, a.user_name, \
    coalesce(a.sealed_password, ''), a.mailbox, a.delete_imported, a.submission_type_id, a.is_paused, a.start_time, \
    a.version, a.uid_validity, a.last_uid, a.uids_to_delete, a.stuck_uid, a.stuck_count, a.lease_number, \
    a.failure_count, a.problem, a.problem_text, a.check_time, a.read_time
    """

  init(_ row: Row) throws(PostgresError) {
    serviceID = try row.value(0)
    id = try row.value(1)
    displayName = try row.value(2)
    address = try row.value(3)
    host = try row.value(4)
    port = try row.value(5)
    security = try row.value(6)
    user = try row.value(7)
    sealedPassword = try row.value(8)
    mailbox = try row.value(9)
    deletesImported = try row.value(10)
    submissionTypeID = try row.value(11)
    isPaused = try row.value(12)
    startTime = try row.value(13)
    version = try row.value(14)
    uidValidity = try row.value(15)
    lastUID = try row.value(16)
    uidsToDelete = try row.value(17)
    stuckUID = try row.value(18)
    stuckCount = try row.value(19)
    leaseNumber = try row.value(20)
    failureCount = try row.value(21)
    problem = MailboxProblem(rawValue: try row.string(22))
    problemText = try row.value(23)
    checkTime = try row.value(24)
    readTime = try row.value(25)
  }

  /// Forgets what was known of the mails of another numbering.
  mutating func begin(uidValidity: Int64) {
    (self.uidValidity, lastUID, uidsToDelete, stuckUID, stuckCount) = (uidValidity, 0, [], 0, 0)
  }

  /// Whether it is the representative address of its service.
  var isRepresentative: Bool { id == MailAccountName.representativeID }

  /// The account as the API shows it; never its password.
  func message(in service: ServiceRecord, _ counts: InboundAccounts) -> MailAccount {
    MailAccount(
      name: MailAccountName(service: service.code, id: id).description, kind: .imap, displayName: displayName,
      address: address, host: host, port: port, security: MailAccount.Security(rawValue: security.number), user: user,
      mailbox: mailbox, deleteImported: deletesImported, submissionType: submissionType(in: service), paused: isPaused,
      startTime: Timestamp(startTime), version: version, state: state,
      problem: MailAccount.Problem(rawValue: problem?.number ?? 0), problemText: problemText,
      checkTime: checkTime.map { Timestamp($0) }, readTime: readTime.map { Timestamp($0) },
      counts: MailAccount.Counts(counts))
  }

  fileprivate func submissionType(in service: ServiceRecord) -> String {
    submissionTypeID.map { SubmissionTypeName(service: service.code, id: $0).description } ?? ""
  }

  private var state: MailAccount.State { isPaused ? .paused : problem == nil ? .ready : .failing }
}

extension MailAccount {
  /// The representative address of a service.
  ///
  /// - Parameter record: nil when nothing of it was ever set.
  init(
    representative record: MailAccountRecord?, of service: ServiceRecord, address: String, _ counts: InboundAccounts
  ) {
    self.init(
      name: MailAccountName(service: service.code, id: MailAccountName.representativeID).description,
      kind: .representative, displayName: service.displayName, address: address,
      submissionType: record?.submissionType(in: service) ?? "", version: record?.version ?? 0, state: .ready,
      counts: Counts(counts))
  }
}

extension MailAccount.Counts {
  fileprivate init(_ counts: InboundAccounts) {
    self.init(
      received: counts.received, waiting: counts.waiting, tickets: counts.tickets, replies: counts.replies,
      suppressed: counts.suppressed, quarantined: counts.quarantined)
  }
}
