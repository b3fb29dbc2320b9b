import EventLoop
import Postgres
import ServiceKit
import TicketLedger

extension MailStore {
  /// What is known of Message-IDs that a mail refers to.
  struct References: Sendable {
    /// The tickets to which the mails belong, ours and customers'.
    var tickets: [String: TicketID] = [:]
    /// An earlier mail that is not decided yet.
    var waiting: Int64?
  }

  /// What is known of Message-IDs that a mail refers to.
  func references(
    _ ids: [String], of mail: InboundRecord, _ key: MailPrintKey, deadline: Deadline
  ) async throws -> References {
    guard !ids.isEmpty else { return References() }
    let former = ids.map { MessageIdentity.identity(ofMessageID: $0) }
    let rows = try await query(
      """
      SELECT m.message_id, m.ticket_id, NULL::bigint FROM mail_message AS m
      WHERE m.service_id = \(mail.serviceID) AND m.message_id = ANY(\(ids))
      UNION ALL
      SELECT asked.message_id, CASE WHEN e.state <> 'WAITING' THEN e.ticket_id END,
        CASE WHEN e.state = 'WAITING' THEN e.id END
      FROM unnest(\(ids), \(former.map(key.keyed)), \(former)) AS asked (message_id, identity, former)
      JOIN inbound_mail AS e ON e.service_id = \(mail.serviceID)
        AND e.identity = ANY (ARRAY[asked.identity, asked.former])
      JOIN inbound_mail AS i ON i.service_id = e.service_id AND i.id = \(mail.id)
      WHERE e.state IN ('TICKET', 'REPLY') OR (e.state = 'WAITING' AND e.id < i.id AND \(fragment: Self.isPatient))
      """, deadline: deadline)
    var found = References()
    for row in rows {
      if let ticket: TicketID = try row.value(1) { found.tickets[try row.string(0)] = ticket }
      if let id: Int64 = try row.value(2) { found.waiting = max(id, found.waiting ?? id) }
    }
    return found
  }

  /// Of these tickets those that exist, and whether somebody takes part in them: as the customer, or as somebody whom
  /// the customer wrote to as well.
  func participation(
    of address: String, in tickets: [TicketID], of service: ServiceID, deadline: Deadline
  ) async throws -> [TicketID: Bool] {
    guard !tickets.isEmpty else { return [:] }
    let rows = try await query(
      """
      SELECT t.id, lower(t.customer_email) = \(address) OR EXISTS (
        SELECT 1 FROM mail_participant AS p
        WHERE p.service_id = t.service_id AND p.ticket_id = t.id AND p.address = \(address))
      FROM ticket AS t WHERE t.service_id = \(service) AND t.id = ANY(\(tickets))
      """, deadline: deadline)
    return Dictionary(try rows.map { (try $0.value(0), try $0.value(1)) }, uniquingKeysWith: { first, _ in first })
  }

  /// People whom a ticket's customer wrote to as well, in the order in which the customer named them.
  static func participants(of ticket: TicketID, in service: ServiceID) -> Query {
    """
    SELECT p.display_name, p.address FROM mail_participant AS p
    WHERE p.service_id = \(service) AND p.ticket_id = \(ticket) ORDER BY p.id LIMIT 50
    """
  }

  /// People who take part in a ticket, with addresses that a mask has left; none when no ticket is named.
  func participants(
    of ticket: TicketID?, in service: ServiceID, deadline: Deadline
  ) async throws -> [ParticipantDraft] {
    guard let ticket else { return [] }
    return try await query(Self.participants(of: ticket, in: service), deadline: deadline)
      .map(ParticipantDraft.init).filter { MailAddress($0.address) != nil }
  }

  /// Which of these addresses, in lower case, are an organization's own: its services send from them, or read them.
  func ownAddresses(
    among addresses: [String], of organization: OrganizationID, deadline: Deadline
  ) async throws -> Set<String> {
    let rows = try await query(
      """
      SELECT lower(s.mail_sender_address) FROM service AS s
      WHERE s.organization_id = \(organization) AND lower(s.mail_sender_address) = ANY(\(addresses))
      UNION
      SELECT lower(a.address) FROM service AS s JOIN mail_account AS a ON a.service_id = s.id
      WHERE s.organization_id = \(organization) AND lower(a.address) = ANY(\(addresses)) AND a.delete_time IS NULL
      """, deadline: deadline)
    return Set(try rows.map { try $0.string(0) })
  }

  /// The ticket at the beginning of a conversation: a reply to a completed ticket opens the next.
  private func firstTicket(
    of ticket: TicketID?, in service: ServiceID, deadline: Deadline
  ) async throws -> TicketID? {
    try await query(
      """
      WITH RECURSIVE earlier AS (
        SELECT t.id, t.previous_ticket_id FROM ticket AS t WHERE t.service_id = \(service) AND t.id = \(ticket)
        UNION
        SELECT t.id, t.previous_ticket_id FROM earlier AS e
        JOIN ticket AS t ON t.service_id = \(service) AND t.id = e.previous_ticket_id
      )
      SELECT e.id FROM earlier AS e WHERE e.previous_ticket_id IS NULL
      """, deadline: deadline
    ).first.map { try $0.value(0) } ?? ticket
  }

  /// The ids of a ticket and of all that followed it.
  private static func conversation(of first: TicketID?, in service: ServiceID) -> Query {
    """
    WITH RECURSIVE later AS (
      SELECT \(first)::bigint AS id
      UNION
      SELECT t.id FROM later AS l JOIN ticket AS t ON t.service_id = \(service) AND t.previous_ticket_id = l.id
    )
    SELECT l.id FROM later AS l
    """
  }

  /// What came of planning a mail.
  enum Planning: Sendable {
    /// It is fixed.
    case planned
    /// One more mail of the sender, or for the ticket, is more than a person writes (``MailBudget``).
    case overBudget
    /// Somebody else has taken it up meanwhile.
    case leaseLost
  }

  /// Fixes what a mail is going to be, within the budget of its sender or its ticket. Mails of one budget that are
  /// judged at the same moment are counted one after the other, those that are planned and not made yet with them.
  func planWithinBudget(_ mail: InboundRecord, sender: [UInt8], deadline: Deadline) async throws -> Planning {
    let isPlanned = try await ServiceError.translating {
      mail.plan == .reply
        ? try await planReply(mail, sender, deadline)
        : try await inboundWrites.plan.perform(.init(mail: mail, sender: sender), deadline: deadline)
    }
    if isPlanned { return .planned }
    let held = try await query(
      "SELECT 1 FROM inbound_mail AS i WHERE \(fragment: Self.isHeld(mail))", deadline: deadline)
    return held.isEmpty ? .leaseLost : .overBudget
  }

  /// Holds for a row `i` while whoever took the mail up has it.
  private static func isHeld(_ mail: InboundRecord) -> Query {
    """
    i.service_id = \(mail.serviceID) AND i.id = \(mail.id) AND i.state = 'WAITING'
      AND i.attempt_count = \(mail.attemptCount)
    """
  }

  private func planReply(_ mail: InboundRecord, _ sender: [UInt8], _ deadline: Deadline) async throws -> Bool {
    let first = try await firstTicket(of: mail.ticketID, in: mail.serviceID, deadline: deadline)
    let key = "mail budget/\(mail.serviceID)/ticket/\(first?.description ?? "")"
    let conversation = Self.conversation(of: first, in: mail.serviceID)
    // Each row counts no further than it has to.
    let room = MailBudget.rows.filter { $0.scope == .repliesToTicket }.reduce("true" as Query) { room, row in
      """
      \(fragment: room) AND (SELECT count(*) FROM (
        SELECT 1 FROM inbound_mail AS b
        WHERE b.service_id = \(mail.serviceID) AND b.ticket_id IN (\(fragment: conversation))
          AND b.ticket_id IS NOT NULL AND b.plan = 'REPLY' AND b.state IN ('REPLY', 'WAITING') AND b.id <> \(mail.id)
          AND b.receive_time > clock_timestamp() - \(row.windowSeconds) * interval '1 second'
        LIMIT \(row.count)) AS seen) < \(Int64(row.count))
      """
    }
    return try await pool.transactionBatch(
      [
        "SELECT pg_advisory_xact_lock(hashtextextended(\(key), 0))",
        """
        UPDATE inbound_mail AS i SET plan = \(mail.plan), ticket_id = \(mail.ticketID), sender_hash = \(sender)
        WHERE \(fragment: Self.isHeld(mail)) AND \(fragment: room) RETURNING 1
        """,
      ], deadline: deadline)[1].isEmpty == false
  }
}
