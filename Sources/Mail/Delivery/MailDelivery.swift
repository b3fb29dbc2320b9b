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

    /// Describes a mail to be sent.
    package init(
      service: ServiceID, ticket: TicketID, eventSequence: Int32, payload: [UInt8], isLastAttempt: Bool
    ) {
      self.service = service
      self.ticket = ticket
      self.eventSequence = eventSequence
      self.payload = payload
      self.isLastAttempt = isLastAttempt
    }
  }

  /// What became of an order.
  package enum Verdict: Sendable, Equatable {
    /// Sent, or skipped for good, and recorded.
    case done
    /// To be tried again later; why.
    case again(String)
    /// Given up and recorded; why.
    case givenUp(String)
  }

  /// What is kept of an order's time to note what became of it.
  private static let timeKeptForRecording: Duration = .seconds(15)
  /// How often a mail is written anew at once when its ticket changes meanwhile.
  private static let renderingsMax = 5

  private let ledger: TicketLedger
  let store: MailStore
  let senders: SenderChoice
  let tokens: ReplyTokens
  private let transport: any MailTransport
  private let pool: BlockingPool
  private let outcomes: Metric<Counter>
  private let hashes: AddressHashes

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
      "handoff_mail_attempts_total", "Attempts to send an answer, by what became of them.", labels: ["outcome"])
  }

  /// Carries an order out; safe to repeat.
  ///
  /// - Throws: `ServiceError` when the database is in trouble, `CancellationError`; the order is then to be tried
  ///   again.
  package func carryOut(_ order: Order, deadline: Deadline) async throws -> Verdict {
    let prepared: PreparedAnswer
    do {
      prepared = try PreparedAnswer(serialized: order.payload)
    } catch {
      return .givenUp("the order cannot be read: \(error)")
    }
    if !prepared.skipReason.isEmpty {
      return try await skip(order, reason: prepared.skipReason, by: .system, deadline)
    }
    for _ in 0..<Self.renderingsMax {
      let verdict =
        if let mail = prepared.triggerMail {
          try await attempt(order, mail, key: prepared.messageId, deadline)
        } else {
          try await attempt(order, prepared, deadline)
        }
      if let verdict { return verdict }
    }
    return .again("the ticket was changed again and again while its mail was written")
  }

  /// Writes the mail from the ticket as it is now and sends it; nil when the ticket was changed in between.
  private func attempt(_ order: Order, _ prepared: PreparedAnswer, _ deadline: Deadline) async throws -> Verdict? {
    let known = try await store.facts(
      of: order.ticket, in: order.service, entry: EntryID(prepared.entryId), agent: nil, deadline: deadline)
    guard let known, let text = known.answerText else { return .givenUp("the ticket or its answer is gone") }
    // The address may have been masked since.
    guard let recipient = MailAddress(known.facts.customerEmail, displayName: known.facts.customerName) else {
      return try await skip(order, reason: SkipReason.noAddress.rawValue, by: .system, deadline)
    }
    // Everybody to whom the customer wrote gets the answer, too.
    let others =
      prepared.customerOnly
      ? []
      : try await store.participants(of: order.ticket, in: order.service, deadline: deadline)
        .compactMap { MailAddress($0.address, displayName: $0.displayName) }
        .filter { $0.address != recipient.address.lowercased() }
    let open = try await unblocked([recipient] + others, order.service, deadline)
    // It may have come back since.
    guard open.first == recipient else {
      return try await skip(order, reason: SkipReason.addressBlocked.rawValue, by: .system, deadline)
    }
    let mail = try await compose(order, prepared, known, text, recipient, Array(open.dropFirst()), deadline)
    return try await send(mail, order, entry: EntryID(prepared.entryId), by: .system, known.ticketVersion, deadline)
  }

  /// Of these addresses those to which mails are sent.
  func unblocked(_ addresses: [MailAddress], _ service: ServiceID, _ deadline: Deadline) async throws -> [MailAddress] {
    let organization = try await ledger.directory.service(id: service, deadline: deadline).organizationID
    let hashed = addresses.map { ($0, hashes.hash(of: $0.address)) }
    let blocked = try await store.blocked(hashed.map(\.1), in: organization, deadline: deadline)
    return hashed.filter { !blocked.contains($0.1) }.map(\.0)
  }

  /// Sends a mail that was written from a version of the ticket; nil when the ticket is not as it was then.
  ///
  /// - Parameter actor: in whose name the ticket's events tell of it.
  func send(
    _ mail: OutgoingMail, _ order: Order, entry: EntryID?, by actor: LedgerActor, _ version: Int64,
    _ deadline: Deadline
  ) async throws -> Verdict? {
    let attempt = MailStore.Attempt(
      service: order.service, ticket: order.ticket, entry: entry, eventSequence: order.eventSequence,
      ticketVersion: version, messageID: mail.messageID,
      recipient: ([mail.to] + mail.cc).map(\.address).joined(separator: ", "), subject: mail.subject, text: mail.text,
      payload: order.payload)
    let begun: MailStore.Begun
    switch try await store.begin(attempt, deadline: deadline) {
    case .begun(let new): begun = new
    case .sentBefore: return .done
    case .outdated: return nil
    }
    do {
      let words = try await transport.send(
        try await envelope(mail), deadline: deadline.shortened(by: Self.timeKeptForRecording))
      try await record(
        .mailSent, order, begun, as: .sent, words: Self.scrubbed(words, of: mail),
        notes: [CodeChange("message_id", "", mail.messageID)], by: actor, deadline)
      outcomes.with("sent").add()
      return .done
    } catch let failure as DeliveryFailure {
      return try await handle(failure, order, begun, mail, by: actor, deadline)
    }
  }

  private func handle(
    _ failure: DeliveryFailure, _ order: Order, _ begun: MailStore.Begun, _ mail: OutgoingMail, by actor: LedgerActor,
    _ deadline: Deadline
  ) async throws -> Verdict {
    let words = Self.scrubbed(failure.words, of: mail)
    guard failure.isPermanent || order.isLastAttempt else {
      try await store.noteDeferral(begun.id, in: order.service, words: words, deadline: deadline)
      outcomes.with("deferred").add()
      return .again(words)
    }
    var notes = [CodeChange("message_id", "", mail.messageID)]
    if failure.replyCode > 0 { notes.append(CodeChange("reply_code", "", String(failure.replyCode))) }
    // The server speaks of the address only when it refuses for good; of which one is clear when there is one.
    let kind = failure.isPermanent ? BounceTable.kind(action: "failed", status: "", words: failure.words) : nil
    let refusals =
      kind == .addressFailed && mail.cc.isEmpty
      ? [
        MailStore.BounceDraft(
          kind: .addressFailed, recipient: mail.to.address.lowercased(),
          status: BounceTable.status("", words: failure.words), words: words)
      ] : []
    try await record(
      .mailFailed, order, begun, as: .failed, words: words, notes: notes, refusals: refusals, by: actor, deadline)
    outcomes.with("failed").add()
    return .givenUp(words)
  }

  /// Tells the ticket that no mail is sent, and why.
  func skip(
    _ order: Order, reason: String, by actor: LedgerActor, _ deadline: Deadline
  ) async throws -> Verdict {
    var event = EventDraft(.mailSkipped, by: actor, cause: .sequence(order.eventSequence))
    event.notes = [CodeChange("reason", "", CodeChange.isCode(reason) ? reason : SkipReason.noAddress.rawValue)]
    guard try await write(event, order, "SKIPPED", [], deadline) else { return .givenUp("the ticket is gone") }
    outcomes.with("skipped").add()
    return .done
  }

  private func compose(
    _ order: Order, _ prepared: PreparedAnswer, _ known: MailStore.Facts, _ text: String, _ recipient: MailAddress,
    _ others: [MailAddress], _ deadline: Deadline
  ) async throws -> OutgoingMail {
    let layoutName = MailLayoutName(prepared.layout)
    let layout: MailStore.LayoutVersion? =
      if let layoutName { try await store.layout(layoutName.id, of: order.service, deadline: deadline) } else { nil }
    let thread = try await store.thread(
      of: order.ticket, in: order.service, before: order.eventSequence, deadline: deadline)
    let answer = Answer(
      text: text, agentName: known.agentName, answeredAt: known.answeredAt,
      kind: prepared.act == .hold ? .pending : .resolved)
    var facts = known.facts
    facts.fields = try await store.fieldValues(
      of: order.ticket, in: order.service, codes: layout?.fieldCodes ?? [], deadline: deadline)
    let words = AnswerText(answer, facts: facts, layout: layout)
    let sender = senders.sender(
      name: facts.senderName, address: facts.senderAddress, serviceName: facts.serviceName)
    return OutgoingMail(
      from: sender,
      replyTo: tokens.replyAddress(sender, for: TicketLink(serviceID: order.service, ticketID: order.ticket)),
      to: recipient, cc: others, subject: words.subject, text: words.text, html: words.html,
      messageID: prepared.messageId, references: thread, dateSeconds: known.answerSeconds,
      ticket: TicketName(service: facts.serviceCode, id: order.ticket).description)
  }

  private func envelope(_ mail: OutgoingMail) async throws -> EnvelopedMail {
    let isLarge = mail.text.utf8.count + mail.html.utf8.count > MIMEComposer.loopBytesMax
    let content = isLarge ? try await pool.run { try MIMEComposer.compose(mail) } : try MIMEComposer.compose(mail)
    return EnvelopedMail(
      messageID: mail.messageID, sender: mail.from.address, recipients: [mail.to.address] + mail.cc.map(\.address),
      content: content)
  }

  /// Ends the mail and tells the ticket, both or neither.
  private func record(
    _ code: EventCode, _ order: Order, _ begun: MailStore.Begun, as state: MailStore.MessageState, words: String,
    notes: [CodeChange], refusals: [MailStore.BounceDraft] = [], by actor: LedgerActor, _ deadline: Deadline
  ) async throws {
    var event = EventDraft(code, by: actor, cause: .sequence(order.eventSequence))
    event.notes = notes
    var companions = [MailStore.end(begun.id, in: order.service, as: state, words: words)]
    if !refusals.isEmpty {
      companions.append(
        MailStore.note(refusals, of: begun.id, on: order.ticket, in: order.service, by: nil, hashes: hashes))
    }
    _ = try await write(event, order, "\(state.rawValue)/\(begun.attempt)", companions, deadline)
  }

  /// Adds an event to the ticket unless it is there already; false when the ticket is gone.
  private func write(
    _ event: EventDraft, _ order: Order, _ outcome: String, _ companions: [Query], _ deadline: Deadline
  ) async throws -> Bool {
    var change = TicketChange(event)
    change.isSilent = true
    change.companions = companions
    let claim = try IdempotencyClaim.claim(
      caller: "mail", method: "Deliver",
      requestID: "\(order.service)/\(order.ticket)/\(order.eventSequence)/\(outcome)", request: order.payload)
    do {
      _ = try await ledger.perform(on: order.ticket, of: order.service, idempotency: claim, deadline: deadline) {
        [change] _ in change
      }
      return true
    } catch let error as ServiceError where error.reason == .ticketNotFound {
      return false
    }
  }

  /// A server's words without the addresses, which they often repeat.
  private static func scrubbed(_ words: String, of mail: OutgoingMail) -> String {
    ([mail.to] + mail.cc).reduce(words) { $0.replacing($1.address, with: "the recipient") }
  }
}
