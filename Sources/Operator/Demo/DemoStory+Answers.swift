import HandoffAPI
import RPC

extension DemoStory {
  static let interimText = "결제 대행사에 승인 내역을 확인하고 있습니다. 오늘 안에 다시 안내드리겠습니다."
  static let finalText = "중복 승인 1건을 취소했습니다. 영업일 기준 3일에서 5일 안에 카드사에 반영됩니다."

  /// Holds the ticket with an interim reply, which is mailed.
  func hold(_ ticket: Ticket, _ holder: Person) async throws -> Ticket {
    step("\(holder.agent.displayName) holds it with an interim reply")
    show("HandoffService.ProcessTicket  HOLD \"\(Self.interimText)\"")
    let request = ProcessTicketRequest(name: ticket.name, act: .hold, text: Self.interimText, priority: .high)
    let held = try await client.api.processTicket(request, options(holder))
    try expect(held.state == .pending, "the ticket is \(held.state.protoName ?? "?"), not PENDING")
    try expect(held.priority == .high, "the priority is \(held.priority.protoName ?? "?"), not HIGH")
    show("→ \(held.state.protoName ?? "?"), version \(held.version)")
    try await checkMail(1, of: held, says: Self.interimText, holder)
    return held
  }

  /// Forwards the ticket to another agent of the trigger's group, in the name of somebody who may.
  func forward(
    _ ticket: Ticket, from holder: Person, _ rotation: (trigger: String, AssignResult), _ administrator: Person
  ) async throws -> Ticket {
    let group = rotation.1.group
    guard let target = rotation.1.agents.last(where: { $0 != ticket.agent }) else {
      throw DemoFailure("there is nobody to forward to")
    }
    let mayForward = holder.agent.memberships.contains { $0.service == service && $0.forwardRight }
    let sender = mayForward ? holder : administrator
    step("\(sender.agent.displayName) forwards it to another agent")
    show("HandoffService.ForwardTicket  group \(group), agent \(target), version \(ticket.version)")
    let forwarded = try await client.api.forwardTicket(
      ForwardTicketRequest(name: ticket.name, group: group, agent: target, version: ticket.version), options(sender))
    try expect(forwarded.state == .processing, "the ticket is \(forwarded.state.protoName ?? "?"), not PROCESSING")
    try expect(forwarded.agent == target, "\(forwarded.agent) holds the ticket, not \(target)")
    show("→ \(forwarded.state.protoName ?? "?"), held by \(forwarded.agentDisplayName)")
    let stale = ForwardTicketRequest(name: ticket.name, group: group, agent: target, version: ticket.version)
    do {
      _ = try await client.api.forwardTicket(stale, options(sender))
      throw DemoFailure("a second forward with the version from before was not refused")
    } catch let error as RPCError {
      try expect(error.code == .aborted, "the second forward was refused as \(error.code), not as ABORTED")
      show("The same again with the old version → ABORTED: \(error.message)")
    }
    return forwarded
  }

  /// Resolves the ticket with the final answer, which is mailed.
  func resolve(_ ticket: Ticket, _ resolver: Person) async throws -> Ticket {
    step("\(resolver.agent.displayName) resolves it")
    show("HandoffService.ProcessTicket  RESOLVE \"\(Self.finalText)\"")
    let request = ProcessTicketRequest(
      name: ticket.name, act: .resolve, text: Self.finalText, version: ticket.version,
      requestId: "\(ticket.name)-resolve")
    let resolved = try await client.api.processTicket(request, options(resolver))
    try expect(resolved.state == .resolved, "the ticket is \(resolved.state.protoName ?? "?"), not RESOLVED")
    let again = try await client.api.processTicket(request, options(resolver))
    try expect(again.version == resolved.version, "the repeated request changed the ticket again")
    show("→ \(resolved.state.protoName ?? "?"); the same request sent twice resolves once")
    try await checkMail(2, of: resolved, says: Self.finalText, resolver)
    return resolved
  }

  /// Waits until the ticket's mail number `count` has left, and looks for personal data in it.
  func checkMail(_ count: Int, of ticket: Ticket, says text: String, _ reader: Person) async throws {
    let mails = try await wait("mail \(count) of \(ticket.name) did not leave within 20 s") {
      try await client.api.listMailMessages(ListMailMessagesRequest(parent: ticket.name), options(reader)).mailMessages
    } until: { mails in
      mails.count >= count && mails.allSatisfy { $0.state == .sent }
    }
    try expect(mails.count == count, "there are \(mails.count) mails, not \(count)")
    let mail = mails[count - 1]
    try expect(mail.recipient == inquiry.customerEmail, "the mail went to \(mail.recipient)")
    show("ListMailMessages → to \(mail.recipient): \(mail.subject)")
    guard let place = mailPlace else { return }
    let file = try await wait("the mail \(mail.messageId) is not in \(place)") {
      try await place.mail(mail.messageId, client.http)
    } until: {
      $0 != nil
    }
    let readings = MailScan.readings(of: file ?? "")
    try expect(readings.contains(text), "the mail in \(place) does not hold the answer")
    for secret in inquiry.personalData {
      try expect(!readings.contains(secret), "the mail in \(place) shows \(secret)")
    }
    show("It lies in \(place), with the answer and without the personal data.")
  }

  /// Takes one mask off.
  func unmask(_ masks: [Mask], of ticket: Ticket, _ resolver: Person) async throws {
    step("\(resolver.agent.displayName) unmasks one span")
    let masked = Array(try await inquiryText(ticket, resolver).unicodeScalars)
    let phoneStart = Array(inquiry.text.unicodeScalars).firstRange(of: Array(inquiry.phone.unicodeScalars))?.lowerBound
    guard let mask = masks.first(where: { $0.span.map { Int($0.start) } == phoneStart }) else {
      throw DemoFailure("no mask stands where the phone number was")
    }
    let unmasked = try await client.api.unmaskText(
      UnmaskTextRequest(name: mask.name, reason: "고객에게 전화로 안내"), options(resolver))
    let text = try await inquiryText(unmasked, resolver)
    show("HandoffService.UnmaskText  \(mask.name), reason \"고객에게 전화로 안내\" → the inquiry now reads:")
    show(text)
    try expect(text.unicodeScalars.count == masked.count, "the text has another length than before")
    try expect(text.contains(inquiry.phone), "the phone number did not come back")
    for secret in inquiry.personalData where secret != inquiry.phone {
      try expect(!text.contains(secret), "\(secret) came back, too")
    }
  }
}
