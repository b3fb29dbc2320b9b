import EventLoop
import Foundation
import HandoffAPI
import HandoffTestKit
import LedgerTestKit
import Mail
import Outbound
import Postgres
import Protobuf
import ServiceKit
import Testing
import TicketLedger

@testable import Assignment

@Suite("Mails of triggers", .timeLimit(.minutes(10)))
struct TriggerMailTests {
  private let office: Office
  private let blocking = BlockingPool(name: "mail-tests", threads: 2, queueMax: 64)

  init() async throws { office = try await Office.open() }

  /// Sends what waits for mail through a server, as handoff-mail does.
  private func send(port: Int, backoff: Backoff = MailDelivery.backoff) async throws {
    let ledger = try office.desk.ledger(as: "handoff_mail")
    let client = SMTPClient(server: try SMTPServer(url: "smtp://127.0.0.1:\(port)"), pool: blocking)
    let delivery = MailDelivery(
      ledger: ledger, store: MailStore(pool: ledger.pool),
      senders: SenderChoice(fallback: try #require(MailAddress("handoff@example.org"))),
      transport: SMTPTransport(client: client), pool: blocking, metrics: Metrics())
    let worker = delivery.worker(
      pool: ledger.pool, holder: "tests", log: Logger(service: "tests", level: .error, output: .standardError),
      backoff: backoff)
    while try await worker.runOnce(deadline: office.desk.deadline) > 0 {}
  }

  private func texts(_ word: String) -> [MailText] {
    [
      MailText(language: "en", subject: "\(word): #{ticketId}", body: "#{subject}"),
      MailText(
        language: "ko", subject: "\(word) #{ticketId}", body: "#{subject}\n#{customerName} #{agentName} #{status}"),
    ]
  }

  private func notify(_ recipient: NotifyResult.Recipient, _ word: String) -> TriggerResult.Result {
    .notify(NotifyResult(recipient: recipient, texts: texts(word)))
  }

  /// Code and actor of a ticket's events about mails and forwards, in order.
  private func mailEvents(_ name: TicketName) async throws -> [String] {
    try await office.desk.database.pool.query(
      """
      SELECT code || ' ' || actor_name FROM ticket_event
      WHERE ticket_id = \(name.id) AND (code LIKE 'MAIL%' OR code LIKE 'FORWARDED%') ORDER BY sequence
      """, deadline: office.desk.deadline
    ).map { try $0.string(0) }
  }

  private func customerAddress(_ address: String, of name: TicketName) async throws {
    try await office.execute("UPDATE ticket SET customer_email = \(address) WHERE id = \(name.id)")
  }

  @Test("the agent, the group and the customer get the trigger's words in the ticket's language, without a layout")
  func notified() async throws {
    let server = try SMTPTestServer()
    try await office.execute(
      """
      INSERT INTO mail_layout (service_id, id, kind, language, subject, body)
      VALUES (1, 1, 'RESOLVED', 'ko', 'layout', 'layout #{content}')
      """)
    let trigger = try await office.trigger(
      [.isNew], .assign(.specific, [Desk.kim]), notify(.assignee, "담당"), notify(.group, "그룹"),
      notify(.customer, "고객"))
    let name = try await office.ticket(title: "세탁기에서 물이 새요")
    try await customerAddress("hong@example.com", of: name)
    try await office.run(name)
    try await send(port: server.port)
    let mails = try (0..<3).map { _ in try server.nextDelivered() }
    let byRecipients = Dictionary(grouping: mails, by: \.recipients)
    #expect(
      Set(byRecipients.keys) == [
        ["kim@example.org"], ["kim@example.org", "lee@example.org", "away@example.org"], ["hong@example.com"],
      ])
    for mail in mails {
      #expect(mail.sender == "care@example.org")
      #expect(!mail.content.contains("layout"))
    }
    let customer = try #require(byRecipients[["hong@example.com"]]?.first)
    #expect(customer.content.contains("X-Handoff-Ticket: \(name)"))
    #expect(customer.content.contains("Auto-Submitted: auto-generated"))
    let stored = try await office.desk.database.pool.query(
      "SELECT subject, body FROM mail_message WHERE recipient = 'hong@example.com'", deadline: office.desk.deadline)
    #expect(try stored[0].string(0) == "고객 \(name.id)")
    #expect(try stored[0].string(1) == "세탁기에서 물이 새요\n홍길동 김상담 문의 확인\n")
    let events = try await mailEvents(name)
    #expect(events.count == 6 && events.allSatisfy { $0.hasSuffix(" \(trigger.name)") })
    #expect(events.filter { $0.hasPrefix("MAIL_SENT") }.count == 3)
  }

  @Test("where there is nobody to notify, the ticket says so")
  func nobody() async throws {
    let server = try SMTPTestServer()
    try await office.trigger([.isNew], notify(.assignee, "a"), notify(.group, "b"), notify(.customer, "c"))
    let name = try await office.ticket()
    try await office.run(name)
    try await send(port: server.port)
    let notes = try await office.desk.database.pool.query(
      "SELECT changes FROM ticket_event WHERE ticket_id = \(name.id) AND code = 'MAIL_SKIPPED' ORDER BY sequence",
      deadline: office.desk.deadline
    ).map { CodeChange.decode(try $0.string(0))?.first?.after }
    #expect(notes == ["NO_RECIPIENT", "NO_RECIPIENT", "NO_ADDRESS"])
    #expect(try await office.desk.number("SELECT count(*) FROM outbox") == 0)
  }

  @Test("a forward carries ticket, customer and inquiry to an address outside, and completes the ticket if it is to")
  func forwarded() async throws {
    let server = try SMTPTestServer()
    let trigger = try await office.trigger(
      [TriggerCondition(target: .title, operator: .contains, values: ["전달"])],
      .forwardOutside(ForwardOutsideResult(address: "partner@example.net")))
    let closing = try await office.trigger(
      [TriggerCondition(target: .title, operator: .contains, values: ["종결"])],
      .forwardOutside(
        ForwardOutsideResult(
          address: "archive@example.net", complete: true,
          texts: [MailText(language: "ko", subject: "종결 #{ticketId}", body: "#{inquiry}")])))
    let kept = try await office.ticket(title: "전달", content: "물이 나와요.")
    let closed = try await office.ticket(title: "종결", content: "끝내 주세요.")
    #expect(try await office.run(kept)?.state == .unassigned)
    let ticket = try #require(try await office.run(closed))
    #expect(ticket.state == .completed && ticket.completeTime != nil)
    try await send(port: server.port)
    let mails = try (0..<2).map { _ in try server.nextDelivered() }
    #expect(Set(mails.map(\.recipients)) == [["partner@example.net"], ["archive@example.net"]])
    let bodies = try await office.desk.database.pool.query(
      "SELECT body FROM mail_message ORDER BY ticket_id", deadline: office.desk.deadline
    ).map { try $0.string(0) }
    #expect(bodies[0].contains("티켓 번호: \(kept.id)") && bodies[0].contains("홍길동") && bodies[0].contains("물이 나와요."))
    #expect(bodies[1] == "끝내 주세요.\n")
    #expect(try await mailEvents(kept) == ["FORWARDED_EXTERNALLY \(trigger.name)", "MAIL_SENT \(trigger.name)"])
    #expect(try await mailEvents(closed) == ["FORWARDED_EXTERNALLY \(closing.name)", "MAIL_SENT \(closing.name)"])
    // What is completed is not completed again, and nothing is sent.
    try await office.order(.changed, of: closed)
    try await office.run(closed)
    #expect(try await office.desk.number("SELECT count(*) FROM outbox") == 0)
  }

  @Test("a ticket that waits for an issue service is neither completed nor sent outside with it")
  func escalated() async throws {
    try await office.trigger(
      [TriggerCondition(target: .cause, operator: .in, values: ["CHANGED"])],
      .forwardOutside(ForwardOutsideResult(address: "archive@example.net", complete: true)))
    let name = try await office.ticket(cause: nil)
    var event = EventDraft(.escalated, by: .agent(Desk.kim))
    event.set.state = .escalating
    event.set.agentID = .some(Desk.kim)
    event.outbox = [OutboxDraft(.triggers, payload: try TriggerPass(cause: .changed).serialized())]
    _ = try await office.desk.ledger.write(
      TicketChange(event), on: try await office.record(name), deadline: office.desk.deadline)
    #expect(try await office.run(name)?.state == .escalating)
    #expect(try await mailEvents(name).isEmpty)
  }

  /// A consultation ticket that waits, and the issue ticket that a trigger of its service sends outside and completes.
  private func escalation() async throws -> (source: TicketName, issue: TicketName) {
    try await office.execute("UPDATE service_member SET role = 'ADMINISTRATOR' WHERE service_id = 2")
    _ = try await office.service.createTrigger(
      CreateTriggerRequest(
        parent: "services/tech",
        trigger: Trigger(
          displayName: "밖으로", conditions: [.isNew],
          results: [
            TriggerResult(
              result: .forwardOutside(ForwardOutsideResult(address: "maker@example.net", complete: true)))
          ])), office.call("CreateTrigger", by: Desk.stranger))
    let desk = office.desk
    let source = try await office.ticket(cause: nil)
    let waiting = try await office.record(source)
    let tech = try await desk.ledger.directory.service(code: "tech", deadline: desk.deadline)
    var draft = TicketDraft(service: tech, state: .unassigned, title: "수리", channel: .escalation, by: .agent(Desk.kim))
    draft.source = waiting.link
    draft.event.entries = [EntryDraft(.inquiry, .escalate, body: "확인해 주세요.")]
    draft.event.outbox = [OutboxDraft(.triggers, payload: try TriggerPass(cause: .created).serialized())]
    let issue = try await desk.ledger.create(draft, deadline: desk.deadline).ticket
    var event = EventDraft(.escalated, by: .agent(Desk.kim))
    event.set.state = .escalating
    event.set.agentID = .some(Desk.kim)
    event.set.target = .some(issue.link)
    _ = try await desk.ledger.write(TicketChange(event), on: waiting, deadline: desk.deadline)
    return (source, TicketName(service: "tech", id: issue.id))
  }

  private func areIntact(_ names: TicketName...) async throws -> Bool {
    for name in names {
      let record = try await office.record(name)
      let found = try await office.desk.ledger.verify(
        record.id, of: record.serviceID, deadline: office.desk.deadline)
      guard found.isIntact else { return false }
    }
    return true
  }

  @Test("an issue ticket that a forward completes answers the consultation ticket that waits for it")
  func answersSource() async throws {
    let (source, issue) = try await escalation()
    #expect(try await office.run(issue)?.state == .completed)
    let answered = try await office.record(source)
    #expect(answered.state == .escalationAnswered)
    #expect(try await office.events(source).suffix(1) == ["ESCALATION_ANSWERED"])
    let desk = office.desk
    #expect(try await desk.number("SELECT count(*) FROM outbox WHERE topic = 'TRIGGERS'") == 1, "care's triggers run")
    let entry = try #require(
      try await desk.ledger.entries(of: answered, limit: 10, deadline: desk.deadline).last)
    #expect(entry.kind == .escalation && entry.act == .complete && entry.body.isEmpty)
    #expect(try await areIntact(source, issue))
  }

  @Test("a consultation ticket that was escalated anew has the earlier one's end in its history, and waits on")
  func answersSourceOfAnotherEscalation() async throws {
    let (source, issue) = try await escalation()
    let desk = office.desk
    let waiting = try await office.record(source)
    var event = EventDraft(.escalated, by: .agent(Desk.kim))
    event.set.target = .some(TicketLink(serviceID: ServiceID(2), ticketID: TicketID(waiting.id.rawValue + 9)))
    _ = try await desk.ledger.write(TicketChange(event), on: waiting, deadline: desk.deadline)
    #expect(try await office.run(issue)?.state == .completed)
    let after = try await office.record(source)
    #expect(after.state == .escalating && after.entryCount == waiting.entryCount + 1)
    #expect(try await office.events(source).suffix(1) == ["ESCALATION_ANSWERED"])
    #expect(try await areIntact(source, issue))
  }

  @Test("an issue ticket is sent outside and completed after its consultation ticket was deleted as spam")
  func deletedSource() async throws {
    let (source, issue) = try await escalation()
    try await office.execute(
      """
      UPDATE ticket SET state = 'RESOLVED', is_spam = true, internal_reason = 'SPAM', resolve_time = now(),
        delete_time = now() WHERE service_id = 1 AND id = \(source.id)
      """)
    #expect(try await office.run(issue)?.state == .completed)
    #expect(try await areIntact(issue))
  }

  @Test("an SMTP server that is away delays mails and nothing else; one that refuses for good is told in the ticket")
  func smtpAway() async throws {
    let trigger = try await office.trigger(
      [.isNew], .forwardOutside(ForwardOutsideResult(address: "unknown@example.net")), notify(.assignee, "a"),
      .assign(.specific, [Desk.kim]), notify(.assignee, "담당"))
    let name = try await office.ticket()
    #expect(try await office.run(name)?.agent == "agents/1")
    let bound = try Socket.listen(.ipv4(0x7f00_0001, port: 0))
    let closed = try #require(try Socket.boundAddress(bound).port)
    Socket.close(bound)
    try await send(port: Int(closed))
    #expect(try await office.desk.number("SELECT count(*) FROM outbox WHERE attempt_count = 1") == 2)
    // Other tickets are assigned meanwhile.
    let other = try await office.ticket()
    #expect(try await office.run(other)?.agent == "agents/1")
    let server = try SMTPTestServer()
    try await office.execute("UPDATE outbox SET due_time = now()")
    try await send(port: server.port)
    #expect(
      try (0..<2).map { _ in try server.nextDelivered().recipients } == [["kim@example.org"], ["kim@example.org"]])
    let events = try await mailEvents(name)
    #expect(events.contains("MAIL_FAILED \(trigger.name)") && events.contains("MAIL_SENT \(trigger.name)"))
  }
}
