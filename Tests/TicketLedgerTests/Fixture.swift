import Crypto
import EventLoop
import HandoffTestKit
import Postgres
import ServiceKit
import TicketLedger

/// A database with two services, three agents and their groups, and a ledger on it.
struct Fixture: Sendable {
  static let kim = AgentID(1)
  static let lee = AgentID(2)
  static let boss = AgentID(3)
  static let stranger = AgentID(4)
  static let frontGroup = GroupID(1)

  let database: TestDatabase
  let directory: Directory
  let ledger: TicketLedger
  let care: ServiceRecord
  let repair: ServiceRecord

  var pool: PostgresPool { database.pool }
  var deadline: Deadline { TestDatabase.deadline }

  static func make() async throws -> Fixture {
    let database = try await TestDatabase.make()
    for statement in seed { _ = try await database.pool.query(statement, deadline: TestDatabase.deadline) }
    return try await Fixture(database)
  }

  init(_ database: TestDatabase) async throws {
    self.database = database
    directory = Directory(pool: database.pool)
    guard let key = LedgerKey(SecretBytes([UInt8](repeating: 7, count: LedgerKey.byteCount))) else { throw Failure() }
    ledger = TicketLedger(pool: database.pool, directory: directory, key: key)
    care = try await directory.service(code: "care", deadline: TestDatabase.deadline)
    repair = try await directory.service(code: "repair", deadline: TestDatabase.deadline)
  }

  struct Failure: Error {}

  /// A ledger with the same key whose connections have a daemon's role.
  func ledger(as role: String) throws -> TicketLedger {
    var configuration = database.configuration
    configuration.role = role
    let pool = PostgresPool(configuration, group: TestLoops.group)
    guard let key = LedgerKey(SecretBytes([UInt8](repeating: 7, count: LedgerKey.byteCount))) else { throw Failure() }
    return TicketLedger(pool: pool, directory: Directory(pool: pool), key: key)
  }

  func draft(_ title: String = "The washer leaks", claim: IdempotencyClaim? = nil) -> TicketDraft {
    var draft = TicketDraft(service: care, state: .unassigned, title: title, channel: .helpCenter, by: .customer)
    draft.customer.name = "Hong Gildong"
    draft.customer.email = "hong@example.com"
    draft.event.entries = [EntryDraft(.inquiry, .create, body: "Water comes out below.")]
    draft.event.outbox = [OutboxDraft(.triggers, payload: [1, 2, 3])]
    draft.idempotency = claim
    return draft
  }

  func ticket(_ title: String = "The washer leaks") async throws -> TicketRecord {
    try await ledger.create(draft(title), deadline: deadline).ticket
  }

  func access(_ agent: AgentID) async throws -> Access {
    try await ledger.access(.agent(agent), serviceCode: "care", deadline: deadline)
  }

  func name(_ ticket: TicketRecord) -> TicketName { TicketName(service: "care", id: ticket.id) }

  /// Keeps a ticket as an agent would.
  func keep(
    _ ticket: TicketRecord, by agent: AgentID = Fixture.kim, version: Int64 = 0, claim: IdempotencyClaim? = nil
  ) async throws -> Written {
    try await ledger.perform(
      on: name(ticket), access: try await access(agent), version: version, idempotency: claim, deadline: deadline
    ) { ticket in
      let outcome = try Lifecycle.outcome(of: .keep, on: ticket.standing(in: .consultation), by: .agent).get()
      var event = EventDraft(.kept, by: .agent(agent), outcome: outcome, on: ticket)
      event.set.agentID = agent
      event.set.groupID = Fixture.frontGroup
      return TicketChange(event)
    }
  }

  /// Adds a comment.
  func comment(
    _ ticket: TicketRecord, _ text: String = "Called back.", by agent: AgentID = Fixture.kim, version: Int64 = 0,
    claim: IdempotencyClaim? = nil
  ) async throws -> Written {
    try await ledger.perform(
      on: name(ticket), access: try await access(agent), version: version, idempotency: claim, deadline: deadline
    ) { ticket in
      let outcome = try Lifecycle.outcome(of: .comment, on: ticket.standing(in: .consultation), by: .agent).get()
      var event = EventDraft(.commented, by: .agent(agent), outcome: outcome, on: ticket)
      event.entries = [EntryDraft(.comment, .commentAdded, body: text)]
      return TicketChange(event)
    }
  }

  func claim(_ requestID: String, body: String = "body") throws -> IdempotencyClaim {
    guard
      let claim = try IdempotencyClaim.claim(
        caller: "agents/1", method: "KeepTicket", requestID: requestID, request: Array(body.utf8), key: ledger.key)
    else { throw Failure() }
    return claim
  }

  func count(_ table: String) async throws -> Int {
    try await pool.query("SELECT count(*) FROM \(identifier: table)", deadline: deadline)[0].int(0)
  }

  private static let seed: [Query] = [
    "INSERT INTO organization (id, code, display_name) VALUES (1, 'demo', 'Demo')",
    """
    INSERT INTO service (id, organization_id, code, kind, display_name) VALUES
      (1, 1, 'care', 'CONSULTATION', 'Care'), (2, 1, 'repair', 'ISSUE', 'Repair')
    """,
    """
    INSERT INTO agent (id, organization_id, email, display_name) VALUES
      (1, 1, 'kim@example.com', 'Kim'), (2, 1, 'lee@example.com', 'Lee'), (3, 1, 'boss@example.com', 'Boss'),
      (4, 1, 'stranger@example.com', 'Stranger')
    """,
    "INSERT INTO agent_group (service_id, id, display_name) VALUES (1, 1, 'Front'), (1, 2, 'Back')",
    """
    INSERT INTO service_member (service_id, agent_id, role, has_forward_right) VALUES
      (1, 1, 'AGENT', false), (1, 2, 'AGENT', true), (1, 3, 'ADMINISTRATOR', false), (2, 4, 'AGENT', false)
    """,
    "INSERT INTO group_member (service_id, group_id, agent_id) VALUES (1, 1, 1), (1, 1, 2), (1, 2, 2)",
    "INSERT INTO submission_type (service_id, id, display_name) VALUES (1, 1, 'Leaks')",
  ]
}

extension Result where Failure == LifecycleRefusal {
  var refusal: LifecycleRefusal? {
    if case .failure(let refusal) = self { refusal } else { nil }
  }
}
