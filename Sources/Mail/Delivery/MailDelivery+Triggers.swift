import EventLoop
import HandoffAPI
import Postgres
import ServiceKit
import TicketLedger

/// The mails that triggers ask for: the trigger's own words, without a layout.
extension MailDelivery {
  /// Most agents of a group who get one.
  private static let membersMax = 100

  /// Writes a trigger's mail from the ticket as it is now and sends it; nil when the ticket was changed in between.
  ///
  /// - Parameter key: what stands before the `@` of the Message-ID.
  func attempt(_ order: Order, _ mail: TriggerMail, key: String, _ deadline: Deadline) async throws -> Verdict? {
    let known = try await store.facts(
      of: order.ticket, in: order.service, entry: nil, agent: nil, deadline: deadline)
    guard let known else { return .givenUp("the ticket is gone") }
    let actor = TriggerName(mail.trigger).map { LedgerActor.trigger($0) } ?? .system
    let named = try await recipients(of: mail, order, known.facts, deadline)
    let recipients = mail.recipient == .customer ? try await unblocked(named, order.service, deadline) : named
    guard let first = recipients.first else {
      let isCustomer = mail.recipient == .customer
      let reason: SkipReason = !isCustomer ? .noRecipient : named.isEmpty ? .noAddress : .addressBlocked
      return try await skip(order, reason: reason.rawValue, by: actor, deadline)
    }
    let facts = known.facts
    let words = AnswerText(mail, known)
    let sender = senders.sender(name: facts.senderName, address: facts.senderAddress, serviceName: facts.serviceName)
    // Only customers have read the answers before.
    let thread =
      mail.recipient == .customer
      ? try await store.thread(of: order.ticket, in: order.service, before: order.eventSequence, deadline: deadline)
      : []
    let replyTo =
      mail.recipient == .customer
      ? tokens.replyAddress(sender, for: TicketLink(serviceID: order.service, ticketID: order.ticket)) : sender
    var outgoing = OutgoingMail(
      from: sender, replyTo: replyTo, to: first, cc: Array(recipients.dropFirst()), subject: words.subject,
      text: words.text, html: words.html, messageID: "\(key)@\(sender.domain)", references: thread,
      dateSeconds: known.answerSeconds, ticket: TicketName(service: facts.serviceCode, id: order.ticket).description)
    outgoing.isAutomatic = true
    return try await send(outgoing, order, entry: nil, by: actor, known.ticketVersion, deadline)
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
