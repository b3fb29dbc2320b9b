import EventLoop
import Postgres
import ServiceKit
import TicketLedger

extension MailStore {
  /// Most mailboxes of a service.
  static let mailAccountsMax: Int64 = 20

  /// An account of a service; nil when there is none of this id.
  func mailAccount(_ id: Int64, of service: ServiceID, deadline: Deadline) async throws -> MailAccountRecord? {
    try await query(
      """
      SELECT \(fragment: MailAccountRecord.columns) FROM mail_account AS a
      WHERE a.service_id = \(service) AND a.id = \(id) AND a.delete_time IS NULL
      """, deadline: deadline
    ).first.map { try MailAccountRecord($0) }
  }

  /// Accounts of a service in the order of their ids.
  func mailAccounts(
    of service: ServiceID, from id: Int64, limit: Int, deadline: Deadline
  ) async throws -> [MailAccountRecord] {
    try await query(
      """
      SELECT \(fragment: MailAccountRecord.columns) FROM mail_account AS a
      WHERE a.service_id = \(service) AND a.id >= \(id) AND a.delete_time IS NULL ORDER BY a.id LIMIT \(limit)
      """, deadline: deadline
    ).map { try MailAccountRecord($0) }
  }

  /// Whether a submission type can be given to tickets.
  func isUsable(_ type: SubmissionTypeID, of service: ServiceID, deadline: Deadline) async throws -> Bool {
    try await query(
      """
      SELECT 1 FROM submission_type AS y WHERE y.service_id = \(service) AND y.id = \(type) AND y.is_active
      """, deadline: deadline
    ).isEmpty == false
  }

  /// Adds an account.
  ///
  /// - Throws: ALREADY_EXISTS when another account reads the mailbox; LIMIT_REACHED.
  func createMailAccount(
    _ draft: MailAccountDraft, sealedPassword: [UInt8], in service: ServiceID, deadline: Deadline
  ) async throws -> MailAccountRecord {
    // One after the other, so that the limit holds.
    let lock: Query = "SELECT pg_advisory_xact_lock(hashtextextended(\("mail accounts/\(service)"), 0))"
    let rows = try await mailboxTold {
      try await pool.transactionBatch(
        [
          lock,
          """
          INSERT INTO mail_account AS a (service_id, display_name, address, host, port, security, user_name,
            sealed_password, mailbox, delete_imported, submission_type_id, is_paused, start_time)
          SELECT \(service), \(draft.displayName), \(draft.address), \(draft.host), \(draft.port), \(draft.security),
            \(draft.user), \(sealedPassword), \(draft.mailbox), \(draft.deletesImported), \(draft.submissionType?.id),
            \(draft.isPaused), coalesce(\(draft.startTime)::timestamptz, clock_timestamp())
          WHERE (SELECT count(*) FROM mail_account AS o
            WHERE o.service_id = \(service) AND o.id <> 0 AND o.delete_time IS NULL) < \(Self.mailAccountsMax)
          RETURNING \(fragment: MailAccountRecord.columns)
          """,
        ], deadline: deadline)[1]
    }
    guard let row = rows.first else {
      throw ServiceError(
        .limitReached, "the service has \(Self.mailAccountsMax) mail accounts; delete one that is not needed")
    }
    return try MailAccountRecord(row)
  }

  /// Changes an account; whoever reads its mailbox loses it.
  ///
  /// - Parameters:
  ///   - known: the account as the draft was made from it.
  ///   - sealedPassword: nil: as it is.
  /// - Throws: MAIL_ACCOUNT_NOT_FOUND; STALE_VERSION; ALREADY_EXISTS when another account reads the mailbox.
  func updateMailAccount(
    _ known: MailAccountRecord, _ draft: MailAccountDraft, sealedPassword: [UInt8]?, wasChecked: Bool,
    _ setting: SettingChange, deadline: Deadline
  ) async throws -> MailAccountRecord {
    let isOther = draft.isOtherMailbox(than: known)
    return try await mailboxTold {
      try await pool.transaction(deadline: deadline) { transaction in
        let rows = try await transaction.query(
          """
          UPDATE mail_account AS a SET version = a.version + 1, display_name = \(draft.displayName),
            address = \(draft.address), host = \(draft.host), port = \(draft.port), security = \(draft.security),
            user_name = \(draft.user), sealed_password = coalesce(\(sealedPassword), a.sealed_password),
            mailbox = \(draft.mailbox), delete_imported = \(draft.deletesImported),
            submission_type_id = \(draft.submissionType?.id), is_paused = \(draft.isPaused),
            lease_number = a.lease_number + 1, lease_end_time = '-infinity', due_time = clock_timestamp(),
            uid_validity = CASE WHEN \(isOther) THEN 0 ELSE a.uid_validity END,
            last_uid = CASE WHEN \(isOther) THEN 0 ELSE a.last_uid END,
            uids_to_delete = CASE WHEN \(isOther || !draft.deletesImported) THEN '{}' ELSE a.uids_to_delete END,
            stuck_uid = 0, stuck_count = 0,
            failure_count = CASE WHEN \(wasChecked) THEN 0 ELSE a.failure_count END,
            problem = CASE WHEN \(wasChecked) THEN '' ELSE a.problem END,
            problem_text = CASE WHEN \(wasChecked) THEN '' ELSE a.problem_text END
          WHERE a.service_id = \(known.serviceID) AND a.id = \(known.id) AND a.delete_time IS NULL
            AND a.version = \(known.version) AND a.version = \(setting.seen)
          RETURNING \(fragment: MailAccountRecord.columns)
          """)
        guard let row = rows.first else {
          throw try await Self.refusal(of: known.id, setting, transaction)
        }
        let updated = try MailAccountRecord(row)
        try await setting.note(updated.version, transaction)
        return updated
      }
    }
  }

  /// Sets the type of the tickets that mails to the representative address open.
  ///
  /// - Throws: STALE_VERSION.
  func updateRepresentative(
    _ type: SubmissionTypeID?, _ setting: SettingChange, deadline: Deadline
  ) async throws -> MailAccountRecord {
    let id = MailAccountName.representativeID
    return try await mailboxTold {
      try await pool.transaction(deadline: deadline) { transaction in
        _ = try await transaction.query(
          """
          INSERT INTO mail_account (service_id, id, version) VALUES (\(setting.service), \(id), 0)
          ON CONFLICT ON CONSTRAINT mail_account_pkey DO NOTHING
          """)
        let rows = try await transaction.query(
          """
          UPDATE mail_account AS a SET version = a.version + 1, submission_type_id = \(type)
          WHERE a.service_id = \(setting.service) AND a.id = \(id)
            AND (\(setting.seen) = 0 OR a.version = \(setting.seen))
          RETURNING \(fragment: MailAccountRecord.columns)
          """)
        guard let row = rows.first else { throw try await Self.refusal(of: id, setting, transaction) }
        let updated = try MailAccountRecord(row)
        try await setting.note(updated.version, transaction)
        return updated
      }
    }
  }

  /// Deletes an account and its password; false when there is none.
  func deleteMailAccount(_ id: Int64, of service: ServiceID, deadline: Deadline) async throws -> Bool {
    try await query(
      """
      UPDATE mail_account SET delete_time = clock_timestamp(), sealed_password = NULL, submission_type_id = NULL,
        lease_number = lease_number + 1
      WHERE service_id = \(service) AND id = \(id) AND id <> 0 AND delete_time IS NULL
      RETURNING 1
      """, deadline: deadline
    ).isEmpty == false
  }

  /// Notes what came of a try outside of a reading, if the account is as it was then; a mailbox that opens is read
  /// soon. Nil when the account is gone.
  func noteCheck(
    _ account: MailAccountRecord, _ finding: MailboxFinding?, deadline: Deadline
  ) async throws -> MailAccountRecord? {
    let noted = try await query(
      """
      UPDATE mail_account AS a SET check_time = clock_timestamp(), problem = \(finding?.problem.rawValue ?? ""),
        problem_text = \(finding?.text ?? ""),
        failure_count = CASE WHEN \(finding == nil) THEN 0 ELSE greatest(a.failure_count, 1) END,
        due_time = CASE WHEN \(finding == nil) THEN clock_timestamp() ELSE a.due_time END
      WHERE a.service_id = \(account.serviceID) AND a.id = \(account.id) AND a.delete_time IS NULL
        AND a.version = \(account.version)
      RETURNING \(fragment: MailAccountRecord.columns)
      """, deadline: deadline
    ).first.map { try MailAccountRecord($0) }
    if let noted { return noted }
    return try await mailAccount(account.id, of: account.serviceID, deadline: deadline)
  }

  private static func refusal(
    of id: Int64, _ setting: SettingChange, _ transaction: PostgresTransaction
  ) async throws -> ServiceError {
    let known = try await transaction.query(
      """
      SELECT a.version FROM mail_account AS a
      WHERE a.service_id = \(setting.service) AND a.id = \(id) AND a.delete_time IS NULL
      """)
    guard let row = known.first else { return ServiceError(.mailAccountNotFound) }
    return try await setting.stale(try row.int64(0), transaction)
  }

  private func mailboxTold<Value>(_ work: () async throws -> Value) async throws -> Value {
    do {
      return try await work()
    } catch let error as PostgresError {
      if error.violates("mail_account_mailbox_key") {
        throw ServiceError(.alreadyExists, "another account of the service reads this mailbox; change that one")
      }
      if error.violates("mail_account_submission_type_fkey") { throw ServiceError(.typeNotFound) }
      throw ServiceError(postgres: error)
    }
  }
}
