import EventLoop
import HandoffAPI
import RPC

extension DemoStory {
  static let questionText = "배송사 시스템에서 운송장 상태가 일주일째 그대로입니다. 연동 오류인지 확인해 주세요."
  static let issueAnswerText = "배송사 연동이 끊겨 있었습니다. 다시 연결했고 상자는 내일 도착합니다."
  static let relayedText = "Your parcel got stuck in our carrier's system. It moves again and arrives tomorrow."
  static let replyText = "감사합니다. 그런데 아직 카드사 앱에는 두 건이 그대로 보입니다."
  static let secondAnswerText = "카드사에 다시 확인했습니다. 오늘 밤 안에 한 건이 사라집니다."

  /// The other inquiry goes to the issue service and comes back answered; its holder tells the customer.
  func escalateAndAnswer(_ second: Ticket, _ administrator: Person) async throws {
    let holder = try await signIn(second.agent, administrator)
    step("\(holder.agent.displayName) escalates the other inquiry to the issue service")
    let targets = try await client.api.listEscalationTargets(
      ListEscalationTargetsRequest(parent: service), options(holder)
    ).targets
    guard let target = targets.first, let type = target.submissionTypes.first else {
      throw DemoFailure("\(service) has nowhere to escalate to")
    }
    show("HandoffService.EscalateTicket  to \(target.displayName), \"\(Self.questionText)\"")
    let waiting = try await client.api.escalateTicket(
      EscalateTicketRequest(
        name: second.name, targetService: target.service, submissionType: type.name, title: "운송장 상태 확인",
        text: Self.questionText, requestId: "\(second.name)-escalate"), options(holder))
    try expect(waiting.state == .escalating, "the ticket is \(waiting.state.protoName ?? "?"), not ESCALATING")
    show("→ \(waiting.state.protoName ?? "?"), waits for \(waiting.targetTicket)")

    let issue = try await assigned(
      try await client.api.getTicket(GetTicketRequest(name: waiting.targetTicket), options(administrator)),
      administrator)
    let engineer = try await signIn(issue.agent, administrator)
    step("\(engineer.agent.displayName) reads the customer's words there, and resolves the issue ticket")
    let words = try await client.api.listSourceEntries(
      ListSourceEntriesRequest(parent: issue.name), options(engineer)
    ).entries
    try expect(words.first?.kind == .inquiry, "the history of \(second.name) cannot be read from \(issue.name)")
    show("HandoffService.ListSourceEntries → \(words.count) entries of \(issue.sourceServiceDisplayName)")
    let resolved = try await client.api.processTicket(
      ProcessTicketRequest(name: issue.name, act: .resolve, text: Self.issueAnswerText), options(engineer))
    show("HandoffService.ProcessTicket  RESOLVE \"\(Self.issueAnswerText)\" → \(resolved.state.protoName ?? "?")")

    step("\(holder.agent.displayName) has the answer, and tells the customer")
    let answered = try await client.api.getTicket(GetTicketRequest(name: second.name), options(holder))
    try expect(
      answered.state == .escalationAnswered, "the ticket is \(answered.state.protoName ?? "?"), not answered")
    let last = try await client.api.listEntries(ListEntriesRequest(parent: second.name), options(holder)).entries.last
    try expect(last?.text == Self.issueAnswerText, "the answer is not in the history of \(second.name)")
    show("GetTicket → \(answered.state.protoName ?? "?"), the answer is in its history; no mail went out for it")
    let told = try await client.api.processTicket(
      ProcessTicketRequest(name: second.name, act: .resolve, text: Self.relayedText, version: answered.version),
      options(holder))
    try expect(told.state == .resolved, "the ticket is \(told.state.protoName ?? "?"), not RESOLVED")
    show("HandoffService.ProcessTicket  RESOLVE \"\(Self.relayedText)\" → \(told.state.protoName ?? "?")")
    for name in [second.name, issue.name] {
      let proof = try await client.api.verifyHistory(VerifyHistoryRequest(name: name), options(administrator))
      try expect(proof.intact, "the event chain of \(name) is not intact: \(proof.finding)")
    }
  }

  /// The customer answers the answer: the ticket is processed again, by whoever held it.
  func reopen(_ ticket: Ticket, _ resolver: Person, _ administrator: Person) async throws {
    step("The customer answers the mail (as a mail server hands it in)")
    let mails = try await client.api.listMailMessages(
      ListMailMessagesRequest(parent: ticket.name), options(resolver)
    ).mailMessages
    guard let answered = mails.last else { throw DemoFailure("there is no mail to answer") }
    // As the customer has it, where it can be read.
    let received = try await mailPlace?.mail(answered.messageId, client.http)
    let replyAddress = received.flatMap { MailScan.replyAddress(of: $0) } ?? "care@example.com"
    let reply = """
      From: \(inquiry.customerEmail)
      To: \(replyAddress)
      Subject: Re: \(answered.subject)
      Message-ID: <reply-to-\(answered.messageId)>
      In-Reply-To: <\(answered.messageId)>
      References: <\(answered.messageId)>
      MIME-Version: 1.0
      Content-Type: text/plain; charset=utf-8
      Content-Transfer-Encoding: 8bit

      \(Self.replyText)
      """
    show(reply)
    let taken = try await ingest(reply, administrator)
    try expect(
      taken.state == .reply && taken.ticket == ticket.name,
      "the mail became \(taken.state.protoName ?? "?") \(taken.reason) \(taken.ticket)")
    show("HandoffService.IngestMessage → \(taken.name), \(taken.state.protoName ?? "?") to \(taken.ticket)")
    let again = try await ingest(reply, administrator)
    try expect(again.name == taken.name, "the same mail came in twice, as \(again.name), too")
    show("The same mail handed in twice is taken once.")
    let reopened = try await client.api.getTicket(GetTicketRequest(name: ticket.name), options(resolver))
    try expect(
      reopened.state == .processing && reopened.agent == ticket.agent,
      "the ticket is \(reopened.state.protoName ?? "?"), held by \(reopened.agent)")
    show("→ \(reopened.state.protoName ?? "?") again, held by \(reopened.agentDisplayName)")
    let resolved = try await client.api.processTicket(
      ProcessTicketRequest(
        name: ticket.name, act: .resolve, text: Self.secondAnswerText, version: reopened.version), options(resolver))
    try expect(resolved.state == .resolved, "the ticket is \(resolved.state.protoName ?? "?"), not RESOLVED")
    show("HandoffService.ProcessTicket  RESOLVE \"\(Self.secondAnswerText)\" → \(resolved.state.protoName ?? "?")")
    try await checkMail(3, of: resolved, says: Self.secondAnswerText, resolver)
  }

  private func ingest(_ mail: String, _ administrator: Person) async throws -> InboundMail {
    let service = service
    return try await client.api.ingestMessage(options(administrator)) { writer in
      try await writer.send(IngestMessageRequest(part: .header(IngestMessageRequest.Header(parent: service))))
      try await writer.send(IngestMessageRequest(part: .chunk(Array(mail.utf8))))
    }
  }
}
