import Crypto
import EventLoop
import Foundation
import HandoffAPI
import HandoffTestKit
import Postgres
import Protobuf
import RPC
import ServiceKit
import Testing
import TicketLedger

@testable import Mail

/// A database of its own with two services, their agents and layouts, and mail's parts on top of it.
///
/// Mail's own parts work with the rights of mail's role, the other daemons' acts with a superuser's.
final class MailWorld: Sendable {
  let database: TestDatabase
  let ledger: TicketLedger
  let mailPool: PostgresPool
  let mailLedger: TicketLedger
  let store: MailStore
  let service: MailService
  let spool = FileManager.default.temporaryDirectory.appending(path: "handoff-mail-\(UUID().uuidString)").path
  let blocking = BlockingPool(name: "mail-tests", threads: 2, queueMax: 64)
  let senders: SenderChoice

  static let agent = AgentID(1)
  static let outsider = AgentID(2)
  /// Runs the service `care`.
  static let administrator = AgentID(3)

  init() async throws {
    database = try await TestDatabase.make()
    for statement in Self.seed { _ = try await database.pool.query(statement, deadline: TestDatabase.deadline) }
    let key = try #require(LedgerKey(SecretBytes(Array(repeating: 7, count: 32))))
    ledger = TicketLedger(pool: database.pool, directory: Directory(pool: database.pool), key: key)
    var configuration = database.configuration
    configuration.role = "handoff_mail"
    mailPool = PostgresPool(configuration, group: TestLoops.group)
    mailLedger = TicketLedger(pool: mailPool, directory: Directory(pool: mailPool), key: key)
    store = MailStore(pool: mailPool)
    senders = SenderChoice(fallback: try #require(MailAddress("handoff@localhost")))
    service = MailService(ledger: mailLedger, store: store, senders: senders)
  }

  deinit {
    try? FileManager.default.removeItem(atPath: spool)
    let pool = mailPool
    Task { await pool.close() }
  }

  private static let seed: [Query] = [
    "INSERT INTO organization (id, code, display_name) VALUES (1, 'shop', 'Shop')",
    """
    INSERT INTO service (id, organization_id, code, kind, display_name, language, mail_sender_name, mail_sender_address)
    VALUES (1, 1, 'care', 'CONSULTATION', '행복상점 고객센터', 'ko', '행복상점', 'care@shop.example'),
      (2, 1, 'bugs', 'ISSUE', 'Bugs', 'en', '', ''), (3, 1, 'other', 'CONSULTATION', 'Other', 'ko', '', '')
    """,
    """
    INSERT INTO agent (id, organization_id, email, display_name)
    VALUES (1, 1, 'lee@shop.example', '이상담'), (2, 1, 'out@shop.example', 'Outsider'),
      (3, 1, 'boss@shop.example', '박관리')
    """,
    """
    INSERT INTO service_member (service_id, agent_id, role)
    VALUES (1, 1, 'AGENT'), (2, 1, 'AGENT'), (3, 2, 'AGENT'), (1, 3, 'ADMINISTRATOR')
    """,
    "INSERT INTO agent_group (service_id, id, display_name) VALUES (1, 1, '배송')",
    "INSERT INTO submission_type (service_id, id, display_name) VALUES (1, 1, '배송 문의')",
    """
    INSERT INTO processing_type (service_id, id, display_name)
    VALUES (1, 1, '배송 지연'), (1, 2, '환불'), (3, 9, '다른 것')
    """,
    """
    INSERT INTO mail_layout (service_id, id, kind, language, subject, body) VALUES
      (1, 1, 'RESOLVED', 'ko', '[#{serviceName}] #{subject}', '#{customerName} 님, #{content}' || E'\n\n' ||
        '#{inquiry} / #{processingType} / #{agentName} / #{groupName} / #{status} / #{ticketId} #{typo}'),
      (1, 2, 'PENDING', 'ko', '[보류] #{subject}', '#{content} (#{status})'),
      (1, 3, 'RESOLVED', 'en', 'Re: #{subject}', '#{content} (#{status})'),
      (1, 4, 'MANUAL', 'ko', '#{subject}', '손으로: #{content}')
    """,
    "INSERT INTO banned_word (service_id, word) VALUES (1, '절대불가'), (1, 'damn')",
  ]

  func call(agent: AgentID? = nil, caller: String = "gateway") -> CallContext {
    var metadata = Metadata()
    if let agent { metadata.add("handoff-agent", String(agent.rawValue)) }
    let call = CallContext(
      service: "MailService", method: "Test", path: "/test", metadata: metadata, deadline: TestDatabase.deadline,
      peer: "test")
    call.caller = caller
    return call
  }

  var asTickets: CallContext { call(caller: "tickets") }
  var asAdministrator: CallContext { call(agent: Self.administrator) }
  var asAgent: CallContext { call(agent: Self.agent) }

  struct Shape {
    var service = "care"
    var channel = TicketChannel.email
    var language = "ko"
    var title = "배송이 안 와요 <급함>"
    var inquiry = "주문 4711이 아직 안 왔어요 & 언제 오나요?"
    var email = "kim@example.com"
    var source: TicketLink?
  }

  func ticket(_ shape: Shape = Shape()) async throws -> TicketRecord {
    let service = try await ledger.directory.service(code: shape.service, deadline: TestDatabase.deadline)
    var draft = TicketDraft(
      service: service, state: .processing, title: shape.title, channel: shape.channel, by: .agent(Self.agent))
    draft.agentID = Self.agent
    draft.language = shape.language
    draft.customer.name = "김철수"
    draft.customer.email = shape.email
    draft.source = shape.source
    if shape.service == "care" {
      draft.groupID = GroupID(1)
      draft.submissionTypeID = SubmissionTypeID(1)
    }
    draft.event.entries = [EntryDraft(.inquiry, .create, body: shape.inquiry, actor: .customer)]
    return try await ledger.create(draft, deadline: TestDatabase.deadline).ticket
  }

  func name(_ ticket: TicketRecord) -> String {
    let codes: [Int64: String] = [1: "care", 2: "bugs", 3: "other"]
    return "services/\(codes[ticket.serviceID.rawValue] ?? "")/tickets/\(ticket.id)"
  }

  func prepare(_ ticket: TicketRecord, _ act: AnswerAct = .resolve, _ text: String = "곧 도착합니다.") async throws
    -> PreparedAnswer
  {
    try await service.prepareAnswer(PrepareAnswerRequest(ticket: name(ticket), act: act, text: text), asTickets)
  }

  /// Writes an act with its answer and outbox row, as tickets does, and returns the work.
  func act(
    _ ticket: TicketRecord, _ act: AnswerAct = .resolve, _ text: String = "곧 도착합니다.",
    processingType: ProcessingTypeID? = nil
  ) async throws -> MailDelivery.Order {
    var prepared = try await prepare(ticket, act, text)
    let entry = try await ledger.newEntryID(deadline: TestDatabase.deadline)
    prepared.entryId = entry.rawValue
    let payload = try prepared.serialized()
    let written = try await ledger.perform(on: ticket.id, of: ticket.serviceID, deadline: TestDatabase.deadline) { _ in
      var event = EventDraft(act == .hold ? .held : .resolved, by: .agent(Self.agent))
      event.set.state = act == .hold ? .pending : .resolved
      if let processingType { event.set.processingTypeID = processingType }
      event.entries = [EntryDraft(.reply, act == .hold ? .hold : .resolve, body: text, id: entry)]
      event.outbox = [OutboxDraft(.mail, payload: payload)]
      return TicketChange(event)
    }
    return MailDelivery.Order(
      service: ticket.serviceID, ticket: ticket.id, eventSequence: written.eventSequence, payload: payload,
      isLastAttempt: false)
  }

  func delivery(_ transport: any MailTransport) -> MailDelivery {
    MailDelivery(
      ledger: mailLedger, store: store, senders: senders, transport: transport, pool: blocking, metrics: Metrics())
  }

  func spooled() throws -> MailDelivery { delivery(try SpoolTransport(directory: spool, pool: blocking)) }

  func mails() throws -> [ParsedMail] {
    try FileManager.default.contentsOfDirectory(atPath: spool).sorted().map {
      try ParsedMail(Array(try Data(contentsOf: URL(filePath: "\(spool)/\($0)"))))
    }
  }

  /// Code, cause and notes of a ticket's events about mail.
  func mailEvents(_ ticket: TicketRecord) async throws -> [String] {
    let rows = try await database.pool.query(
      """
      SELECT code || ' ' || cause_sequence || ' ' || actor_kind || ' ' || changes FROM ticket_event
      WHERE service_id = \(ticket.serviceID) AND ticket_id = \(ticket.id) AND code LIKE 'MAIL%' ORDER BY sequence
      """, deadline: TestDatabase.deadline)
    return try rows.map { try $0.string(0) }
  }

  func messages(_ ticket: TicketRecord) async throws -> [MailMessage] {
    try await service.listMailMessages(ListMailMessagesRequest(parent: name(ticket)), asAgent).mailMessages
  }
}

/// The error that a call answers with.
func refusal(_ work: () async throws -> some Sendable) async -> ServiceError? {
  do {
    _ = try await work()
    return nil
  } catch {
    return error as? ServiceError
  }
}
