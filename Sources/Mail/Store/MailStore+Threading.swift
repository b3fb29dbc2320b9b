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

  /// Whether one more mail of a sender, or for a ticket, is more than a person writes (``MailBudget``).
  func isOverBudget(
    sender: [UInt8], ticket: TicketID?, in service: ServiceID, deadline: Deadline
  ) async throws -> Bool {
    // Each row counts no further than it has to.
    let counts = MailBudget.rows.compactMap { row -> Query? in
      switch row.scope {
      case .inquiriesOfSender:
        guard ticket == nil else { return nil }
        return """
          SELECT count(*) >= \(Int64(row.count)) AS is_over FROM (
            SELECT 1 FROM inbound_mail AS i
            WHERE i.service_id = \(service) AND i.sender_hash = \(sender) AND i.state = 'TICKET'
              AND i.receive_time > clock_timestamp() - \(row.windowSeconds) * interval '1 second'
            LIMIT \(row.count)) AS seen
          """
      case .repliesToTicket:
        guard let ticket else { return nil }
        return """
          SELECT count(*) >= \(Int64(row.count)) AS is_over FROM (
            SELECT 1 FROM inbound_mail AS i
            WHERE i.service_id = \(service) AND i.ticket_id = \(ticket) AND i.state = 'REPLY'
              AND i.receive_time > clock_timestamp() - \(row.windowSeconds) * interval '1 second'
            LIMIT \(row.count)) AS seen
          """
      }
    }
    for count in counts {
      if try await query(count, deadline: deadline)[0].bool(0) { return true }
    }
    return false
  }
}
