import EventLoop
package import HandoffAPI
package import RPC
package import RPCProtos
import ServiceKit
import TicketLedger

/// The accounts by which mails come in for a service.
extension MailService {
  private static let accountsPageMax = 50
  /// How long a mailbox may take to be opened before an account is saved.
  private static let checkTimeout: Duration = .seconds(25)
  /// What is left of a call's time when a mailbox has taken too long.
  private static let answerReserve: Duration = .seconds(1)

  /// Adds a mailbox of another mail server, once it was opened.
  ///
  /// - Throws: SERVICE_NOT_FOUND, MAILBOX_UNREADABLE, TYPE_NOT_FOUND, ALREADY_EXISTS, LIMIT_REACHED, PERMISSION_DENIED,
  ///   BACKEND_UNAVAILABLE, REQUEST_INVALID.
  package func createMailAccount(_ request: CreateMailAccountRequest, _ call: CallContext) async throws -> MailAccount {
    let mailboxes = try mailboxesOrThrow()
    var check = RequestCheck()
    check.name(request.parent, "parent", ServiceName.self)
    let draft = MailAccountDraft(
      creating: request.mailAccount ?? MailAccount(), allowsClear: mailboxes.rules.allowsClear, &check)
    try check.done()
    let name = try ServiceName(request.parent, field: "parent")
    let access = try await ledger.access(call, serviceCode: name.code)
    try access.require(.administrator)
    let service = access.service
    try await requireType(draft.submissionType, of: service, call.deadline)
    if !draft.isPaused {
      try await requireReadable(draft, password: draft.password ?? "", of: service.id, mailboxes, call)
    }
    let sealed = try await mailboxes.passwords.seal(
      draft.password ?? "", for: draft.purpose(in: service.id), deadline: call.deadline)
    let made = try await store.createMailAccount(
      draft, sealedPassword: sealed, in: service.id, deadline: call.deadline)
    return made.message(in: service, InboundAccounts())
  }

  /// Returns an account, without its password.
  ///
  /// - Throws: MAIL_ACCOUNT_NOT_FOUND, PERMISSION_DENIED, REQUEST_INVALID.
  package func getMailAccount(_ request: GetMailAccountRequest, _ call: CallContext) async throws -> MailAccount {
    let name = try MailAccountName(request.name, field: "name")
    let service = try await administered(name, call).service
    let known = try await store.mailAccount(name.id, of: service.id, deadline: call.deadline)
    if known == nil, name.id != MailAccountName.representativeID { throw ServiceError(.mailAccountNotFound) }
    return try await message(known, in: service, call.deadline)
  }

  /// Lists the accounts of a service, the representative address first.
  ///
  /// - Throws: SERVICE_NOT_FOUND, PAGE_TOKEN_INVALID, PERMISSION_DENIED, REQUEST_INVALID.
  package func listMailAccounts(
    _ request: ListMailAccountsRequest, _ call: CallContext
  ) async throws -> ListMailAccountsResponse {
    let name = try ServiceName(request.parent, field: "parent")
    let access = try await ledger.access(call, serviceCode: name.code)
    try access.require(.administrator)
    let service = access.service
    let page = try PageRequest(
      request.pageToken, size: request.pageSize, sizeDefault: Self.accountsPageMax,
      sizeMax: Self.accountsPageMax, scope: "ListMailAccounts \(name)", key: ledger.key.pages)
    let isFirst = request.pageToken.isEmpty
    let found = try await store.mailAccounts(
      of: service.id, from: isFirst ? 0 : page.after + 1, limit: page.size + 1, deadline: call.deadline)
    let counts = try await store.inboundAccounts(byAccountOf: service.id, deadline: call.deadline)
    var accounts = found.map { message($0, in: service, counts) }
    // It is there whether anything of it was ever set or not.
    if isFirst, found.first?.isRepresentative != true { accounts.insert(message(nil, in: service, counts), at: 0) }
    let shown = Array(accounts.prefix(page.size))
    let last = accounts.count > page.size ? shown.last.flatMap { MailAccountName($0.name) } : nil
    return ListMailAccountsResponse(
      mailAccounts: shown, nextPageToken: last.map { page.token(after: $0.id) } ?? "")
  }

  /// Changes an account; where the way to the mailbox changes, once it was opened.
  ///
  /// - Throws: MAIL_ACCOUNT_NOT_FOUND, MAILBOX_UNREADABLE, STALE_VERSION, TYPE_NOT_FOUND, ALREADY_EXISTS,
  ///   PERMISSION_DENIED, BACKEND_UNAVAILABLE, REQUEST_INVALID.
  package func updateMailAccount(_ request: UpdateMailAccountRequest, _ call: CallContext) async throws -> MailAccount {
    let mailboxes = try mailboxesOrThrow()
    let wanted = request.mailAccount ?? MailAccount()
    let name = try MailAccountName(wanted.name, field: "mail_account.name")
    let isRepresentative = name.id == MailAccountName.representativeID
    var check = RequestCheck()
    let mask = check.mask(
      request.updateMask, isRepresentative ? MailAccountDraft.representativePaths : MailAccountDraft.paths)
    check.version(request.version)
    let type: SubmissionTypeName? = check.optionalName(wanted.submissionType, "mail_account.submission_type")
    try check.done()
    let access = try await administered(name, call)
    let service = access.service
    if mask.contains("submission_type") { try await requireType(type, of: service, call.deadline) }
    if isRepresentative {
      let setting = try SettingChange(access, .mailAccount(name.id), mask, seen: request.version)
      let updated = try await store.updateRepresentative(type?.id, setting, deadline: call.deadline)
      return try await message(updated, in: service, call.deadline)
    }
    guard let known = try await store.mailAccount(name.id, of: service.id, deadline: call.deadline) else {
      throw ServiceError(.mailAccountNotFound)
    }
    let draft = MailAccountDraft(
      changing: known, of: service.code, to: wanted, mask, allowsClear: mailboxes.rules.allowsClear, &check)
    try check.done()
    // What the mask leaves out is written as it was read, so that version it must still be.
    let seen = request.version == 0 ? known.version : request.version
    let setting = try SettingChange(access, .mailAccount(name.id), mask, seen: seen)
    let isChecked = seen == known.version && draft.needsCheck(against: known)
    if isChecked {
      let password: String
      if let new = draft.password {
        password = new
      } else {
        do {
          password = try await mailboxes.passwords.open(
            known.sealedPassword, for: known.purpose, deadline: call.deadline
          ).password
        } catch is AccountPasswords.Lost {
          throw MailboxFinding.passwordLost.error
        }
      }
      try await requireReadable(draft, password: password, of: service.id, mailboxes, call)
    }
    var sealed: [UInt8]?
    if let new = draft.password {
      sealed = try await mailboxes.passwords.seal(new, for: draft.purpose(in: service.id), deadline: call.deadline)
    }
    let updated = try await store.updateMailAccount(
      known, draft, sealedPassword: sealed, wasChecked: isChecked, setting, deadline: call.deadline)
    return try await message(updated, in: service, call.deadline)
  }

  /// Deletes an account with its password.
  ///
  /// - Throws: MAIL_ACCOUNT_NOT_FOUND, IN_USE, PERMISSION_DENIED, REQUEST_INVALID.
  package func deleteMailAccount(_ request: DeleteMailAccountRequest, _ call: CallContext) async throws -> Empty {
    let name = try MailAccountName(request.name, field: "name")
    let service = try await administered(name, call).service
    guard name.id != MailAccountName.representativeID else {
      throw ServiceError(.inUse, "the representative address cannot be deleted: answers come from it")
    }
    guard try await store.deleteMailAccount(name.id, of: service.id, deadline: call.deadline) else {
      throw ServiceError(.mailAccountNotFound)
    }
    return Empty()
  }

  /// Tries an account now, notes what came of it, and has a mailbox that opens read soon.
  ///
  /// - Throws: MAIL_ACCOUNT_NOT_FOUND, PERMISSION_DENIED, BACKEND_UNAVAILABLE, REQUEST_INVALID.
  package func checkMailAccount(_ request: CheckMailAccountRequest, _ call: CallContext) async throws -> MailAccount {
    let mailboxes = try mailboxesOrThrow()
    let name = try MailAccountName(request.name, field: "name")
    guard name.id != MailAccountName.representativeID else {
      throw ServiceError.invalid("name", "the representative address has no mailbox that is read from here")
    }
    let service = try await administered(name, call).service
    guard let known = try await store.mailAccount(name.id, of: service.id, deadline: call.deadline) else {
      throw ServiceError(.mailAccountNotFound)
    }
    let finding: MailboxFinding?
    do {
      let opened = try await mailboxes.passwords.open(
        known.sealedPassword, for: known.purpose, deadline: call.deadline)
      finding = try await mailboxes.finding(known, password: opened.password, deadline: Self.checkDeadline(call))
    } catch is AccountPasswords.Lost {
      finding = .passwordLost
    }
    guard let noted = try await store.noteCheck(known, finding, deadline: call.deadline) else {
      throw ServiceError(.mailAccountNotFound)
    }
    return try await message(noted, in: service, call.deadline)
  }

  private static func checkDeadline(_ call: CallContext) -> Deadline {
    min(call.deadline.shortened(by: answerReserve), .after(checkTimeout))
  }

  private func requireReadable(
    _ draft: MailAccountDraft, password: String, of service: ServiceID, _ mailboxes: Mailboxes, _ call: CallContext
  ) async throws {
    guard let server = draft.server(password: password) else { throw ServiceError(.requestInvalid) }
    let finding = try await mailboxes.finding(
      server, of: service, deletesImported: draft.deletesImported, deadline: Self.checkDeadline(call))
    if let finding { throw finding.error }
  }

  private func requireType(
    _ type: SubmissionTypeName?, of service: ServiceRecord, _ deadline: Deadline
  ) async throws {
    guard let type else { return }
    guard type.service == service.code, try await store.isUsable(type.id, of: service.id, deadline: deadline) else {
      throw ServiceError(.typeNotFound)
    }
  }

  private func administered(_ name: MailAccountName, _ call: CallContext) async throws -> Access {
    do {
      let access = try await ledger.access(call, serviceCode: name.service)
      try access.require(.administrator)
      return access
    } catch let error as ServiceError where error.reason == .serviceNotFound {
      throw ServiceError(.mailAccountNotFound)
    }
  }

  private func message(
    _ record: MailAccountRecord?, in service: ServiceRecord, _ deadline: Deadline
  ) async throws -> MailAccount {
    message(record, in: service, try await store.inboundAccounts(byAccountOf: service.id, deadline: deadline))
  }

  private func message(
    _ record: MailAccountRecord?, in service: ServiceRecord, _ counts: [Int64: InboundAccounts]
  ) -> MailAccount {
    let own = counts[record?.id ?? MailAccountName.representativeID] ?? InboundAccounts()
    if let record, !record.isRepresentative { return record.message(in: service, own) }
    let sender = senders.sender(
      name: service.mailSenderName, address: service.mailSenderAddress, serviceName: service.displayName)
    return MailAccount(representative: record, of: service, address: sender.address, own)
  }

  private func mailboxesOrThrow() throws(ServiceError) -> Mailboxes {
    guard let mailboxes else { throw ServiceError(.unimplemented) }
    return mailboxes
  }
}
