import Crypto
import EventLoop
import Postgres
import ServiceKit
import TicketLedger

extension MailStore {
  /// The tickets of a service to which mails with these Message-IDs belong, ours and customers'.
  func tickets(
    ofMessageIDs ids: [String], in service: ServiceID, deadline: Deadline
  ) async throws -> [String: TicketID] {
    guard !ids.isEmpty else { return [:] }
    let identities = ids.map { MessageIdentity.identity(ofMessageID: $0) }
    let rows = try await query(
      """
      SELECT m.message_id, m.ticket_id FROM mail_message AS m
      WHERE m.service_id = \(service) AND m.message_id = ANY(\(ids))
      UNION ALL
      SELECT asked.message_id, i.ticket_id
      FROM unnest(\(ids), \(identities)) AS asked (message_id, identity)
      JOIN inbound_mail AS i ON i.service_id = \(service) AND i.identity = asked.identity
      WHERE i.state IN ('TICKET', 'REPLY')
      """, deadline: deadline)
    return Dictionary(try rows.map { (try $0.string(0), try $0.value(1)) }, uniquingKeysWith: { first, _ in first })
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
    let key: String
    let spent: Query
    let rows: [MailBudget.Row]
    switch mail.plan {
    case .reply:
      key = "mail budget/\(mail.serviceID)/ticket/\(mail.ticketID ?? TicketID(0))"
      spent = "b.ticket_id = \(mail.ticketID) AND b.plan = 'REPLY' AND b.state IN ('REPLY', 'WAITING')"
      rows = MailBudget.rows.filter { $0.scope == .repliesToTicket }
    case .ticket, .none:
      key = "mail budget/\(mail.serviceID)/sender/\(Hex.encode(sender))"
      spent = "b.sender_hash = \(sender) AND b.plan = 'TICKET' AND b.state IN ('TICKET', 'WAITING')"
      rows = MailBudget.rows.filter { $0.scope == .inquiriesOfSender }
    }
    // Each row counts no further than it has to.
    let room: Query = rows.reduce("true") { room, row in
      """
      \(fragment: room) AND (SELECT count(*) FROM (
        SELECT 1 FROM inbound_mail AS b
        WHERE b.service_id = \(mail.serviceID) AND \(fragment: spent) AND b.id <> \(mail.id)
          AND b.receive_time > clock_timestamp() - \(row.windowSeconds) * interval '1 second'
        LIMIT \(row.count)) AS seen) < \(Int64(row.count))
      """
    }
    let held: Query = """
      i.service_id = \(mail.serviceID) AND i.id = \(mail.id) AND i.state = 'WAITING'
        AND i.attempt_count = \(mail.attemptCount)
      """
    let answers = try await ServiceError.translating {
      try await pool.transactionBatch(
        [
          "SELECT pg_advisory_xact_lock(hashtextextended(\(key), 0))",
          """
          UPDATE inbound_mail AS i SET plan = \(mail.plan), ticket_id = \(mail.ticketID), sender_hash = \(sender)
          WHERE \(fragment: held) AND \(fragment: room) RETURNING 1
          """,
          "SELECT 1 FROM inbound_mail AS i WHERE \(fragment: held)",
        ], deadline: deadline)
    }
    if !answers[1].isEmpty { return .planned }
    return answers[2].isEmpty ? .leaseLost : .overBudget
  }
}
