import Crypto
package import EventLoop
import HandoffAPI
import Protobuf
package import RPC
package import ServiceKit
package import TicketLedger

/// Decides what each mail that came in is, and makes it that.
///
/// A mail is stored before this begins, and its row says how far it has come: what it is going to be is fixed before it
/// happens, and happens under one request id. So a process that dies at any step leaves a mail that another finishes in
/// the same way, once.
package struct InboundMailProcessor: Sendable {
  /// Attempts that end with their process before a mail is taken for their cause.
  static let deathsMax: Int32 = 3
  /// How mails are tried again when something they need is out of reach: for about two days.
  static let backoff = Backoff(firstMilliseconds: 2_000, longestMilliseconds: 1_800_000, attemptsMax: 110)
  /// An inquiry is addressed to fewer people.
  static let recipientsMax = 100

  let ledger: TicketLedger
  let store: MailStore
  let vault: RawMailVault
  let tokens: ReplyTokens
  let senders: SenderChoice
  let tickets: TicketServiceClient
  let pool: BlockingPool
  let limits: ParseLimits
  /// Bounds the memory of mails that are on their way here, whatever way they come.
  let budget = InboundBudget()
  private let failed: @Sendable (Int64, ServiceError) -> Void
  let hashes: AddressHashes

  /// Works with the ledger's tables and other daemons.
  ///
  /// - Parameters:
  ///   - tickets: the way to TicketService, through which tickets are made and replies added.
  ///   - pool: where large mails are read.
  ///   - failed: told what keeps a mail waiting.
  package init(
    ledger: TicketLedger, store: MailStore, vault: RawMailVault, tokens: ReplyTokens, senders: SenderChoice,
    tickets: any RPCTransport, pool: BlockingPool, limits: ParseLimits = ParseLimits(),
    failed: @escaping @Sendable (_ mail: Int64, ServiceError) -> Void = { _, _ in }
  ) {
    self.ledger = ledger
    self.store = store
    self.vault = vault
    self.tokens = tokens
    self.senders = senders
    self.tickets = TicketServiceClient(tickets)
    self.pool = pool
    self.limits = limits
    self.failed = failed
    hashes = AddressHashes(ledger.key)
  }

  /// Stores a mail and decides it; one that is there already is told as it is.
  ///
  /// Once stored, a mail is not lost: when deciding it fails, the answer says that it waits.
  ///
  /// - Parameters:
  ///   - wholeBytes: for a mail above the limit of which only the header is at hand, the size of all of it.
  ///   - account: the id of the account that it came in by.
  /// - Throws: BACKEND_UNAVAILABLE, DATABASE_UNAVAILABLE and the like, when it could not be stored.
  func take(
    _ message: [UInt8], wholeBytes: Int64? = nil, for service: ServiceRecord,
    account: Int64 = MailAccountName.representativeID, _ options: CallOptions
  ) async throws -> InboundRecord {
    let identity = MessageIdentity.identity(of: message)
    if let known = try await store.inbound(
      identity: identity, account: account, of: service.id, deadline: options.deadline)
    {
      return known
    }
    let hash = SHA256.hash(message)
    let pieces = try await vault.seal(message, named: Self.sealName(service.id, hash), options)
    let stored = try await store.storeInbound(
      identity: identity, account: account, contentHash: hash, sizeBytes: wholeBytes ?? Int64(message.count),
      pieces: pieces, of: service.id, deadline: options.deadline)
    if let stored { return try await process(stored, message, options) }
    guard
      let known = try await store.inbound(
        identity: identity, account: account, of: service.id, deadline: options.deadline)
    else { throw ServiceError(.conflict) }
    return known
  }

  /// Keeps note of a mail that its server does not hand out, so that an agent can look for it there.
  ///
  /// - Parameter place: tells it apart from others of its mailbox.
  /// - Throws: DATABASE_UNAVAILABLE and the like.
  func holdUnfetchable(
    _ place: String, sizeBytes: Int64, for service: ServiceRecord, account: Int64, _ options: CallOptions
  ) async throws {
    let hash = SHA256.hash(place)
    let stored = try await store.storeInbound(
      identity: hash, account: account, contentHash: hash, sizeBytes: sizeBytes, pieces: [], of: service.id,
      deadline: options.deadline)
    guard let stored else { return }
    let decision = MailStore.Decision(state: .quarantined, reason: QuarantineReason.unfetchable.rawValue)
    _ = try await store.decide(stored, decision, deadline: options.deadline)
  }

  /// Takes up to so many mails up that are due, and decides them; for tests and the worker.
  ///
  /// - Returns: how many were taken up.
  /// - Throws: the database's errors as `ServiceError`.
  package func runOnce(limit: Int = 8, deadline: Deadline) async throws -> Int {
    let due = try await store.claimInbound(limit: limit, deadline: deadline)
    await withDiscardingTaskGroup { group in
      for mail in due { group.addTask { _ = try? await process(mail, nil, CallOptions(deadline: deadline)) } }
    }
    return due.count
  }

  /// Decides a mail that the caller has under a lease.
  ///
  /// - Parameter message: its bytes, when they are at hand.
  /// - Returns: the mail as it is afterwards; waiting when something is out of reach.
  /// - Throws: the database's errors as `ServiceError`; the mail is then taken up again when the lease ends.
  func process(_ mail: InboundRecord, _ message: [UInt8]?, _ options: CallOptions) async throws -> InboundRecord {
    do {
      let decision = try await decision(on: mail, message, options)
      return try await store.decide(mail, decision, deadline: options.deadline) ?? mail
    } catch is LeaseLost {
      return mail
    } catch let error as ServiceError {
      return try await putOff(mail, error, options)
    }
  }

  /// Whoever took the mail up meanwhile decides it.
  struct LeaseLost: Error {}

  private func putOff(
    _ mail: InboundRecord, _ error: ServiceError, _ options: CallOptions
  ) async throws -> InboundRecord {
    failed(mail.id, error)
    // The call's own time may be what ran out.
    let deadline = max(options.deadline, .after(.seconds(5)))
    if let wait = Self.backoff.wait(afterAttempt: mail.failureCount + 1, jitter: .random(in: 0...1)) {
      try await store.postpone(mail, milliseconds: wait, deadline: deadline)
      return mail
    }
    let given = MailStore.Decision(state: .quarantined, reason: QuarantineReason.unreachable.rawValue)
    return try await store.decide(mail, given, deadline: deadline) ?? mail
  }

  private func decision(
    on mail: InboundRecord, _ message: [UInt8]?, _ options: CallOptions
  ) async throws -> MailStore.Decision {
    guard mail.attemptCount - mail.failureCount <= Self.deathsMax else {
      return MailStore.Decision(state: .quarantined, reason: QuarantineReason.poisonous.rawValue)
    }
    let read: IncomingMail
    do {
      read = try await parsed(mail, message, options)
    } catch let failure as ParseFailure {
      return MailStore.Decision(state: .quarantined, reason: failure.rawValue)
    }
    let service = try await ledger.directory.service(id: mail.serviceID, deadline: options.deadline)
    var planned = mail
    if planned.plan == .none, mail.sizeBytes > limits.messageBytesMax {
      return MailStore.Decision(
        state: .quarantined, reason: ParseFailure.tooLarge.rawValue, senderHash: senderHash(read),
        sealedSummary: try await summary(of: read, mail, options))
    }
    if planned.plan == .none {
      let found = try await judged(read, mail, service, options.deadline)
      switch found {
      case .decided(var decision):
        decision.senderHash = senderHash(read)
        decision.sealedSummary = try await summary(of: read, mail, options)
        return decision
      case .planned(let plan, let ticket):
        (planned.plan, planned.ticketID) = (plan, ticket)
        switch try await store.planWithinBudget(planned, sender: senderHash(read), deadline: options.deadline) {
        case .planned: break
        case .leaseLost: throw LeaseLost()
        case .overBudget:
          return MailStore.Decision(
            state: .quarantined, reason: QuarantineReason.tooManyMails.rawValue, ticketID: ticket,
            senderHash: senderHash(read), sealedSummary: try await summary(of: read, mail, options))
        }
      }
    }
    var decision = try await effect(of: read, planned, service, options)
    decision.senderHash = senderHash(read)
    if decision.state == .quarantined {
      decision.sealedSummary = try await summary(of: read, mail, options)
    } else {
      decision.messageID = MessageIdentity.referable(read.messageID)
    }
    return decision
  }

  /// A mail's values, read from its bytes at hand or from the vault.
  ///
  /// - Throws: ``ParseFailure``; BACKEND_UNAVAILABLE and the like when it cannot be opened.
  private func parsed(
    _ mail: InboundRecord, _ message: [UInt8]?, _ options: CallOptions
  ) async throws -> IncomingMail {
    let bytes: [UInt8]
    if let message { bytes = message } else { bytes = try await opened(mail, options) }
    let limits = limits
    let deadline = min(options.deadline, .after(.seconds(30)))
    guard bytes.count > MIMEReader.loopBytesMax else {
      return try MIMEReader.read(bytes, limits: limits, deadline: deadline)
    }
    do {
      return try await pool.run { try MIMEReader.read(bytes, limits: limits, deadline: deadline) }
    } catch is BlockingPool.Refusal {
      throw ServiceError(.tooManyRequests)
    }
  }

  /// The bytes of a mail.
  ///
  /// - Throws: BACKEND_UNAVAILABLE and the like.
  func opened(_ mail: InboundRecord, _ options: CallOptions) async throws -> [UInt8] {
    let pieces = try await store.pieces(of: mail, deadline: options.deadline)
    guard !pieces.isEmpty else { throw ServiceError(.messageNotFound, "the mail is kept no longer") }
    return try await vault.open(pieces, named: Self.sealName(mail.serviceID, mail.contentHash), options)
  }

  /// A mail's values for people; nil when it cannot be read.
  func shown(_ mail: InboundRecord, _ options: CallOptions) async throws -> IncomingMail? {
    do {
      return try await parsed(mail, nil, options)
    } catch is ParseFailure {
      return nil
    }
  }

  /// The keyed hash of a mail's sender, by which mails of one sender are counted.
  func senderHash(_ mail: IncomingMail) -> [UInt8] {
    mail.from.first.map { hashes.hash(of: $0.address) } ?? []
  }

  /// Whom a mail is from and what about, sealed for the list of mails that wait for an agent.
  private func summary(
    of read: IncomingMail, _ mail: InboundRecord, _ options: CallOptions
  ) async throws -> [UInt8] {
    let summary = InboundMail(
      sender: read.from.first?.address ?? "", senderDisplayName: read.from.first?.displayName ?? "",
      subject: read.subject, fileNames: Array(read.files.map(\.name).prefix(20)))
    return try await vault.seal(try summary.serialized(), named: Self.summaryName(mail), options)[0]
  }

  /// What ``summary(of:_:_:)`` sealed; empty fields when there is none, or none that opens.
  ///
  /// - Throws: BACKEND_UNAVAILABLE and the like; the same may work later.
  func openableSummary(of mail: InboundRecord, _ options: CallOptions) async throws -> InboundMail {
    guard let sealed = mail.sealedSummary else { return InboundMail() }
    do {
      return try InboundMail(serialized: try await vault.open([sealed], named: Self.summaryName(mail), options))
    } catch let error as ServiceError where error.reason == .maskKeyLost || error.reason == .maskDamaged {
      return InboundMail()
    } catch is ProtobufError {
      return InboundMail()
    }
  }

  private static func sealName(_ service: ServiceID, _ hash: [UInt8]) -> String {
    "inbound/\(service)/\(Hex.encode(hash))"
  }

  private static func summaryName(_ mail: InboundRecord) -> String { "inbound-summary/\(mail.serviceID)/\(mail.id)" }
}
