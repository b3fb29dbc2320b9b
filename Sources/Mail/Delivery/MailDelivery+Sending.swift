import EventLoop
import Postgres
import ServiceKit
import TicketLedger

/// Handing a written mail on, and telling the ticket what became of it.
extension MailDelivery {
  /// What is kept of an order's time to note what became of it.
  private static let timeKeptForRecording: Duration = .seconds(15)
  /// At this attempt a copy that the server puts off holds the others up no longer: about ten minutes after the first,
  /// which is what servers that try their senders' patience ask for.
  static let copyAttemptsMax: Int32 = 8

  /// What comes of handing a mail on.
  enum Sending: Sendable {
    case over(Verdict)
    /// Mails to these addresses, by their hashes, are not sent; it is to be written anew without them.
    case blocked(Set<[UInt8]>)
    /// The ticket is not as it was when the mail was written, so it is to be written anew.
    case outdated
  }

  /// Bytes that a mail takes for each of its files': read, encoded, and as a message.
  private static let bytesForEachOfFiles = 6

  /// Sends a mail that was written.
  func send(_ written: WrittenMail, _ order: Order, _ deadline: Deadline) async throws -> Sending {
    let mail = written.mail
    var share = budget.begin()
    defer { share.end() }
    // One that is too large for the budget has all of it.
    let fileBytes = written.files.reduce(0) { $0 + Int($1.sizeBytes) }
    guard share.take(min(fileBytes * Self.bytesForEachOfFiles, budget.bytesMax)) else { return .over(.crowded) }
    let attempt = MailStore.Attempt(
      service: order.service, ticket: order.ticket, entry: written.entry, eventSequence: order.eventSequence,
      ticketVersion: written.ticketVersion, messageID: mail.messageID,
      recipient: Self.recipients(([mail.to] + mail.cc).map(\.address)), subject: mail.subject, text: mail.text,
      payload: order.payload)
    let hashes = written.isForCustomer ? ([mail.to] + mail.cc).map { self.hashes.hash(of: $0.address) } : []
    let begun: MailStore.Begun
    switch try await store.begin(attempt, unlessBlocked: hashes, deadline: deadline) {
    case .begun(let new): begun = new
    case .sentBefore: return .over(.done)
    case .blocked(let found): return .blocked(found)
    case .outdated: return .outdated
    }
    let start = MonotonicTime.current
    do {
      let handed = try await handOver(written, order, begun, deadline.shortened(by: Self.timeKeptForRecording))
      let duration = MonotonicTime.current.since(start)
      return .over(try await noteSent(written, order, begun, handed, after: duration, deadline))
    } catch let failure as DeliveryFailure {
      return .over(try await noteFailure(failure, written, order, begun, deadline))
    }
  }

  /// A mail that the server has taken.
  private struct HandedOver: Sendable {
    let words: String
    let recipients: [String]
    /// Of the recipients who were left out, why each was.
    let refusals: [DeliveryFailure]
  }

  /// Hands a mail on, to as many as the server lets have it: one copy that is refused keeps nobody else from theirs.
  ///
  /// All get the same bytes. A copy that is put off is waited for at the first attempts.
  ///
  /// - Throws: ``DeliveryFailure``: nobody got it.
  private func handOver(
    _ written: WrittenMail, _ order: Order, _ begun: MailStore.Begun, _ deadline: Deadline
  ) async throws -> HandedOver {
    var envelope = try await envelope(written, order, deadline)
    var refusals: [DeliveryFailure] = []
    while true {
      do {
        let words = try await transport.send(envelope, deadline: deadline)
        return HandedOver(words: words, recipients: envelope.recipients, refusals: refusals)
      } catch let failure as DeliveryFailure {
        guard let refused = failure.recipient, envelope.recipients.count > 1,
          !written.isForCustomer || refused != written.mail.to.address,
          failure.isPermanent || begun.attempt >= Self.copyAttemptsMax
        else { throw failure }
        refusals.append(failure)
        envelope.recipients.removeAll { $0 == refused }
      }
    }
  }

  private func envelope(
    _ written: WrittenMail, _ order: Order, _ deadline: Deadline
  ) async throws -> EnvelopedMail {
    var mail = written.mail
    for file in written.files {
      let bytes = try await store.content(of: file, in: order.service, deadline: deadline)
      mail.files.append(OutgoingMail.File(name: file.name, contentType: file.contentType, bytes: bytes))
    }
    let isLarge = !mail.files.isEmpty || mail.text.utf8.count + mail.html.utf8.count > MIMEComposer.loopBytesMax
    let content =
      isLarge
      ? try await pool.run { [mail] in try MIMEComposer.compose(mail) } : try MIMEComposer.compose(mail)
    return EnvelopedMail(
      messageID: mail.messageID, sender: mail.from.address, recipients: [mail.to.address] + mail.cc.map(\.address),
      content: content)
  }

  private func noteSent(
    _ written: WrittenMail, _ order: Order, _ begun: MailStore.Begun, _ handed: HandedOver, after duration: Duration,
    _ deadline: Deadline
  ) async throws -> Verdict {
    let refusals = handed.refusals.compactMap { Self.draft($0, of: written.mail) }
    var sent = EventDraft(.mailSent, by: written.actor, cause: .sequence(order.eventSequence))
    sent.notes = [CodeChange("message_id", "", written.mail.messageID)]
    var change = TicketChange([sent] + refusals.map { Self.event($0, of: written, order) })
    change.time = begun.ticket.readTime.advanced(by: duration)
    change.attachments = [
      MailStore.end(
        begun.id, on: order.ticket, in: order.service, as: .sent, words: Self.scrubbed(handed.words, of: written.mail),
        recipient: refusals.isEmpty ? nil : Self.recipients(handed.recipients))
    ]
    if let item = order.item { change.attachments.append(item.removal) }
    add(refusals, of: begun, order, to: &change)
    let isNew = try await write(change, on: begun, order, .sent, deadline)
    outcomes.with("sent").add()
    return isNew && order.item != nil ? .removed : .done
  }

  private func noteFailure(
    _ failure: DeliveryFailure, _ written: WrittenMail, _ order: Order, _ begun: MailStore.Begun, _ deadline: Deadline
  ) async throws -> Verdict {
    let mail = written.mail
    let words = Self.scrubbed(failure.words, of: mail)
    guard failure.isPermanent || order.isLastAttempt else {
      try await store.noteDeferral(
        begun.id, on: order.ticket, in: order.service, words: words, deadline: deadline)
      outcomes.with("deferred").add()
      return .again(Self.told(failure))
    }
    var event = EventDraft(.mailFailed, by: written.actor, cause: .sequence(order.eventSequence))
    event.notes = [CodeChange("message_id", "", mail.messageID)]
    if failure.replyCode > 0 { event.notes.append(CodeChange("reply_code", "", String(failure.replyCode))) }
    var change = TicketChange(event)
    change.attachments = [
      MailStore.end(
        begun.id, on: order.ticket, in: order.service, as: .failed, words: words, recipient: nil)
    ]
    // The server speaks of the address only when it refuses for good; of which one is clear when there is one.
    let isAboutOne = failure.recipient != nil || mail.cc.isEmpty
    if isAboutOne, failure.isPermanent, let draft = Self.draft(failure, of: mail), draft.kind == .addressFailed {
      add([draft], of: begun, order, to: &change)
    }
    _ = try await write(change, on: begun, order, .failed, deadline)
    outcomes.with("failed").add()
    return .givenUp(Self.told(failure))
  }

  /// What is logged and kept of a failure outside the ticket, where no mask reaches: of a server's words the codes.
  private static func told(_ failure: DeliveryFailure) -> String {
    guard failure.replyCode > 0 else { return failure.words }
    let status = BounceTable.status("", words: failure.words)
    return "the mail server answered \(failure.replyCode)" + (status.isEmpty ? "" : " \(status)")
  }

  /// What the first server's refusal of one copy is noted as.
  private static func draft(_ failure: DeliveryFailure, of mail: OutgoingMail) -> MailStore.BounceDraft? {
    let kind = BounceTable.kind(action: "failed", status: "", words: failure.words) ?? .failed
    return MailStore.BounceDraft(
      kind: failure.isPermanent ? kind : .failed, recipient: (failure.recipient ?? mail.to.address).lowercased(),
      status: BounceTable.status("", words: failure.words), words: scrubbed(failure.words, of: mail))
  }

  private static func event(
    _ refusal: MailStore.BounceDraft, of written: WrittenMail, _ order: Order
  ) -> EventDraft {
    var event = EventDraft(.mailBounced, by: .system, cause: .sequence(order.eventSequence))
    event.notes = [
      CodeChange("message_id", "", written.mail.messageID), CodeChange("bounce", "", refusal.kind.rawValue),
    ]
    if !refusal.status.isEmpty { event.notes.append(CodeChange("status", "", refusal.status)) }
    return event
  }

  private func add(
    _ refusals: [MailStore.BounceDraft], of begun: MailStore.Begun, _ order: Order, to change: inout TicketChange
  ) {
    guard !refusals.isEmpty else { return }
    change.companions.append(
      MailStore.note(refusals, of: begun.id, on: order.ticket, in: order.service, by: nil, hashes: hashes))
  }

  /// Tells the ticket that no mail is sent, and why.
  func skip(
    _ order: Order, _ reason: SkipReason, by actor: LedgerActor, _ deadline: Deadline
  ) async throws -> Verdict {
    var event = EventDraft(.mailSkipped, by: actor, cause: .sequence(order.eventSequence))
    event.notes = [CodeChange("reason", "", reason.rawValue)]
    guard try await end(order, event, words: reason.words, "SKIPPED", deadline) else {
      return .givenUp("the ticket is gone")
    }
    outcomes.with("skipped").add()
    return .done
  }

  /// Tells the ticket that an order is given up, and why.
  func giveUp(_ order: Order, _ words: String, _ deadline: Deadline) async throws -> Verdict {
    let event = EventDraft(.mailFailed, by: .system, cause: .sequence(order.eventSequence))
    _ = try await end(order, event, words: words, "GIVEN_UP", deadline)
    outcomes.with("failed").add()
    return .givenUp(words)
  }

  /// Ends an order of which no mail has left, and the mail that was written for it before; false when the ticket is
  /// gone.
  private func end(
    _ order: Order, _ event: EventDraft, words: String, _ outcome: String, _ deadline: Deadline
  ) async throws -> Bool {
    var change = TicketChange(event)
    change.isSilent = true
    change.attachments = [MailStore.giveUp(eventSequence: order.eventSequence, words: words)]
    let claim = try claim(order, outcome)
    do {
      _ = try await ledger.perform(on: order.ticket, of: order.service, idempotency: claim, deadline: deadline) {
        [change] _ in change
      }
      return true
    } catch let error as ServiceError where error.reason == .ticketNotFound {
      return false
    }
  }

  /// Writes what became of a mail that was begun; false when it was written before, or the ticket is gone.
  private func write(
    _ change: TicketChange, on begun: MailStore.Begun, _ order: Order, _ state: MailStore.MessageState,
    _ deadline: Deadline
  ) async throws -> Bool {
    var change = change
    change.isSilent = true
    do {
      let written = try await ledger.perform(
        on: begun.ticket, idempotency: try claim(order, "\(state.rawValue)/\(begun.attempt)"), deadline: deadline
      ) { [change] _ in change }
      return !written.isRepeat
    } catch let error as ServiceError where error.reason == .ticketNotFound {
      return false
    }
  }

  private func claim(_ order: Order, _ outcome: String) throws -> IdempotencyClaim? {
    try IdempotencyClaim.claim(
      caller: "mail", method: "Deliver",
      requestID: "\(order.service)/\(order.ticket)/\(order.eventSequence)/\(outcome)", request: order.payload,
      key: ledger.key)
  }

  /// Recipients as they are kept.
  private static func recipients(_ addresses: [String]) -> String { addresses.joined(separator: ", ") }

  /// A server's words without the addresses, which they often repeat.
  private static func scrubbed(_ words: String, of mail: OutgoingMail) -> String {
    ([mail.to] + mail.cc).reduce(words) { $0.replacing($1.address, with: "the recipient") }
  }
}
