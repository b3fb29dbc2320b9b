import Crypto
import EventLoop
import ServiceKit
import TicketLedger

extension InboundMailProcessor {
  /// Tells the ticket that a mail of its came back or is late, and blocks addresses that take no mails.
  ///
  /// The mail is known by its Message-ID, which nobody can make up who has not got it, or by the signed address that
  /// replies to it were to go to together with a recipient. A report that has neither changes nothing.
  ///
  /// - Returns: the ticket that the report is about.
  /// - Throws: the database's errors as `ServiceError`; the same can be tried again.
  func noteBounce(
    _ report: IncomingMail, _ record: InboundRecord, _ service: ServiceRecord, _ deadline: Deadline
  ) async throws -> TicketID? {
    let reading = BounceReading(report)
    guard let mail = try await reported(reading, service.id, deadline) else {
      return reading.messageIDs.lazy.compactMap { link(tokens.ticket(inMessageID: $0), service.id) }.first
    }
    let drafts = reading.drafts(of: mail.recipients)
    guard let worst = drafts.min(by: { $0.kind.number < $1.kind.number }),
      !(try await store.hasNoted(record.id, of: service.id, deadline: deadline))
    else { return mail.ticketID }
    var event = EventDraft(.mailBounced, by: .system, cause: .sequence(mail.eventSequence))
    event.notes = [CodeChange("message_id", "", mail.messageID), CodeChange("bounce", "", worst.kind.rawValue)]
    if !worst.status.isEmpty { event.notes.append(CodeChange("status", "", worst.status)) }
    var change = TicketChange(event)
    change.isSilent = true
    change.companions = [
      MailStore.note(drafts, of: mail.id, on: mail.ticketID, in: service.id, by: record.id, hashes: hashes)
    ]
    let claim = try IdempotencyClaim.claim(
      caller: "mail", method: "NoteBounce", requestID: "\(service.id)/\(record.id)", request: record.contentHash,
      key: ledger.key)
    do {
      _ = try await ledger.perform(on: mail.ticketID, of: service.id, idempotency: claim, deadline: deadline) {
        [change] _ in change
      }
    } catch let error as ServiceError where error.reason == .ticketNotFound {
      return nil
    }
    return mail.ticketID
  }

  private func reported(
    _ reading: BounceReading, _ service: ServiceID, _ deadline: Deadline
  ) async throws -> MailStore.ReportedMail? {
    if let mail = try await store.reportedMail(reading.messageIDs, of: service, deadline: deadline) { return mail }
    let tickets = reading.replyAddresses.compactMap { link(tokens.ticket(inAddress: $0), service) }
    return try await store.reportedMail(
      on: tickets, to: reading.recipients.map(\.address).filter { !$0.isEmpty }, of: service, deadline: deadline)
  }

  private func link(_ finding: ReplyTokens.Finding, _ service: ServiceID) -> TicketID? {
    guard case .ticket(let link) = finding, link.serviceID == service else { return nil }
    return link.ticketID
  }
}
