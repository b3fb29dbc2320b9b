import EventLoop
import Postgres
import ServiceKit
import TicketLedger

extension MailStore {
  /// A ticket as a mail shows it, with the answer if it is in the history already.
  struct Facts: Sendable {
    var facts: AnswerFacts
    /// The agent's text in the history, as it is now: spans may have been masked since. Nil for a preview.
    var answerText: String?
    /// Who answers; empty when no agent does.
    var agentName: String
    /// When the answer was written, or now; in the service's time zone, to the minute.
    var answeredAt: String
    /// The same, in seconds since 1970.
    var answerSeconds: Int64
    /// The version of the ticket that was read.
    var ticketVersion: Int64
  }

  /// Reads what a mail tells about a ticket; nil when there is no such ticket.
  ///
  /// - Parameters:
  ///   - entry: the answer in the ticket's history, or nil when it is not written yet.
  ///   - agent: who answers, when `entry` is nil; nil: who holds the ticket.
  func facts(
    of ticket: TicketID, in service: ServiceID, entry: EntryID?, agent: AgentID?, deadline: Deadline
  ) async throws -> Facts? {
    let rows = try await query(Self.facts(of: ticket, in: service, entry: entry, agent: agent), deadline: deadline)
    return try rows.first.map { try Self.facts($0, ticket) }
  }

  /// What an answer's mail is written from.
  struct AnswerReading: Sendable {
    let known: Facts
    /// The version of the layout that was fixed with the act; nil: none, or it is gone.
    let layout: LayoutVersion?
    /// See ``thread(of:in:before:)``.
    let thread: [String]
    /// People whom the customer wrote to as well, in the order in which the customer named them.
    let participants: [ParticipantDraft]
    /// Files on the answer.
    let files: [AnswerFile]
  }

  /// Reads all that a mail is written from in one round trip; nil when there is no such ticket.
  ///
  /// - Parameters:
  ///   - entry: the answer in the ticket's history; nil for a mail that is none.
  ///   - sequence: the event that asked for the mail.
  func reading(
    of ticket: TicketID, in service: ServiceID, entry: EntryID?, layout: Int64?, before sequence: Int32,
    deadline: Deadline
  ) async throws -> AnswerReading? {
    let found = try await ServiceError.translating {
      try await pool.lookUp(
        [
          Self.facts(of: ticket, in: service, entry: entry, agent: nil), Self.layout(layout, of: service),
          Self.thread(of: ticket, in: service, before: sequence), Self.participants(of: ticket, in: service),
          Self.files(on: entry, of: ticket, in: service),
        ], deadline: deadline)
    }
    return try found[0].first.map { row in
      AnswerReading(
        known: try Self.facts(row, ticket), layout: try found[1].first.map(LayoutVersion.init),
        thread: try found[2].map { try $0.string(0) }, participants: try found[3].map(ParticipantDraft.init),
        files: try found[4].map(AnswerFile.init))
    }
  }

  private static func facts(
    of ticket: TicketID, in service: ServiceID, entry: EntryID?, agent: AgentID?
  ) -> Query {
    """
    SELECT t.title, t.language, s.code, coalesce(q.body, ''), coalesce(t.customer_id, 0),
      t.customer_name, t.customer_email, t.customer_phone,
      coalesce(st.display_name, ''), coalesce(pt.display_name, ''), coalesce(g.display_name, ''), s.display_name,
      to_char(t.create_time AT TIME ZONE s.time_zone, 'YYYY-MM-DD HH24:MI'),
      s.mail_sender_name, s.mail_sender_address, e.body, coalesce(a.display_name, ''),
      to_char(coalesce(e.create_time, now()) AT TIME ZONE s.time_zone, 'YYYY-MM-DD HH24:MI'),
      floor(extract(epoch FROM coalesce(e.create_time, now())))::bigint, t.version, t.state,
      t.customer_user_code
    FROM ticket t
    JOIN service s ON s.id = t.service_id
    LEFT JOIN agent_group g ON g.service_id = t.service_id AND g.id = t.group_id
    LEFT JOIN submission_type st ON st.service_id = t.service_id AND st.id = t.submission_type_id
    LEFT JOIN processing_type pt ON pt.service_id = t.service_id AND pt.id = t.processing_type_id
    LEFT JOIN ticket_entry e ON e.service_id = t.service_id AND e.ticket_id = t.id AND e.id = \(entry)
    LEFT JOIN agent a ON a.id = coalesce(\(agent), CASE WHEN e.id IS NULL THEN t.agent_id
      WHEN e.actor_kind = 'AGENT' THEN substring(e.actor_name FROM '([0-9]{1,18})$')::bigint END)
    LEFT JOIN LATERAL (
      SELECT i.body FROM ticket_entry i
      WHERE i.service_id = t.service_id AND i.ticket_id = t.id AND i.kind = 'INQUIRY'
        AND (e.create_time IS NULL OR i.create_time <= e.create_time)
      ORDER BY i.create_time DESC, i.id DESC LIMIT 1) q ON true
    WHERE t.service_id = \(service) AND t.id = \(ticket)
    """
  }

  private static func facts(_ row: Row, _ ticket: TicketID) throws -> Facts {
    var facts = AnswerFacts()
    facts.ticketID = ticket.rawValue
    (
      facts.title, facts.language, facts.serviceCode, facts.inquiry, facts.customerNumber, facts.customerName,
      facts.customerEmail, facts.customerPhone
    ) = try row.decode()
    facts.submissionType = try row.string(8)
    facts.processingType = try row.string(9)
    facts.groupName = try row.string(10)
    facts.serviceName = try row.string(11)
    facts.createdAt = try row.string(12)
    facts.senderName = try row.string(13)
    facts.senderAddress = try row.string(14)
    facts.state = try row.string(20)
    facts.customerUserCode = try row.string(21)
    return Facts(
      facts: facts, answerText: try row.optionalString(15), agentName: try row.string(16),
      answeredAt: try row.string(17), answerSeconds: try row.int64(18), ticketVersion: try row.int64(19))
  }

  /// What stands in those of a ticket's fields that a mail can show; several choices are separated by commas.
  ///
  /// Files are no words, and what only administrators see is not for customers.
  ///
  /// - Returns: by code; fields that are not filled in are empty, codes that mean nothing are missing.
  func fieldValues(
    of ticket: TicketID, in service: ServiceID, codes: Set<String>, deadline: Deadline
  ) async throws -> [String: String] {
    guard !codes.isEmpty else { return [:] }
    let rows = try await query(
      """
      SELECT f.code, CASE f.kind WHEN 'CHECKBOX' THEN replace(coalesce(v.value, ''), E'\\n', ', ')
        ELSE coalesce(v.value, '') END
      FROM ticket_field AS f LEFT JOIN ticket_field_value AS v
        ON v.service_id = f.service_id AND v.ticket_id = \(ticket) AND v.field_id = f.id
      WHERE f.service_id = \(service) AND f.code = ANY(\(Array(codes))) AND \(fragment: Self.isShown)
      """, deadline: deadline)
    return Dictionary(try rows.map { (try $0.string(0), try $0.string(1)) }) { first, _ in first }
  }

  /// Of these codes those that fields have which a mail can show.
  func knownFields(_ codes: Set<String>, of service: ServiceID, deadline: Deadline) async throws -> Set<String> {
    guard !codes.isEmpty else { return [] }
    let rows = try await query(
      """
      SELECT f.code FROM ticket_field AS f
      WHERE f.service_id = \(service) AND f.code = ANY(\(Array(codes))) AND \(fragment: Self.isShown)
      """, deadline: deadline)
    return Set(try rows.map { try $0.string(0) })
  }

  private static let isShown: Query =
    "f.delete_time IS NULL AND NOT f.is_administrators_only AND f.kind NOT IN ('FILE', 'CAPTION')"

  /// The addresses of a group's active agents in an order that stays.
  func members(
    of group: GroupID, in service: ServiceID, limit: Int, deadline: Deadline
  ) async throws -> [(address: String, name: String)] {
    try await query(
      """
      SELECT a.email, a.display_name FROM group_member AS m JOIN agent AS a ON a.id = m.agent_id
      WHERE m.service_id = \(service) AND m.group_id = \(group) AND a.is_active ORDER BY a.id LIMIT \(limit)
      """, deadline: deadline
    ).map { (try $0.string(0), try $0.string(1)) }
  }

  /// The address of an active agent; nil when there is none.
  func agent(_ id: AgentID, deadline: Deadline) async throws -> (address: String, name: String)? {
    try await query(
      "SELECT a.email, a.display_name FROM agent AS a WHERE a.id = \(id) AND a.is_active", deadline: deadline
    ).first.map { (try $0.string(0), try $0.string(1)) }
  }

  /// The name of a processing type; nil when the service has none of this id.
  func processingTypeName(
    _ id: ProcessingTypeID, of service: ServiceID, deadline: Deadline
  ) async throws -> String? {
    let rows = try await query(
      "SELECT display_name FROM processing_type WHERE service_id = \(service) AND id = \(id)", deadline: deadline)
    return try rows.first?.string(0)
  }
}
