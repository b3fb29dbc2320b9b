import EventLoop
import ServiceKit
import TicketLedger

extension InboundMailProcessor {
  /// What follows from reading a mail.
  enum Judgement: Sendable {
    /// It makes nothing.
    case decided(MailStore.Decision)
    /// It is to make this, if its sender's budget has room for it.
    case planned(InboundPlan, TicketID?)
  }

  /// Judges a mail by what stands in it and by what is known of its sender.
  ///
  /// - Throws: the database's errors as `ServiceError`.
  func judged(
    _ mail: IncomingMail, _ record: InboundRecord, _ service: ServiceRecord, _ deadline: Deadline
  ) async throws -> Judgement {
    let marks = marks(in: mail, of: service.id)
    let (pointers, hasForgedMark) = try await pointers(mail, record, marks, deadline)
    let hasToken = pointers.contains { $0.way.isProof }
    if let reason = suppression(of: mail, service, hasToken: hasToken) {
      let ticket = reason == .bounce ? try await noteBounce(mail, record, service, deadline) : nil
      return .decided(MailStore.Decision(state: .suppressed, reason: reason.rawValue, ticketID: ticket))
    }
    if record.isNamesake { return .quarantine(.repeatedMessageID, pointers.first?.ticket) }
    guard let sender = mail.from.first, MailAddress(sender.address) != nil else { return .quarantine(.noSender, nil) }
    guard mail.recipientCount <= Self.recipientsMax else { return .quarantine(.tooManyRecipients, nil) }
    let denied = Threading.deniesSender(
      mail.headers.filter { $0.name == "authentication-results" }.map(\.value))
    let verdict = Threading.verdict(pointers, hasForgedMark: hasForgedMark, isSenderDenied: denied)
    let ticket: TicketID?
    switch verdict {
    case .quarantine(let reason, let ticket): return .quarantine(reason, ticket)
    case .inquiry: ticket = nil
    case .reply(let id): ticket = id
    }
    return .planned(ticket == nil ? .ticket : .reply, ticket)
  }

  /// Signed marks of ours.
  private struct Marks {
    var inAddresses: [TicketID] = []
    var inMessageIDs: [TicketID] = []
    var hasForged = false
  }

  /// Headers in which mail servers note the address that they delivered a mail to.
  static let deliveryHeaders: Set<String> = ["delivered-to", "x-original-to", "envelope-to", "x-envelope-to"]

  private func marks(in mail: IncomingMail, of service: ServiceID) -> Marks {
    var marks = Marks()
    let delivered = mail.headers.filter { Self.deliveryHeaders.contains($0.name) }.map(\.value)
    for address in delivered + (mail.to + mail.cc).map(\.address) {
      switch tokens.ticket(inAddress: address) {
      case .none: break
      case .forged: marks.hasForged = true
      // A mark of another service's says nothing here: that one gets the mail, too.
      case .ticket(let link): if link.serviceID == service { marks.inAddresses.append(link.ticketID) }
      }
    }
    for id in mail.inReplyTo + mail.references.reversed() {
      switch tokens.ticket(inMessageID: id) {
      case .none: break
      case .forged: marks.hasForged = true
      case .ticket(let link): if link.serviceID == service { marks.inMessageIDs.append(link.ticketID) }
      }
    }
    return marks
  }

  private func pointers(
    _ mail: IncomingMail, _ record: InboundRecord, _ marks: Marks, _ deadline: Deadline
  ) async throws -> (pointers: [Threading.Pointer<TicketID>], hasForgedMark: Bool) {
    let service = record.serviceID
    var found: [(Threading.Way, TicketID)] =
      marks.inAddresses.map { (.replyAddress, $0) } + marks.inMessageIDs.map { (.signedMessageID, $0) }
    if found.isEmpty {
      let known = try await store.references(
        Array((mail.references.suffix(20) + mail.inReplyTo).prefix(25)), of: record, prints, deadline: deadline)
      found += mail.references.reversed().compactMap { id in known.tickets[id].map { (.references, $0) } }
      found += mail.inReplyTo.compactMap { id in known.tickets[id].map { (.inReplyTo, $0) } }
      // What it follows is going to be a ticket, or not; it must not be judged before.
      if found.isEmpty, let earlier = known.waiting { throw Behind(earlier: earlier) }
      if let number = Threading.subjectTag(in: mail.subject) { found.append((.subjectTag, TicketID(number))) }
    }
    guard !found.isEmpty else { return ([], marks.hasForged) }
    let parts = try await store.participation(
      of: mail.from.first?.address ?? "", in: Array(Set(found.map(\.1))), of: service, deadline: deadline)
    // A ticket that does not exist is pointed to by nobody, except with proof: then it is gone.
    let pointers = found.compactMap { way, ticket -> Threading.Pointer<TicketID>? in
      guard let knows = parts[ticket] ?? (way.isProof ? false : nil) else { return nil }
      return Threading.Pointer(way: way, ticket: ticket, knowsSender: knows)
    }
    return (pointers, marks.hasForged)
  }

  private func suppression(
    of mail: IncomingMail, _ service: ServiceRecord, hasToken: Bool
  ) -> SuppressionReason? {
    let own = ownAddresses(service)
    let isOurs =
      mail.header(OutgoingMail.ticketHeader.lowercased()) != nil
      || mail.from.contains { own.contains($0.address) }
    if case .ticket = tokens.ticket(inMessageID: mail.messageID) { return .ownMail }
    if isOurs { return .ownMail }
    return SuppressionTable.row(for: mail.headers.map { ($0.name, $0.value) }, hasToken: hasToken)?.reason
  }

  /// The addresses under which a service writes.
  func ownAddresses(_ service: ServiceRecord) -> Set<String> {
    let sender = senders.sender(
      name: service.mailSenderName, address: service.mailSenderAddress, serviceName: service.displayName)
    return [sender.address.lowercased()]
  }
}

extension InboundMailProcessor.Judgement {
  fileprivate static func quarantine(_ reason: QuarantineReason, _ ticket: TicketID?) -> Self {
    .decided(MailStore.Decision(state: .quarantined, reason: reason.rawValue, ticketID: ticket))
  }
}
