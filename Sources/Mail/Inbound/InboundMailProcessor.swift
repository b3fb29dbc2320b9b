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
  let budget = MemoryBudget(bytesMax: 160 << 20)
  private let failed: @Sendable (Int64, ServiceError) -> Void
  let hashes: AddressHashes
  let prints: MailPrintKey

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
    prints = MailPrintKey(ledger.key)
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
    let key = prints
    let prints = try await onPool(if: message.count) { MessageIdentity.Prints(of: message, key) }
    let arrival = MailStore.Arrival(
      service: service.id, account: account, prints: prints, sizeBytes: wholeBytes ?? Int64(message.count))
    let pieces = try await vault.seal(message, named: Self.sealName(service.id, prints.contentHash), options)
    let (mail, isNew) = try await store.storeInbound(arrival, pieces: pieces, deadline: options.deadline)
    return isNew ? try await process(mail, message, options) : mail
  }

  /// Keeps note of a mail that its server does not hand out, so that an agent can look for it there.
  ///
  /// - Parameter place: tells it apart from others of its mailbox.
  /// - Throws: DATABASE_UNAVAILABLE and the like.
  func holdUnfetchable(
    _ place: String, sizeBytes: Int64, for service: ServiceRecord, account: Int64, _ options: CallOptions
  ) async throws {
    let hash = SHA256.hash(place)
    let arrival = MailStore.Arrival(
      service: service.id, account: account,
      prints: MessageIdentity.Prints(identity: hash, bodyHash: hash, content: hash, prints), sizeBytes: sizeBytes)
    _ = try await store.storeInbound(arrival, pieces: [], deadline: options.deadline)
  }

  /// Works on a mail of so many bytes where that keeps nobody waiting.
  private func onPool<Value: Sendable>(
    if byteCount: Int, _ work: @escaping @Sendable () throws -> Value
  ) async throws -> Value {
    guard byteCount > MIMEReader.loopBytesMax else { return try work() }
    do {
      return try await pool.run(work)
    } catch is BlockingPool.Refusal {
      throw ServiceError(.tooManyRequests)
    }
  }

  /// Decides a mail that the caller has under a lease. A caller that is told to end gives it back.
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
    } catch let behind as Behind {
      try await store.postpone(mail, behind: behind.earlier, deadline: options.deadline)
      return mail
    } catch let error where Task.isCancelled {
      // Not as a part of this task, which is cancelled.
      await Task { try? await store.giveBack(mail, deadline: .after(.seconds(5))) }.value
      throw error
    } catch let error as ServiceError {
      return try await putOff(mail, error, options)
    }
  }

  /// Tells what keeps a mail waiting.
  func tell(_ error: any Error, of mail: InboundRecord) {
    failed(mail.id, error as? ServiceError ?? ServiceError(.internal, cause: error))
  }

  /// Whoever took the mail up meanwhile decides it.
  struct LeaseLost: Error {}

  /// An earlier mail comes first.
  struct Behind: Error {
    let earlier: Int64
  }

  private func putOff(
    _ mail: InboundRecord, _ error: ServiceError, _ options: CallOptions
  ) async throws -> InboundRecord {
    failed(mail.id, error)
    // The call's own time may be what ran out.
    let deadline = max(options.deadline, .after(.seconds(5)))
    if let wait = Self.backoff.wait(
      afterAttempt: mail.failureCount - mail.waitCount + 1, jitter: .random(in: 0...1))
    {
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
        summary: try await summary(of: read, mail, options))
    }
    if planned.plan == .none {
      let found = try await judged(read, mail, service, options.deadline)
      switch found {
      case .decided(var decision):
        decision.senderHash = senderHash(read)
        decision.summary = try await summary(of: read, mail, options)
        return decision
      case .planned(let plan, let ticket):
        (planned.plan, planned.ticketID) = (plan, ticket)
        switch try await store.planWithinBudget(planned, sender: senderHash(read), deadline: options.deadline) {
        case .planned: break
        case .leaseLost: throw LeaseLost()
        case .overBudget:
          return MailStore.Decision(
            state: .quarantined, reason: QuarantineReason.tooManyMails.rawValue, ticketID: ticket,
            senderHash: senderHash(read), summary: try await summary(of: read, mail, options))
        }
      }
    }
    var decision = try await effect(of: read, planned, service, options)
    decision.senderHash = senderHash(read)
    if decision.state == .quarantined {
      decision.summary = try await summary(of: read, mail, options)
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
    return try await onPool(if: bytes.count) { try MIMEReader.read(bytes, limits: limits, deadline: deadline) }
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

  /// A mail as agents may read it: what is masked on the ticket that it is about, such as one whose answer came back,
  /// is asterisks in it.
  ///
  /// - Throws: BACKEND_UNAVAILABLE and the like.
  func hidingMasked(
    _ mail: InboundMail, of record: InboundRecord, in service: ServiceRecord, _ options: CallOptions
  ) async throws -> InboundMail {
    guard let id = record.ticketID else { return mail }
    let ticket: TicketRecord
    do {
      ticket = try await ledger.ticket(id, of: service.id, deadline: options.deadline)
    } catch let error as ServiceError where error.reason == .ticketNotFound {
      return mail
    }
    guard ticket.hasMasks else { return mail }
    let words = [mail.sender, mail.senderDisplayName, mail.subject, mail.text] + mail.fileNames
    let shown = try await vault.maskedWords.hidden(
      words, on: TicketName(service: service.code, id: ticket.id), options)
    var mail = mail
    (mail.sender, mail.senderDisplayName, mail.subject, mail.text) = (shown[0], shown[1], shown[2], shown[3])
    mail.fileNames = Array(shown[4...])
    return mail
  }

  /// The keyed hash of a mail's sender, by which mails of one sender are counted.
  func senderHash(_ mail: IncomingMail) -> [UInt8] {
    mail.from.first.map { hashes.hash(of: $0.address) } ?? []
  }

  /// Whom a mail is from and what about, sealed for the list of mails that wait for an agent.
  private func summary(
    of read: IncomingMail, _ mail: InboundRecord, _ options: CallOptions
  ) async throws -> RawMailVault.Piece {
    let summary = InboundMail(
      sender: read.from.first?.address ?? "", senderDisplayName: read.from.first?.displayName ?? "",
      subject: read.subject, fileNames: Array(read.files.map(\.name).prefix(20)))
    return try await vault.seal(try summary.serialized(), named: Self.summaryName(mail.serviceID, mail.id), options)[0]
  }

  /// What ``summary(of:_:_:)`` sealed; empty fields when there is none, or none that opens.
  ///
  /// - Throws: BACKEND_UNAVAILABLE and the like; the same may work later.
  func openableSummary(of mail: InboundRecord, _ options: CallOptions) async throws -> InboundMail {
    guard let sealed = mail.sealedSummary else { return InboundMail() }
    do {
      let name = Self.summaryName(mail.serviceID, mail.id)
      return try InboundMail(serialized: try await vault.open([sealed], named: name, options))
    } catch let error as ServiceError where error.reason == .maskKeyLost || error.reason == .maskDamaged {
      return InboundMail()
    } catch is ProtobufError {
      return InboundMail()
    }
  }

  /// Under which name the bytes of a mail are sealed.
  static func sealName(_ service: ServiceID, _ hash: [UInt8]) -> String { "inbound/\(service)/\(Hex.encode(hash))" }

  /// Under which name the summary of a mail is sealed.
  static func summaryName(_ service: ServiceID, _ mail: Int64) -> String { "inbound-summary/\(service)/\(mail)" }
}
