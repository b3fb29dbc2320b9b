import EventLoop
import HandoffAPI
import Postgres
import ServiceKit
import TicketLedger

/// The mails that triggers ask for: the trigger's own words, without a layout.
extension MailDelivery {
  /// Most agents of a group who get one.
  private static let membersMax = 100

  /// Writes a trigger's mail from the ticket as it is now.
  ///
  /// - Parameters:
  ///   - key: what stands before the `@` of the Message-ID.
  ///   - blocked: addresses to which no mail for the customer goes, by their hashes.
  func writing(
    _ order: Order, _ mail: TriggerMail, key: String, without blocked: Set<[UInt8]>, _ deadline: Deadline
  ) async throws -> Writing {
    let found = try await store.reading(
      of: order.ticket, in: order.service, entry: nil, layout: nil, before: order.eventSequence, deadline: deadline)
    guard let found else { return .gone }
    let known = found.known
    let facts = known.facts
    let actor = TriggerName(mail.trigger).map { LedgerActor.trigger($0) } ?? .system
    let isForCustomer = mail.recipient == .customer
    let recipients = try await recipients(of: mail, order, facts, deadline)
    guard let first = recipients.first else { return .skipped(isForCustomer ? .noAddress : .noRecipient, by: actor) }
    if isForCustomer, isBlocked(first, blocked) { return .skipped(.addressBlocked, by: actor) }
    let words = AnswerText(mail, known)
    let sender = senders.sender(name: facts.senderName, address: facts.senderAddress, serviceName: facts.serviceName)
    let link = TicketLink(serviceID: order.service, ticketID: order.ticket)
    // Only customers have read the answers before, and only they reply.
    var outgoing = OutgoingMail(
      from: sender, replyTo: isForCustomer ? tokens.replyAddress(sender, for: link) : sender, to: first,
      cc: Array(recipients.dropFirst()), subject: words.subject, text: words.text, html: words.html,
      messageID: "\(key)@\(sender.domain)", references: isForCustomer ? found.thread : [],
      dateSeconds: known.answerSeconds, ticket: TicketName(service: facts.serviceCode, id: order.ticket).description)
    outgoing.isAutomatic = true
    return .written(
      WrittenMail(
        mail: outgoing, actor: actor, ticketVersion: known.ticketVersion, isForCustomer: isForCustomer))
  }

  private func recipients(
    of mail: TriggerMail, _ order: Order, _ facts: AnswerFacts, _ deadline: Deadline
  ) async throws -> [MailAddress] {
    switch mail.recipient {
    case .assignee:
      guard let agent = AgentName(mail.agent)?.id else { return [] }
      return try await store.agent(agent, deadline: deadline)
        .flatMap { MailAddress($0.address, displayName: $0.name) }.map { [$0] } ?? []
    case .group:
      guard let group = GroupName(mail.group)?.id else { return [] }
      return try await store.members(of: group, in: order.service, limit: Self.membersMax, deadline: deadline)
        .compactMap { MailAddress($0.address, displayName: $0.name) }
    case .customer: return [MailAddress(facts.customerEmail, displayName: facts.customerName)].compactMap(\.self)
    case .outside: return [MailAddress(mail.address)].compactMap(\.self)
    default: return []
    }
  }
}

extension AnswerText {
  /// The words of a trigger's mail.
  fileprivate init(_ mail: TriggerMail, _ known: MailStore.Facts) {
    let builtIn = ForwardText.text(in: mail.language)
    var values = known.facts.values
    values[.content] = known.facts.inquiry
    values[.agentName] = known.agentName
    values[.answeredAt] = known.answeredAt
    values[.status] = StatusWords.status(of: known.facts.state, language: mail.language)
    self.init(
      subject: mail.subject.isEmpty ? builtIn.subject : mail.subject,
      body: mail.body.isEmpty ? builtIn.body : mail.body, values: values)
  }
}
