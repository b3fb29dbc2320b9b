import Crypto
import EventLoop
import HandoffAPI
import HandoffTestKit
import Mail
import Postgres
import RPC
import ServiceKit
import Testing
import TicketLedger

@testable import Tickets

/// A database of its own with three services and their people, and Tickets and Mail served in this process, each with
/// its daemon's database role.
final class TicketWorld: Sendable {
  let database: TestDatabase
  /// The ledger with the rights of Tickets.
  let ledger: TicketLedger
  let client: TicketServiceClient
  let mail: any RPCTransport

  /// May do everyday work in care and in bugs.
  static let kim = AgentID(1)
  /// May forward, too.
  static let lee = AgentID(2)
  /// Runs care and bugs.
  static let boss = AgentID(3)
  /// Belongs to the service other, and to that alone.
  static let stranger = AgentID(4)
  /// Takes no tickets.
  static let absent = AgentID(5)
  /// Belongs to care without the ticket right.
  static let guest = AgentID(6)
  /// Was deactivated.
  static let gone = AgentID(7)

  /// - Parameter isMailReachable: false: mail's address is a socket that nobody listens on.
  init(isMailReachable: Bool = true) async throws {
    database = try await TestDatabase.make()
    for statement in Self.seed { _ = try await database.pool.query(statement, deadline: TestDatabase.deadline) }
    ledger = try Self.ledger(database, role: "handoff_tickets")
    if isMailReachable {
      let theirs = try Self.ledger(database, role: "handoff_mail")
      let service = MailService(
        ledger: theirs, store: MailStore(pool: theirs.pool),
        senders: SenderChoice(fallback: try #require(MailAddress("handoff@localhost"))))
      mail = InProcessTransport(
        group: TestLoops.group, services: [service.rpcService], interceptors: [CallsFrom(name: "tickets")])
    } else {
      mail = Self.nowhere
    }
    client = Self.client(TicketService(ledger: ledger, mail: mail, assignment: Self.nowhere))
  }

  /// A channel to a daemon that does not run.
  static var nowhere: RPCChannel {
    RPCChannel(group: TestLoops.group, target: .unix("/nonexistent/handoff.sock"))
  }

  /// Adds a trigger that does nothing.
  func addTrigger(service: Int64 = 1, isActive: Bool = true) async throws {
    _ = try await database.pool.query(
      """
      INSERT INTO trigger_rule (service_id, display_name, is_active, position, conditions, results)
      VALUES (\(service), 'Nothing', \(isActive), 1, '', '')
      """, deadline: TestDatabase.deadline)
  }

  static func ledger(_ database: TestDatabase, role: String) throws -> TicketLedger {
    var configuration = database.configuration
    configuration.role = role
    let pool = PostgresPool(configuration, group: TestLoops.group)
    let key = try #require(LedgerKey(SecretBytes([UInt8](repeating: 7, count: LedgerKey.byteCount))))
    return TicketLedger(pool: pool, directory: Directory(pool: pool), key: key)
  }

  /// Stands for the certificate of a call's caller.
  private static let callerKey = "test-caller"

  /// A client of a service whose callers are checked as in the daemon.
  static func client(_ service: TicketService) -> TicketServiceClient {
    TicketServiceClient(
      InProcessTransport(
        group: TestLoops.group, services: [service.rpcService],
        interceptors: [CallerAuthenticator(rules: TicketService.callerRules)],
        certificate: { PeerCertificate(names: [CertifiedName.of($0.metadata[callerKey] ?? "")]) }))
  }

  /// A call of the gateway in an agent's name.
  func by(_ agent: AgentID) -> CallOptions {
    var options = by("gateway")
    options.speak(for: agent)
    return options
  }

  /// Has an agent comment on a ticket of care with a file.
  func attachFile(to ticket: String) async throws {
    let kim = by(Self.kim)
    let file = try await client.uploadAttachment(kim) { writer in
      try await writer.send(
        UploadAttachmentRequest(part: .header(UploadHeader(parent: "services/care", fileName: "a.txt"))))
      try await writer.send(UploadAttachmentRequest(part: .chunk(Array("a".utf8))))
    }
    _ = try await client.processTicket(
      ProcessTicketRequest(name: ticket, act: .comment, text: "첨부합니다.", attachments: [file.name]), kim)
  }

  /// A call of the gateway for a customer, through an agent's program.
  func forCustomer(through agent: AgentID) -> CallOptions {
    var options = by(agent)
    options.speakForCustomer()
    return options
  }

  /// A call of a daemon that acts for itself.
  func by(_ caller: String) -> CallOptions {
    CallOptions(deadline: TestDatabase.deadline, metadata: Metadata([(Self.callerKey, caller)]))
  }

  /// Rows of a statement, as a superuser.
  func rows(_ query: Query) async throws -> Rows {
    try await database.pool.query(query, deadline: TestDatabase.deadline)
  }

  func run(_ query: Query) async throws { _ = try await rows(query) }

  func count(_ query: Query) async throws -> Int { try await rows(query)[0].int(0) }

  func service(_ code: String) async throws -> ServiceRecord {
    try await ledger.directory.service(code: code, deadline: TestDatabase.deadline)
  }

  /// What a ticket is to be like.
  struct Shape {
    var service = "care"
    var state = TicketState.processing
    var agent: AgentID? = TicketWorld.kim
    var group: GroupID? = GroupID(1)
    var title = "택배가 오지 않아요"
    var text = "지난주에 주문했는데 아직 오지 않았어요."
    var email = "hong@example.com"
    var isSpam = false
    var source: TicketLink?
    var previous: TicketID?
  }

  /// A ticket in any state, written past the rules.
  func ticket(_ shape: Shape = Shape()) async throws -> TicketRecord {
    let service = try await service(shape.service)
    var draft = TicketDraft(
      service: service, state: shape.agent == nil ? .unassigned : .processing, title: shape.title, channel: .email,
      by: .service("mail"))
    draft.agentID = shape.agent
    draft.groupID = shape.service == "care" ? shape.group : nil
    draft.customer.name = "홍길동"
    draft.customer.email = shape.email
    draft.hasPrivacyConsent = true
    draft.source = shape.source
    draft.previousID = shape.previous
    draft.event.entries = [EntryDraft(.inquiry, .create, body: shape.text, actor: .customer)]
    let made = try await ledger.create(draft, deadline: TestDatabase.deadline).ticket
    guard shape.isSpam || shape.state != made.state else { return made }
    var event = EventDraft(.fieldsSaved, by: .system)
    event.set.state = shape.isSpam ? .resolved : shape.state
    if shape.isSpam {
      event.set.isSpam = true
      event.set.stateBeforeSpam = shape.state
      event.set.internalReason = .some(.spam)
    }
    return try await ledger.write(TicketChange(event), on: made, deadline: TestDatabase.deadline).ticket
  }

  func ticket(_ state: TicketState, service: String = "care") async throws -> TicketRecord {
    try await ticket(Shape(service: service, state: state, agent: state == .unassigned ? nil : Self.kim))
  }

  /// A consultation ticket and the issue ticket that it was escalated to.
  func escalation() async throws -> (source: TicketRecord, issue: TicketRecord) {
    let source = try await ticket(.escalating)
    let link = TicketLink(serviceID: source.serviceID, ticketID: source.id)
    let issue = try await ticket(Shape(service: "bugs", source: link))
    var event = EventDraft(.escalated, by: .agent(Self.kim))
    event.set.target = .some(TicketLink(serviceID: issue.serviceID, ticketID: issue.id))
    let escalated = try await ledger.write(TicketChange(event), on: source, deadline: TestDatabase.deadline).ticket
    return (escalated, issue)
  }

  func name(_ ticket: TicketRecord) -> String {
    let codes: [Int64: String] = [1: "care", 2: "bugs", 3: "other"]
    return "services/\(codes[ticket.serviceID.rawValue] ?? "")/tickets/\(ticket.id)"
  }

  /// Codes of a ticket's events, oldest first.
  func eventCodes(_ ticket: String) async throws -> [String] {
    try await client.listEvents(ListEventsRequest(parent: ticket), by(Self.boss)).events.map(\.code)
  }

  /// Topics and payloads of what a ticket's events left in the outbox.
  func outbox(_ ticket: TicketID) async throws -> [(topic: OutboxTopic, payload: [UInt8])] {
    try await rows("SELECT topic, payload FROM outbox WHERE ticket_id = \(ticket) ORDER BY id")
      .map { (topic: try $0.value(0), payload: try $0.value(1)) }
  }

  private static let seed: [Query] = [
    "INSERT INTO organization (id, code, display_name) VALUES (1, 'shop', 'Shop')",
    """
    INSERT INTO service (id, organization_id, code, kind, display_name, language) VALUES
      (1, 1, 'care', 'CONSULTATION', '고객센터', 'ko'), (2, 1, 'bugs', 'ISSUE', 'Bugs', 'en'),
      (3, 1, 'other', 'CONSULTATION', 'Other', 'ko')
    """,
    """
    INSERT INTO agent (id, organization_id, email, display_name, is_active) VALUES
      (1, 1, 'kim@example.com', '김상담', true), (2, 1, 'lee@example.com', '이상담', true),
      (3, 1, 'boss@example.com', '박관리', true), (4, 1, 'stranger@example.com', 'Stranger', true),
      (5, 1, 'absent@example.com', 'Absent', true), (6, 1, 'guest@example.com', 'Guest', true),
      (7, 1, 'gone@example.com', 'Gone', false)
    """,
    "INSERT INTO agent_group (service_id, id, display_name) VALUES (1, 1, '배송'), (1, 2, '환불'), (3, 3, 'Other')",
    """
    INSERT INTO service_member (service_id, agent_id, role, has_ticket_right, has_forward_right, is_assignable) VALUES
      (1, 1, 'AGENT', true, false, true), (1, 2, 'AGENT', true, true, true), (1, 3, 'ADMINISTRATOR', true, true, true),
      (1, 5, 'AGENT', true, false, false), (1, 6, 'AGENT', false, false, true), (1, 7, 'AGENT', true, false, true),
      (2, 1, 'AGENT', true, false, true), (2, 3, 'ADMINISTRATOR', true, true, true), (3, 4, 'AGENT', true, false, true)
    """,
    """
    INSERT INTO group_member (service_id, group_id, agent_id) VALUES
      (1, 1, 1), (1, 2, 1), (1, 1, 2), (1, 1, 5), (1, 1, 7), (3, 3, 4)
    """,
    """
    INSERT INTO submission_type (service_id, id, parent_id, level, display_name, position, is_active) VALUES
      (1, 1, NULL, 1, '배송', 2, true), (1, 2, 1, 2, '배송 지연', 1, true), (1, 3, NULL, 1, '환불', 1, true),
      (1, 4, NULL, 1, '예전 유형', 3, false), (2, 20, NULL, 1, 'Bug', 1, true), (3, 9, NULL, 1, 'Other', 1, true)
    """,
    """
    INSERT INTO processing_type (service_id, id, parent_id, level, display_name, position) VALUES
      (1, 1, NULL, 1, '안내', 1), (1, 2, 1, 2, '배송 안내', 1), (3, 9, NULL, 1, 'Other', 1)
    """,
    "INSERT INTO banned_word (service_id, word) VALUES (1, '절대불가')",
    // The ids above were not taken from the sequences.
    """
    SELECT setval(pg_get_serial_sequence('submission_type', 'id'), 1000),
      setval(pg_get_serial_sequence('processing_type', 'id'), 1000)
    """,
  ]
}

/// Says who calls, where a daemon would prove it.
struct CallsFrom: ServerInterceptor {
  let name: String
  func admit(_ call: CallContext) throws { call.caller = name }
  func finished(_ call: CallContext, _ outcome: CallOutcome) {}
}

/// The error that a call answers with, as another daemon understands it; nil when it succeeds.
func refusal(_ work: () async throws -> some Sendable) async -> ServiceError? {
  do {
    _ = try await work()
    return nil
  } catch {
    return ServiceError(caught: error)
  }
}
