import Crypto
package import EventLoop
package import HandoffTestKit
package import Postgres
package import RPC
package import ServiceKit
package import TicketLedger

/// A small contact center in a database of its own, for tests of the services: a consultation service `care`, an issue
/// service `tech`, and agents with different rights.
package struct Desk: Sendable {
  /// An agent of `care` in the group Front, without further rights.
  package static let kim = AgentID(1)
  /// An agent of `care` in the groups Front and Back, who may forward.
  package static let lee = AgentID(2)
  /// The administrator of `care`.
  package static let boss = AgentID(3)
  /// An agent of `tech` only.
  package static let stranger = AgentID(4)
  /// An agent of `care` in the group Front who cannot be given tickets and may not unmask.
  package static let away = AgentID(5)
  /// The groups of `care`.
  package static let front = GroupID(1)
  /// The groups of `care`.
  package static let back = GroupID(2)

  /// The database; the desk's pools work on it.
  package let database: TestDatabase
  /// A ledger with a superuser's connections.
  package let ledger: TicketLedger

  /// Opens a desk in a fresh database.
  package static func open() async throws -> Desk {
    let database = try await TestDatabase.make()
    for statement in seed { _ = try await database.pool.query(statement, deadline: TestDatabase.deadline) }
    return Desk(database: database, ledger: try ledger(over: database.pool))
  }

  /// A ledger with the rights of one daemon's database role, so that a missing grant fails a test.
  package func ledger(as role: String) throws -> TicketLedger {
    var configuration = database.configuration
    configuration.role = role
    return try Self.ledger(over: PostgresPool(configuration, group: TestLoops.group))
  }

  private static func ledger(over pool: PostgresPool) throws -> TicketLedger {
    guard let key = LedgerKey(SecretBytes([UInt8](repeating: 7, count: LedgerKey.byteCount))) else {
      throw ServiceError(.internal)
    }
    return TicketLedger(pool: pool, directory: Directory(pool: pool), key: key)
  }

  /// A deadline generous enough for a busy machine.
  package var deadline: Deadline { TestDatabase.deadline }

  /// A call as the gateway makes it for an agent, or, without one, as another daemon makes it for itself.
  package func call(
    _ method: String, by agent: AgentID?, caller: String = "gateway", service: String = "Service"
  ) -> CallContext {
    var metadata = Metadata()
    if let agent { metadata.add(CallMetadata.agent, agent.description) }
    let context = CallContext(
      service: service, method: method, path: "/test.\(service)/\(method)", metadata: metadata, deadline: deadline,
      peer: "in-process")
    context.caller = caller
    return context
  }

  /// A new ticket of `care` with one inquiry, which nobody holds.
  package func newTicket(
    title: String = "세탁기에서 물이 새요", inquiry: String = "아래로 물이 나와요.", email: String = "hong@example.com"
  ) async throws -> (ticket: TicketRecord, name: TicketName, inquiry: EntryID) {
    let service = try await ledger.directory.service(code: "care", deadline: deadline)
    var draft = TicketDraft(service: service, state: .unassigned, title: title, channel: .helpCenter, by: .customer)
    draft.customer.name = "홍길동"
    draft.customer.email = email
    draft.event.entries = [EntryDraft(.inquiry, .create, body: inquiry)]
    let written = try await ledger.create(draft, deadline: deadline)
    return (
      written.ticket, TicketName(service: "care", id: written.ticket.id), EntryID(written.resultIDs[0])
    )
  }

  /// One number from the database.
  package func number(_ query: Query) async throws -> Int64 {
    try await database.pool.query(query, deadline: deadline)[0].int64(0)
  }

  private static let seed: [Query] = [
    "INSERT INTO organization (id, code, display_name) VALUES (1, 'demo', 'Demo')",
    """
    INSERT INTO service (id, organization_id, code, kind, display_name, mail_sender_name, mail_sender_address) VALUES
      (1, 1, 'care', 'CONSULTATION', '고객 상담', '고객센터', 'care@example.org'),
      (2, 1, 'tech', 'ISSUE', '기술 지원', '기술지원', 'tech@example.org')
    """,
    """
    INSERT INTO agent (id, organization_id, email, display_name) VALUES
      (1, 1, 'kim@example.org', '김상담'), (2, 1, 'lee@example.org', '이상담'), (3, 1, 'boss@example.org', '박관리'),
      (4, 1, 'stranger@example.org', '최기술'), (5, 1, 'away@example.org', '정부재')
    """,
    "INSERT INTO agent_group (service_id, id, display_name) VALUES (1, 1, 'Front'), (1, 2, 'Back'), (2, 3, 'Repair')",
    """
    INSERT INTO service_member (service_id, agent_id, role, has_forward_right, has_unmask_right, is_assignable) VALUES
      (1, 1, 'AGENT', false, true, true), (1, 2, 'AGENT', true, true, true), (1, 3, 'ADMINISTRATOR', false, true, true),
      (2, 4, 'AGENT', true, true, true), (1, 5, 'AGENT', false, false, false)
    """,
    """
    INSERT INTO group_member (service_id, group_id, agent_id) VALUES
      (1, 1, 1), (1, 1, 2), (1, 2, 2), (2, 3, 4), (1, 1, 5)
    """,
    "INSERT INTO submission_type (service_id, id, display_name) VALUES (1, 1, '고장'), (2, 2, '수리')",
    "INSERT INTO processing_type (service_id, id, display_name) VALUES (1, 1, '안내'), (2, 2, '조치')",
    // The ids above were chosen by hand; those that the database gives begin behind them.
    "ALTER TABLE agent ALTER COLUMN id RESTART WITH 1000",
    "ALTER TABLE agent_group ALTER COLUMN id RESTART WITH 1000",
  ]
}
