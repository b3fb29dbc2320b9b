import EventLoop
import Postgres
import ServiceKit
import TicketLedger

/// The reading of mailboxes: who reads which, and how far.
extension MailStore {
  /// How long after a process has died another takes the mailbox over.
  static let mailboxLease: Duration = .seconds(30)
  private static var leaseSeconds: Int64 { mailboxLease.components.seconds }

  /// Mails of a mailbox that are remembered as still to be removed; the oldest beyond stay there, marked as deleted.
  private static let uidsToDeleteMax: Int32 = 10_000

  /// Takes mailboxes that are due under a lease, the longest due first; what others read is left to them.
  ///
  /// - Parameter isFailing: those whose last reading failed, or the others.
  func claimMailboxes(isFailing: Bool, limit: Int, deadline: Deadline) async throws -> [MailAccountRecord] {
    guard limit > 0 else { return [] }
    return try await query(
      """
      WITH due AS (
        SELECT a.service_id, a.id FROM mail_account AS a
        WHERE a.id <> 0 AND a.delete_time IS NULL AND NOT a.is_paused AND a.due_time <= clock_timestamp()
          AND a.lease_end_time <= clock_timestamp() AND (a.failure_count > 0) = \(isFailing)
        ORDER BY a.due_time LIMIT \(limit) FOR UPDATE SKIP LOCKED
      )
      UPDATE mail_account AS a SET lease_number = a.lease_number + 1,
        lease_end_time = clock_timestamp() + \(Self.leaseSeconds) * interval '1 second'
      FROM due WHERE a.service_id = due.service_id AND a.id = due.id
      RETURNING \(fragment: MailAccountRecord.columns)
      """, deadline: deadline
    ).map { try MailAccountRecord($0) }
  }

  /// Changes the state of a reading and renews its lease; false when the mailbox is another's by now.
  private func write(_ account: MailAccountRecord, _ values: Query, _ deadline: Deadline) async throws -> Bool {
    try await query(
      """
      UPDATE mail_account AS a SET \(fragment: values),
        lease_end_time = clock_timestamp() + \(Self.leaseSeconds) * interval '1 second'
      WHERE a.service_id = \(account.serviceID) AND a.id = \(account.id) AND a.lease_number = \(account.leaseNumber)
      RETURNING 1
      """, deadline: deadline
    ).isEmpty == false
  }

  /// Keeps the lease of whoever reads a mailbox; false when it is another's by now.
  func renewLease(_ account: MailAccountRecord, deadline: Deadline) async throws -> Bool {
    try await write(account, "lease_number = a.lease_number", deadline)
  }

  /// Begins a mailbox anew: its numbering is another one, so what was known of its mails names others now.
  func beginMailbox(_ account: MailAccountRecord, uidValidity: Int64, deadline: Deadline) async throws -> Bool {
    try await write(
      account, "uid_validity = \(uidValidity), last_uid = 0, uids_to_delete = '{}', stuck_uid = 0, stuck_count = 0",
      deadline)
  }

  /// Notes that all mails up to one are dealt with.
  ///
  /// - Parameter isToDelete: whether this one is to be removed from the mailbox.
  func passMail(
    _ account: MailAccountRecord, uid: Int64, isToDelete: Bool, deadline: Deadline
  ) async throws -> Bool {
    try await write(
      account,
      """
      last_uid = \(uid), stuck_uid = 0, stuck_count = 0,
      uids_to_delete = CASE WHEN \(isToDelete)
        THEN (a.uids_to_delete || \(uid))[greatest(1, cardinality(a.uids_to_delete) + 2 - \(Self.uidsToDeleteMax)):]
        ELSE a.uids_to_delete END
      """, deadline)
  }

  /// Notes that a mail could not be fetched.
  func noteStuck(_ account: MailAccountRecord, uid: Int64, deadline: Deadline) async throws -> Bool {
    try await write(
      account,
      "stuck_count = CASE WHEN a.stuck_uid = \(uid) THEN a.stuck_count + 1 ELSE 1 END, stuck_uid = \(uid)", deadline)
  }

  /// Notes that mails were removed from the mailbox.
  func noteDeleted(_ account: MailAccountRecord, deadline: Deadline) async throws -> Bool {
    try await write(account, "uids_to_delete = '{}'", deadline)
  }

  /// Keeps a password as it was sealed anew, if it is still the same one.
  func reseal(_ account: MailAccountRecord, as sealed: [UInt8], deadline: Deadline) async throws {
    _ = try await query(
      """
      UPDATE mail_account SET sealed_password = \(sealed)
      WHERE service_id = \(account.serviceID) AND id = \(account.id) AND sealed_password = \(account.sealedPassword)
      """, deadline: deadline)
  }

  /// Passwords of mailboxes, whether they are read, paused or failing, that another key of masking's than this one
  /// seals.
  func oldPasswords(butOf key: String, deadline: Deadline) async throws -> [SecretRotation.OldSeal] {
    try await query(
      """
      SELECT \(fragment: MailAccountRecord.columns) FROM mail_account AS a
      WHERE a.id <> 0 AND a.delete_time IS NULL AND \(fragment: SealForm.keyID(of: "a.sealed_password")) <> \(key)
      ORDER BY a.service_id, a.id
      """, deadline: deadline
    ).map { row in
      let account = try MailAccountRecord(row)
      return SecretRotation.OldSeal(name: account.purpose.name, sealed: account.sealedPassword) { new, deadline in
        try await reseal(account, as: new, deadline: deadline)
      }
    }
  }

  /// How an account goes, for operators.
  struct MailAccountStanding: Sendable {
    /// Its resource name.
    let name: String
    let isPaused: Bool
    let isFailing: Bool
    /// Seconds since its mailbox was last read to its end; since it was made when it never was.
    let unreadSeconds: Double
    let counts: InboundAccounts
  }

  /// How the accounts of all services go, at most 1,000.
  func mailAccountStandings(deadline: Deadline) async throws -> [MailAccountStanding] {
    try await query(
      """
      SELECT s.code, a.id, a.is_paused, a.failure_count > 0,
        extract(epoch FROM clock_timestamp() - coalesce(a.read_time, a.create_time))::float8,
        coalesce(sum(c.received), 0)::bigint, coalesce(sum(c.waiting), 0)::bigint,
        coalesce(sum(c.tickets), 0)::bigint, coalesce(sum(c.replies), 0)::bigint,
        coalesce(sum(c.suppressed), 0)::bigint, coalesce(sum(c.quarantined), 0)::bigint
      FROM mail_account AS a JOIN service AS s ON s.id = a.service_id
      LEFT JOIN inbound_mail_count AS c ON c.service_id = a.service_id AND c.account_id = a.id
      WHERE a.id <> 0 AND a.delete_time IS NULL
      GROUP BY a.service_id, a.id, s.code ORDER BY a.id LIMIT 1000
      """, deadline: deadline
    ).map { row in
      MailAccountStanding(
        name: MailAccountName(service: try row.string(0), id: try row.int64(1)).description,
        isPaused: try row.bool(2), isFailing: try row.bool(3), unreadSeconds: try row.double(4),
        counts: InboundAccounts(
          received: try row.int64(5), waiting: try row.int64(6), tickets: try row.int64(7),
          replies: try row.int64(8), suppressed: try row.int64(9), quarantined: try row.int64(10)))
    }
  }

  /// Ends a reading that went well.
  ///
  /// - Parameter wait: until the next one; nil: there is more to read, and others come first.
  func endReading(_ account: MailAccountRecord, wait: Duration?, deadline: Deadline) async throws {
    _ = try await query(
      """
      UPDATE mail_account SET failure_count = 0, problem = '', problem_text = '', check_time = clock_timestamp(),
        read_time = CASE WHEN \(wait != nil) THEN clock_timestamp() ELSE read_time END,
        lease_end_time = '-infinity',
        due_time = clock_timestamp() + \(Int64((wait ?? .zero) / .milliseconds(1))) * interval '1 millisecond'
      WHERE service_id = \(account.serviceID) AND id = \(account.id) AND lease_number = \(account.leaseNumber)
      """, deadline: deadline)
  }

  /// Ends a reading that came to nothing.
  func endReading(
    _ account: MailAccountRecord, _ finding: MailboxFinding, wait: Duration, deadline: Deadline
  ) async throws {
    _ = try await query(
      """
      UPDATE mail_account SET failure_count = failure_count + 1, problem = \(finding.problem.rawValue),
        problem_text = \(finding.text), check_time = clock_timestamp(), lease_end_time = '-infinity',
        due_time = clock_timestamp() + \(Int64(wait / .milliseconds(1))) * interval '1 millisecond'
      WHERE service_id = \(account.serviceID) AND id = \(account.id) AND lease_number = \(account.leaseNumber)
      """, deadline: deadline)
  }

  /// Gives a mailbox back that could not be read for reasons of our own.
  func giveBack(_ account: MailAccountRecord, wait: Duration, deadline: Deadline) async throws {
    _ = try await query(
      """
      UPDATE mail_account SET lease_end_time = '-infinity',
        due_time = clock_timestamp() + \(Int64(wait / .milliseconds(1))) * interval '1 millisecond'
      WHERE service_id = \(account.serviceID) AND id = \(account.id) AND lease_number = \(account.leaseNumber)
      """, deadline: deadline)
  }
}
