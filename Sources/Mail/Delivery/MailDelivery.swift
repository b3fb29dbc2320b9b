package import EventLoop
import HandoffAPI
import Postgres
import Protobuf
package import ServiceKit
package import TicketLedger

/// Sends the mails that acts asked for.
///
/// A mail is written down as QUEUED before it is handed on, and as SENT together with the ticket's event afterwards. A
/// process that dies in between leaves it QUEUED: whoever takes the work up again sends the same words under the same
/// Message-ID.
package struct MailDelivery: Sendable {
  /// A mail to be sent, as the outbox holds it.
  package struct Order: Sendable {
    /// The service of the ticket.
    package let service: ServiceID
    /// The ticket.
    package let ticket: TicketID
    /// The event of the act that asked for the mail.
    package let eventSequence: Int32
    /// A `PreparedAnswer`.
    package let payload: [UInt8]
    /// Whether the work is given up when this attempt fails.
    package let isLastAttempt: Bool
    /// Its place in the outbox, which it leaves when the mail is noted as sent; nil: none.
    package let item: OutboxItem?

    /// Describes a mail to be sent.
    package init(
      service: ServiceID, ticket: TicketID, eventSequence: Int32, payload: [UInt8], isLastAttempt: Bool,
      item: OutboxItem? = nil
    ) {
      self.service = service
      self.ticket = ticket
      self.eventSequence = eventSequence
      self.payload = payload
      self.isLastAttempt = isLastAttempt
      self.item = item
    }
  }

  /// What became of an order.
  package enum Verdict: Sendable, Equatable {
    /// Sent, or skipped for good, and recorded.
    case done
    /// The same, and the order has left the outbox with it.
    case removed
    /// To be tried again later; why.
    case again(String)
    /// Given up and recorded; why.
    case givenUp(String)
    /// Not tried: mails with files are under way that take all the memory there is for them.
    case crowded
  }

  /// How often a mail is written anew at once when its ticket changes meanwhile.
  private static let renderingsMax = 5

  let ledger: TicketLedger
  let store: MailStore
  let senders: SenderChoice
  let tokens: ReplyTokens
  let transport: any MailTransport
  let pool: BlockingPool
  let outcomes: Metric<Counter>
  let hashes: AddressHashes
  /// Bounds the memory of mails with files.
  let budget = MemoryBudget(bytesMax: 200 << 20)

  /// Sends through a transport; large mails are composed on the pool.
  ///
  /// - Parameter tokens: what marks mails with their tickets; nil: marks of the usual form.
  package init(
    ledger: TicketLedger, store: MailStore, senders: SenderChoice, tokens: ReplyTokens? = nil,
    transport: any MailTransport, pool: BlockingPool, metrics: Metrics
  ) {
    self.ledger = ledger
    self.store = store
    self.senders = senders
    self.tokens = tokens ?? ReplyTokens(ledger.key)
    self.transport = transport
    self.pool = pool
    hashes = AddressHashes(ledger.key)
    outcomes = metrics.counter(
      "handoff_mail_attempts_total", "Attempts to send an answer, by what became of them.", label: "outcome",
      of: ["sent", "deferred", "failed", "skipped"])
  }

  /// Carries an order out; safe to repeat. Whatever it comes to in the end, the ticket tells.
  ///
  /// - Throws: `ServiceError` when the database is in trouble, `CancellationError`; the order is then to be tried
  ///   again.
  package func carryOut(_ order: Order, deadline: Deadline) async throws -> Verdict {
    let prepared: PreparedAnswer
    do {
      prepared = try PreparedAnswer(serialized: order.payload)
    } catch {
      return try await giveUp(order, "the order cannot be read", deadline)
    }
    if !prepared.skipReason.isEmpty {
      return try await skip(order, SkipReason(rawValue: prepared.skipReason) ?? .noAddress, by: .system, deadline)
    }
    do {
      let verdict = try await attempt(order, prepared, deadline)
      guard order.isLastAttempt, case .again(let words) = verdict else { return verdict }
      return try await giveUp(order, words, deadline)
    } catch let error where order.isLastAttempt && !Task.isCancelled {
      // Nobody comes back to it, so what there was to say is said now.
      let words = (error as? ServiceError)?.reason.rawValue ?? "\(type(of: error))"
      return try await giveUp(order, "it could not be written or noted: \(words)", deadline)
    }
  }

  private func attempt(_ order: Order, _ prepared: PreparedAnswer, _ deadline: Deadline) async throws -> Verdict {
    var blocked: Set<[UInt8]> = []
    for _ in 0..<Self.renderingsMax {
      let writing =
        if let mail = prepared.triggerMail {
          try await writing(order, mail, key: prepared.messageId, without: blocked, deadline)
        } else {
          try await writing(order, prepared, without: blocked, deadline)
        }
      switch writing {
      case .skipped(let reason, let actor): return try await skip(order, reason, by: actor, deadline)
      case .gone: return try await giveUp(order, "the ticket or its answer is gone", deadline)
      case .written(let written):
        switch try await send(written, order, deadline) {
        case .over(let verdict): return verdict
        case .blocked(let found): blocked.formUnion(found)
        case .outdated: break
        }
      }
    }
    return .again("the ticket was changed again and again while its mail was written")
  }

  /// What comes of writing a mail from its ticket as it is now.
  enum Writing: Sendable {
    case written(WrittenMail)
    /// Nobody is to get it.
    case skipped(SkipReason, by: LedgerActor)
    /// There is nothing to write it from.
    case gone
  }

  /// A mail as it was written from a version of its ticket.
  struct WrittenMail: Sendable {
    let mail: OutgoingMail
    /// The answer in the history; nil for a trigger's mail.
    var entry: EntryID?
    /// In whose name the ticket's events tell of it.
    let actor: LedgerActor
    let ticketVersion: Int64
    /// Whether it is for the customer: then nobody else gets it unless the customer does, and no blocked address.
    let isForCustomer: Bool
    /// Files that go with it; their contents are read when it leaves.
    var files: [MailStore.AnswerFile] = []
  }

  private func writing(
    _ order: Order, _ prepared: PreparedAnswer, without blocked: Set<[UInt8]>, _ deadline: Deadline
  ) async throws -> Writing {
    let found = try await store.reading(
      of: order.ticket, in: order.service, entry: EntryID(prepared.entryId),
      layout: MailLayoutName(prepared.layout)?.id, before: order.eventSequence, deadline: deadline)
    guard let found, let text = found.known.answerText else { return .gone }
    var facts = found.known.facts
    // The address may have been masked since.
    guard let recipient = MailAddress(facts.customerEmail, displayName: facts.customerName) else {
      return .skipped(.noAddress, by: .system)
    }
    // It may have come back since.
    guard !isBlocked(recipient, blocked) else { return .skipped(.addressBlocked, by: .system) }
    // Everybody to whom the customer wrote gets the answer, too.
    let others = prepared.customerOnly ? [] : found.participants
    let answer = Answer(
      text: text, agentName: found.known.agentName, answeredAt: found.known.answeredAt,
      kind: prepared.act == .hold ? .pending : .resolved)
    facts.fields = try await store.fieldValues(
      of: order.ticket, in: order.service, codes: found.layout?.fieldCodes ?? [], deadline: deadline)
    let words = AnswerText(answer, facts: facts, layout: found.layout)
    let sender = senders.sender(name: facts.senderName, address: facts.senderAddress, serviceName: facts.serviceName)
    let mail = OutgoingMail(
      from: sender,
      replyTo: tokens.replyAddress(sender, for: TicketLink(serviceID: order.service, ticketID: order.ticket)),
      to: recipient,
      cc: others.compactMap { MailAddress($0.address, displayName: $0.displayName) }
        .filter { $0.address != recipient.address.lowercased() && !isBlocked($0, blocked) },
      subject: words.subject, text: words.text, html: words.html, messageID: prepared.messageId,
      references: found.thread, dateSeconds: found.known.answerSeconds,
      ticket: TicketName(service: facts.serviceCode, id: order.ticket).description)
    return .written(
      WrittenMail(
        mail: mail, entry: EntryID(prepared.entryId), actor: .system, ticketVersion: found.known.ticketVersion,
        isForCustomer: true, files: found.files))
  }

  /// Whether an address is among those to which no mails are sent.
  func isBlocked(_ address: MailAddress, _ blocked: Set<[UInt8]>) -> Bool {
    !blocked.isEmpty && blocked.contains(hashes.hash(of: address.address))
  }
}
